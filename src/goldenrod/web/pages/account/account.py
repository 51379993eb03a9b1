"""The account page: the visitor's groups, accounts on providers, password, and active sessions."""

import json

from goldenrod.base.errors import Forbidden, Problem, TooManyRequests, Unauthorized, field_problem
from goldenrod.catalogue.accounts import (
    groups,
    identities,
    oidc_accounts,
    password_sign_in,
    sessions,
    users,
)
from goldenrod.catalogue.images import follows
from goldenrod.rules.access import Actor
from goldenrod.store.db import Tx
from goldenrod.web.authenticate import check_password
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form, refused
from goldenrod.web.pages.kit.visit import Page, Visit


def show_account(visit: Visit) -> Page:
    """GET /account."""
    visit.require_user()
    return _show(visit)


def _show(visit: Visit, problem: Problem | None = None) -> Page:
    with visit.read() as (tx, actor):
        mine = groups.GROUPS.page(tx, actor, groups.GROUPS.where())
        accounts = identities.IDENTITIES.read_list(tx, actor, user=actor.username)
        issuer = visit.settings.oidc_issuer
        linked = oidc_accounts.list_accounts(tx, actor, actor.user_id) if issuer else []
        followed = follows.list_followed(tx, actor)
        active = sessions.list_sessions(tx, actor)
        staff_from_claims = actor.staff and _is_staff_from_claims(tx, actor)
        has_password = users.has_password(tx, actor.user_id)
    return visit.page(
        "account/account.html",
        groups=[json.loads(one) for one in mine.results],
        groups_count=mine.count,
        identities=accounts,
        linked=linked,
        followed=followed,
        sessions=active,
        current=visit.session.uuid if visit.session else None,
        has_password=has_password,
        staff_from_claims=staff_from_claims,
        oidc_name=visit.settings.oidc_name,
        form=Form.of(),
        problem=problem,
    )


def _is_staff_from_claims(tx: Tx, actor: Actor) -> bool:
    return bool(users.USERS.read(tx, actor, str(actor.user_id))["staff_from_claims"])


def change_password(visit: Visit) -> Page:
    """POST /account/password: change the visitor's own password. Their other browsers are signed out.

    The old password is checked under the limits on failed sign-ins, because somebody else may be
    sitting at the browser.
    """
    visit.require_sent()
    try:
        _change_password(visit)
    except (*REFUSALS, TooManyRequests) as problem:
        return _show(visit, refused(problem))
    return visit.redirect(
        urls.ACCOUNT, done="Password changed. Your other browsers are signed out."
    )


def _change_password(visit: Visit) -> None:
    if visit.session is None:
        raise Forbidden("Change your password in a browser in which you are signed in.")
    visit.actor.require_write()
    username, old, new = visit.actor.username, visit.form.get("old"), visit.form.get("password")
    for name, text in (("old", old), ("password", new)):
        if not text:
            raise field_problem(name, "is required")
    try:
        account = check_password(visit.db, username, old, visit.address, by="password change")
    except Unauthorized:
        raise field_problem("old", "is not your password") from None
    password_hash = users.hash_password(username, new)
    assert password_hash is not None
    with visit.change() as (tx, actor):
        password_sign_in.require_unchanged(tx, username, account)
        users.change_own_password(tx, actor, password_hash, visit.session.uuid)


def end_session(visit: Visit, uuid: str) -> Page:
    """POST /account/sessions/{uuid}/end: sign one of the visitor's browsers out."""
    with visit.write_unversioned() as (tx, actor):
        sessions.end_session(tx, actor, uuid)
    if visit.session and visit.session.uuid == uuid.lower():
        visit.leave()
        return visit.redirect(urls.HOME)
    return visit.redirect(urls.ACCOUNT, done="Signed out in that browser.")


def sign_out_everywhere(visit: Visit) -> Page:
    """POST /account/sign-out-everywhere: sign all of the visitor's browsers out, this one too."""
    with visit.write_unversioned() as (tx, actor):
        sessions.end_all_sessions(tx, actor)
    visit.leave()
    return visit.redirect(urls.HOME)
