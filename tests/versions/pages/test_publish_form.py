"""What the form that publishes a version offers: a parent, a likely name, licenses and boot scripts."""

import re

import pytest

from goldenrod.catalogue.versions.version_names import likely_next
from tests.support.actions import made, publish
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import PageResponse, Visitor

NEW = "/images/open-image/versions/new"


@pytest.fixture
def alice(visitor: Visitor) -> Visitor:
    visitor.sign_in("alice")
    return visitor


def parent_of(page: PageResponse) -> list[str]:
    return page.form(NEW).fields["parent"]


def unfolded(page: PageResponse) -> bool:
    return '<details class="fold" id="more" open>' in page.text


def test_the_newest_current_version_is_chosen_as_parent(alice: Visitor, api: ApiClient) -> None:
    publish(api, "2.9")
    deprecated = publish(api, "3.0")
    slow = {"deprecation": {"reason": "slow"}}
    assert api.patch(deprecated["url"], "alice", slow).status_code == 200
    publish(api, "4.0", start_date="2099-01-01T00:00:00Z")
    page = alice.get(NEW)
    assert parent_of(page) == ["2.9"]
    assert 'placeholder="4.1"' in page.text
    assert page.form(NEW).fields["name"] == [""], "a suggestion is not typed for anybody"
    # It may be changed to none, also where the form comes back with an error.
    again = alice.submit(page, NEW, name="4.0", parent="")
    assert (again.status, parent_of(again)) == (409, [""])
    alice.submit(again, NEW, name="4.1")
    [found] = api.all("/image_versions?image_id=open-image&name=4.1", "alice")
    assert found["parent"] is None
    # Every version's page offers to build on that version, to those who may publish to its image.
    from_this = "/images/open-image/versions/new?parent=3.0"
    assert from_this in alice.get("/images/open-image/versions/3.0").links
    assert parent_of(alice.get(from_this)) == ["3.0"]
    alice.sign_in("bob")
    assert from_this not in alice.get("/images/open-image/versions/3.0").links


def test_rare_fields_are_folded_unless_they_hold_a_value_or_an_error(alice: Visitor) -> None:
    page = alice.get(NEW)
    assert not unfolded(page)
    row = ("do", "row")
    assert not unfolded(alice.submit(page, NEW, button=row))
    assert unfolded(alice.submit(page, NEW, button=row, min_cpu="2"))
    assert unfolded(alice.submit(page, NEW, button=row, allow_imaging=[""]))
    refused = alice.submit(page, NEW, name="", doc_object_id="x" * 300)
    assert (refused.status, unfolded(refused)) == (400, True)


def test_licenses_and_scripts_are_found_by_words_and_named_by_title(
    alice: Visitor, api: ApiClient, world: World
) -> None:
    mit = made(api, "/api/v2/licenses", "bob", title="MIT, with thanks", type="SPDX", text="MIT")
    twins = [
        made(api, "/api/v2/licenses", "bob", title="Twin", type="SPDX", text="MIT") for _ in "12"
    ]
    theirs = made(
        api, "/api/v2/boot_scripts", "bob", title="Theirs", type="Raw Text", text="echo mine"
    )
    page = alice.get(NEW)
    found = alice.submit(page, NEW, button=("do", "find:licenses"), licenses=["thanks"], name="5")
    assert "1 found" in found.words
    assert f'value="{mit["id"]}"' in found.text
    assert found.form(NEW).fields["name"] == ["5"]
    assert unfolded(found), "what was found is to be seen"
    # What was chosen stays chosen, and more words than a search takes find nothing.
    long = ("do", "find:licenses")
    again = alice.submit(page, NEW, button=long, licenses=[str(mit["id"]), "w " * 17])
    assert ("0 found" in again.words, "MIT, with thanks" in again.words) == (True, True)
    # What a person may not attach is not offered to them, nor told.
    found = alice.submit(page, NEW, button=("do", "find:scripts"), scripts=["mine"])
    assert ("0 found" in found.words, theirs["title"] in found.words) == (True, False)
    wrong = alice.submit(page, NEW, name="5", licenses=["Twin"], scripts=["Theirs"])
    assert wrong.status == 400
    assert all(str(twin["id"]) in wrong.words for twin in twins)
    assert re.search(r'id="f-scripts-e"', wrong.text), "all that is wrong is told at once"
    assert wrong.form(NEW).fields["licenses"][-1] == "Twin"
    done = alice.submit(page, NEW, name="5", licenses=["mit, with THANKS"], follow=False)
    assert done.status == 303
    [version] = api.all("/image_versions?image_id=open-image&name=5", "alice")
    assert [one["id"] for one in version["licenses"]] == [mit["id"]]


def test_a_likely_name_follows_the_names_before() -> None:
    now = "2026-11-26T16:00:00.000000Z"
    likely = {
        ("1.0",): "1.1",
        ("1.9", "1.10"): "1.11",
        ("0918", "0917"): "0919",
        ("24.04-rc9",): "24.04-rc10",
        ("2026.10.01",): "2026.11.26",
        ("al2023-20261001-x86",): "al2023-20261126-x86",
        ("20261126",): "",
        ("first",): "",
        (): "",
    }
    assert {names: likely_next(names, now) for names in likely} == likely
