"""Checking running ids on /check: many at once, as a table and as a CSV file."""

import csv
import io
import re
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from goldenrod.catalogue.channels import check_ids
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import everything, publish
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.lifecycle.steps import assign, release, revoke
from tests.support.pages.visitor import PageResponse, Visitor

CHECK = "/check"


def check(visitor: Visitor, ids: str, **more: str) -> PageResponse:
    return visitor.submit(visitor.get(CHECK), CHECK, ids=ids, follow=False, **more)


def rows(page: PageResponse) -> list[list[str]]:
    """The cells of the table of results."""
    [table] = re.findall(r"<table.*?</table>", page.text, re.DOTALL)
    found = re.findall(r"<tr role=\"row\">(.*?)</tr>", table, re.DOTALL)[1:]
    cells = [re.findall(r"<t[hd]\b.*?</t[hd]>", row, re.DOTALL) for row in found]
    return [[" ".join(re.sub("<[^>]*>", " ", cell).split()) for cell in row] for row in cells]


def counts(page: PageResponse) -> dict[str, int]:
    """The filters, and how many ids each shows."""
    found = re.findall(r'name="show" value="(\w*)".*?<b>([\d,]+)</b>', page.text, re.DOTALL)
    return {value: int(number) for value, number in found}


@pytest.fixture
def fleet(api: ApiClient, world: World, clock: Clock) -> dict[str, Any]:
    """Of open-image: 2 is revoked, 3 deprecated, 4 the newest and stable."""
    made = {}
    for name in ("2", "3", "4"):
        clock.move(hours=1)
        made[name] = release(api, name)
    revoke(api, made["2"])
    named = {"deprecation": {"reason": "=slow", "replacement": made["4"]["id"]}}
    assert api.patch(f"/image_versions/{made['3']['id']}", "alice", named).status_code == 200
    assign(api, made["4"])
    return made


PASTED = '\ufeff2-east, 3-east;4-east\topen-east\r\n"nowhere"\n closed-east 2-east\n[3-east]'


def test_ids_are_told_what_they_are_and_what_to_use_instead(
    fleet: Any, visitor: Visitor, db: Database
) -> None:
    before = everything(db)
    page = check(visitor, PASTED)
    assert page.status == 200
    assert rows(page) == [
        [
            "2-east",
            "revoked",
            "open-image 2 1 newer version leaks a key",
            "east, x86_64",
            "latest 4-east Copy 4 stable 4-east Copy 4",
        ],
        [
            "3-east",
            "deprecated",
            "open-image 3 1 newer version =slow",
            "east, x86_64",
            "Use 4 instead. latest 4-east Copy 4 stable 4-east Copy 4",
        ],
        ["4-east", "current", "open-image 4", "east, x86_64", "–"],
        [
            "open-east",
            "current",
            "open-image open-1.0 1 newer version",
            "east, x86_64",
            "latest 4-east Copy 4 stable 4-east Copy 4",
        ],
        ["nowhere", "unknown", "Not in this catalogue, or hidden from you."],
        ["closed-east", "unknown", "Not in this catalogue, or hidden from you."],
    ], "each id once"
    assert "6 ids" in page.words
    assert "2 ids need action" in page.words
    of_state = {"revoked": 1, "deprecated": 1, "current": 2, "unknown": 2}
    assert counts(page) == {"": 6, "action": 2} | of_state
    for show, shown in (
        ("action", ["2-east", "3-east"]),
        ("unknown", ["nowhere", "closed-east"]),
        ("current", ["4-east", "open-east"]),
        ("nonsense", ["2-east", "3-east", "4-east", "open-east", "nowhere", "closed-east"]),
    ):
        again = visitor.submit(page, CHECK, button=("show", show))
        assert [row[0] for row in rows(again)] == shown
        assert counts(again) == counts(page)
        assert again.form(CHECK).fields["ids"] == page.form(CHECK).fields["ids"]
    assert everything(db) == before, "nothing is stored"
    visitor.sign_in("alice")
    assert counts(check(visitor, "closed-east 4-east")) == {"": 2, "current": 2}


def test_the_csv_file_has_the_ids_that_are_shown(fleet: Any, visitor: Visitor) -> None:
    page = check(visitor, PASTED)
    file = visitor.submit(page, CHECK, button=("csv", "action"))
    assert file.status == 200
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert file.headers["content-disposition"] == 'attachment; filename="checked-ids.csv"'
    found = list(csv.DictReader(io.StringIO(file.text, newline="")))
    assert [row["id"] for row in found] == ["2-east", "3-east"]
    assert found[1] == {
        "id": "3-east",
        "state": "deprecated",
        "image": "open-image",
        "version": "3",
        "provider": "east",
        "architecture": "x86_64",
        "newer_versions": "1",
        "use_instead": "open-image/4",
        "channels_offer": "latest 4-east; stable 4-east",
        "reason": "'=slow",
    }
    whole = visitor.submit(page, CHECK, button=("csv", "")).text
    assert [line.split(",")[0] for line in whole.splitlines()[5:]] == ["nowhere", "closed-east"]
    assert visitor.submit(page, CHECK, ids="=1+1", button=("csv", "")).text.splitlines()[1] == (
        "'=1+1,unknown,,,,,,,,"
    )


def test_one_id_in_several_images_and_an_ended_machine(
    api: ApiClient, world: World, visitor: Visitor, clock: Clock
) -> None:
    for image in ("closed", "open"):
        placed = {"identifier": "ami-1", "provider": "east", "architecture": "x86_64"}
        made = publish(api, "2", image=image, machines=[placed])
    clock.move(hours=1)
    newer = release(api, "3")
    revoke(api, made)
    machine = made["machines"][0]["id"]
    assert api.delete(f"/api/v2/provider_machines/{machine}", "alice").status_code == 204
    assert rows(check(visitor, "ami-1")) == [
        [
            "ami-1",
            "ended revoked",
            "open-image 2",
            "not shown",
            "latest 3-east Copy 3",
        ]
    ]
    assert counts(check(visitor, "ami-1")) == {"": 1, "action": 1, "revoked": 1}
    # The end of the version hides it: what is offered is still named.
    assert api.delete(f"/image_versions/{made['id']}", "alice").status_code == 204
    assert rows(check(visitor, "ami-1"))[0][-1] == "latest 3-east Copy 3"
    assert api.delete(f"/image_versions/{newer['id']}", "alice").status_code == 204
    assert "open-1.0" in rows(check(visitor, "ami-1"))[0][-1]
    visitor.sign_in("dora")
    page = check(visitor, "ami-1")
    assert len(rows(page)) == 2
    assert counts(page)["action"] == 1


def test_what_is_not_a_list_of_ids_is_told_and_kept(world: World, visitor: Visitor) -> None:
    for ids, said in (
        (" ,\n;\ufeff", "must have at least one id"),
        ("\n".join(map(str, range(1001))), "must have at most 1,000 ids; there are 1,001"),
        ("x" * 513, "must have at most 512 characters each"),
    ):
        page = check(visitor, ids)
        assert page.status == 400
        assert said in page.words
        assert "<table" not in page.text
        assert page.form(CHECK).fields["ids"] == [ids]
    assert visitor.ask("POST", CHECK, body="ids=open-east").status == 403, "not from this page"


def test_a_thousand_ids_take_as_many_statements_as_one(
    fleet: Any, db: Database, visitor: Visitor
) -> None:
    """The longest that may be sent fit in a form of a visitor who is not signed in."""

    def statements(ids: str) -> int:
        body = urlencode({"ids": ids, "token": token})
        db.trace = []
        assert visitor.ask("POST", CHECK, body=body).status == 200
        ran, db.trace = db.trace, None
        return len(ran or [])

    token = visitor.get(CHECK).form(CHECK).fields["token"][0]
    few = statements("2-east")
    # Look-up takes three; then what to use instead.
    assert few == 4
    azure = "\n".join(f"{number:04}{'/a' * 126}" for number in range(996))
    assert statements(f"2-east 3-east 4-east open-east {azure}") == few


def test_a_thousand_ids_are_checked_quickly(fleet: Any, visitor: Visitor) -> None:
    began = time.process_time()
    assert check(visitor, " ".join(["2-east", *(f"ami-{n}" for n in range(999))])).status == 200
    assert time.process_time() - began < 2


def test_separators_and_marks_around_ids() -> None:
    json = '["ami-1",\n  "ami-2"]'
    assert check_ids.read_ids(json) == ["ami-1", "ami-2"]
    azure = "/subscriptions/0/images/Ubuntu:22_04:latest"
    assert check_ids.read_ids(f"{azure}\t{azure}") == [azure]
