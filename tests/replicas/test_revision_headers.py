"""`Goldenrod-Revision` says what an answer shows; `Goldenrod-Min-Revision` asks for no less."""

import pytest

from goldenrod.base import config
from goldenrod.client import Client
from goldenrod.store.db import Database
from goldenrod.store.revision import read_seen
from goldenrod.web.pages.kit import cookies
from tests.support.cast import World
from tests.support.client import ApiClient, Result, code
from tests.support.pages.visitor import Visitor

OUT, IN = "goldenrod-revision", "Goldenrod-Min-Revision"
IMAGES = "/api/v2/images"


def number(answer: Result) -> int:
    seen = read_seen(answer.headers[OUT])
    assert seen is not None
    return seen.revision


def test_every_answer_says_its_revision_and_none_is_older_than_asked_for(
    api: ApiClient, db: Database, world: World
) -> None:
    first = api.get(IMAGES)
    assert api.get(IMAGES).headers[OUT] == first.headers[OUT]  # from the cache
    made = api.post(IMAGES, "alice", {"name": "new"})
    seen = made.headers[OUT]
    assert number(made) == number(first) + 1
    with db.write_unversioned():
        pass
    for _ in range(2):
        after = api.get(IMAGES, headers={IN: seen})
        assert (after.status_code, after.headers[OUT]) == (200, seen)
    tag = {"If-None-Match": after.headers["etag"], IN: first.headers[OUT]}
    unchanged = api.get(IMAGES, headers=tag)
    assert (unchanged.status_code, unchanged.headers[OUT]) == (304, seen)
    assert api.get(f"{IMAGES}/999999").headers[OUT] == seen
    # Nothing was changed by what was refused or tried only.
    refused = api.post(IMAGES, "alice", {"name": ""})
    tried = api.post(
        f"/image_versions/{world.versions['open']}/revoke",
        "alice",
        {"reason": "bad", "dry_run": True},
    )
    assert refused.status_code == 400 and tried.status_code == 200, tried.text
    assert refused.headers[OUT] == tried.headers[OUT] == api.get(IMAGES).headers[OUT] == seen


def test_what_the_database_does_not_have_is_503_and_never_an_older_answer(
    api: ApiClient, db: Database
) -> None:
    now = api.get(IMAGES).headers[OUT]
    revision, _, mark = now.partition("-")
    other = f"{revision}-{'0' * 16}"
    for ahead in (f"{int(revision) + 1}-{mark}", other):
        for _ in range(2):
            answer = api.get(IMAGES, headers={IN: ahead})
            assert code(answer) == "503 revision_not_reached"
            assert answer.headers["retry-after"] == "1"
    ahead = f"{int(revision) + 1}-{mark}"
    change = api.post(IMAGES, "alice", {"name": "new"}, headers={IN: ahead})
    assert code(change) == "503 revision_not_reached"
    assert api.get(IMAGES).headers[OUT] == now
    with db.write():
        pass
    # The number has passed, so the other mark cannot be told from one that came before.
    assert api.get(IMAGES, headers={IN: other}).status_code == 200
    assert api.get(IMAGES, headers={IN: ahead}).status_code == 503


@pytest.mark.parametrize(
    "given", ["1", "x-1", f"1-{'0' * 17}", f"1-{'0' * 16}, 2-{'0' * 16}", "١-0"]
)
def test_what_is_no_revision_is_refused_and_changes_nothing(api: ApiClient, given: str) -> None:
    given = given.encode().decode("latin-1")
    now = api.get(IMAGES).headers[OUT]
    assert code(api.get(IMAGES, headers={IN: given})) == "400 revision_malformed"
    assert code(api.get(IMAGES, "nobody's", headers={IN: given})) == "401 token_invalid"
    change = api.post(IMAGES, "alice", {"name": "new"}, headers={IN: given})
    assert code(change) == "400 revision_malformed"
    assert api.get(IMAGES).headers[OUT] == now


def test_an_answer_is_not_cached_past_a_number_that_came_again(
    api: ApiClient, db: Database, world: World
) -> None:
    """A primary that lost its last changes counts on from an earlier number."""
    address = f"/image_versions/{world.versions['open']}"
    before = api.get(address).headers[OUT]
    lost = api.patch(address, "alice", {"min_cpu": 3})
    assert api.get(address).json["min_cpu"] == 3
    revision = int(before.partition("-")[0])
    with db.connection() as connection:
        for back in ("versions SET min_cpu = 5", f"catalogue SET revision = {revision}"):
            connection.execute(f"UPDATE {back}")
    with db.write():
        pass
    again = api.get(address)
    assert number(again) == number(lost) and again.headers[OUT] != lost.headers[OUT]
    assert again.json["min_cpu"] == 5
    assert code(api.get(address, headers={IN: lost.headers[OUT]})) == "503 revision_not_reached"


def test_a_signed_in_browser_remembers_what_it_saw_where_there_are_several_servers(
    db: Database, world: World
) -> None:
    urls = "postgresql://one:5432,two:5432/goldenrod"
    visitor = Visitor(db, config.load({"GOLDENROD_DATABASE_URL": urls, "GOLDENROD_CACHE_MB": "0"}))
    visitor.sign_in("alice")
    visitor.get("/images")
    with db.read() as tx:
        assert visitor.cookies[cookies.REVISION] == f"{tx.revision}-{tx.mark}"
    visitor.cookies[cookies.REVISION] = f"{tx.revision + 1}-{tx.mark}"
    assert visitor.get("/images").status == 503
    # What is no revision is as good as none.
    visitor.cookies[cookies.REVISION] = "x"
    visitor.get("/images")


def test_the_client_remembers_the_newest_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx

    told = iter(["7-aaaaaaaaaaaaaaaa", "6-bbbbbbbbbbbbbbbb", None, "7-cccccccccccccccc", "8-", "x"])
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get(IN))
        seen = next(told)
        return httpx.Response(200, json={}, headers={OUT: seen} if seen else {})

    server = Client("http://images.example.org")
    server._http = httpx.Client(base_url=server.url, transport=httpx.MockTransport(answer))
    for _ in range(6):
        server.get("/images")
    a, c = "7-aaaaaaaaaaaaaaaa", "7-cccccccccccccccc"
    assert asked == [None, a, a, a, c, c]
    assert server.revision == c
