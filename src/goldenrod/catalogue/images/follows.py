"""Images that users follow, and what changed in them since a user's last visit.

A user's visit begins when they open home and their last visit began at least `VISIT_MINUTES` ago. What
is new to them is what happened since the beginning of the visit before, or since they marked it as
seen. So what happened during a visit is still shown at the next one. Following is personal: it is no
change of the catalogue that the audit records, nobody else sees it, and exports leave it out.
"""

import json
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    FromClause,
    String,
    case,
    exists,
    func,
    literal,
    select,
    union_all,
)

from goldenrod.base.clock import Instant, later
from goldenrod.base.errors import Conflict
from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import ME, NOW, Actor, ReaderKind
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, Moment, computed_once, json_object, json_text, param

VISIT_MINUTES = 30
MOST_FOLLOWED = 200
"""How many images one user may follow."""
MOST_NEWS = 6
"""How many changes home lists."""


# ── following ──────────────────────────────────────────────────────────────────────────────


def _counted() -> Any:
    return select(func.count()).select_from(schema.follows).where(schema.follows.c.user_id == ME)


def _since() -> Any:
    follow = schema.follows
    return select(follow.c.since).where(
        follow.c.user_id == ME, follow.c.image_id == param("image", Key)
    )


def shape(image: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """Since when the reader follows an image, null if not, as JSON."""
    follow = schema.follows.alias()
    since = select(follow.c.since).where(follow.c.user_id == ME, follow.c.image_id == image.c.id)
    return json_object(
        {"image": summaries.image_shape(image, reader), "since": since.scalar_subquery()}
    )


def get_follow(tx: Tx, actor: Actor, key: str) -> str:
    """Since when the actor follows an image, as JSON. Raises NotFound."""
    return resources.get(tx, actor, schema.images, shape, key)


def follow(tx: Tx, actor: Actor, image: Row) -> None:
    """Follow an image, which may be followed already.

    Raises Unauthorized, Forbidden (a token that may only read), Conflict (`follows_limit`).
    """
    actor.require_write()
    if tx.value(_since, me=actor.user_id, image=image["id"]):
        return
    if tx.value(_counted, me=actor.user_id) >= MOST_FOLLOWED:
        raise Conflict(
            f"You follow {MOST_FOLLOWED} images, which is the most. Unfollow one first.",
            code="follows_limit",
        )
    tx.insert(schema.follows, user_id=actor.user_id, image_id=image["id"], since=tx.now)
    if tx.first(_visit, me=actor.user_id) is None:
        tx.insert(schema.visits, user_id=actor.user_id, began=tx.now, since=tx.now)


def unfollow(tx: Tx, actor: Actor, image: Row) -> None:
    """Unfollow an image, which may not be followed. Raises Unauthorized, Forbidden."""
    actor.require_write()
    tx.delete(schema.follows, user_id=actor.user_id, image_id=image["id"])


def _followed(reader: ReaderKind) -> Any:
    image, follow = schema.images.alias(), schema.follows.alias()
    return (
        select(image.c.slug, image.c.name, follow.c.since)
        .select_from(follow.join(image, image.c.id == follow.c.image_id))
        .where(follow.c.user_id == ME, access.readable(image, reader))
        .order_by(image.c.name_key, image.c.id)
    )


def list_followed(tx: Tx, actor: Actor) -> list[Row]:
    """The images that the actor follows and may read: slug, name, since."""
    return tx.rows(_followed, actor.reader, **resources.params(tx, actor))


# ── what is new ────────────────────────────────────────────────────────────────────────────


class News(NamedTuple):
    """What changed since the last visit: the newest entries, and the count of all. `begins`: this
    visit is a new one, to be stored by `begin_visit`."""

    since: Instant
    total: int
    entries: list[Row]
    begins: bool
    began: Instant


def _visit() -> Any:
    visit, follow = schema.visits, schema.follows
    following = exists().where(follow.c.user_id == visit.c.user_id)
    return select(visit.c.began, visit.c.since, following.label("following")).where(
        visit.c.user_id == ME
    )


def _happened(
    kind: str, at: ColumnElement[Any], thing: FromClause, n: Any, *conditions: Any
) -> Any:
    """What happened in followed images in the time asked for. `thing` has the id of its image."""
    follow = schema.follows.alias()
    if kind == "released":
        # Only these versions are read: those that began since, or all if the image did.
        image = schema.images.alias()
        since = param("since", Moment)
        first = select(case((image.c.start_date > since, schema.BEGINNING_OF_TIME), else_=since))
        of_followed = first.where(image.c.id == follow.c.image_id).correlate_except(image)
        conditions = (*conditions, thing.c.start_date > of_followed.scalar_subquery())
    channel = thing.c.name if kind == "channel" else literal("")
    columns = (
        literal(kind, String).label("kind"),
        at.label("at"),
        n.label("n"),
        thing.c.image_id.label("image_id"),
        channel.label("channel"),
    )
    return (
        select(*columns)
        .select_from(follow.join(thing, thing.c.image_id == follow.c.image_id))
        .where(
            follow.c.user_id == ME,
            at > param("since", Moment),
            at > follow.c.since,
            at <= NOW,
            *conditions,
        )
    )


def _once(happened: Any) -> Any:
    """What happened several times to the same thing, once: the last time."""
    rows = happened.subquery()
    same = [c for c in rows.c if c.name != "at"]
    kind, *others = same
    return select(kind, func.max(rows.c.at).label("at"), *others).group_by(*same)


def _news(reader: ReaderKind) -> Any:
    released, deprecated, revoked = (schema.versions.alias() for _ in range(3))
    reach, channel, entry = (
        schema.revocation_reach.alias(),
        schema.channels.alias(),
        schema.assignments.alias(),
    )
    of_channel = entry.c.channel_id == channel.c.id
    happened = union_all(
        _happened(
            "released",
            released.c.opens_at,
            released,
            released.c.n,
            access.open_now(released),
            access.readable(released, reader),
        ),
        _happened(
            "deprecated",
            deprecated.c.deprecated_at,
            deprecated,
            deprecated.c.n,
            access.readable(deprecated, reader),
        ),
        # A version that was revoked twice, itself and with another, is listed once.
        _once(
            _happened(
                "revoked",
                reach.c.at,
                revoked,
                revoked.c.n,
                reach.c.n == revoked.c.n,
                access.readable(revoked, reader),
            )
        ),
        _once(
            _happened(
                "channel",
                entry.c.at,
                channel,
                entry.c.version_n,
                of_channel,
                access.readable(channel, reader),
            )
        ),
    )
    # To count them in a window sorts them all once more.
    once = computed_once("once", happened)
    newest = (
        select(*once.c, select(func.count()).select_from(once).scalar_subquery().label("count"))
        .order_by(once.c.at.desc(), once.c.kind, once.c.n.desc(), once.c.channel)
        .limit(MOST_NEWS)
        .subquery("newest")
    )
    shown = json_object(
        {
            "kind": newest.c.kind,
            "at": newest.c.at,
            "image": summaries.image(newest.c.image_id, reader),
            "version": summaries.version_of(newest.c.n, reader),
            "channel": newest.c.channel,
        }
    )
    return select(newest.c.count, json_text(shown).label("json")).order_by(
        newest.c.at.desc(), newest.c.kind, newest.c.n.desc(), newest.c.channel
    )


def news(tx: Tx, actor: Actor) -> News | None:
    """What changed in the images that the actor follows since their last visit, newest first; None for
    one who follows none. An entry has kind (released, deprecated, revoked, channel), at, image, version
    and channel (its name). It is about what the actor may read now."""
    visit = tx.first(_visit, me=actor.user_id)
    if visit is None or not visit["following"]:
        return None
    begins = later(visit["began"], minutes=VISIT_MINUTES) <= tx.now
    since = max(visit["since"], visit["began"]) if begins else visit["since"]
    rows = tx.rows(_news, actor.reader, **resources.params(tx, actor) | {"since": since})
    entries = [json.loads(row["json"]) for row in rows]
    return News(since, rows[0]["count"] if rows else 0, entries, begins, visit["began"])


def begin_visit(tx: Tx, actor: Actor, seen: News) -> None:
    """Store that a visit began, unless another request stored it meanwhile."""
    key = {"user_id": actor.user_id, "began": seen.began}
    tx.update(schema.visits, key, began=tx.now, since=seen.since)


def mark_seen(tx: Tx, actor: Actor, until: Instant) -> None:
    """Record that the actor has seen what happened up to an instant. It never goes back, and not
    beyond now."""
    visit = tx.first(_visit, me=actor.user_id)
    if visit is not None:
        since = max(visit["since"], min(until, tx.now))
        tx.update(schema.visits, {"user_id": actor.user_id}, since=since)
