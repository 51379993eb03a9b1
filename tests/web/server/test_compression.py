"""Compressed answers: which form a request gets, its tag, what is cached, what is never compressed."""

import gzip
import json
import sys
import threading
import time

import pytest

from goldenrod.base import config
from goldenrod.store.db import Database
from goldenrod.web import content_coding
from tests.support.cast import World
from tests.support.client import ApiClient, lasting
from tests.support.pages.visitor import Visitor

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

VERSIONS = "/image_versions"
CODINGS = {"gzip": gzip.decompress, "zstd": zstd.decompress}


@pytest.mark.parametrize(
    ("accepted", "coding"),
    {
        "": "identity",
        "gzip": "gzip",
        "x-gzip": "gzip",
        "GZIP;Q=0.3": "gzip",
        "gzip, deflate, br, zstd": "zstd",
        "zstd;q=0.5, gzip": "gzip",
        "zstd;q=0, gzip;q=0.001": "gzip",
        "gzip;q=0, zstd;q=0": "identity",
        "identity, gzip;q=0.5": "identity",
        "identity;q=0.5, gzip;q=0.5": "gzip",
        "*": "zstd",
        "*;q=0": "identity",
        "*;q=0.5, gzip;q=0.8": "gzip",
        "zstd;q=0, *": "gzip",
        "br, deflate": "identity",
        "gzip;q=abc, zstd;q=2x": "identity",
        "gzip;": "identity",
        ", ,gzip ;q=1.000 ,": "gzip",
        "identity;q=0": "identity",
    }.items(),
)
def test_the_coding_that_the_request_likes_best_is_chosen(accepted: str, coding: str) -> None:
    assert content_coding.choose(accepted) == coding


def test_each_form_has_a_tag_of_its_own_that_conditions_accept(
    api: ApiClient, db: Database, world: World
) -> None:
    one = f"{VERSIONS}/{world.versions['open']}"
    for address in (VERSIONS, one, "/", "/docs", "/openapi.json", "/images/open-image/feed.atom"):
        whole = api.get(address)
        tag = whole.headers["etag"]
        assert "content-encoding" not in whole.headers
        for coding, decompress in CODINGS.items():
            accepts = {"Accept-Encoding": coding}
            answer = api.get(address, headers=accepts)
            assert answer.headers["content-encoding"] == coding
            assert decompress(answer.content) == whole.content, address
            assert answer.headers["content-length"] == str(len(answer.content))
            coded = f'{tag[:-1]}-{coding}"'
            assert answer.headers["etag"] == coded
            assert "Accept-Encoding" in answer.headers["vary"]
            head = api.ask("HEAD", address, headers=accepts)
            assert (head.content, lasting(head)) == (b"", lasting(answer))
            # What a cache has is confirmed in the form that it has, if this request accepts it.
            for given, expected in (
                (coded, coded),
                (tag, tag),
                (f"W/{coded}", coded),
                ("*", coded),
            ):
                again = api.get(address, headers=accepts | {"If-None-Match": given})
                assert (again.status_code, again.headers["etag"]) == (304, expected)
            refused = {"Accept-Encoding": "identity", "If-None-Match": coded}
            assert api.get(address, headers=refused).content == whole.content
            assert api.get(address, headers={"If-None-Match": coded}).status_code == 304
            assert api.get(address, headers=accepts | {"If-Match": coded}).status_code == 200
    for coding in CODINGS:
        accepts = {"Accept-Encoding": coding}
        coded = api.get(one, "alice", headers=accepts).headers["etag"]
        changed = api.patch(
            one, "alice", {"change_log": coding * 40}, headers=accepts | {"If-Match": coded}
        )
        assert (changed.status_code, changed.headers["content-encoding"]) == (200, coding)
        # The same tag as GET has now.
        assert changed.headers["etag"] == api.get(one, "alice", headers=accepts).headers["etag"]
    many = {"identifiers": ["open-east", "none"]}
    found = api.post("/lookup", None, many, headers={"Accept-Encoding": "gzip"})
    assert json.loads(gzip.decompress(found.content)) == api.post("/lookup", None, many).json


def test_compressed_forms_are_cached_with_their_answer(
    api: ApiClient, db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    compressed: list[str] = []
    compress = content_coding.compress

    def counted(body: bytes, coding: str) -> bytes:
        compressed.append(coding)
        return compress(body, coding)

    monkeypatch.setattr(content_coding, "compress", counted)
    for _ in range(3):
        for accepted in ("gzip", "zstd", "gzip, zstd;q=0.1", ""):
            api.get(VERSIONS, headers={"Accept-Encoding": accepted})
    assert compressed == ["gzip", "zstd"]
    with db.write():
        pass
    api.get(VERSIONS, headers={"Accept-Encoding": "gzip"})
    assert compressed == ["gzip", "zstd", "gzip"]
    # A 304 needs no compressed form.
    tag = api.get("/api/v2/images").headers["etag"]
    api.get("/api/v2/images", headers={"Accept-Encoding": "gzip", "If-None-Match": tag})
    assert len(compressed) == 3


def test_tiny_answers_and_pictures_and_errors_are_sent_as_they_are(
    api: ApiClient, world: World
) -> None:
    accepts = {"Accept-Encoding": "gzip, zstd"}
    machine = api.get("/resolve/open-image/latest/east", headers=accepts | {"Accept": "text/plain"})
    assert machine.text == "open-east\n"
    for address in ("/docs/assets/favicon-32x32.png", f"{VERSIONS}/{world.versions['closed']}"):
        assert "content-encoding" not in api.get(address, headers=accepts).headers


def test_what_is_secret_is_never_compressed_beside_what_a_stranger_typed(
    db: Database, world: World
) -> None:
    """BREACH: the length of a compressed page tells whether a typed text occurs in it once more."""
    api, browser = ApiClient(db, config.load({}), world), Visitor(db, config.load({}))
    accepts = {"Accept-Encoding": "gzip, zstd"}
    assert "content-encoding" in api.get("/search?q=typed", headers=accepts).headers
    # The page to sign in has a form's token; so does every page of somebody who is signed in.
    assert "content-encoding" not in browser.get("/sign-in", headers=accepts).headers
    browser.sign_in("alice")
    for address in (
        "/search?q=typed",
        "/",
        "/images/open-image",
        "/images/open-image/feed.atom",
        "/account/tokens",
        "/nowhere?q=typed",
    ):
        answer = browser.get(address, headers=accepts | {"Accept": "text/html"})
        assert "content-encoding" not in answer.headers, address
    asked = {"name": "typed" * 20, "scope": "read"}
    made = api.post("/api/v2/tokens", "dora", asked, headers=accepts)
    assert (made.status_code, made.headers.get("content-encoding")) == (201, None)
    hook = {"target": "https://93.184.216.34/", "events": ["version.published"]}
    made = api.post("/api/v2/webhooks", "dora", hook, headers=accepts)
    assert (made.status_code, made.headers.get("content-encoding")) == (201, None)


@pytest.mark.parametrize("coding", CODINGS)
def test_compressing_takes_time_in_proportion_and_lets_other_threads_run(coding: str) -> None:
    rows = b"".join(b'{"id": %d, "name": "image %d"},' % (n, n * n) for n in range(100_000))
    small, large, huge = rows[:1_000_000], rows * 4, rows * 20
    took = []
    for body, times in ((small, len(large) // len(small)), (large, 1)):
        began = time.process_time()
        for _ in range(times):
            content_coding.compress(body, coding)
        took.append(time.process_time() - began)
    # As many bytes take as long, in one piece or in many.
    assert took[1] < 4 * took[0]
    ticks, done = [0], threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks[0] += 1
            time.sleep(0.001)

    other = threading.Thread(target=tick)
    other.start()
    began = ticks[0]
    content_coding.compress(huge, coding)
    ran = ticks[0] - began
    done.set()
    other.join()
    # Another thread that held the interpreter's lock would let it run once at most.
    assert ran > 3
