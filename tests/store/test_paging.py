"""Lists: walking them forward and backward, their orders and filters, their exact counts."""

import base64
import json
from collections.abc import Callable
from itertools import chain
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from goldenrod.base import config
from goldenrod.base.text import name_key
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import ids, made, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code

VERSIONS = "/image_versions"
FAR = "9999-12-31T23:59:59.999999Z"
NAMES = ("b", "B2", "ä", "a", "é", "e", "10", "9", "ß", "z", "日", "Z9", "_", "~", "a.1", "a-1")


@pytest.fixture
def many(api: ApiClient, world: World) -> list[Any]:
    """All that alice reads: many versions with few different dates, and several without an end."""
    for place, name in enumerate(NAMES):
        publish(
            api,
            name,
            image=("open", "closed")[place % 2],
            start_date=f"2026-0{1 + place % 3}-01T00:00:00Z",
            end_date=(None, "2030-01-01T00:00:00Z", FAR)[place // 2 % 3],
            allow_imaging=place % 3 > 0,
        )
    return api.all(VERSIONS, "alice")


def sorted_as(ordering: str) -> Callable[[Any], Any]:
    """The key by which a version sorts in an order."""
    key = ordering.removeprefix("-")

    def of(version: Any) -> Any:
        value = version[key]
        if key == "name":
            value = name_key(value).encode()
        return value or FAR, version["id"]

    return of


def backward(api: ApiClient, address: str | None, who: str) -> list[Any]:
    """All results from a page on to the first, in the list's order."""
    results: list[Any] = []
    while address:
        page = api.get(address, who).json
        results = page["results"] + results
        address = page["previous"]
    return results


# ── who ────────────────────────────────────────────────────────────────────────────────────


def test_anonymous_and_a_stranger_list_and_count_what_they_may_read(
    api: ApiClient, many: list[Any], world: World
) -> None:
    public = [version for version in many if version["image"]["slug"] == "open-image"]
    for who in (None, "charlie"):
        page = api.get(VERSIONS, who).json
        assert ids(page["results"]) == ids(public)
        assert page["count"] == len(public)
        # A filter that names what is hidden finds what one that names nothing finds.
        for query in ("image_id=closed-image", f"parent={world.versions['closed']}", "name=a"):
            assert api.get(f"{VERSIONS}?{query}", who).json["count"] == 0


# ── walking ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.long_on_postgresql
def test_walking_either_way_gives_the_whole(api: ApiClient, many: list[Any]) -> None:
    orders = [sign + key for key in ("start_date", "end_date", "name") for sign in ("", "-")]
    for ordering in orders:
        whole = sorted(many, key=sorted_as(ordering), reverse=ordering.startswith("-"))
        for size in (3, 5):
            address = f"{VERSIONS}?ordering={ordering}&page_size={size}"
            pages, last = [], address
            following: str | None = address
            while following:
                page = api.get(following, "alice").json
                assert page["count"] == len(many)
                pages.append(page["results"])
                last, following = following, page["next"]
            assert ids(chain.from_iterable(pages)) == ids(whole), (ordering, size)
            assert {len(page) for page in pages[:-1]} == {size}
            assert ids(backward(api, last, "alice")) == ids(whole), (ordering, size)
    assert ids(api.get(VERSIONS, "alice").json["results"]) == ids(
        sorted(many, key=sorted_as("start_date"))
    )


def test_links_keep_the_address_and_the_question(api: ApiClient, many: list[Any]) -> None:
    for base in (VERSIONS, f"/api/v2{VERSIONS}"):
        asked = f"{base}?image_id=open-image&ordering=-name&page_size=4"
        link = urlsplit(api.get(asked, "alice").json["next"])
        assert (link.scheme, link.netloc, link.path) == ("", "", base)
        parts = parse_qs(link.query)
        assert parts.pop("cursor")
        assert parts == {"image_id": ["open-image"], "ordering": ["-name"], "page_size": ["4"]}
    page = api.get(VERSIONS, "alice").json
    assert page["next"] is page["previous"] is None
    host = api.get(f"{VERSIONS}?page_size=1", "alice", headers={"Host": "evil.example"})
    assert "evil" not in host.text


def test_rows_that_come_and_go_disturb_no_others(api: ApiClient, many: list[Any]) -> None:
    first = api.get(f"{VERSIONS}?page_size=5&ordering=name", "alice").json
    seen, rest = ids(first["results"]), ids(sorted(many, key=sorted_as("name"))[5:])
    # One comes before the place that the walk has reached, one after; one seen last is renamed
    # to the front, one still to come leaves the list.
    publish(api, "0 before")
    after = publish(api, "日日 after")["id"]
    api.patch(f"{VERSIONS}/{seen[-1]}", "alice", {"name": "0 renamed"})
    api.patch("/api/v2/images/closed-image", "alice", {"maintainers": ["bob"]})
    walked = ids(api.all(first["next"], "alice"))
    assert walked == [*rest, after]
    page = api.get(first["next"], "alice").json
    earlier = ids(backward(api, page["previous"], "alice"))
    assert set(seen[:-1]) < set(earlier)


def test_a_page_whose_rows_are_all_gone_leads_back(
    api: ApiClient, many: list[Any], world: World, clock: Clock
) -> None:
    """For the anonymous, ended versions leave the list; what is left is one page."""
    address = f"{VERSIONS}?page_size=4"
    first = api.get(address).json
    following = first["next"]
    while following:
        page = api.get(following).json
        for version in page["results"]:
            api.delete(f"{VERSIONS}/{version['id']}", "alice")
        following = page["next"]
    empty = api.get(first["next"])
    assert empty.status_code == 200
    assert (empty.json["results"], empty.json["next"], empty.json["count"]) == ([], None, 4)
    assert api.get(empty.json["previous"]).json["results"] == first["results"]


# ── pages by number ────────────────────────────────────────────────────────────────────────


def test_pages_by_number(api: ApiClient, many: list[Any]) -> None:
    whole, size = ids(many), 6
    pages = -(-len(whole) // size)
    for number in range(1, pages + 1):
        page = api.get(f"{VERSIONS}?page_size={size}&page={number}", "alice").json
        assert ids(page["results"]) == whole[size * (number - 1) : size * number]
        assert (page["next"] is None) == (number == pages)
        assert (page["previous"] is None) == (number == 1)
        if page["previous"]:
            before = api.get(page["previous"], "alice").json["results"]
            assert ids(before) == whole[size * (number - 2) : size * (number - 1)]
    for absurd in (pages + 1, 0, "00", 10**9, 10**18, 10**30, "9" * 5000):
        answer = api.get(f"{VERSIONS}?page_size={size}&page={absurd}", "alice")
        assert code(answer) == "404 page_not_found"
    for malformed in ("-1", "1.0", "1e3", "x", "", "１", "+1", "0x1", "²" * 30):
        answer = api.get(f"{VERSIONS}?page={quote(malformed)}", "alice")
        assert code(answer) == "400 parameter_invalid", malformed
    # An empty list has a first page.
    assert api.get(f"{VERSIONS}?name=none&page=1").json == {
        "count": 0, "next": None, "previous": None, "results": [],
    }  # fmt: skip


def test_page_size_is_1_to_1000(api: ApiClient, world: World) -> None:
    assert len(api.get(f"{VERSIONS}?page_size=1", "alice").json["results"]) == 1
    assert api.get(f"{VERSIONS}?page_size=1000", "alice").status_code == 200
    for size in ("0", "1001", "-1", "x", "", "1.5", "9" * 5000, "１"):
        answer = api.get(f"{VERSIONS}?page_size={quote(size)}", "alice")
        assert code(answer) == "400 parameter_invalid", size
        assert answer.json["errors"][0]["field"] == "page_size"


@pytest.mark.long_on_postgresql
def test_a_page_has_100_unless_said(api: ApiClient, world: World) -> None:
    for n in range(95):
        made(api, "/api/v2/licenses", "alice", title=f"l{n:03}", type="SPDX", text="MIT")
    for n in range(10):
        made(api, "/api/v2/licenses", "alice", title=f"m{n:03}", type="SPDX", text="MIT")
    page = api.get("/api/v2/licenses").json
    assert (len(page["results"]), page["count"]) == (100, 106)
    assert len(api.get(page["next"]).json["results"]) == 6


# ── what is refused ────────────────────────────────────────────────────────────────────────


def test_what_is_unknown_malformed_or_given_twice_is_named(api: ApiClient, world: World) -> None:
    refused = {
        "colour=red": "unknown",
        "Name=x": "unknown",
        "names=x": "unknown",
        "limit=5": "unknown",
        "%00=1": "unknown",
        "name=a&name=b": "invalid",
        "page=1&page=1": "invalid",
        "ordering=colour": "invalid",
        "ordering=": "invalid",
        "ordering=--name": "invalid",
        "ordering=name,start_date": "invalid",
        "name=%00": "invalid",
        "allow_imaging=maybe": "invalid",
        "current=": "invalid",
        "launchable=2": "invalid",
        "state=fine": "invalid",
        "image_id=a%20b": "invalid",
        "image_id=%7B0190a0b0-0000-7000-8000-000000000000%7D": "invalid",
        "parent=7": "invalid",
        "license=-1": "invalid",
        "license=1e3": "invalid",
        "license=9999999999999999999": "invalid",
        "provider=A": "invalid",
        "start_date__gte=2026-01-01": "invalid",
        "start_date__lt=2026-01-01T00:00:00": "invalid",
        "start_date__gte=2026-02-30T00:00:00Z": "invalid",
        "search=": "invalid",
        "page=1&cursor=x": "invalid",
    }
    for query, problem in refused.items():
        answer = api.get(f"{VERSIONS}?{query}")
        assert code(answer) == f"400 parameter_{problem}", query
        [error] = answer.json["errors"]
        assert error["field"] in query.replace("%00", "\0")
        for known in ("image_id", "created_by", "start_date__gte", "ordering", "cursor"):
            assert known in answer.json["detail"], query
    assert code(api.get(f"{VERSIONS}?name=%ED%A0%80")) == "400 parameter_invalid"
    assert code(api.get(f"{VERSIONS}?name=%FF")) == "400 parameter_invalid"
    one = f"{VERSIONS}/{world.versions['open']}"
    assert code(api.get(f"{one}?colour=red")) == "400 parameter_unknown"


def test_cursors_that_no_list_gave(api: ApiClient, many: list[Any]) -> None:
    link = api.get(f"{VERSIONS}?page_size=3", "alice").json["next"]
    [given] = parse_qs(urlsplit(link).query)["cursor"]
    order, op, value, key = json.loads(base64.urlsafe_b64decode(given + "=="))

    def written(*parts: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")

    assert api.get(f"{VERSIONS}?cursor={written(order, op, value, key)}").status_code == 200
    bad = [
        "", "x", "!!!!", "é", "\0", given[:-2], given[1:], given + "A", "A" * 9000,
        written(), written(order, op, value), written(order, op, value, key, key),
        written(order, "", value, key), written(order, "DROP", value, key),
        written(order, [], value, key), written(order, op, "yesterday", key),
        written(order, op, None, key), written(order, op, 7, key), written(order, op, [], key),
        written(order, op, value, "x"), written(order, op, value, 7),
        written(order, op, value, None), written(order, op, value, "\ud800"),
        written("-start_date", op, value, key), written("name", op, "a", key),
        written([], op, value, key),
        base64.urlsafe_b64encode(b'{"order":1}').decode(),
        base64.urlsafe_b64encode(b"[" * 5000).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b'["start_date","gt",1e999,1]').decode(),
    ]  # fmt: skip
    for cursor in bad:
        answer = api.get(f"{VERSIONS}?page_size=3&cursor={quote(cursor)}", "alice")
        assert code(answer) == "400 parameter_invalid", cursor
        assert answer.json["errors"][0]["field"] == "cursor"
    for other in ("-start_date", "name", "end_date"):
        answer = api.get(f"{VERSIONS}?ordering={other}&cursor={given}", "alice")
        assert code(answer) == "400 parameter_invalid", other
    named = written("name", "gt", "\ud800", key)
    answer = api.get(f"{VERSIONS}?ordering=name&cursor={named}", "alice")
    assert code(answer) == "400 parameter_invalid"
    # Another list's cursor.
    assert code(api.get(f"/api/v2/images?cursor={given}")) == "400 parameter_invalid"
    for key in (0, -1, 2**63, True, 1.0, "1"):
        cursor = written("start_date", "gt", value, key)
        assert code(api.get(f"/api/v2/images?cursor={cursor}")) == "400 parameter_invalid", key


# ── filters ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.long_on_postgresql
def test_the_filters_of_versions(
    api: ApiClient, many: list[Any], world: World, clock: Clock
) -> None:
    """Each against plain Python on what the same reader's whole list shows."""
    bobs = made(api, "/api/v2/images", "bob", name="bob's", maintainers=["lab"])["id"]
    child = publish(api, "child", parent=world.versions["open"], licenses=[])
    made(api, VERSIONS, "bob", name="by bob", image=bobs)
    arm = {"provider": "east", "identifier": "arm", "architecture": "arm64"}
    publish(api, "on arm", image="closed", machines=[arm])
    license = world.licenses["apache"]
    mark = "2026-02-01T00:00:00.000000Z"
    uuid = api.get("/api/v2/images/open-image", "alice").json["uuid"]

    def on(name: str) -> Callable[[Any], bool]:
        return lambda v: any(m["provider"].get("name") == name for m in v["machines"])

    def current(v: Any) -> bool:
        return v["state"] == "current"

    asked: dict[str, Callable[[Any], bool]] = {
        f"image_id={world.images['open']}": lambda v: v["image"]["slug"] == "open-image",
        f"image_id={uuid.upper()}": lambda v: v["image"]["slug"] == "open-image",
        "image_id=open-image": lambda v: v["image"]["slug"] == "open-image",
        "user=BOB": lambda v: v["user"]["username"] == "bob",
        "user=alice": lambda v: v["user"]["username"] == "alice",
        "user=nobody": lambda v: False,
        "created_by=alice": lambda v: v["image"]["created_by"]["username"] == "alice",
        "created_by=bob": lambda v: v["image"]["created_by"]["username"] == "bob",
        "name=A": lambda v: v["name"] == "a",
        "name=%20SS%20": lambda v: v["name"] == "ß",
        f"parent={world.versions['open']}": lambda v: v["id"] == child["id"],
        f"parent={child['id']}": lambda v: False,
        f"license={license}": lambda v: license in ids(v["licenses"]),
        "license=999999": lambda v: False,
        "tag=OPEN-tag": lambda v: v["image"]["slug"] == "open-image",
        "tag=none": lambda v: False,
        "provider=east": on("east"),
        "provider=west": on("west"),
        "architecture=arm64": lambda v: any(m["architecture"] == "arm64" for m in v["machines"]),
        "architecture=": lambda v: any(m["architecture"] == "" for m in v["machines"]),
        "allow_imaging=true": lambda v: v["allow_imaging"],
        "allow_imaging=FALSE": lambda v: not v["allow_imaging"],
        "current=true": current,
        "current=0": lambda v: not current(v),
        "launchable=1": lambda v: current(v) and v["machines"] != [],
        "launchable=false": lambda v: not (current(v) and v["machines"]),
        "state=current": current,
        "state=ended": lambda v: v["state"] == "ended",
        "state=scheduled": lambda v: v["state"] == "scheduled",
        f"start_date__gte={mark}": lambda v: v["start_date"] >= mark,
        f"start_date__lt={mark}": lambda v: v["start_date"] < mark,
        "start_date__gte=2026-02-01T01:00:00%2B01:00": lambda v: v["start_date"] >= mark,
        "start_date__gte=2026-02-01T01:00:00+01:00": lambda v: v["start_date"] >= mark,
        "image_id=open-image&allow_imaging=true&current=true": lambda v: (
            v["image"]["slug"] == "open-image" and v["allow_imaging"] and current(v)
        ),
    }
    for who in ("alice", "bob", "charlie", "dora"):
        whole = api.all(VERSIONS, who)
        for query, holds in asked.items():
            page = api.get(f"{VERSIONS}?{query}", who).json
            expected = [version for version in whole if holds(version)]
            assert ids(page["results"]) == ids(expected), (who, query)
            assert page["count"] == len(expected)
            if who == "alice" and "nobody" not in query and "none" not in query:
                assert len(expected) < len(whole), query


def test_the_filters_of_images(api: ApiClient, world: World) -> None:
    arm = {"provider": "east", "identifier": "arm", "architecture": "arm64"}
    publish(api, "on arm", image="closed", machines=[arm])
    api.patch("/api/v2/images/kept-image", "alice", {"owner": "charlie"})
    made(api, "/api/v2/images", "bob", name="Bob's", tags=["Open-Tag"])
    asked: dict[str, set[str]] = {
        "name=OPEN%20image": {"open-image"},
        "tag=open-tag": {"open-image", "bob-s"},
        "owner=charlie": {"kept-image"},
        "created_by=bob": {"bob-s"},
        "architecture=arm64": {"closed-image"},
        "is_public=true": {"open-image", "ended-image", "scheduled-image"},
        "is_public=false": {"closed-image", "shared-image", "kept-image", "bob-s"},
        "current=false": {"ended-image", "scheduled-image"},
        "current=true": {"open-image", "closed-image", "shared-image", "kept-image", "bob-s"},
        "provider=east&architecture=arm64": {"closed-image"},
        "search=BOB": {"bob-s"},
    }
    for query, slugs in asked.items():
        page = api.get(f"/api/v2/images?{query}", "dora").json
        assert {image["slug"] for image in page["results"]} == slugs, query
        assert page["count"] == len(slugs)
    # The private provider shows to who has an identity there: for others it filters nothing in.
    assert api.get("/api/v2/images?provider=west", "charlie").json["count"] == 0
    assert api.get("/api/v2/images?provider=west", "bob").json["count"] == 3
    assert api.get("/api/v2/images?architecture=arm64").json["count"] == 0


# ── what a request costs ───────────────────────────────────────────────────────────────────


def test_how_many_statements_a_read_runs(api: ApiClient, db: Database, many: list[Any]) -> None:
    """The same for one row as for a hundred. (What revision the catalogue is at comes with each; on
    SQLite it is no statement.)"""
    cold = ApiClient(db, config.load({"GOLDENROD_CACHE_MB": "0"}), api.world)
    for n in range(80):
        publish(api, f"more {n}")

    def statements(address: str, who: str | None) -> list[str]:
        cold.get(address, who)  # notes the token's use, and compiles
        db.trace = []
        assert cold.get(address, who).status_code == 200
        ran, db.trace = db.trace, None
        return ran

    one, public = f"{VERSIONS}/{many[0]['id']}", f"{VERSIONS}?image_id=open-image&page_size=1"
    open_one = api.get(public).json["results"][0]["url"]
    # The version, its lists and all inside it: one statement.
    assert len(statements(open_one, None)) == 1
    # Who asks (the token with its user, their groups and identities), and the version.
    assert len(statements(one, "alice")) == 2
    # A first page that holds the whole list counts itself.
    assert len(statements("/api/v2/images?page_size=100", None)) == 1
    assert len(statements("/api/v2/provider_machines?page_size=100", None)) == 1
    for size in (1, 2):
        # The stored counts, what opened and closed since, and the page; before it, who asks.
        assert len(statements(f"{VERSIONS}?page_size={size}", None)) == 3
        assert len(statements(f"{VERSIONS}?page_size={size}", "alice")) == 4
        # Of staff's count nothing opens and closes.
        assert len(statements(f"{VERSIONS}?page_size={size}", "dora")) == 3
        # The stored counts, which say whether the reader sees few; the count, and the page.
        assert len(statements(f"{VERSIONS}?user=alice&page_size={size}", "alice")) == 4
        # Of one image's or parent's versions there are few in any case.
        assert len(statements(f"{VERSIONS}?image_id=open-image&page_size={size}", "alice")) == 3
        # Everybody sees one image and no machine: the first page is the whole list.
        assert len(statements(f"/api/v2/images?page_size={size}", None)) == 1
        assert len(statements(f"/api/v2/provider_machines?page_size={size}", None)) == 1
        # The staff user, the count, and the page.
        assert len(statements(f"/api/v2/images?page_size={size}", "dora")) == 3
