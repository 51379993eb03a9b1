"""The account page: the visitor's groups, accounts on providers, and active sessions."""

import json

from goldenrod.catalogue.accounts import groups, identities, oidc_accounts, sessions
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.visit import Page, Visit


def show_account(visit: Visit) -> Page:
    """GET /account."""
    visit.require_user()
    with visit.read() as (tx, actor):
        mine = groups.GROUPS.page(tx, actor, groups.GROUPS.where())
        accounts = identities.IDENTITIES.read_list(tx, actor, user=actor.username)
        issuer = visit.settings.oidc_issuer
        linked = oidc_accounts.list_accounts(tx, actor, actor.user_id) if issuer else []
        active = sessions.list_sessions(tx, actor)
    return visit.page(
        "account/account.html",
        groups=[json.loads(one) for one in mine.results],
        groups_count=mine.count,
        identities=accounts,
        linked=linked,
        sessions=active,
        current=visit.session.uuid if visit.session else None,
    )


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
