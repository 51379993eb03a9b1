"""Pages of the visitor's tokens.

The secret of a token is shown once, in the answer to creating it. It is never in an address, a cookie
or a page that a browser stores.
"""

from goldenrod.base import decode, wire
from goldenrod.base.clock import later
from goldenrod.base.errors import Problem, field_problem
from goldenrod.base.faults import Faults
from goldenrod.catalogue.accounts import tokens
from goldenrod.rules.access import Actor
from goldenrod.store.db import Tx
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form, refused
from goldenrod.web.pages.kit.listing import listed
from goldenrod.web.pages.kit.visit import Page, Visit

LABELS = {"name": "Name", "scope": "Scope", "days": "Expires"}
SCOPES = [
    ("read", "Read"),
    ("write", "Read and write"),
    ("admin", "Full access, including tokens and staff rights"),
]
DAYS = [("7", "in 7 days"), ("30", "in 30 days"), ("90", "in 90 days"), ("365", "in a year")]
DAYS += [("", "never")]


def show_tokens(visit: Visit) -> Page:
    """GET /account/tokens."""
    visit.require_user()
    return _list(visit, Form.of(scope="write", days="90"))


def _list(visit: Visit, form: Form, problem: Problem | None = None) -> Page:
    with visit.read() as (tx, actor):
        mine = {"user": actor.username, "ordering": "-created"}
        found = listed(visit, tx, actor, tokens.TOKENS.page, tokens.TOKENS.listing, **mine)
    return visit.page(
        "account/tokens.html",
        list=found,
        form=form,
        problem=problem,
        labels=LABELS,
        scopes=SCOPES,
        days=DAYS,
    )


def create_token(visit: Visit) -> Page:
    """POST /account/tokens: a page that shows the secret, only once."""
    try:
        with visit.change() as (tx, actor):
            faults = Faults()
            body = _body(faults, visit, tx)
            token_id, secret = faults.then(tokens.create_token, tx, actor, body)
            token = tokens.TOKENS.read(tx, actor, str(token_id))
    except REFUSALS as problem:
        return _list(visit, visit.form, refused(problem))
    return visit.page("account/token_created.html", 201, created=token, secret=secret)


def _body(faults: Faults, visit: Visit, tx: Tx) -> wire.NewToken:
    days = visit.form.get("days")
    if days not in dict(DAYS):
        faults.add(field_problem("days", "must be one of the list"))
        days = ""
    body = {
        "name": faults.of(decode.name, "name", visit.form.get("name")),
        "scope": visit.form.get("scope"),
        "expires": later(tx.now, days=int(days)) if days else None,
    }
    return decode.convert_with(faults, body, wire.NewToken)


def show_revoke(visit: Visit, key: str) -> Page:
    """GET /account/tokens/{key}/revoke: the confirmation page."""
    visit.require_user()
    with visit.read() as (tx, actor):
        tokens.token_for_change(tx, actor, key)
        token = tokens.TOKENS.read(tx, actor, key)
        back = _list_of(tx, actor, token)
    if token["revoked_at"]:
        return visit.redirect(back)
    return visit.page("account/token_revoke.html", it=token, back=back)


def revoke_token(visit: Visit, key: str) -> Page:
    """POST /account/tokens/{key}/revoke."""
    with visit.change() as (tx, actor):
        row = tokens.token_for_change(tx, actor, key)
        tokens.revoke_token(tx, actor, row)
        token = tokens.TOKENS.read(tx, actor, key)
        back = _list_of(tx, actor, token)
    return visit.redirect(back, done=f"Token {token['name'] or token['id']} revoked.")


def _list_of(tx: Tx, actor: Actor, token: urls.Thing) -> str:
    """The page that lists a token: the visitor's own tokens, or staff's page of its user."""
    if token["user"]["id"] == actor.user_id:
        return urls.TOKENS
    return urls.staff("users", str(token["user"]["id"]))
