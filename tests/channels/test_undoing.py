"""Undoing an assignment of a channel: it falls back as before, and the history shows both."""

from urllib.parse import urlencode

from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.lifecycle.steps import assign, channel, history, release, revoke, target
from tests.support.pages.visitor import PageResponse, Visitor, undone

STABLE = "/images/open-image/channels/stable"


def change(visitor: Visitor, address: str, action: str = "", **fields: str) -> PageResponse:
    """Send the form of a page that has these fields, with all of its own."""
    page = visitor.get(address)
    action = action or address
    form = next(it for it in page.forms if it.action == action and it.method == "post")
    body = urlencode({name: values[0] for name, values in form.fields.items()} | fields)
    return visitor.ask("POST", action, body=body)


def test_a_removed_channel_that_is_given_back_falls_back_as_before(
    api: ApiClient, world: World, visitor: Visitor
) -> None:
    first, second = release(api, "2"), release(api, "3")
    visitor.sign_in("alice")
    for do, action in (("unassign", STABLE), ("hide", f"{STABLE}/hide")):
        for version in (first, second):
            assign(api, version)
        before = history(api)
        undone(visitor, change(visitor, f"{STABLE}/{do}", action))
        assert history(api) == [*before, None, "3"]
        entries = api.all(f"{channel()}/history", "alice")
        assert entries[-1]["voids"] == entries[-2]["sequence"]
        assert "(undoes the one before)" in visitor.get(STABLE).words
        revoke(api, second)
        assert target(api) == "2"
        api.post(f"{second['url']}/restore", "alice", {})


def test_undoing_gives_back_what_was_assigned_although_it_is_revoked_now(
    api: ApiClient, world: World, visitor: Visitor
) -> None:
    first, second, third = (release(api, name) for name in "234")
    for version in (first, second):
        assign(api, version)
    revoke(api, second)
    visitor.sign_in("alice")
    undone(visitor, change(visitor, f"{STABLE}/hide"))
    assert target(api) == "2"
    # An assignment is undone as well: what it assigned is not fallen back to.
    undone(visitor, change(visitor, STABLE, do="assign", version="4"))
    assert target(api) == "2"
    assert history(api) == ["2", "3", None, "3", "4", "3"]
    assert third


def test_only_the_newest_assignment_is_undone_and_only_by_the_one_before(
    api: ApiClient, world: World
) -> None:
    first, second = release(api, "2"), release(api, "3")
    for version in (first, second):
        assign(api, version)
    newest = api.all(f"{channel()}/history", "alice")[-1]["sequence"]
    for version, voids in ((first, newest - 1), (second, newest), (first, 0), (None, newest)):
        refused = assign(api, version, voids=voids).status_code
        assert refused == (400 if voids in (0, newest) else 412), (version, voids)
    assert assign(api, first, voids=newest).status_code == 200
    assert history(api) == ["2", "3", "2"]
    revoke(api, first)
    assert target(api) is None, "3 was undone"
