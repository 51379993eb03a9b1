"""Queries of the image page: the image, what its channels offer, its versions, and where they run.

The page shows facts about many versions that the API answers only one by one. The number of
statements does not depend on the number of versions. Every query starts at the access rule.
"""

import json
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    FromClause,
    and_,
    distinct,
    exists,
    func,
    literal_column,
    select,
    tuple_,
)

from goldenrod.base.clock import Instant
from goldenrod.base.errors import NotFound
from goldenrod.catalogue.channels import channels
from goldenrod.catalogue.versions import versions
from goldenrod.rules import access, filters, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.lifecycle import channel_targets, machine_access, states
from goldenrod.rules.lifecycle.channel_targets import LATEST
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Filter, Query
from goldenrod.store.sql import Id, Key, Moment, as_json, in_list, json_object, json_text, param

EXCERPT_LENGTH = 400
"""How many characters of a change log are read to show its first line."""
MOST_DATES = 1000
"""How many releases are counted by month, at most."""
MOST_CELLS = 4000
"""How many pairs of version and provider are read, at most."""


# ── the image ──────────────────────────────────────────────────────────────────────────────


def _head(reader: ReaderKind, form: str) -> Any:
    image = schema.images.alias("thing")
    counted = schema.versions.alias()
    readable = (
        select(counted.c.n)
        .where(counted.c.image_id == image.c.id, access.readable(counted, reader))
        .correlate(image)
    )
    released = schema.versions.alias()
    first = select(func.min(released.c.start_date, type_=released.c.start_date.type)).where(
        released.c.image_id == image.c.id, access.readable(released, reader)
    )
    shown = json_object(
        {
            "id": image.c.id,
            "uuid": image.c.uuid,
            "url": summaries.url("images", image.c.id),
            "name": image.c.name,
            "slug": image.c.slug,
            "description": image.c.description,
            "is_public": image.c.is_public,
            "tags": summaries.tags(image),
            "owner": summaries.user(image.c.owner_id),
            "maintainers": summaries.maintainers(image, reader),
            "start_date": image.c.start_date,
            "end_date": image.c.end_date,
            "versions_count": summaries.count_of(readable),
            "first_released": first.correlate(image).scalar_subquery(),
            "may_change": access.changeable(image, reader),
            "followed": exists().where(
                schema.follows.c.image_id == image.c.id, schema.follows.c.user_id == access.ME
            ),
        }
    )
    return select(json_text(shown)).where(
        resources.named(image, schema.images, form), access.readable(image, reader)
    )


def get_head(tx: Tx, actor: Actor, key: str) -> Row:
    """An image in the API's form without its versions, plus `may_change`, whether the reader may change
    it, `followed`, whether they follow it, and `first_released`, the start_date of the oldest version
    that they may read.

    Raises NotFound.
    """
    form = resources.key_form(schema.images, key)
    given = resources.params(tx, actor)
    text = form and tx.value(_head, actor.reader, form, key=resources.key_value(form, key), **given)
    if not text:
        raise NotFound()
    head: Row = json.loads(text)
    return head | {name: bool(head[name]) for name in ("may_change", "followed")}


# ── its channels ───────────────────────────────────────────────────────────────────────────


def _since(channel: FromClause, target: ColumnElement[int]) -> ColumnElement[Any]:
    """When the channel was last assigned the version that it offers."""
    entry = schema.assignments.alias()
    found = select(func.max(entry.c.at)).where(
        entry.c.channel_id == channel.c.id, entry.c.version_n == target
    )
    return found.correlate(channel).scalar_subquery()


def _offer(channel: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """Facts of a channel's target beyond its summary."""
    version = schema.versions.alias()
    target = channel_targets.target(channel, reader)
    shown = json_object(
        {
            "behind": states.behind(version, reader),
            "excluded": version.c.exclude_from_latest,
            "providers_count": providers_count(version, reader),
            "deprecation": summaries.deprecation(version, reader),
            "since": _since(channel, target),
        }
    )
    query = select(shown).where(version.c.n == target, access.readable(version, reader))
    return query.correlate(channel).scalar_subquery()


def _channels(reader: ReaderKind) -> Any:
    channel = schema.channels.alias("thing")
    shown = json_object(
        {"channel": channels.shape(channel, reader), "offer": as_json(_offer(channel, reader))}
    )
    return (
        select(json_text(shown).label("json"))
        .where(channel.c.image_id == param("image", Key), access.readable(channel, reader))
        .order_by(channel.c.name)
    )


def list_channels(tx: Tx, actor: Actor, image_id: int) -> list[Row]:
    """The channels of an image that the reader sees, in the API's form; `stable` first, `latest` last.

    Each has an `offer` with facts of its target: behind, excluded (from latest), providers_count,
    deprecation, since.
    """
    rows = tx.rows(_channels, actor.reader, image=image_id, **resources.params(tx, actor))
    read = [json.loads(row["json"]) for row in rows]
    found = [{**one["channel"], "offer": one["offer"]} for one in read]
    return sorted(found, key=lambda it: (it["name"] == LATEST, it["name"] != "stable", it["name"]))


def _compared(
    name: str, holds: Callable[[FromClause, FromClause, ReaderKind], ColumnElement[bool]]
) -> Filter:
    """A filter by another version, which the reader may read."""

    def where(version: FromClause, reader: ReaderKind, is_it: Any) -> ColumnElement[bool]:
        other = schema.versions.alias()
        return exists().where(is_it(other), holds(version, other, reader)).correlate_except(other)

    return filters.refers_to_one(name, schema.versions, where, narrow=True)


RELEASES = replace(
    versions.VERSIONS.listing,
    filters={
        **versions.VERSIONS.listing.filters,
        "after": _compared("after", lambda version, other, _: states.newer(version, other)),
        "before": _compared("before", lambda version, other, _: states.newer(other, version)),
        "newer_than": _compared("newer_than", states.counts_as_newer),
    },
)
"""The list of an image's versions, with filters for the links that have a number: the versions before
or after another one, and those that its `behind` counts."""


# ── its releases ───────────────────────────────────────────────────────────────────────────


def providers_count(version: FromClause, reader: ReaderKind) -> ColumnElement[int]:
    """The number of providers on which the reader sees a machine of the version."""
    machine, provider = schema.machines.alias(), schema.providers.alias()
    query = select(func.count(distinct(machine.c.provider_id))).where(
        machine.c.version_n == version.c.n,
        provider.c.id == machine.c.provider_id,
        machine_access.listed_in_version(machine, provider, reader),
    )
    return query.correlate(version).scalar_subquery()


def _release(version: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    image = schema.images.alias()
    short = json_object({"id": image.c.id, "slug": image.c.slug})
    return json_object(
        {
            "id": version.c.id,
            "url": summaries.url("image_versions", version.c.id),
            "name": version.c.name,
            "state": states.state(version),
            "start_date": version.c.start_date,
            "end_date": version.c.end_date,
            "labels": summaries.labels(version),
            # Whoever may read a version may read its image.
            "image": select(short).where(image.c.id == version.c.image_id).scalar_subquery(),
            "log": func.substr(version.c.change_log, 1, EXCERPT_LENGTH),
            "providers_count": providers_count(version, reader),
            "exclude_from_latest": version.c.exclude_from_latest,
        }
    )


def _newer(reader: ReaderKind) -> Any:
    """When the image's versions were released that count as newer than one released at `oldest`."""

    def counts(version: FromClause) -> ColumnElement[bool]:
        oldest = tuple_(param("oldest", Moment), param("oldest_id", Id))
        return and_(
            version.c.image_id == param("image", Key),
            tuple_(version.c.start_date, version.c.id) > oldest,
            ~version.c.exclude_from_latest,
            access.readable(version, reader),
        )

    newer = states.newest_current(counts, states.MOST_BEHIND)
    return (
        select(newer.c.start_date, newer.c.id)
        .order_by(newer.c.start_date.desc(), newer.c.id.desc())
        .limit(literal_column(str(states.MOST_BEHIND)))
    )


def list_releases(
    tx: Tx, actor: Actor, query: Query
) -> tuple[int, list[Row], str | None, str | None]:
    """A page of an image's versions: the count of all, the versions, and the queries of the next and
    the previous page. Each version has `behind`, the number of newer current versions."""
    assert query.listing is RELEASES
    page = resources.page(tx, actor, _release, query)
    found: list[Row] = [msgspec.json.decode(text) for text in page.results]
    if found:
        oldest, oldest_id = min(map(_position, found))
        about = {"image": found[0]["image"]["id"], "oldest": oldest, "oldest_id": oldest_id}
        given = resources.params(tx, actor)
        newer = [_position(row) for row in tx.rows(_newer, actor.reader, **about, **given)][::-1]
        for row in found:
            row["behind"] = len(newer) - bisect_right(newer, _position(row))
    return page.count, found, page.next, page.previous


def _position(release: Row) -> tuple[str, str]:
    return release["start_date"], release["id"]


def _short(version: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    return json_object(
        {
            "id": version.c.id,
            "name": version.c.name,
            "state": states.state(version),
            "start_date": version.c.start_date,
        }
    )


def list_names(tx: Tx, actor: Actor, query: Query) -> list[Row]:
    """A page of versions to choose from, with id, name, state and start_date."""
    return [json.loads(text) for text in resources.page(tx, actor, _short, query).results]


def _release_dates(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    return (
        select(version.c.start_date)
        .where(
            version.c.image_id == param("image", Key),
            version.c.start_date <= param("now", Moment),
            access.readable(version, reader),
        )
        .order_by(version.c.start_date.desc())
        .limit(MOST_DATES)
    )


def list_release_dates(tx: Tx, actor: Actor, image_id: int) -> list[Instant]:
    """When an image's versions were released, the newest first, at most `MOST_DATES`."""
    given = resources.params(tx, actor) | {"now": tx.now}
    return [
        row["start_date"] for row in tx.rows(_release_dates, actor.reader, image=image_id, **given)
    ]


# ── where they run ─────────────────────────────────────────────────────────────────────────


def _cells(reader: ReaderKind) -> Any:
    version, machine, provider = (
        schema.versions.alias(),
        schema.machines.alias(),
        schema.providers.alias(),
    )
    return (
        select(
            version.c.id.label("version"),
            *summaries.readable_columns(provider, reader),
            func.count(distinct(machine.c.architecture)).label("architectures"),
        )
        .where(
            in_list(version.c.id, "ids", Id()),
            access.readable(version, reader),
            machine.c.version_n == version.c.n,
            provider.c.id == machine.c.provider_id,
            machine_access.listed_in_version(machine, provider, reader),
        )
        .group_by(version.c.id, provider.c.id)
        .order_by(*summaries.by_readable_slug(provider, reader), version.c.id)
        .limit(MOST_CELLS)
    )


def list_cells(tx: Tx, actor: Actor, ids: list[str]) -> list[Row]:
    """On which providers these versions have machines, and on how many architectures.

    Each row has version, provider_id, provider (the slug), provider_name and architectures. Slug and
    name are null where the reader may not read the provider.
    """
    return tx.rows(_cells, actor.reader, ids=ids, **resources.params(tx, actor))
