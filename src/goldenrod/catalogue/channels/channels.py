"""Channels: names of an image, such as `stable`, that automation resolves to a version.

A channel is an append-only list of assignments. Its target at an instant is computed from the list
(`rules/lifecycle/states.py`), so nothing is written when a version is revoked, ends or is restored.
Every image has the computed channel `latest`. `assign.py` has the changes.
"""

import re
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, exists, func, select

from goldenrod.base.clock import parse_instant
from goldenrod.base.errors import Forbidden, NotFound
from goldenrod.base.wire import CHANNEL_NAME
from goldenrod.rules import access, filters, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import mutations
from goldenrod.rules.lifecycle import channel_targets
from goldenrod.rules.lifecycle.channel_targets import LATEST
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Filter, Listing, Page, Query, Wanted
from goldenrod.store.sql import NULL_JSON, Key, Moment, in_list, json_list, json_object, param

NAME = re.compile(CHANNEL_NAME, re.ASCII)


def shape(channel: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A channel as JSON."""
    return json_object(
        {
            "name": channel.c.name,
            "url": summaries.url("images", channel.c.image_id)
            .concat("/channels/")
            .concat(channel.c.name),
            "image": summaries.image(channel.c.image_id, ReaderKind.STAFF),
            "assigned": summaries.version_of(channel_targets.assigned(channel), reader),
            "target": _readable_version(channel_targets.target(channel, reader), reader),
            "stopped": _stopped(channel, reader),
            "restricted": channel.c.restricted,
            "groups": _groups(channel, reader),
            "requires": _requires(channel, reader),
        }
    )


def _readable_version(n: ColumnElement[int], reader: ReaderKind) -> ColumnElement[Any]:
    """The version's summary, or null if the reader may not read it."""
    version = schema.versions.alias()
    shown = summaries.version_shape(version, reader)
    return select(shown).where(version.c.n == n, access.readable(version, reader)).scalar_subquery()


def _stopped(channel: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    version = schema.versions.alias()
    shown = json_object(
        {
            "version": summaries.version_shape(version, reader),
            "reason": summaries.stopping_reason(version, reader),
        }
    )
    return (
        select(shown)
        .where(version.c.n == channel_targets.stopped(channel), access.readable(version, reader))
        .scalar_subquery()
    )


def _groups(channel: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """The groups of a restricted channel: all for editors and staff, for others their own."""
    link, group, image = (
        schema.channel_groups.alias(),
        schema.groups.alias(),
        schema.images.alias(),
    )
    as_editor = exists().where(image.c.id == channel.c.image_id, access.edits_image(image, reader))
    as_editor = as_editor.correlate_except(image)
    query = (
        select(summaries.group_shape(group, reader))
        .select_from(link.join(group, group.c.id == link.c.group_id))
        .where(link.c.channel_id == channel.c.id, as_editor | in_list(link.c.group_id, "groups"))
        .order_by(group.c.id)
    )
    return json_list(query, channel)


def _requires(channel: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    link, provider = schema.channel_providers.alias(), schema.providers.alias()
    providers = (
        select(summaries.readable_or_id(summaries.provider_shape, provider, reader))
        .select_from(link.join(provider, provider.c.id == link.c.provider_id))
        .where(link.c.channel_id == channel.c.id)
        .order_by(provider.c.id)
    )
    shown = json_object(
        {
            "providers": json_list(providers, channel),
            "channel": _required_channel(channel, reader),
            "days": channel.c.requires_days,
        }
    )
    required_provider = schema.channel_providers.alias()
    has_requirements = (
        channel.c.requires_channel.is_not(None)
        | channel.c.requires_days.is_not(None)
        | exists().where(required_provider.c.channel_id == channel.c.id)
    )
    return case((has_requirements, shown), else_=NULL_JSON)


def _required_channel(channel: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """The name of the channel in which a version must have been, or null if the reader may not see
    that channel."""
    other = schema.channels.alias()
    query = select(other.c.name).where(
        other.c.image_id == channel.c.image_id,
        other.c.name == channel.c.requires_channel,
        access.readable(other, reader),
    )
    return query.correlate_except(other).scalar_subquery()


LIST = Listing(
    schema.channels,
    {"name": filters.text("name", "name", "a channel's name")},
    ("name",),
    default="name",
)


def _of_image(channel: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
    return and_(channel.c.image_id == param("image", Key), access.readable(channel, reader))


def list_channels(tx: Tx, actor: Actor, key: str, query: Query) -> Page:
    """A page of an image's channels that the actor may see. Raises NotFound."""
    image = resources.get_row(tx, actor, schema.images, key)
    tx.depends_on([image["id"]])
    return resources.page(tx, actor, shape, query, _of_image, image=image["id"])


def _named(reader: ReaderKind) -> Any:
    channel = schema.channels.alias()
    may = access.changeable(channel, reader).label("may_change")
    return select(*channel.c, may).where(
        channel.c.image_id == param("image", Key),
        channel.c.name == param("named"),
        access.readable(channel, reader),
    )


def find_channel(tx: Tx, actor: Actor, image_id: int, name: str) -> Row | None:
    """The row of a channel with `may_change`, or None if there is none that the actor may see."""
    if not NAME.fullmatch(name):
        return None
    given = resources.params(tx, actor)
    return tx.first(_named, actor.reader, image=image_id, named=name, **given)


def get_channel_row(tx: Tx, actor: Actor, key: str, name: str) -> Row:
    """The row of a channel by its image (id, uuid or slug) and name. Raises NotFound."""
    image = resources.get_row(tx, actor, schema.images, key)
    row = find_channel(tx, actor, image["id"], name)
    if row is None:
        raise not_found()
    return row


def not_found() -> NotFound:
    """The error for a channel that does not exist or that the reader may not see."""
    return NotFound(
        "This image has no such channel, or it is hidden from you.", code="channel_not_found"
    )


def channel_for_change(tx: Tx, actor: Actor, key: str, name: str) -> Row:
    """The row of a channel that the actor may change. Raises NotFound, Forbidden."""
    row = get_channel_row(tx, actor, key, name)
    actor.require_write()
    if not row["may_change"]:
        raise Forbidden("Only editors of the image, or staff, may change its channels.")
    return row


def get_channel(tx: Tx, actor: Actor, key: str, name: str) -> str:
    """One channel as JSON. Raises NotFound."""
    row = get_channel_row(tx, actor, key, name)
    tx.depends_on([row["image_id"]])
    return resources.get(tx, actor, schema.channels, shape, str(row["id"]))


def assignment_shape(entry: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """An assignment as JSON."""
    return json_object(
        {
            "sequence": entry.c.sequence,
            "at": entry.c.at,
            "by": summaries.user(entry.c.by_id),
            "version": summaries.version_of(entry.c.version_n, reader),
            "reason": entry.c.reason,
            "override": entry.c.override,
            "voids": entry.c.voids,
        }
    )


def _in_force(entry: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
    other = schema.assignments.alias()
    newest = select(func.max(other.c.sequence)).where(
        other.c.channel_id == entry.c.channel_id, other.c.at <= param("f_at", Moment)
    )
    return entry.c.sequence == newest.scalar_subquery()


HISTORY = Listing(
    schema.assignments,
    {
        "at": Filter(
            "an instant: only the assignment in force then",
            lambda given: Wanted("", {"f_at": parse_instant(given)}),
            _in_force,
            {"type": "string", "format": "date-time"},
        )
    },
    ("sequence",),
    default="sequence",
    id="sequence",
)


def _of_channel(entry: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
    return and_(entry.c.channel_id == param("channel", Key))


def list_assignments(tx: Tx, actor: Actor, key: str, name: str, query: Query) -> Page:
    """A page of a channel's assignments. Raises NotFound."""
    row = get_channel_row(tx, actor, key, name)
    tx.depends_on([row["image_id"]])
    return resources.page(tx, actor, assignment_shape, query, _of_channel, channel=row["id"])


def create_latest(tx: Tx, image_id: int) -> None:
    """Insert the computed channel of a new image."""
    insert_channel(tx, image_id, LATEST)


def insert_channel(tx: Tx, image_id: int, name: str) -> int:
    """Insert a channel. Returns its id."""
    return tx.insert(
        schema.channels,
        uuid=mutations.new_uuid(),
        image_id=image_id,
        name=name,
        restricted=False,
        hidden=False,
        requires_channel=None,
        requires_days=None,
        start_date=tx.now,
    )
