"""Handlers that create and edit users: a password is hashed before the transaction begins.

Hashing takes long on purpose, and a transaction that changes something makes all other writers wait.
"""

from goldenrod.base import wire
from goldenrod.base.faults import Faults
from goldenrod.catalogue.accounts import users
from goldenrod.rules.access import Actor
from goldenrod.rules.changes.mutations import Created
from goldenrod.store.db import Row, Tx
from goldenrod.web.api.handlers import creating, editing
from goldenrod.web.request import Request, Response

_USERS = users.USERS


def create_user(request: Request) -> Response:
    """POST /users."""
    with request.read() as (_, actor):
        actor.require_staff()
    request.read_body()
    faults = Faults()
    body = request.body(wire.NewUser, faults)
    password_hash = faults.of(users.hash_password, body.username, body.password)

    def create(tx: Tx, actor: Actor, body: wire.NewUser) -> Created:
        return faults.then(users.create_user, tx, actor, body, password_hash=password_hash)

    return creating(create, _USERS, wire.NewUser, may=Actor.require_staff)(request)


def edit_user(request: Request, key: str) -> Response:
    """PATCH /users/{key}."""
    with request.read() as (tx, actor):
        row = _USERS.row_for_change(tx, actor, key)
        current = _USERS.read(tx, actor, key)
    request.read_body()
    faults = Faults()
    patch = request.patch(wire.UserPatch, current, faults)
    password_hash = faults.of(users.hash_password, row["username"], patch.password)

    def edit(tx: Tx, actor: Actor, row: Row, patch: wire.UserPatch) -> None:
        faults.then(users.edit_user, tx, actor, row, patch, password_hash=password_hash)

    return editing(_USERS.row_for_change, edit, _USERS.get, wire.UserPatch)(request, key)
