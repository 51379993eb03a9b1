"""Identities: users' accounts on providers. An identity gives its user access to the provider."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, func, or_, select

from goldenrod.base import decode
from goldenrod.base.errors import Conflict
from goldenrod.base.faults import Faults
from goldenrod.base.wire import IdentityPatch, NewIdentity
from goldenrod.rules import filters, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, mutations, references
from goldenrod.rules.changes.mutations import Created
from goldenrod.rules.changes.removal import require_unused
from goldenrod.rules.resources import Resource
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Listing
from goldenrod.store.sql import Key, json_object, param


def shape(identity: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """An identity as JSON."""
    return json_object(
        {
            "id": identity.c.id,
            "uuid": identity.c.uuid,
            "url": summaries.url("identities", identity.c.id),
            "user": summaries.user(identity.c.user_id),
            "provider": summaries.provider(identity.c.provider_id, reader),
            "key": identity.c.key,
            "start_date": identity.c.start_date,
        }
    )


def _on_provider(identity: FromClause, reader: ReaderKind, is_it: Any) -> ColumnElement[bool]:
    provider = schema.providers.alias()
    wanted = select(provider.c.id).where(is_it(provider)).scalar_subquery()
    return identity.c.provider_id == wanted


def _begins(identity: FromClause, begins: Any) -> ColumnElement[bool]:
    """Its key or its user's name begins so."""
    group = schema.groups.alias()
    named = select(group.c.personal_of).where(begins(group.c.name_key))
    return or_(begins(func.lower(identity.c.key)), identity.c.user_id.in_(named))


IDENTITIES = Resource(
    schema.identities,
    shape,
    Listing(
        schema.identities,
        {
            "user": filters.username("user", lambda identity: identity.c.user_id),
            "username": filters.username("username", lambda identity: identity.c.user_id),
            "provider": filters.refers("provider", schema.providers, _on_provider),
            "name": filters.text("name", "key", "the exact key"),
            "prefix": filters.prefix("prefix", _begins),
        },
        ("start_date", "name"),
        {"name": "key"},
    ),
)


def _with_key() -> Any:
    identity = schema.identities
    return select(identity.c.id).where(
        identity.c.user_id == param("user", Key),
        identity.c.provider_id == param("provider", Key),
        identity.c.key == param("account"),
    )


def _require_new(tx: Tx, values: Row, identity_id: int = 0) -> None:
    found = tx.value(
        _with_key, user=values["user_id"], provider=values["provider_id"], account=values["key"]
    )
    if found not in (None, identity_id):
        raise Conflict(
            "This user already has an identity with this key on this provider.",
            code="identity_taken",
        )


def create_identity(tx: Tx, actor: Actor, body: NewIdentity) -> Created:
    """Create an identity. Raises BadRequest, Forbidden, Conflict (`identity_taken`)."""
    actor.require_staff()
    faults = Faults()
    provider = faults.of(references.read, tx, actor, schema.providers, body.provider, "provider")
    user_id = faults.of(references.user_id, tx, actor, body.user, "user")
    key = faults.of(decode.name, "key", body.key)
    faults.report()
    values = {"user_id": user_id, "provider_id": provider["id"], "key": key}
    _require_new(tx, values)
    identity_id = tx.insert(
        schema.identities, uuid=mutations.new_uuid(), start_date=tx.now, **values
    )
    created = audit.created(values)
    audit.record(tx, actor, "identity:create", schema.identities, identity_id, created)
    return Created(str(identity_id))


def edit_identity(tx: Tx, actor: Actor, row: Row, patch: IdentityPatch) -> None:
    """Change the key. Raises BadRequest, Conflict (`identity_taken`)."""
    after = {f: decode.name(f, value, row[f]) for f, value in mutations.given(patch).items()}
    _require_new(tx, {**row, **after}, row["id"])
    changed = audit.changed(row, after)
    if changed:
        tx.update(schema.identities, {"id": row["id"]}, **after)
        audit.record(tx, actor, "identity:edit", schema.identities, row["id"], changed)


def remove_identity(tx: Tx, actor: Actor, row: Row) -> None:
    """Remove an identity that no version refers to. Raises Conflict (`identity_in_use`)."""
    require_unused(tx, row["id"], "identity", (schema.versions, "identity_id"))
    tx.delete(schema.identities, id=row["id"])
    removed = {f: {"before": row[f], "after": None} for f in ("user_id", "provider_id", "key")}
    audit.record(tx, actor, "identity:remove", schema.identities, row["id"], removed)
