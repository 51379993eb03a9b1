"""The pages that add, edit, end and restore the machines of a version."""

import pytest

from goldenrod.store.db import Database
from tests.support.actions import everything
from tests.support.client import ApiClient
from tests.support.pages.visitor import Visitor

OPEN = "/images/open-image/versions/open-1.0"


@pytest.fixture
def alice(visitor: Visitor) -> Visitor:
    visitor.sign_in("alice")
    return visitor


MACHINES = f"{OPEN}/machines"


def test_a_machine_is_added_and_that_undone(alice: Visitor, api: ApiClient) -> None:
    page = alice.get(MACHINES)
    assert "2 machines" in page.words
    done = alice.submit(
        page,
        MACHINES,
        provider="west",
        identifier="ami-new",
        architecture="arm64",
        size_gb="20",
        checksum="sha",
    )
    assert "ami-new is added." in done.words
    assert "3 machines" in done.words
    [machine] = api.all("/api/v2/provider_machines?identifier=ami-new", "alice")
    assert (machine["provider"]["slug"], machine["size_gb"]) == ("west", 20)
    undone = alice.ask(
        "POST",
        f"{MACHINES}/{machine['id']}/end",
        body=f"token={done.form(MACHINES).fields['token'][0]}",
    )
    assert "ami-new has ended." in undone.words


def test_a_machine_is_ended_and_restored(alice: Visitor, api: ApiClient) -> None:
    [machine] = api.all("/api/v2/provider_machines?identifier=open-east", "alice")
    end = f"{MACHINES}/{machine['id']}/end"
    done = alice.submit(alice.get(end), end)
    assert "open-east has ended." in done.words
    restore = f"{MACHINES}/{machine['id']}/restore"
    assert [form.action for form in done.forms].count(restore) == 2, "Undo, and its row"
    token = done.form(MACHINES).fields["token"][0]
    back = alice.ask("POST", restore, body=f"token={token}")
    assert "open-east is restored." in back.words


def test_problems_of_a_machine_are_shown_at_their_fields(alice: Visitor, db: Database) -> None:
    page = alice.get(MACHINES)
    before = everything(db)
    taken = alice.submit(page, MACHINES, provider="east", identifier="open-east")
    assert (taken.status, 'id="f-identifier-e"' in taken.text) == (409, True)
    size = alice.submit(page, MACHINES, provider="east", identifier="z", size_gb="big")
    assert (size.status, size.form(MACHINES).fields["identifier"]) == (400, ["z"])
    assert everything(db) == before


def test_only_providers_with_an_own_account_can_be_chosen(visitor: Visitor, api: ApiClient) -> None:
    visitor.sign_in("bob")
    address = "/images/kept-image/versions/kept-1.0/machines"
    page = visitor.get(address)
    assert page.form(address).fields["provider"] == ["west"]
    refused = visitor.submit(page, address, provider="east", identifier="x")
    assert (refused.status, 'id="f-provider-e"' in refused.text) == (403, True)


def test_a_machine_of_another_version_is_not_found(alice: Visitor, api: ApiClient) -> None:
    [machine] = api.all("/api/v2/provider_machines?identifier=closed-east", "alice")
    token = alice.get(MACHINES).form(MACHINES).fields["token"][0]
    body = f"token={token}"
    assert alice.ask("POST", f"{MACHINES}/{machine['id']}/end", body=body).status == 404


def test_a_machine_is_changed_only_with_an_account_on_its_provider(
    visitor: Visitor, api: ApiClient
) -> None:
    """bob edits this version, and has an account on west alone."""
    visitor.sign_in("bob")
    page = visitor.get("/images/kept-image/versions/kept-1.0/machines")
    assert page.words.count("needs an account there") == 1
    [end] = [link for link in page.links if link.endswith("/end")]
    [machine] = api.all("/api/v2/provider_machines?identifier=kept-west", "bob")
    assert f"/machines/{machine['id']}/" in end
    assert visitor.get(end).status == 200


def test_a_machine_is_edited_in_its_row_and_that_undone(alice: Visitor, api: ApiClient) -> None:
    [before] = api.all("/api/v2/provider_machines?identifier=open-east", "alice")
    row, edit = f"{MACHINES}?edit={before['id']}", f"{MACHINES}/{before['id']}/edit"
    assert f"{row}#f" in alice.get(MACHINES).links
    page = alice.get(row)
    form = page.form(edit)
    assert (form.fields["identifier"], "provider" in form.fields) == (["open-east"], False)
    assert [one.action for one in page.forms].count(MACHINES) == 0, "one form at a time"
    # As it is shown, it changes nothing.
    assert "Nothing to save." in alice.submit(page, edit).words
    # All that is wrong is told at once, with what was typed.
    wrong = alice.submit(page, edit, identifier="", size_gb="big", end_date="1999-01-01T00:00")
    assert wrong.status == 400
    assert {"f-identifier-e", "f-size_gb-e", "f-end_date-e"} <= wrong.ids
    assert wrong.form(edit).fields["size_gb"] == ["big"]
    changes = {"identifier": "ami-better", "size_gb": "1,024", "checksum": "sha256:1"}
    done = alice.submit(page, edit, architecture="arm64", **changes)
    assert "ami-better is saved." in done.words
    after = api.get(before["url"], "alice").json
    assert (after["identifier"], after["size_gb"]) == ("ami-better", 1024)
    assert (after["architecture"], after["start_date"]) == ("arm64", before["start_date"])
    alice.submit(done, edit)
    assert api.get(before["url"], "alice").json == before


def test_two_who_edit_one_machine_lose_nothing(
    alice: Visitor, api: ApiClient, db: Database
) -> None:
    [machine] = api.all("/api/v2/provider_machines?identifier=open-east", "alice")
    edit = f"{MACHINES}/{machine['id']}/edit"
    page = alice.get(f"{MACHINES}?edit={machine['id']}")
    assert api.patch(machine["url"], "dora", {"size_gb": 9, "checksum": "d"}).status_code == 200
    lost = alice.submit(page, edit, size_gb="8", architecture="arm64")
    assert lost.status == 412
    merged = lost.form(edit).fields
    assert (merged["size_gb"], merged["checksum"]) == (["8"], ["d"])
    theirs = alice.submit(lost, edit, button=("do", "take:size_gb"))
    assert theirs.form(edit).fields["size_gb"] == ["9"]
    alice.submit(theirs, edit)
    after = api.get(machine["url"], "alice").json
    assert [after[name] for name in ("size_gb", "checksum", "architecture")] == [9, "d", "arm64"]


def test_only_who_may_change_a_machine_is_offered_to_edit_it(
    visitor: Visitor, api: ApiClient, db: Database
) -> None:
    [east] = api.all("/api/v2/provider_machines?identifier=kept-east", "dora")
    visitor.sign_in("bob")
    address = "/images/kept-image/versions/kept-1.0/machines"
    page = visitor.get(address)
    assert f"{address}?edit={east['id']}#f" not in page.links
    assert visitor.get(f"{address}?edit={east['id']}").status == 403
    before = everything(db)
    token = page.form(address).fields["token"][0]
    body = f"token={token}&size_gb=7"
    refused = visitor.ask("POST", f"{address}/{east['id']}/edit", body=body)
    assert (refused.status, everything(db)) == (403, before)
