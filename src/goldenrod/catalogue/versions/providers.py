"""Providers: clouds, or regions of a cloud, on which machines exist. Only staff edit them."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause

from goldenrod.base import decode
from goldenrod.base.faults import Faults
from goldenrod.base.text import name_key
from goldenrod.base.wire import NewProvider, ProviderPatch
from goldenrod.catalogue import search
from goldenrod.rules import access, filters, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, mutations
from goldenrod.rules.changes.mutations import Created
from goldenrod.rules.resources import Resource
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Listing
from goldenrod.store.sql import json_object

_LABELS = ("type", "virtualization")


def shape(provider: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A provider as JSON."""
    return json_object(
        {
            "id": provider.c.id,
            "uuid": provider.c.uuid,
            "url": summaries.url("providers", provider.c.id),
            "name": provider.c.name,
            "slug": provider.c.slug,
            "description": provider.c.description,
            "type": provider.c.type,
            "virtualization": provider.c.virtualization,
            "public": provider.c.public,
            "active": provider.c.active,
            "start_date": provider.c.start_date,
            "end_date": provider.c.end_date,
        }
    )


PROVIDERS = Resource(
    schema.providers,
    shape,
    Listing(
        schema.providers,
        {
            "name": filters.by_key("name"),
            "type": filters.texts(
                "type",
                "such as aws or openstack",
                lambda provider, reader, given: provider.c.type == given,
            ),
            "public": filters.boolean(lambda provider, reader: provider.c.public),
            "active": filters.boolean(lambda provider, reader: provider.c.active),
            "current": filters.boolean(lambda provider, reader: access.current(provider)),
            "search": search.WORDS,
        },
        ("start_date", "end_date", "name"),
        {"name": "name_key"},
    ),
)


def create_provider(tx: Tx, actor: Actor, body: NewProvider) -> Created:
    """Create a provider. Raises BadRequest, Forbidden, Conflict (`slug_unavailable`)."""
    actor.require_staff()
    faults = Faults()
    name = faults.of(decode.name, "name", body.name)
    asked = faults.of(mutations.checked_slug, body.slug) if isinstance(body.slug, str) else None
    start_date, end_date = mutations.dates(faults, tx, body.start_date, body.end_date)
    values = {
        "name": name,
        "description": faults.of(decode.text, "description", body.description),
        "type": faults.of(decode.label, "type", body.type),
        "virtualization": faults.of(decode.label, "virtualization", body.virtualization),
        "public": body.public,
        "active": body.active,
        "start_date": start_date,
        "end_date": end_date,
    }
    faults.report()
    values["slug"] = (
        mutations.free_slug(tx, schema.providers, asked)
        if asked
        else mutations.new_slug(tx, schema.providers, name)
    )
    return Created(str(insert_provider(tx, actor, values)))


def insert_provider(tx: Tx, actor: Actor, values: Row) -> int:
    """Write a checked provider and its slug; return its id."""
    provider_id = tx.insert(
        schema.providers,
        uuid=mutations.new_uuid(),
        name_key=name_key(values["name"]),
        words=search.words_of(values["name"], values["slug"], values["description"]),
        **values,
    )
    mutations.reserve_slug(tx, schema.providers, provider_id, values["slug"])
    made = audit.created(values)
    audit.record(tx, actor, "provider:create", schema.providers, provider_id, made)
    return provider_id


def edit_provider(tx: Tx, actor: Actor, row: Row, patch: ProviderPatch) -> None:
    """Change what the patch gives. Raises BadRequest, Conflict."""
    given = mutations.given(patch)
    faults = Faults()
    after: Row = mutations.new_dates(faults, row, patch.start_date, patch.end_date)
    if "name" in given:
        after["name"] = faults.of(decode.name, "name", given["name"], row["name"])
    if "description" in given:
        after["description"] = faults.of(decode.text, "description", given["description"])
    for label in [label for label in _LABELS if label in given]:
        after[label] = faults.of(decode.label, label, given[label], row[label])
    after |= {field: given[field] for field in ("public", "active") if field in given}
    if "slug" in given and given["slug"] != row["slug"]:
        after["slug"] = faults.of(mutations.checked_slug, given["slug"])
    faults.report()
    changed = audit.changed(row, after)
    if not changed:
        return
    if "slug" in changed:
        mutations.free_slug(tx, schema.providers, after["slug"], row["id"])
        mutations.reserve_slug(tx, schema.providers, row["id"], after["slug"])
    then = {**row, **after}
    after["name_key"] = name_key(then["name"])
    after["words"] = search.words_of(then["name"], then["slug"], then["description"])
    tx.update(schema.providers, {"id": row["id"]}, **after)
    audit.record(tx, actor, "provider:edit", schema.providers, row["id"], changed)


def end_provider(tx: Tx, actor: Actor, row: Row) -> None:
    """End a provider: its machines are no longer offered. An ended provider stays unchanged."""
    if mutations.has_ended(tx, row):
        return
    tx.update(schema.providers, {"id": row["id"]}, end_date=tx.now)
    changed = {"end_date": {"before": row["end_date"], "after": tx.now}}
    audit.record(tx, actor, "provider:end", schema.providers, row["id"], changed)
