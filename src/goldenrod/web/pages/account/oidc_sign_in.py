"""Signing in with an OpenID Connect provider: the authorization code flow with PKCE.

State, nonce, verifier and where the visitor was going are in a cookie, which is signed for this
browser, lasts ten minutes and is used once. The provider redirects to the public URL only. Accounts
are identified by issuer and subject (`catalogue/accounts/oidc_accounts.py`), never by name. Each
sign-in gives the user the groups and rights that its claims give (`oidc_claims.py`, beside it).
"""

import hmac
import re
import secrets
from contextlib import suppress
from typing import Any

from goldenrod.base.clock import later
from goldenrod.base.errors import BadRequest, Forbidden, NotFound, Unavailable
from goldenrod.catalogue.accounts import oidc_accounts, oidc_claims
from goldenrod.rules.changes import security_log
from goldenrod.web import oidc_client
from goldenrod.web.monitoring.counts import COUNTS, SIGN_INS
from goldenrod.web.oidc_client import OpenIdProvider, Person
from goldenrod.web.pages.account.sign_in import show_form
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.forms import Form
from goldenrod.web.pages.kit.visit import Page, Visit

MINUTES = 10
MOST_NEXT = 1000
"""A longer address does not fit into the cookie: the home page is used instead."""

_ERROR = re.compile(r"[a-z_]{1,40}", re.ASCII)


def begin(visit: Visit) -> Page:
    """GET /sign-in/oidc: redirects to the provider."""
    with visit.read() as (tx, _):
        then = urls.checked_next(visit.asked("next"))
        until = later(tx.now, minutes=MINUTES)
    provider = _provider(visit)
    if not visit.anonymous:
        return visit.redirect(then)
    parameters = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    try:
        address = provider.authorization_address(
            _callback(visit), visit.settings.oidc_scopes, **parameters
        )
    except Unavailable as problem:
        return show_form(visit, Form.of(next=then), problem)
    destination = then if len(then) <= MOST_NEXT else urls.HOME
    visit.store_oidc_request({**parameters, "next": destination, "until": until}, MINUTES * 60)
    return visit.redirect(address)


def come_back(visit: Visit) -> Page:
    """GET /sign-in/oidc/callback: sign in, and redirect to where the visitor was going."""
    with visit.read():
        pass
    provider = _provider(visit)
    promised = visit.take_oidc_request()
    then = promised["next"] if promised else urls.HOME
    try:
        person = _person(visit, provider, promised)
        _enter(visit, person)
    except (BadRequest, Forbidden, Unavailable) as problem:
        if isinstance(problem, BadRequest):
            _record_failure(visit, problem)
        return show_form(visit, Form.of(next=then), problem)
    return visit.redirect(then)


def _record_failure(visit: Visit, problem: BadRequest) -> None:
    """Record a failed sign-in. One that is refused with 403 is recorded as a refusal."""
    COUNTS.add(SIGN_INS, "oidc", "failure")
    with suppress(Unavailable), visit.db.write_unversioned() as tx:
        tx.address = visit.address
        security_log.record(tx, "sign_in:failure", alike=("oidc",), by="oidc", code=problem.code)


def _provider(visit: Visit) -> OpenIdProvider:
    provider = oidc_client.provider_of(visit.settings)
    if provider is None:
        raise NotFound("There is nothing at this address.")
    return provider


def _callback(visit: Visit) -> str:
    return f"{visit.settings.public_url}{urls.SIGN_IN}/oidc/callback"


def _person(visit: Visit, provider: OpenIdProvider, promised: dict[str, Any] | None) -> Person:
    """The person whom the provider authenticated. Raises BadRequest, Unavailable."""
    assert visit.now is not None
    state = visit.asked("state").encode()
    if promised is None or not hmac.compare_digest(promised["state"].encode(), state):
        raise oidc_client.sign_in_failed(
            "This sign-in was not started in this browser, or is already complete."
        )
    if promised["until"] <= visit.now:
        raise oidc_client.sign_in_failed(
            f"This sign-in was started more than {MINUTES} minutes ago."
        )
    if visit.asked("iss") not in ("", provider.issuer):
        raise oidc_client.sign_in_failed("Another provider answered.")
    if error := visit.asked("error"):
        said = error if _ERROR.fullmatch(error) else "no reason given"
        raise oidc_client.sign_in_failed(f"The provider did not sign you in ({said}).")
    return provider.redeem(
        visit.asked("code"),
        _callback(visit),
        verifier=promised["verifier"],
        nonce=promised["nonce"],
        now=visit.now,
    )


def _enter(visit: Visit, person: Person) -> None:
    """Sign in the user whom the account is linked to, or a new user, with the groups and rights that
    the claims give. Raises Forbidden."""
    rights = oidc_claims.rights_of(visit.settings, person.claims)
    with visit.db.write_unversioned() as tx:
        tx.address = visit.address
        user_id = oidc_accounts.find_user(tx, person.issuer, person.subject)
        if user_id is not None and not oidc_claims.differ(tx, user_id, rights):
            visit.begin_session(tx, user_id, "oidc", rights.problem)
            return
    if user_id is None and not visit.settings.oidc_create:
        raise Forbidden(_unknown(person), code="oidc_account_unknown")
    with visit.db.write() as tx:
        tx.address = visit.address
        user_id = oidc_accounts.find_user(tx, person.issuer, person.subject)
        if user_id is None:
            user_id = oidc_accounts.create_user(tx, person.issuer, person.subject, person.name)
        oidc_claims.apply(tx, user_id, rights)
        visit.begin_session(tx, user_id, "oidc", rights.problem)


def _unknown(person: Person) -> str:
    return (
        "Your account is not linked to a user. Ask staff to link it. Its subject is "
        f"{person.subject}."
    )
