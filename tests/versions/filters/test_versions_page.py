"""The list of an image's versions: its filters, comparing two of them, and the CSV file."""

import csv
import io
from typing import Any

import pytest

from goldenrod.store.db import Database
from goldenrod.web.pages.images import search
from tests.support.actions import publish
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.lifecycle.steps import revoke
from tests.support.pages.visitor import PageResponse, Visitor

IMAGE = "/images/open-image"
LIST = f"{IMAGE}/versions"


def cases(api: ApiClient) -> dict[str, Any]:
    """Versions b (newest), a, old (deprecated), bad (revoked), after the cast's open-1.0."""
    made = {}
    for name, day, more in (
        ("bad", 2, {}),
        ("old", 3, {"labels": {"team": "ops"}}),
        ("a", 4, {"labels": {"team": "web", "tested": "yes"}, "change_log": "=cmd()\nkernel"}),
        ("b", 5, {"labels": {"team": "web"}}),
    ):
        date = f"2026-06-0{day}T00:00:00Z"
        made[name] = publish(api, name, image="open", start_date=date, **more)
    revoke(api, made["bad"])
    api.patch(made["old"]["url"], "alice", {"deprecation": {"reason": "old"}})
    body = {"version": made["a"]["id"]}
    put = api.ask("PUT", "/api/v2/images/open-image/channels/stable", "alice", body)
    assert put.status_code == 201, put.text
    return made


def names(page: PageResponse) -> list[str]:
    """The versions of a list, in its order."""
    found = [link.rpartition("/")[2] for link in page.links if link.startswith(f"{LIST}/")]
    assert f"<h1>{len(found)} version" in page.text
    return found


def test_filters_and_order_are_in_the_address(
    visitor: Visitor, api: ApiClient, world: World
) -> None:
    cases(api)
    page = visitor.get(LIST)
    assert names(page) == ["b", "a", "old", "bad", "open-1.0"]
    for query, expected in {
        "state=current": ["b", "a", "open-1.0"],
        "state=deprecated,revoked": ["old", "bad"],
        "label=team:web": ["b", "a"],
        "label=team:web&label=tested:yes&label=": ["a"],
        "channel=stable": ["a"],
        "q=kernel": ["a"],
        "ordering=start_date": ["open-1.0", "bad", "old", "a", "b"],
        "ordering=name&state=current": ["a", "b", "open-1.0"],
        "utm_source=x&state=&q=": ["b", "a", "old", "bad", "open-1.0"],
    }.items():
        assert names(visitor.get(f"{LIST}?{query}")) == expected, query
    # The form shows what is asked, and what it sends is what the address had.
    page = visitor.get(f"{LIST}?label=team:web&label=tested:yes&state=current,revoked")
    form = page.form(LIST)
    assert form.fields["label"] == ["team:web", "tested:yes", ""]
    assert form.fields["state"] == ["current,revoked"]
    assert names(visitor.submit(page, LIST)) == ["a"]
    # How many newer versions there are does not depend on the filters: b is newer than a.
    assert "a stable kernel" not in page.words and "=cmd() 0 1 2026-06-04" in page.words


def test_an_empty_result_and_a_wrong_filter_are_explained(
    visitor: Visitor, api: ApiClient, world: World
) -> None:
    cases(api)
    page = visitor.get(f"{LIST}?q=nowhere&state=current")
    assert "No versions match these filters." in page.words
    assert page.links.count(LIST) >= 2  # removes the filters
    page = visitor.get(f"{LIST}?label=team")
    assert (page.status, "Label takes key:value" in page.words) == (400, True)
    assert page.form(LIST).fields["label"] == ["team", ""]
    page = visitor.get("/search/versions?q=nowhere&state=current")
    assert "No versions match “nowhere” with these filters." in page.words
    assert "/search/versions?q=nowhere" in page.links
    assert visitor.get("/search/versions?q=kernel&label=team:ops").links.count("x") == 0


def test_search_words_and_filters_stay_through_all_pages_of_a_list(
    visitor: Visitor, api: ApiClient, world: World
) -> None:
    for number in range(55):
        publish(api, f"n{number}", image="open", labels={"a": "b c", "d": ""}, change_log="kernel")
    for address in (LIST, "/search/versions"):
        page = visitor.get(f"{address}?q=kernel&state=current&label=a:b%20c&label=d:")
        [following] = [link for link in page.links if "cursor=" in link]
        for kept in ("q=kernel", "state=current", "label=a%3Ab+c", "label=d%3A"):
            assert kept in following, (address, kept)
        page = visitor.get(following)
        assert "<h1>55 versions</h1>" in page.text
        assert page.form(address).fields["q"] == ["kernel"]


def test_many_matches_are_counted_up_to_a_number(
    visitor: Visitor, api: ApiClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        publish(api, f"n{number}", image="open", change_log="kernel")
    monkeypatch.setattr(search, "MATCHES", 2)
    for counted, told in (
        (4, "4 versions"),
        (3, "More than 3 versions"),
        (1, "More than 1 version"),
    ):
        monkeypatch.setattr(search, "COUNTED", counted)
        page = visitor.get("/search/versions?q=kernel")
        assert f"<h1>{told}</h1>" in page.text
        assert visitor.get(next(link for link in page.links if "cursor=" in link)).status == 200


def test_two_ticked_versions_are_compared(visitor: Visitor, api: ApiClient, world: World) -> None:
    made = cases(api)
    page = visitor.get(LIST)
    assert f'name="pick" value="{made["a"]["id"]}"' in page.text
    compare = f"{IMAGE}/compare?picking=1"
    two = f"{compare}&pick={made['b']['id']}&pick={made['bad']['id']}"
    assert visitor.get(two).address == f"{IMAGE}/compare/bad...b"
    for picks, told in ((0, "You ticked none."), (1, "You ticked one."), (3, "You ticked 3.")):
        query = "".join(f"&pick={it['id']}" for it in list(made.values())[:picks])
        page = visitor.get(f"{compare}{query}")
        assert (page.status, f"exactly two versions to compare. {told}" in page.words) == (
            400,
            True,
        )
    hidden = f"{compare}&pick={made['b']['id']}&pick={world.versions['closed']}"
    assert visitor.get(hidden).status == 404


def test_the_csv_file_has_the_same_versions(
    visitor: Visitor, api: ApiClient, db: Database, world: World
) -> None:
    made = cases(api)
    link = f"{LIST}.csv?state=current&label=team%3Aweb"
    assert link in visitor.get(f"{LIST}?state=current&label=team:web").links
    page = visitor.get(link)
    assert page.headers["content-type"] == "text/csv; charset=utf-8"
    assert page.headers["content-disposition"] == ('attachment; filename="open-image-versions.csv"')
    columns, *rows = csv.reader(io.StringIO(page.text))
    assert [row[0] for row in rows] == ["b", "a"]
    shown = dict(zip(columns, rows[1], strict=True))
    assert shown == {
        "name": "a", "state": "current", "released": "2026-06-04T00:00:00.000000Z", "ends": "",
        "channels": "stable", "labels": "team: web\ntested: yes", "providers": "0",
        "newer versions": "1", "change log": "'=cmd()", "id": made["a"]["id"],
    }  # fmt: skip
    assert len(list(csv.reader(io.StringIO(visitor.get(f"{LIST}.csv").text)))) == 6
    assert visitor.get("/images/closed-image/versions.csv").status == 404
    assert visitor.get(f"{LIST}.csv?label=x").status == 400
