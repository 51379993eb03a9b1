"""Whatever links lead to: the anonymous and the stranger never meet a private name.

Every link of every page is followed, as far as they lead within the site: pages, feeds, the drawn
lineage, the JSON that pages name. What is looked for is everything by which the demonstration's
private things could be known. It is the server alone that is asked here, as a browser asks it.
"""

import json
import re
from html import unescape
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from goldenrod.demo.catalogue import PASSWORD
from tests.browser.visits import Site

pytestmark = pytest.mark.long

MOST = 400
"""So many addresses are followed at most, each page of a kind before more of the same."""
PER_KIND = 4
"""Of addresses that differ in names of versions or in their query alone, so many."""
PRIVATE = (
    "Research workbench",
    "research-workbench",
    "Mount shared data",
    "storage.lab.example",
    "7c9e6679",  # the ids of the workbench's machines on the private cloud
    "campus",
    "lab",
    "bob",
    "dora",
    "R 4.5",
    "hooks.example",
)
LINK = re.compile(r"""\b(?:href|src|action)="([^"]+)\"""")
ACCEPT = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def hidden(site: Site) -> list[str]:
    """What may not be met: names, and the ids of the private image and its versions."""
    with httpx.Client(base_url=site.url) as client:
        asked = {"username": "alice", "password": PASSWORD, "name": "walk", "scope": "read"}
        secret = client.post("/api/v2/tokens", json=asked).raise_for_status().json()["token"]
        client.headers["Authorization"] = f"Token {secret}"
        image = client.get("/api/v2/images/research-workbench").raise_for_status().json()
    return [*PRIVATE, image["uuid"], *(one["id"] for one in image["versions"])]


def kind(address: str) -> str:
    """What addresses of the same sort of page have in common."""
    path = re.sub(r"/(versions|compare)/[^/]+", r"/\1/…", urlsplit(address).path)
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+", "…", path)


def met(text: str, hidden: list[str], own: str) -> list[str]:
    """Which of the hidden a text tells, as words of their own."""
    return [
        name
        for name in hidden
        if name != own and re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)
    ]


def walk(client: httpx.Client) -> dict[str, httpx.Response]:
    """Every address that links lead to, breadth first, with its answer."""
    seen: dict[str, httpx.Response] = {}
    counted: dict[str, int] = {}
    # Words that the private things hold.
    waiting = ["/", "/search?q=python", "/search?q=data", "/search/suggest?q=build"]
    while waiting and len(seen) < MOST:
        address = waiting.pop(0)
        if address in seen or counted.get(kind(address), 0) >= PER_KIND:
            continue
        counted[kind(address)] = counted.get(kind(address), 0) + 1
        answer = seen[address] = client.get(address)
        if not answer.headers.get("content-type", "").startswith(("text/html", "application/atom")):
            continue
        for link in LINK.findall(answer.text):
            to = urlsplit(urljoin(str(answer.url), unescape(link)))
            if f"{to.scheme}://{to.netloc}" == str(client.base_url).rstrip("/"):
                waiting.append(to._replace(scheme="", netloc="", fragment="").geturl())
    return seen


@pytest.mark.parametrize("who", ["nobody", "charlie"])
def test_no_link_leads_to_a_private_name(site: Site, hidden: list[str], who: str) -> None:
    with httpx.Client(base_url=site.url, headers=ACCEPT, follow_redirects=True) as client:
        if who != "nobody":
            form = client.get("/sign-in").text
            [token] = set(re.findall(r'name="token" value="([^"]+)"', form))
            fields = {"username": who, "password": PASSWORD, "token": token}
            assert who in client.post("/sign-in", data=fields).text
        seen = walk(client)
    assert all(answer.status_code < 500 for answer in seen.values())
    kinds = {kind(address) for address, answer in seen.items() if answer.status_code == 200}
    assert any(one.endswith("/feed.atom") for one in kinds)
    assert any("/versions/…" in one for one in kinds)
    assert any("/compare/…" in one for one in kinds)
    assert any(one.endswith("/lineage") for one in kinds)
    told = {
        address: found
        for address, answer in seen.items()
        # The help is the same in every catalogue; its examples are those of the demonstration.
        if kind(address).split("/")[1] != "help" and (found := met(answer.text, hidden, who))
    }
    assert not told


def test_what_is_looked_for_would_be_found(site: Site, hidden: list[str]) -> None:
    text = json.dumps({"name": hidden[0], "ids": hidden[-2:]})
    assert met(text, hidden, "nobody") == [hidden[0], *hidden[-2:]]
    with httpx.Client(base_url=site.url, headers=ACCEPT, follow_redirects=True) as client:
        form = client.get("/sign-in").text
        [token] = set(re.findall(r'name="token" value="([^"]+)"', form))
        client.post("/sign-in", data={"username": "bob", "password": PASSWORD, "token": token})
        page = client.get("/images/research-workbench").text
        assert {"Research workbench", "research-workbench", "lab"} <= {*met(page, hidden, "bob")}
