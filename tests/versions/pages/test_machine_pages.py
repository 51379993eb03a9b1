"""The pages that add, end and restore the machines of a version."""

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
