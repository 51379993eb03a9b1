"""The doors of tokens: made with a username and password, or with a token of the scope admin.

Their answers hold a secret that is shown once, so they take no Idempotency-Key.
"""

import json

from msgspec import UNSET

from goldenrod.base.bodies import NewToken
from goldenrod.base.errors import Unauthorized, field_problem
from goldenrod.catalogue.accounts import password_sign_in, tokens
from goldenrod.web.api.handlers import without_idempotency
from goldenrod.web.authenticate import check_password, client_address
from goldenrod.web.request import Answer, Call


def create_token(call: Call) -> Answer:
    """POST /tokens: 201 with the token, its secret among it."""
    with call.read() as (_, actor):
        pass
    if actor.kind != "anonymous":
        actor.require_admin_scope()
    call.read_body()
    body = call.body(NewToken)
    call.no_arguments()
    given = (body.username is not UNSET, body.password is not UNSET)
    if actor.kind == "anonymous" and not any(given):
        raise Unauthorized("Send username and password, or a token of the scope admin.")
    if actor.kind != "anonymous" and any(given):
        raise field_problem("username", "goes without a token: take one of them")
    if given[0] != given[1]:
        raise field_problem("password" if given[0] else "username", "is required")
    if any(given):
        return _signed_in(call, body)
    with call.change() as (tx, actor):
        token_id, secret = tokens.create_token(tx, actor, body)
        without_idempotency(call)
        return _answer(tokens.get_token(tx, actor, str(token_id)), secret)


def _signed_in(call: Call, body: NewToken) -> Answer:
    username, password = str(body.username), str(body.password)
    address = client_address(call.req, call.settings)
    account = check_password(call.db, username, password, address)
    user_id = account["id"]
    with call.db.write() as tx:
        tx.address = address
        password_sign_in.require_unchanged(tx, username, account)
        actor = tokens.actor_of_user(tx, user_id, "admin")
        token_id, secret = tokens.insert_token(tx, actor, user_id, body)
        without_idempotency(call)
        return _answer(tokens.get_token(tx, actor, str(token_id)), secret)


def _answer(body: str, secret: str) -> Answer:
    shown = json.loads(body)
    kept = ("id", "uuid", "url", "name", "scope", "created", "expires", "last_used")
    answer = {name: shown[name] for name in kept} | {"token": secret}
    return Answer(201, json.dumps(answer, ensure_ascii=False), {"Location": shown["url"]})
