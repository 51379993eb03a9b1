"""The handler that creates tokens, for a username and password or for a token of scope admin.

Its answer has a secret that is shown only once, so it accepts no Idempotency-Key.
"""

import json

from msgspec import UNSET

from goldenrod.base.errors import Unauthorized, field_problem
from goldenrod.base.faults import Faults
from goldenrod.base.wire import NewToken
from goldenrod.catalogue.accounts import actors, password_sign_in, tokens
from goldenrod.web.api.handlers import without_idempotency
from goldenrod.web.authenticate import check_password
from goldenrod.web.client_address import client_address
from goldenrod.web.request import Request, Response


def create_token(request: Request) -> Response:
    """POST /tokens: 201 with the token and its secret."""
    with request.read() as (_, actor):
        pass
    if actor.kind != "anonymous":
        actor.require_admin_scope()
    request.read_body()
    faults = Faults()
    body = request.body(NewToken, faults)
    request.no_arguments()
    given = (body.username is not UNSET, body.password is not UNSET)
    if actor.kind == "anonymous" and not any(given):
        faults.report()
        raise Unauthorized("Send username and password, or a token of scope admin.")
    if actor.kind != "anonymous" and any(given):
        faults.add(field_problem("username", "cannot be combined with a token"))
    elif given[0] != given[1]:
        faults.add(field_problem("password" if given[0] else "username", "is required"))
    if actor.kind == "anonymous":
        faults.report()
        return _create_with_password(request, body)
    with request.change() as (tx, actor):
        request.expect_list(tx, actor, tokens.TOKENS)
        token_id, secret = faults.then(tokens.create_token, tx, actor, body)
        without_idempotency(request)
        return _answer(tokens.TOKENS.get(tx, actor, str(token_id)), secret)


def _create_with_password(request: Request, body: NewToken) -> Response:
    username, password = str(body.username), str(body.password)
    address = client_address(request.req, request.settings)
    account = check_password(request.db, username, password, address)
    user_id = account["id"]
    with request.db.write() as tx:
        tx.address = address
        password_sign_in.require_unchanged(tx, username, account)
        request.seen = tx.newest
        actor = actors.of_user(tx, user_id, "admin")
        token_id, secret = tokens.insert_token(tx, actor, user_id, body)
        without_idempotency(request)
        return _answer(tokens.TOKENS.get(tx, actor, str(token_id)), secret)


def _answer(body: str, secret: str) -> Response:
    shown = json.loads(body)
    names = ("id", "uuid", "url", "name", "scope", "created", "expires", "last_used")
    answer = {name: shown[name] for name in names} | {"token": secret}
    return Response(201, json.dumps(answer, ensure_ascii=False), {"Location": shown["url"]})
