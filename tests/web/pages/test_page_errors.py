"""What a browser sees when it is refused something, what programs see, and what pages load."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

import pytest

from goldenrod.base import config
from goldenrod.base.errors import Unavailable
from goldenrod.store.db import Database
from goldenrod.web.pages.images import search
from goldenrod.web.pages.kit import assets
from goldenrod.web.pages.routes import PAGES
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.pages.visitor import ACCEPT, Visitor

HTML = "text/html; charset=utf-8"
PROBLEM = "application/problem+json"

# What a browser asks, who is signed in, the status, what the page says, and where it leads.
REFUSED = [
    (
        "GET",
        "/nowhere",
        None,
        404,
        "If it was shared with you, sign in",
        "/sign-in?next=%2Fnowhere",
    ),
    ("GET", "/nowhere", "charlie", 404, "Page not found", "/"),
    ("GET", "/api/v2/images/closed-image", None, 404, "Page not found", "/"),
    ("GET", "/account", None, 401, "Sign in to do this.", "/sign-in?next=%2Faccount"),
    ("POST", "/account/sign-out-everywhere", None, 401, "Sign in to do this.", "/"),
    ("POST", "/sign-in", None, 403, "send it again. Nothing was changed", "/"),
    ("POST", "/account/sign-out-everywhere", "alice", 403, "reload the page", "/"),
    ("POST", "/", None, 405, "This address takes GET", "/"),
    ("DELETE", "/account", "alice", 405, "This address takes GET", "/"),
    ("GET", "/?page=x", None, 400, "takes a whole number", "/"),
    ("GET", "/image_versions?x=1", None, 400, "x is not a parameter", "/"),
]


@pytest.mark.parametrize(("method", "address", "who", "status", "says", "leads"), REFUSED)
def test_a_browser_sees_a_page_that_says_what_to_do(
    visitor: Visitor,
    method: str,
    address: str,
    who: str | None,
    status: int,
    says: str,
    leads: str,
) -> None:
    if who:
        visitor.sign_in(who)
    page = visitor.ask(method, address, body="" if method == "POST" else None)
    assert (page.status, page.headers["content-type"]) == (status, HTML)
    assert says in page.words
    assert leads in page.links
    assert ("Sign in" in page.links or "/account" in page.links) == (who is not None)
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["vary"] == "Accept, Cookie, Authorization, Accept-Encoding"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert page.text.count("<h1>") == page.text.count("<main") == 1


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/plain", None, "text/*;q=0.1"])
def test_programs_see_problem_documents_as_before(api: ApiClient, accept: str | None) -> None:
    headers = {} if accept is None else {"Accept": accept}
    for answer in (
        api.get("/nowhere", headers=headers),
        api.get("/api/v2/images/nothing", headers=headers),
        api.get("/account", headers=headers),
        api.get("/?page=x", headers=headers),
    ):
        assert answer.headers["content-type"] == PROBLEM
        assert answer.headers["cache-control"] == "no-store"


def test_who_takes_json_rather_gets_it(api: ApiClient) -> None:
    for accept in ("application/json, text/html;q=0.9", "text/html;q=0.5, */*"):
        answer = api.get("/nowhere", headers={"Accept": accept})
        assert code(answer) == "404 not_found"
    answer = api.get("/nowhere", headers={"Accept": "application/json;q=0.5, text/html"})
    assert answer.headers["content-type"] == HTML


def test_success_is_what_the_address_answers_whoever_asks(api: ApiClient, visitor: Visitor) -> None:
    """Only refusals depend on Accept: the API's answers do not, nor do pages."""
    page = visitor.get("/image_versions")
    assert page.headers["content-type"] == "application/json"
    assert page.headers["vary"] == "Authorization, Accept, Accept-Encoding"
    answer = api.get("/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, HTML)


def test_a_wrong_token_is_401_on_pages_too(visitor: Visitor, world: World) -> None:
    for header in ("Token wrong", "Basic YTpi", ""):
        for address in ("/", "/search?q=a", "/sign-in", "/nowhere"):
            page = visitor.get(address, headers={"Authorization": header})
            assert page.status == 401, (address, header)
    # A right one says who asks, without a cookie: what feeds are read with.
    page = visitor.get("/", headers={"Authorization": f"Token {world.secrets['bob']}"})
    assert "shared image" in page.words
    assert page.headers["cache-control"] == "private, no-cache"
    assert "shared" not in visitor.get("/").text


def test_a_token_signs_nobody_out(visitor: Visitor, world: World) -> None:
    """Forms belong to browsers that have signed in: a token has no form to send."""
    headers = {"Authorization": f"Token {world.secrets['alice']}"}
    page = visitor.ask("POST", "/account/sign-out-everywhere", body="token=", headers=headers)
    assert page.status == 403


@pytest.mark.parametrize(
    ("referer", "leads"),
    [
        (
            "http://falconframework.org/images/x/edit?a=1",
            "/sign-in?next=%2Fimages%2Fx%2Fedit%3Fa%3D1",
        ),
        ("http://evil.example/images/x", "/sign-in"),
        ("http://[evil", "/sign-in"),
        (None, "/sign-in"),
    ],
)
def test_who_was_signed_out_is_led_back_to_their_form(
    visitor: Visitor, referer: str | None, leads: str
) -> None:
    headers = {"Referer": referer} if referer else {}
    page = visitor.ask("POST", "/account/sign-out-everywhere", body="", headers=headers)
    assert page.status == 401
    assert leads in page.links


def test_no_address_makes_a_link_to_another_site(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address in ("//evil.example/x", "///evil.example", "/%2fevil.example"):
        for link in visitor.client.simulate_get(address, headers={"Accept": ACCEPT}).text.split(
            '"'
        ):
            assert not link.startswith(("//", "http", "\\"))


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret that must not be told")

    monkeypatch.setattr(search, "asked_filters", fail)
    yield


def test_a_fault_of_ours_is_a_page_without_its_trace(
    visitor: Visitor, broken: None, caplog: pytest.LogCaptureFixture
) -> None:
    page = visitor.get("/")
    assert (page.status, page.headers["content-type"]) == (500, HTML)
    assert "send the time and the address" in page.words
    assert "secret" not in page.text
    assert "a secret that must not be told" in caplog.text


def test_where_not_even_the_page_can_be_made_the_problem_document_stands(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no template")

    monkeypatch.setattr("goldenrod.web.pages.kit.render.render", fail)
    page = visitor.get("/nowhere")
    assert (page.status, page.headers["content-type"]) == (404, PROBLEM)
    assert "no template" in caplog.text


def test_while_the_database_is_away_the_page_says_so(
    db: Database, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.sign_in("alice")

    def away() -> None:
        raise Unavailable("The database is away or busy.", code="database_unavailable")

    for way in ("current_revision", "read"):
        monkeypatch.setattr(db, way, away)
    page = visitor.get("/account")
    assert (page.status, page.headers["retry-after"]) == (503, "1")
    assert "The catalogue is busy" in page.words
    assert "goldenrod_session" in visitor.cookies, "nobody is signed out by it"


def test_a_head_of_a_page_is_its_get_without_the_body(visitor: Visitor) -> None:
    for address in ("/", "/sign-in", "/nowhere"):
        visitor.cookies = {"goldenrod_visit": "x"}
        got, head = visitor.get(address), visitor.ask("HEAD", address)
        assert (head.status, head.text) == (got.status, "")
        assert head.headers["content-length"] == str(len(got.text.encode()))


def test_a_trailing_slash_is_redirected(visitor: Visitor) -> None:
    page = visitor.get("/search/?q=a")
    assert (page.status, page.headers["location"]) == (308, "/search?q=a")


# ── what pages load ────────────────────────────────────────────────────────────────────────


def loaded(text: str) -> set[str]:
    return {*re.findall(r'(?:src|href)="([^"#?]+\.(?:css|js|svg))"', text)}


def test_everything_a_page_loads_is_there_and_kept_for_good(visitor: Visitor) -> None:
    first = loaded(visitor.get("/").text)
    assert {address.rpartition("/")[2] for address in first} == {"style.css", "site.js", "mark.svg"}
    found = loaded(visitor.get("/sign-in").text)
    assert {address.rpartition("/")[2] for address in found - first} == {"forms.css"}
    for address in found:
        file = visitor.get(address)
        assert file.status == 200
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert file.headers["x-content-type-options"] == "nosniff"
        tag = {"If-None-Match": file.headers["etag"]}
        again = visitor.get(address, headers=tag)
        assert (again.status, again.text) == (304, "")
    # A page of another release asks for what is there now, and does not keep it.
    other = visitor.get("/static/0123456789abcdef/style.css")
    assert (other.status, other.headers["cache-control"]) == (200, "public, no-cache")


def test_modules_import_what_is_there() -> None:
    names = assets.assets().keys()
    for name, asset in assets.assets().items():
        if name.endswith(".js"):
            imported = re.findall(r'from "\./([^"]+)"', asset.content.decode())
            assert {*imported} <= names, name
    entry = assets.assets()["site.js"].content.decode()
    assert len(re.findall(r'from "\./', entry)) >= 4


@pytest.mark.parametrize(
    "name", ["nothing.css", "../pages/visit.py", "reference.css", "style.css/x"]
)
def test_other_files_are_not_served(visitor: Visitor, name: str) -> None:
    assert visitor.get(f"/static/x/{name}").status == 404


def test_nothing_is_loaded_from_elsewhere() -> None:
    for name, asset in assets.assets().items():
        if not ((assets.STATIC / name).exists() or name in assets.STYLES):
            continue  # a picture of a document
        text = asset.content.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", text), name


def test_pages_say_nothing_inline(visitor: Visitor) -> None:
    """The policy forbids it, and the page would be broken."""
    visitor.sign_in("alice")
    for address in ("/", "/search?q=open-east", "/account", "/nowhere"):
        page = visitor.get(address)
        policy = page.headers["content-security-policy"]
        assert policy == (
            "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
            "frame-ancestors 'none'"
        )
        assert not re.search(
            r"<style|<script(?! type=\"module\" src=)|\sstyle=|\son\w+=", page.text
        )
        assert not re.search(r'(?:src|action)="(?!/)', page.text)


def test_no_two_pages_have_the_same_method_and_path() -> None:
    asked = [(route.method, route.path) for route in PAGES]
    assert len(asked) == len({*asked})


def test_accept_is_what_browsers_send(api: ApiClient, db: Database, world: World) -> None:
    assert Visitor(db, config.load({})).get("/nowhere").headers["content-type"] == HTML
    assert api.get("/nowhere", headers={"Accept": ACCEPT}).headers["content-type"] == HTML


@pytest.mark.parametrize("path", ["/a%20b", "/100%25", "/caf%C3%A9", "/a%2Fb", "/x;y=1,2"])
def test_signing_in_leads_back_to_the_address_as_it_was(visitor: Visitor, path: str) -> None:
    page = visitor.get(f"/nowhere{path}")
    [sign_in, _] = [link for link in page.links if link.startswith("/sign-in")]
    form = visitor.get(sign_in).form("/sign-in")
    [then] = form.fields["next"]
    assert unquote(then) == unquote(f"/nowhere{path}")
    assert then.isascii()
