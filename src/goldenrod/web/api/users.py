"""Handlers that create and edit users: a password is hashed before the transaction begins.

Hashing takes long on purpose, and a transaction that changes something makes all other writers wait.
"""

from functools import partial

from goldenrod.base import wire
from goldenrod.catalogue.accounts import users
from goldenrod.rules.access import Actor
from goldenrod.web.api.handlers import creating, editing
from goldenrod.web.request import Request, Response

_USERS = users.USERS


def create_user(request: Request) -> Response:
    """POST /users."""
    with request.read() as (_, actor):
        actor.require_staff()
    request.read_body()
    body = request.body(wire.NewUser)
    password_hash = users.hash_password(body.username, body.password)
    create = partial(users.create_user, password_hash=password_hash)
    return creating(create, _USERS, wire.NewUser, may=Actor.require_staff)(request)


def edit_user(request: Request, key: str) -> Response:
    """PATCH /users/{key}."""
    with request.read() as (tx, actor):
        row = _USERS.row_for_change(tx, actor, key)
        current = _USERS.read(tx, actor, key)
    request.read_body()
    patch = request.patch(wire.UserPatch, current)
    password_hash = users.hash_password(row["username"], patch.password)
    edit = partial(users.edit_user, password_hash=password_hash)
    return editing(_USERS.row_for_change, edit, _USERS.get, wire.UserPatch)(request, key)
