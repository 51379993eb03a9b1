"""Groups and staff's rights from the claims of a sign-in: given, taken away, and told, apart from what
people gave by hand.

The provider and the browser are those of `test_oidc.py`.
"""

import json
from dataclasses import replace
from typing import Any

import pytest

from goldenrod.base import config, wire
from goldenrod.base.config import Settings
from goldenrod.base.errors import SettingError
from goldenrod.catalogue.accounts import groups, oidc_accounts, users
from goldenrod.cli import check
from goldenrod.rules.access import CONSOLE
from goldenrod.store import schema
from goldenrod.store.db import Database
from tests.accounts.test_oidc import WHOLE, browser, provider, running, walk
from tests.accounts.test_oidc import settings as plain_settings
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.pages.visitor import Visitor
from tests.support.processes.oidc_provider import Provider

__all__ = ["browser", "plain_settings", "provider", "running"]

GROUPS = "/api/v2/groups"


@pytest.fixture
def settings(plain_settings: Settings) -> Settings:
    return replace(
        plain_settings,
        oidc_groups_claim="realm_access.roles",
        oidc_groups=(
            *(("/cloud/lab", "lab"), ("/cloud/crew", "Crew")),
            *(("all", "nowhere"), ("me", "dora")),
        ),
        oidc_staff="image-admins",
    )


def enter(browser: Visitor, provider: Provider, *roles: Any, **claims: Any) -> None:
    """Sign in anew, with these roles or claims."""
    browser.cookies.clear()
    person = {"sub": "1001", "preferred_username": "grace"}
    given = claims or {"realm_access": {"roles": [*roles]}}
    provider.tell(person=person | given)
    assert walk(browser, provider).status == 303


def staff_view(api: ApiClient, username: str = "grace") -> dict[str, Any]:
    [user] = api.all(f"/api/v2/users?username={username}", "dora")
    return user


def memberships(api: ApiClient, username: str = "grace") -> dict[str, bool]:
    """The user's groups, and whether claims gave them."""
    found = {}
    for group in api.all(f"{GROUPS}?personal=false", "dora"):
        if username in [it["username"] for it in group["users"]]:
            claimed = [it["username"] for it in group["users_from_claims"]]
            found[group["name"]] = username in claimed
    return found


@pytest.mark.long_on_postgresql
def test_each_sign_in_gives_and_takes_what_its_claim_says(
    db: Database, api: ApiClient, browser: Visitor, provider: Provider, world: World
) -> None:
    private = f"/images/shared-image/versions/{world.versions['shared']}"
    enter(browser, provider, "other", "all", "me")
    assert memberships(api) == {}
    assert browser.get(private).status == 404

    enter(browser, provider, "/cloud/lab", "image-admins", "/cloud/lab")
    assert memberships(api) == {"lab": True}
    assert browser.get(private).status == 200
    assert (staff_view(api)["is_staff"], staff_view(api)["staff_from_claims"]) == (True, True)
    account = browser.get("/account").words
    assert "Staff from Cloud SSO" in account
    assert "lab from Cloud SSO · 3 members" in account
    with db.read() as tx:
        revision = tx.revision
    enter(browser, provider, "/cloud/lab", "image-admins")
    with db.read() as tx:
        assert tx.revision == revision, "a sign-in that changes nothing is no change"

    enter(browser, provider)
    assert memberships(api) == {}
    assert browser.get(private).status == 404
    assert not staff_view(api)["is_staff"]
    # Who is told to have changed it: the person's sign-in, through the provider.
    with db.read() as tx:
        entries = tx.rows(_entries)
    grace = staff_view(api)["id"]
    assert {(row["via"], row["user_id"]) for row in entries} == {("oidc", grace)}
    lab = [row for row in entries if row["subject"] == "groups"]
    assert [json.loads(row["changes"])["users_from_claims"] for row in lab] == [
        {"before": [], "after": [grace]},
        {"before": [grace], "after": []},
    ]
    staff = [json.loads(row["changes"])["is_staff"] for row in entries if row not in lab]
    assert staff == [{"before": False, "after": True}, {"before": True, "after": False}]


def _entries() -> Any:
    entry = schema.audit
    return entry.select().where(entry.c.via == "oidc").order_by(entry.c.sequence)


def test_what_people_gave_by_hand_stays(
    db: Database, api: ApiClient, browser: Visitor, provider: Provider, world: World
) -> None:
    with db.write() as tx:
        row = users.USERS.row_for_change(tx, CONSOLE, str(world.users["dora"]))
        oidc_accounts.link(tx, CONSOLE, row, provider.issuer, "1001")
    lab = f"{GROUPS}/{world.groups['lab']}"
    people = api.get(lab, "alice").json["users"]
    api.patch(lab, "alice", {"users": [*people, "dora"]})
    enter(browser, provider, "/cloud/lab", "image-admins")
    assert memberships(api, "dora") == {"lab": True}
    assert staff_view(api, "dora")["staff_from_claims"]
    # The last staff given by hand stays, whatever the provider says.
    enter(browser, provider)
    assert memberships(api, "dora") == {"lab": False}
    assert staff_view(api, "dora")["is_staff"]
    assert not staff_view(api, "dora")["staff_from_claims"]


def test_leaders_do_not_remove_who_comes_from_claims_and_staff_do(
    db: Database, api: ApiClient, browser: Visitor, provider: Provider, world: World
) -> None:
    enter(browser, provider, "/cloud/lab", "image-admins")
    lab = f"{GROUPS}/{world.groups['lab']}"
    read = api.get(lab, "alice").json
    assert [it["username"] for it in read["users_from_claims"]] == ["grace"]
    # What a GET gave changes nothing, so the membership still comes from claims only.
    assert api.patch(lab, "alice", read).json == read
    assert code(api.patch(lab, "alice", {"users": ["alice", "bob"]})) == "403 staff_required"
    alice = Visitor(db, browser.settings)
    alice.sign_in("alice")
    page = alice.get(f"/groups/{world.groups['lab']}")
    assert "grace from Cloud SSO" in page.words
    assert "Leaders cannot remove them." in page.words
    assert 'aria-label="Remove grace"' not in page.text
    assert 'aria-label="Remove bob"' in page.text

    grace = f"/api/v2/users/{staff_view(api)['id']}"
    assert api.patch(grace, "dora", api.get(grace, "dora").json).status_code == 200
    dora = Visitor(db, browser.settings)
    dora.sign_in("dora")
    told = dora.get(f"/staff/users/{staff_view(api)['id']}").words
    assert "staff from Cloud SSO: can see" in told
    assert "Groups from Cloud SSO: lab" in told
    assert api.patch(grace, "dora", {"is_staff": False}).json["is_staff"] is False
    assert api.patch(lab, "dora", {"users": ["alice", "bob"]}).status_code == 200
    assert memberships(api) == {}
    # Whom staff make a leader was chosen by people: the claim's end leaves them in.
    enter(browser, provider, "/cloud/lab")
    assert api.patch(lab, "dora", {"leaders": ["alice", "grace"]}).status_code == 200
    enter(browser, provider)
    assert memberships(api) == {"lab": False}


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        ({"realm_access": {"roles": "/cloud/lab"}}, None),
        ({"realm_access.roles": ["/cloud/lab"]}, None),
        ({"realm_access": {"roles": []}}, ""),
        ({"realm_access": {"other": ["/cloud/lab"]}}, "missing"),
        ({"realm_access": ["roles"]}, "missing"),
        ({"realm_access": {"roles": {"/cloud/lab": True}}}, "malformed"),
        ({"realm_access": {"roles": ["/cloud/lab", 7]}}, "malformed"),
        ({"realm_access": {"roles": [["/cloud/lab"]]}}, "malformed"),
        ({"realm_access": {"roles": ["/cloud/lab", *map(str, range(500))]}}, "too many values"),
    ],
)
@pytest.mark.long_on_postgresql
def test_a_claim_that_is_missing_or_wrong_gives_nothing_and_is_told(
    db: Database,
    api: ApiClient,
    browser: Visitor,
    provider: Provider,
    claims: dict[str, Any],
    problem: str | None,
) -> None:
    enter(browser, provider, "/cloud/lab", "image-admins")
    enter(browser, provider, **claims)
    assert memberships(api) == ({"lab": True} if problem is None else {})
    assert staff_view(api)["is_staff"] is False
    newest = api.get("/api/v2/security_events?kind=sign_in:success", "dora").json["results"][0]
    assert newest["detail"] == {"by": "oidc"} | ({"claim": problem} if problem else {})


def test_without_an_account_or_a_mapping_nothing_from_claims_stays(
    db: Database, api: ApiClient, browser: Visitor, provider: Provider
) -> None:
    enter(browser, provider, "/cloud/lab", "image-admins")
    enter(Visitor(db, replace(browser.settings, oidc_groups_claim="")), provider, "/cloud/lab")
    assert memberships(api) == {}
    enter(browser, provider, "/cloud/lab", "image-admins")
    with db.write() as tx:
        row = users.USERS.row_for_change(tx, CONSOLE, str(staff_view(api)["id"]))
        [account] = oidc_accounts.list_accounts(tx, CONSOLE, row["id"])
        oidc_accounts.unlink(tx, CONSOLE, row, account["uuid"])
    assert memberships(api) == {}
    assert not staff_view(api)["is_staff"]


def test_the_mapping_is_checked_at_the_start_and_by_check(
    db: Database, world: World, settings: Settings
) -> None:
    mapped = {"GOLDENROD_OIDC_GROUPS_CLAIM": "groups"}
    good = config.load(WHOLE | mapped | {"GOLDENROD_OIDC_GROUPS": '{"a,b=c": "lab"}'})
    assert good.oidc_groups == (("a,b=c", "lab"),)
    for wrong in ("lab", '["lab"]', '{"a": 1}', '{"a": "x", "a": "y"}', '{"a": " "}', "[" * 9999):
        with pytest.raises(SettingError, match="GOLDENROD_OIDC_GROUPS "):
            config.load(WHOLE | mapped | {"GOLDENROD_OIDC_GROUPS": wrong})
    with pytest.raises(SettingError, match="GOLDENROD_OIDC_GROUPS_CLAIM must be set"):
        config.load(WHOLE | {"GOLDENROD_OIDC_STAFF": "admins"})
    found = check._no_groups(db, settings)
    assert found is not None
    assert found.id == "goldenrod.W005"
    assert "Crew, dora, nowhere" in found.what
    with db.write() as tx:
        for name in ("crew", "nowhere"):
            groups.create_group(tx, CONSOLE, wire.NewGroup(name=name))
    assert check._no_groups(db, replace(settings, oidc_groups=(("a", "Crew"),))) is None
