"""Signing in with a password, and out.

Failing counts as it does for tokens (`catalogue/accounts/password_sign_in.py`). The session is a new one each time, and
the secret that the form was bound to is forgotten, so that nobody can have chosen either before.
"""

from goldenrod.base.errors import (
    BadRequest,
    Problem,
    TooManyRequests,
    Unauthorized,
    field_problem,
)
from goldenrod.catalogue.accounts import password_sign_in as signing
from goldenrod.catalogue.accounts import sessions
from goldenrod.web.authenticate import check_password, client_address
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.forms import Form
from goldenrod.web.pages.kit.visit import Page, Visit


def show_sign_in(visit: Visit) -> Page:
    """GET /sign-in: who is signed in already is led on."""
    with visit.read():
        then = urls.checked_next(visit.asked("next"))
    if not visit.anonymous:
        return visit.redirect(then)
    return show_form(visit, Form.of(next=then))


def show_form(visit: Visit, form: Form, problem: Problem | None = None) -> Page:
    """The form, with what it was refused for, and the other ways to sign in."""
    visit.begin()
    settings = visit.settings
    other = settings.oidc_name if settings.oidc_issuer else ""
    return visit.page("account/sign_in.html", form=form, problem=problem, other=other)


def sign_in(visit: Visit) -> Page:
    """POST /sign-in: on to where the visitor was going; else the form, saying what is wrong."""
    with visit.read():
        pass
    visit.check_form()
    try:
        _enter(visit)
    except (Unauthorized, TooManyRequests, BadRequest) as problem:
        return show_form(visit, visit.form, problem)
    return visit.redirect(urls.checked_next(visit.form.get("next")))


def _enter(visit: Visit) -> None:
    username, password = visit.form.get("username"), visit.form.get("password")
    for name, text in (("username", username.strip()), ("password", password)):
        if not text:
            raise field_problem(name, "is required")
    address = client_address(visit.req, visit.settings)
    account = check_password(visit.db, username, password, address)
    with visit.db.write_unversioned() as tx:
        tx.address = address
        signing.require_unchanged(tx, username, account)
        if visit.session:
            sessions.end_session(tx, visit.actor, visit.session.uuid)
        visit.begin_session(tx, account["id"], "password")


def sign_out(visit: Visit) -> Page:
    """POST /sign-out: this browser is signed out, the session is gone."""
    with visit.read() as (_, actor):
        pass
    if visit.session is not None:
        visit.check_form()
        with visit.db.write_unversioned() as tx:
            tx.address = visit.address
            sessions.end_session(tx, actor, visit.session.uuid)
    visit.leave()
    return visit.redirect(urls.HOME)
