"""What a webhook is told of an event: built at the moment of sending, as its maker may read it then.

A payload is `{"type", "timestamp", "data"}`. Its data are the objects that the event is about, as
summaries through the rule, in their present state; what its maker may no longer read is not told.

    version.*         image, version
      .edited         fields: which ones were changed; null to who may not change the version
      .deprecated     deprecation
      .revoked        revoked: the revocation that the version shows now
      .restored       revoked: null, or another revocation that still holds
    channel.assigned  image, channel (its name), before, after
    machine.*         image, version, machine
"""

import json
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select

from goldenrod.catalogue.accounts import actors
from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, json_integer, json_object, json_text, param


def build(tx: Tx, due: Row) -> bytes | None:
    """The body of a delivery; None where its hook's maker may not read what it is about.

    `due` has the event's `type`, `at`, `version_n` and `about`, and the hook's `created_by_id` and
    `as_staff`.
    """
    actor = _maker(tx, due["created_by_id"], as_staff=due["as_staff"])
    data = actor and _data(tx, actor, due)
    if data is None:
        return None
    payload = {"type": due["type"], "timestamp": due["at"], "data": data}
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def _active() -> Any:
    return select(schema.users.c.active).where(schema.users.c.id == param("user", Key))


def _maker(tx: Tx, user_id: int, *, as_staff: bool) -> Actor | None:
    """A hook's maker with the rights that they have today; None for one who is disabled."""
    if not tx.value(_active, user=user_id):
        return None
    return actors.of_user(tx, user_id, "admin" if as_staff else "write")


def _data(tx: Tx, actor: Actor, due: Row) -> Any:
    about = json.loads(due["about"])
    given = {**resources.params(tx, actor), "n": due["version_n"]}
    noun, _, what = due["type"].partition(".")
    if noun == "channel":
        given |= {"channel": about["channel"], "before": about["before"]}
        found = tx.value(_channel, actor.reader, **given)
    elif noun == "machine":
        found = tx.value(_machine, actor.reader, machine=about["machine"], **given)
    else:
        found = tx.value(_version, actor.reader, what, **given)
    if found is None:
        return None
    data = json.loads(found)
    if what == "edited":
        keeps = tx.value(_kept, actor.reader, **given) is not None
        data["fields"] = about["fields"] if keeps else None
    return data


def readable(sequence: ColumnElement[int], reader: ReaderKind) -> ColumnElement[bool]:
    """The reader may read what the event of this sequence is about: they would get its payload."""
    # Side by side and not within one another: SQLite's parser takes statements so deep only.
    event = schema.events.alias()
    version, machine = schema.versions.alias(), schema.machines.alias()
    channel, image = schema.channels.alias(), schema.images.alias()
    of_version = select(event.c.sequence).where(
        event.c.type.startswith("version."),
        version.c.n == event.c.version_n,
        access.readable(version, reader),
    )
    of_machine = select(event.c.sequence).where(
        event.c.type.startswith("machine."),
        machine.c.id == json_integer(event.c.about, "machine"),
        access.readable(machine, reader),
    )
    of_channel = select(event.c.sequence).where(
        event.c.type.startswith("channel."),
        channel.c.id == json_integer(event.c.about, "channel"),
        image.c.id == channel.c.image_id,
        or_(
            access.readable(channel, reader),
            and_(channel.c.hidden, access.edits_image(image, reader)),
        ),
    )
    of = (of_version, of_machine, of_channel)
    return or_(*(sequence.in_(those.where(event.c.sequence == sequence)) for those in of))


def _version(reader: ReaderKind, what: str) -> Any:
    version = schema.versions.alias()
    members = {
        # Whoever may read a version may read its image.
        "image": summaries.image(version.c.image_id, ReaderKind.STAFF),
        "version": summaries.version_shape(version, reader),
    }
    if what == "deprecated":
        members["deprecation"] = summaries.deprecation(version, reader)
    if what in ("revoked", "restored"):
        members["revoked"] = summaries.revoked(version, reader)
    return select(json_text(json_object(members))).where(
        version.c.n == param("n", Key), access.readable(version, reader)
    )


def _kept(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    return select(version.c.n).where(
        version.c.n == param("n", Key), access.edits_version(version, reader)
    )


def _channel(reader: ReaderKind) -> Any:
    channel, image = schema.channels.alias(), schema.images.alias()
    members = {
        "image": summaries.image_shape(image, reader),
        "channel": channel.c.name,
        "before": summaries.version_of(param("before", Key), reader),
        "after": summaries.version_of(param("n", Key), reader),
    }
    # A channel that was deleted is hidden from all: that it was is told to its image's keepers.
    gone = and_(channel.c.hidden, access.edits_image(image, reader))
    return (
        select(json_text(json_object(members)))
        .select_from(channel.join(image, image.c.id == channel.c.image_id))
        .where(channel.c.id == param("channel", Key), or_(access.readable(channel, reader), gone))
    )


def _machine(reader: ReaderKind) -> Any:
    machine = schema.machines.alias()
    members = {
        # Whoever may read a machine may read its version and its image.
        "image": summaries.image(machine.c.image_id, ReaderKind.STAFF),
        "version": summaries.version_of(machine.c.version_n, ReaderKind.STAFF),
        "machine": summaries.machine_shape(machine, reader),
    }
    return select(json_text(json_object(members))).where(
        machine.c.id == param("machine", Key), access.readable(machine, reader)
    )
