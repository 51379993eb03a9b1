"""Channels: named pointers of an image, such as `stable`, that automation is pointed at.

A channel is a list of assignments that is only ever added to; its target at an instant is computed
from it (`rules/lifecycle/states.py`), so nothing has to be moved when a version is revoked or runs out, and
restoring gives back what revoking took. `latest` stands on every image and is computed. Assigning
and configuring are in `promoting.py`.
"""

import re
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, exists, func, select

from goldenrod.base.clock import parse_instant
from goldenrod.base.errors import Forbidden, NotFound
from goldenrod.rules import access, filters, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import mutations
from goldenrod.rules.lifecycle import states
from goldenrod.rules.lifecycle.states import LATEST
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Filter, Listing, Page, Query, Wanted
from goldenrod.store.sql import NULL_JSON, Key, Moment, in_list, json_list, json_object, param

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


def shape(channel: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A channel as JSON."""
    return json_object(
        {
            "name": channel.c.name,
            "url": summaries.url("images", channel.c.image_id)
            .concat("/channels/")
            .concat(channel.c.name),
            "image": summaries.image(channel.c.image_id, ReaderKind.STAFF),
            "assigned": summaries.version_of(states.assigned(channel), reader),
            "target": _seen_version(states.target(channel, reader), reader),
            "stopped": _stopped(channel, reader),
            "restricted": channel.c.restricted,
            "groups": _groups(channel, reader),
            "requires": _requires(channel, reader),
        }
    )


def _seen_version(n: ColumnElement[int], reader: ReaderKind) -> ColumnElement[Any]:
    """The version's summary; null for one that the reader may not read."""
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
        .where(version.c.n == states.stopped(channel), access.readable(version, reader))
        .scalar_subquery()
    )


def _groups(channel: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """The groups a restricted channel names: all to keepers and staff, to others their own."""
    link, group, image = (
        schema.channel_groups.alias(),
        schema.groups.alias(),
        schema.images.alias(),
    )
    kept = exists().where(image.c.id == channel.c.image_id, access.edits_image(image, reader))
    kept = kept.correlate_except(image)
    query = (
        select(summaries.group_shape(group, reader))
        .select_from(link.join(group, group.c.id == link.c.group_id))
        .where(link.c.channel_id == channel.c.id, kept | in_list(link.c.group_id, "groups"))
        .order_by(group.c.id)
    )
    return json_list(query, channel)


def _requires(channel: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    link, provider = schema.channel_providers.alias(), schema.providers.alias()
    needed = (
        select(summaries.readable_or_id(summaries.provider_shape, provider, reader))
        .select_from(link.join(provider, provider.c.id == link.c.provider_id))
        .where(link.c.channel_id == channel.c.id)
        .order_by(provider.c.id)
    )
    shown = json_object(
        {
            "providers": json_list(needed, channel),
            "channel": _required_channel(channel, reader),
            "days": channel.c.requires_days,
        }
    )
    any_ = schema.channel_providers.alias()
    asked = (
        channel.c.requires_channel.is_not(None)
        | channel.c.requires_days.is_not(None)
        | exists().where(any_.c.channel_id == channel.c.id)
    )
    return case((asked, shown), else_=NULL_JSON)


def _required_channel(channel: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """The name of the other channel that a version must have been in; null for who may not see
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
    """The row of an image's channel that the actor may see, with `may_change`."""
    if not NAME.fullmatch(name):
        return None
    given = resources.params(tx, actor)
    return tx.first(_named, actor.reader, image=image_id, named=name, **given)


def see_channel(tx: Tx, actor: Actor, key: str, name: str) -> Row:
    """The row of a channel by its image (id, uuid or slug) and name. Raises NotFound."""
    image = resources.get_row(tx, actor, schema.images, key)
    row = find_channel(tx, actor, image["id"], name)
    if row is None:
        raise not_found()
    return row


def not_found() -> NotFound:
    """The refusal where an image has no such channel, or none that the reader may see."""
    return NotFound("This image has no such channel that you may see.", code="channel_not_found")


def channel_for_change(tx: Tx, actor: Actor, key: str, name: str) -> Row:
    """The row of a channel that the actor may change. Raises NotFound, Forbidden."""
    row = see_channel(tx, actor, key, name)
    actor.require_write()
    if not row["may_change"]:
        raise Forbidden("Channels are their image's keepers' to change.")
    return row


def get_channel(tx: Tx, actor: Actor, key: str, name: str) -> str:
    """One channel as JSON. Raises NotFound."""
    row = see_channel(tx, actor, key, name)
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
            "an instant: leaves the assignment in force at it",
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
    """A page of what a channel was assigned, when, by whom and why. Raises NotFound."""
    row = see_channel(tx, actor, key, name)
    return resources.page(tx, actor, assignment_shape, query, _of_channel, channel=row["id"])


def make_latest(tx: Tx, image_id: int) -> None:
    """Give a new image its computed channel."""
    insert_channel(tx, image_id, LATEST)


def insert_channel(tx: Tx, image_id: int, name: str) -> int:
    """Write a new channel; its id."""
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
