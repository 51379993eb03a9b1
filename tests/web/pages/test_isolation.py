"""On pages, a text that runs from right to left never changes the order of the text beside it."""

import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from markupsafe import Markup

from goldenrod.base.bidi import isolated_by_controls
from goldenrod.web.pages import isolation
from goldenrod.web.pages.kit.markdown import markdown
from goldenrod.web.pages.kit.render import marked
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import Visitor

API = "/api/v2"
RTL = re.compile("[\u05d0-\u05ea]")
BETWEEN_CONTROLS = re.compile("\u2068[^\u2069a-zA-Z]*\u2069")
VOID = {"meta", "link", "input", "img", "br", "hr", "path", "rect", "circle", "line"}
WITHOUT_ELEMENTS = {"title", "option", "text", "desc"}
MOST_PAGES = 130


class Reader(HTMLParser):
    """Collects what is wrong with a page whose persons write in Hebrew only, and its links."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.isolated = 0
        self.links: list[str] = []
        self._open: list[tuple[str, bool, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.append(given.get("href", ""))
        isolates = tag == "bdi" or given.get("dir") == "auto"
        typed = tag == "input" and given.get("type", "text") in ("text", "search", "url")
        for name, value in given.items():
            if name in ("aria-label", "title", "alt", "data-l"):
                self._by_controls(f"{tag} {name}", value)
            if typed and name == "value" and RTL.search(value) and not isolates:
                self.wrong.append(f"input: {value}")
        if tag not in VOID:
            self._open.append((tag, isolates, []))

    def handle_endtag(self, tag: str) -> None:
        while tag in (one[0] for one in self._open):
            name, isolates, texts = self._open.pop()
            text = "".join(texts)
            if isolates and texts and re.search("[a-zA-Z]", text):
                self.wrong.append(f"{name} has more than the text: {text}")
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        if not RTL.search(data):
            near = next((one for one in reversed(self._open) if one[1]), None)
            if near is not None and near[2]:
                near[2].append(data)
            return
        if self._open[-1][0] in WITHOUT_ELEMENTS:
            self._by_controls(self._open[-1][0], data)
            return
        near = next((one for one in reversed(self._open) if one[1]), None)
        if near is None or "html" in near[0]:
            path = " ".join(one[0] for one in self._open)
            self.wrong.append(f"{path}: {data}")
        else:
            near[2].append(data)
            self.isolated += 1

    def _by_controls(self, where: str, text: str) -> None:
        if RTL.search(BETWEEN_CONTROLS.sub("", text)):
            self.wrong.append(f"{where}: {text}")


def in_hebrew(api: ApiClient, world: World) -> None:
    """Name everything that can be named in Hebrew."""

    def send(method: str, address: str, **body: object) -> None:
        answer = api.ask(method, API + address, "dora", body)
        assert answer.status_code in (200, 201), (address, answer.text)

    send("POST", "/users", username="דנה", password="some long secret")
    send("POST", "/groups", name="קבוצה", users=["דנה"], leaders=["דנה"])
    send("PATCH", f"/groups/{world.groups['lab']}", name="מעבדה")
    send("PATCH", f"/licenses/{world.licenses['apache']}", title="רישיון")
    send("PATCH", f"/boot_scripts/{world.scripts['setup']}", title="סקריפט")
    send("PATCH", f"/identities/{world.identities['alice@east']}", key="חשבון")
    send("POST", "/tokens", name="אסימון 4")
    for name in ("east", "west"):
        send("PATCH", f"/providers/{world.providers[name]}", name=f"ענן {world.providers[name]}")
    send("PATCH", f"/tags/{api.get(f'{API}/tags').json['results'][0]['id']}", name="תג")
    for machine in api.all(f"{API}/provider_machines", "dora"):
        named = {"identifier": f"מכונה {machine['id']}", "architecture": "ארכ"}
        send("PATCH", f"/provider_machines/{machine['id']}", **named)
    for name, image in world.images.items():
        version = world.versions[name]
        send("PATCH", f"/images/{image}", name=f"תמונה {image}", description="תיאור 5\n\n- עוד")
        log = "## כותרת\n\nשורה 1 (2)\n\n- פריט\n\n| א | ב |\n|---|---|\n| 1 | ג |"
        send("PATCH", f"/image_versions/{version}", name=f"גרסה {image}", change_log=log)
        send("PATCH", f"/images/{image}", owner="דנה", maintainers=["קבוצה"], tags=["תג", "שני"])
    children = {"image": "open-image", "parent": world.versions["open"]}
    send("POST", "/image_versions", **children, name="בן 2", change_log="אחר\nשורה")
    at = {"deprecation": {"reason": "ישן 3"}}
    send("PATCH", f"/image_versions/{world.versions['kept']}", **at)
    send("POST", f"/image_versions/{world.versions['closed']}/revoke", reason="פגום 9")
    send("PUT", "/images/open-image/channels/stable", version=world.versions["open"])
    send("PATCH", "/images/open-image/channels/stable", restricted=True, groups=["מעבדה", "קבוצה"])
    send("POST", "/webhooks", target="https://8.8.8.8/", events=["version.published"], image=1)


@pytest.mark.long
def test_on_every_page(api: ApiClient, dora: Visitor, world: World) -> None:
    _walk(api, dora, world, ["/", "/staff", "/account"], MOST_PAGES)


def test_on_a_few_pages(api: ApiClient, dora: Visitor, world: World) -> None:
    open_version = "/images/open-image/versions/%D7%92%D7%A8%D7%A1%D7%94%201"
    few = [
        "/",
        "/search?q=%D7%AA%D7%9E%D7%95%D7%A0%D7%94",
        "/images/open-image",
        open_version,
        f"{open_version}/share",
    ]
    _walk(api, dora, world, [*few, "/account/tokens", f"/groups/{world.groups['lab']}"], 0)
    feed = dora.get("/images/open-image/feed.atom").text
    assert "<title>\u2068תמונה\u2069 1 \u2068גרסה\u2069 1</title>" in feed
    assert "<bdi>" not in feed


def _walk(api: ApiClient, dora: Visitor, world: World, begin: list[str], most: int) -> None:
    in_hebrew(api, world)
    waiting, seen, isolated = list(begin), set(begin), 0
    count = 0
    while waiting and count < max(most, len(begin)):
        address = waiting.pop(0)
        page = dora.get(address)
        assert page.status == 200, address
        if not page.headers["content-type"].startswith("text/html"):
            continue
        reader = Reader()
        reader.feed(page.text)
        assert not reader.wrong, (address, reader.wrong[:5])
        isolated += reader.isolated
        count += 1
        for link in reader.links if most else ():
            path = urlsplit(link).path
            inside = (
                not urlsplit(link).netloc
                and path.startswith("/")
                and not path.startswith(("/docs", "/api", "//"))
            )
            # One of each kind of address is enough.
            kind = re.sub(r"(closed|shared|kept|ended|scheduled)-image|\d+", "x", path)
            if inside and not path.endswith((".atom", ".json")) and kind not in seen:
                seen.add(kind)
                waiting.append(link.partition("#")[0])
    assert isolated > (300 if most else 100)
    assert count > 60 or not most


def test_a_name_is_isolated_by_the_direction_that_it_has() -> None:
    assert isolation.isolated("plain & simple") == "plain & simple"
    assert isolation.isolated("שם <1>") == "<bdi>שם &lt;1&gt;</bdi>"
    assert isolation.isolated(": שם") == ": <bdi>שם</bdi>"
    assert isolation.isolated("v1 שם (2)") == "<bdi>v1 <bdi>שם</bdi> (2)</bdi>"
    assert isolation.isolated("v1\u202e2") == "<bdi>v1<bdi>\u202e</bdi>2</bdi>"
    assert isolation.isolated(Markup("<b>שם</b>")) == "<b>שם</b>"
    assert isolation.sentence("שם 1 was removed.") == "<bdi>שם</bdi> 1 was removed."
    assert isolation.sentence("Added שם, בן.") == "Added <bdi>שם</bdi>, <bdi>בן</bdi>."
    assert isolation.joined(["a", "שם", "b&"], ", ") == "a, <bdi>שם</bdi>, b&amp;"
    assert isolation.joined(["a", "b"], ", ") == "a, b"
    assert isolated_by_controls("Edit שם 2 now") == "Edit \u2068שם\u2069 2 now"
    assert marked("שם x", "x") == "<bdi>שם <mark>x</mark></bdi>"


def test_each_block_of_a_change_log_has_its_own_direction() -> None:
    shown = markdown("# שם\n\nplain\n\n- one\n\n```\nשם\n```\n")
    for tag in ("h3", "p", "ul", "li"):
        assert f'<{tag} dir="auto">' in shown
    assert 'dir="auto"' not in markdown("# plain\n\ntext")
