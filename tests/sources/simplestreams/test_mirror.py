"""Mirrors: where files are read from, what is refused, and what an answer that is wrong gives."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from goldenrod.sources.declarations import SimpleStreams
from goldenrod.sources.files.document import Unreadable
from goldenrod.sources.found import Listed, Look
from goldenrod.sources.name_rules import NameRules
from goldenrod.sources.simplestreams import SimpleStreamsSource, mirror, source
from tests.sources.fault_server import HANGS, HTML, Answer, FaultServer, Request, cut, edited
from tests.sources.simplestreams.trees import IDS, INCUS, TREE, Served, digest, index, written

NOT_SIGNED = "not verified: not signed"
PRODUCTS = "/mirror/streams/v1/images.json"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "PAUSE_SECONDS", 0)


def of(base: str | Path, **fields: Any) -> SimpleStreamsSource:
    declared = SimpleStreams(name="mirror", base=str(base), **fields)
    return SimpleStreamsSource(declared, NameRules([]), Path())


def only_look(one: SimpleStreamsSource) -> Look:
    scopes, failed = one.scopes()
    return one.look(scopes[0]) if scopes else failed[0]


def for_products(request: Request) -> bool:
    return request.path == PRODUCTS


def test_a_directory_and_a_mirror_over_http_list_the_same(tmp_path: Path) -> None:
    here = only_look(of(written(tmp_path, TREE)))
    assert here.failed is None and here.notes == (NOT_SIGNED,)
    assert [type(row) for row in here.rows].count(Listed) == 2
    with FaultServer(Served(TREE)) as server:
        for base in ("/mirror", "/mirror/", "/mirror/streams/v1/index.json"):
            there = only_look(of(server.url + base))
            place = server.url.removeprefix("http://") + "/mirror"
            assert [
                replace_provider(row, "mirror") if isinstance(row, Listed) else row
                for row in there.rows
            ] == list(here.rows)
            assert {r.machine.provider for r in there.rows if isinstance(r, Listed)} == {place}
        asked = [request.path for request in server.requests[:3]]
        assert asked == [
            "/mirror/streams/v1/index.sjson",
            "/mirror/streams/v1/index.json",
            PRODUCTS,
        ]


def replace_provider(row: Listed, provider: str) -> Listed:
    return structs.replace(row, machine=structs.replace(row.machine, provider=provider))


def test_only_declared_content_ids_are_read_and_presence_is_what_the_index_lists(
    tmp_path: Path,
) -> None:
    paths = {"images": "streams/v1/images.json", "org.example:released:cloud": "ids/all.json"}
    files = {**TREE, "streams/v1/index.json": index(paths), "ids/all.json": IDS}
    tree = written(tmp_path, files)
    assert of(tree).scopes() == (list(paths), [])
    one = of(tree, content=["images", "absent"])
    scopes, (absent,) = one.scopes()
    assert scopes == ["images"]
    assert (absent.scope, absent.failed) == ("absent", "the index has no such content id")
    assert one.presence("images", "mirror", digest(12)) == "unknown"  # nothing was read yet
    assert one.look("images").failed is None
    assert one.presence("images", "mirror", digest(12)) == "there"
    assert one.presence("images", "mirror", digest(99)) == "gone"
    # Rows that cannot be read may be any machine; a failed look says nothing.
    everything = of(tree)
    assert everything.look("org.example:released:cloud").failed is None
    assert everything.presence("org.example:released:cloud", "us-east-1", "ami-9") == "unknown"
    written(tree, {"streams/v1/images.json": b"{"})
    assert one.look("images").failed
    assert one.presence("images", "mirror", digest(99)) == "unknown"


def test_products_older_than_the_index_are_read_again_and_then_only_add() -> None:
    later = index({"images": "streams/v1/images.json"}, "Thu, 24 Jul 2025 09:00:00 +0000")
    served = Served({**TREE, "streams/v1/index.json": later})
    with FaultServer(served) as server:
        look = only_look(of(f"{server.url}/mirror"))
        assert look.additions_only and look.failed is None and look.rows
        assert "older than the index" in look.notes[-1]
        assert [request.path for request in server.requests].count(PRODUCTS) == 2
        served.files[PRODUCTS] = {**INCUS, "updated": "Thu, 24 Jul 2025 09:00:00 +0000"}
        server.clear()
        server.fault(edited(b"24 Jul 2025 09", b"24 Jul 2025 08"), times=1, when=for_products)
        look = only_look(of(f"{server.url}/mirror"))
        assert not look.additions_only and look.notes == (NOT_SIGNED,)


def test_an_answer_that_is_cut_foreign_or_huge_fails_the_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mirror, "STEP_SECONDS", 0.5)
    monkeypatch.setattr(mirror, "MOST_BYTES", 100_000)
    bomb = Answer(b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    faults = [
        (cut(200), "the answer was cut"),
        (cut(200, "chunked"), "the answer was cut"),
        (cut(200, "close"), "is not JSON"),  # without a length only the parse tells
        (HTML, "is HTML"),
        (HANGS, "no answer within"),
        (Answer(b"", status=500), "answered 500"),
        (Answer(b"", status=404), "answered 404"),
        (Answer(b"", status=304), "answered 304"),
        (bomb, "compressed body unasked"),
        (Answer(b" " * 200_000), "is larger than"),
        (Answer(b"\xff\xfe{\x00}\x00"), "UTF-16"),
        (Answer(b"x", headers={"Bad": "\x00"}), "not valid HTTP"),
    ]
    with FaultServer(Served(TREE)) as server:
        for fault, reason in faults:
            server.clear()
            server.fault(fault, when=for_products)
            look = only_look(of(f"{server.url}/mirror"))
            assert look.rows == () and reason in (look.failed or ""), (reason, look.failed)
            assert (look.failed or "").startswith("streams/v1/images.json: ")
        server.clear()
        with monkeypatch.context() as patience:
            patience.setattr(mirror, "MOST_SECONDS", -1)
            assert "took longer" in (of(f"{server.url}/mirror").scopes()[1][0].failed or "")
        server.fault(HTML)
        scopes, (failed,) = of(f"{server.url}/mirror").scopes()
        assert scopes == [] and "is HTML" in (failed.failed or "")
    (stopped,) = of(f"{server.url}/mirror").scopes()[1]
    assert "the connection failed" in (stopped.failed or "")


def test_redirects_stay_on_the_host_and_on_https() -> None:
    moved = Served(TREE)
    with FaultServer(moved) as server, FaultServer(Served(TREE)) as stranger:

        def to(location: str) -> Answer:
            return Answer(b"", status=302, headers={"Location": location})

        moved.files["/mirror/streams/v1/moved.json"] = INCUS
        for location in ("moved.json", "/mirror/streams/v1/moved.json"):
            server.clear()
            server.fault(to(location), times=1, when=for_products)
            assert only_look(of(f"{server.url}/mirror")).failed is None
        for location, reason in [
            (f"{stranger.url}{PRODUCTS}", "to another host"),
            ("http://elsewhere.example/", "to another host, elsewhere.example"),
            ("http://user:secret@127.0.0.1/", "to another host"),
            ("file:///etc/passwd", "from http to file"),
            (PRODUCTS, "more than 5 times"),
            ("http://127.0.0.1:port/", "not valid HTTP"),
        ]:
            server.clear()
            server.fault(to(location), when=for_products)
            failed = only_look(of(f"{server.url}/mirror")).failed or ""
            assert reason in failed and "secret" not in failed, (location, failed)
        assert not stranger.requests
    secure = mirror._redirected
    url = mirror.httpx.URL("https://images.example.org/p.json")
    with pytest.raises(Unreadable, match="from https to http"):
        secure(url, "http://images.example.org/p.json", "p.json")
    assert secure(url.copy_with(scheme="http"), str(url), "p.json") == url


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../secret.json",
        "streams/../../secret.json",
        "%2e%2e/secret.json",
        "http://elsewhere.example/images.json",
        "//elsewhere.example/images.json",
        "streams\\v1",
        "a\nb",
        "",
    ],
)
def test_a_path_that_leads_out_of_the_mirror_is_refused(path: str, tmp_path: Path) -> None:
    tree = written(tmp_path / "tree", {**TREE, "streams/v1/index.json": index({"images": path})})
    written(tmp_path, {"secret.json": INCUS})
    assert "does not lead to a file of the mirror" in (only_look(of(tree)).failed or "")


def test_bases_and_links_that_cannot_be_used(tmp_path: Path) -> None:
    for base, reason in [
        ("https://user:hunter2@images.example.org/", "must not contain a name or password"),
        ("https://images.example.org/?token=x", "must be a URL such as"),
        ("https:///nothing", "must be a URL such as"),
        ("https://images.example.org:port/", "not a valid URL"),
        ("missing", "index.sjson: is not there; streams/v1/index.json: is not there"),
        ("nul\0", "cannot be read"),
    ]:
        (failed,) = of(tmp_path / base if ":" not in base else base).scopes()[1]
        assert reason in (failed.failed or "") and "hunter2" not in (failed.failed or ""), base
    tree = written(tmp_path / "tree", TREE)
    (tmp_path / "outside.json").write_text(json.dumps(INCUS))
    (tree / "streams/v1/images.json").unlink()
    (tree / "streams/v1/images.json").symlink_to(tmp_path / "outside.json")
    assert "link out of the directory" in (only_look(of(tree)).failed or "")
    with (tree / "streams/v1/index.sjson").open("wb") as file:
        file.truncate(64 * 2**20 + 1)
    assert "is larger than 64 MiB" in (only_look(of(tree)).failed or "")
