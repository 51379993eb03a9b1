"""Signing in with a password, and signing out.

Failures count towards the same limits as for tokens (`catalogue/accounts/password_sign_in.py`). Each
sign-in creates a new session and drops the secret that the form was bound to. So nobody can choose
either beforehand for somebody else.
"""

from goldenrod.base.errors import (
    BadRequest,
    Problem,
    TooManyRequests,
    Unauthorized,
    field_problem,
)
from goldenrod.base.faults import Faults
from goldenrod.catalogue.accounts import password_sign_in, sessions
from goldenrod.web.authenticate import check_password
from goldenrod.web.client_address import client_address
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.forms import Form
from goldenrod.web.pages.kit.visit import Page, Visit


def show_sign_in(visit: Visit) -> Page:
    """GET /sign-in: the form; a redirect for a visitor who is signed in."""
    with visit.read():
        destination = urls.checked_next(visit.asked("next"))
    if not visit.anonymous:
        return visit.redirect(destination)
    return show_form(visit, Form.of(next=destination))


def show_form(visit: Visit, form: Form, problem: Problem | None = None) -> Page:
    """The sign-in form, with the reason why it was refused, and the other way to sign in."""
    visit.begin()
    settings = visit.settings
    other = settings.oidc_name if settings.oidc_issuer else ""
    return visit.page("account/sign_in.html", form=form, problem=problem, other=other)


def sign_in(visit: Visit) -> Page:
    """POST /sign-in: redirects to where the visitor was going, or shows the form again."""
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
    faults = Faults()
    for name, text in (("username", username.strip()), ("password", password)):
        if not text:
            faults.add(field_problem(name, "is required"))
    faults.report()
    address = client_address(visit.req, visit.settings)
    account = check_password(visit.db, username, password, address)
    with visit.db.write_unversioned() as tx:
        tx.address = address
        password_sign_in.require_unchanged(tx, username, account)
        if visit.session:
            sessions.end_session(tx, visit.actor, visit.session.uuid)
        visit.begin_session(tx, account["id"], "password")


def sign_out(visit: Visit) -> Page:
    """POST /sign-out: end this browser's session."""
    with visit.read() as (_, actor):
        pass
    if visit.session is not None:
        visit.check_form()
        with visit.db.write_unversioned() as tx:
            tx.address = visit.address
            sessions.end_session(tx, actor, visit.session.uuid)
    visit.leave()
    return visit.redirect(urls.HOME)
