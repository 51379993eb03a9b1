"""Payloads: what a webhook receives about an event.

A payload is built at the moment of sending, with the rights that the webhook's creator has then. It is
`{"type", "timestamp", "data"}`. Its data are summaries of the objects that the event is about, in
their present state. No payload is built for what the creator may no longer read. What a cloud says
about a machine is for editors of its version, and that a cloud could not be read for staff.

    version.*         image, version
      .edited         fields: which ones were changed; null for a creator who may not edit the version
      .deprecated     deprecation
      .revoked        revoked: the revocation that the version shows now
      .restored       revoked: null, or another revocation that is still in force
    channel.assigned  image, channel (its name), before, after
    machine.*         image, version, machine
      .missing        since: when its cloud first did not list it
      .drifted        kinds: the ways in which it began to differ from its cloud
    sync.failed       source, scope, since, reason
    webhook.test      webhook, image (null for a webhook for all images)
"""

import json
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, exists, or_, select, true

from goldenrod.catalogue.accounts import actors
from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import events
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, json_integer, json_object, json_text, param


def build(tx: Tx, due: Row) -> bytes | None:
    """The body of a delivery; None where the webhook's creator may not read what it is about.

    `due` has the event's `type`, `at`, `version_n` and `about`, and the webhook's `webhook_id`,
    `created_by_id` and `as_staff`.
    """
    actor = _creator(tx, due["created_by_id"], as_staff=due["as_staff"])
    data = actor and _data(tx, actor, due)
    if data is None:
        return None
    payload = {"type": due["type"], "timestamp": due["at"], "data": data}
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def _active() -> Any:
    return select(schema.users.c.active).where(schema.users.c.id == param("user", Key))


def _creator(tx: Tx, user_id: int, *, as_staff: bool) -> Actor | None:
    """A webhook's creator with the rights that they have now; None for a disabled user."""
    if not tx.value(_active, user=user_id):
        return None
    return actors.of_user(tx, user_id, "admin" if as_staff else "write")


def _data(tx: Tx, actor: Actor, due: Row) -> Any:
    about = json.loads(due["about"])
    params = {**resources.params(tx, actor), "version": due["version_n"]}
    resource, _, what = due["type"].partition(".")
    if resource == "channel":
        params |= {"channel": about["channel"], "before": about["before"]}
        found = tx.value(_channel, actor.reader, **params)
    elif resource == "webhook":
        found = tx.value(_webhook, actor.reader, hook=due["webhook_id"], **params)
    elif resource == "machine":
        found = tx.value(_machine, what, actor.reader, machine=about["machine"], **params)
    elif resource == "sync":
        found = tx.value(_scope, scope=about["scope"]) if actor.has_staff_rights else None
    else:
        found = tx.value(_version, actor.reader, what, **params)
    if found is None:
        return None
    data = json.loads(found)
    told = _TOLD.get(due["type"], ())
    data |= {name: about[name] for name in told}
    if what == "edited":
        is_editor = tx.value(_editable, actor.reader, **params) is not None
        data["fields"] = about["fields"] if is_editor else None
    return data


_TOLD = {"machine.missing": ("since",), "machine.drifted": ("kinds",), "sync.failed": ("since",)}
"""What a payload says as it was when the event happened."""
_OF_EDITORS = ("machine.missing", "machine.drifted")
"""The events of machines of which only editors of the version are told."""


def readable(sequence: ColumnElement[int], reader: ReaderKind) -> ColumnElement[bool]:
    """The reader may read what the event of this sequence is about."""
    # Four flat conditions, not nested ones: SQLite's parser limits the depth of a statement.
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
        or_(event.c.type.not_in(_OF_EDITORS), _is_editors(machine, reader)),
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
    test = select(event.c.sequence).where(event.c.type == events.TEST)
    of = [of_version, of_machine, of_channel, test]
    if reader is ReaderKind.STAFF:
        of.append(select(event.c.sequence).where(event.c.type.startswith("sync.")))
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
        version.c.n == param("version", Key), access.readable(version, reader)
    )


def _editable(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    return select(version.c.n).where(
        version.c.n == param("version", Key), access.edits_version(version, reader)
    )


def _channel(reader: ReaderKind) -> Any:
    channel, image = schema.channels.alias(), schema.images.alias()
    members = {
        "image": summaries.image_shape(image, reader),
        "channel": channel.c.name,
        "before": summaries.version_of(param("before", Key), reader),
        "after": summaries.version_of(param("version", Key), reader),
    }
    # A deleted channel is hidden from everybody; the image's editors are still notified of it.
    deleted = and_(channel.c.hidden, access.edits_image(image, reader))
    return (
        select(json_text(json_object(members)))
        .select_from(channel.join(image, image.c.id == channel.c.image_id))
        .where(
            channel.c.id == param("channel", Key), or_(access.readable(channel, reader), deleted)
        )
    )


def _webhook(reader: ReaderKind) -> Any:
    hook = schema.webhooks.alias()
    url = summaries.url("webhooks", hook.c.id)
    members = {
        "webhook": json_object({"id": hook.c.id, "url": url, "uuid": hook.c.uuid}),
        "image": summaries.image(hook.c.image_id, reader),
    }
    return select(json_text(json_object(members))).where(hook.c.id == param("hook", Key))


def _is_editors(machine: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
    """The reader is an editor of the machine's version."""
    version = schema.versions.alias()
    return exists().where(version.c.n == machine.c.version_n, access.edits_version(version, reader))


def _scope() -> Any:
    scope, source = schema.sync_scopes.alias(), schema.sync_sources.alias()
    members = {"source": source.c.name, "scope": scope.c.scope, "reason": scope.c.failed_reason}
    return select(json_text(json_object(members))).where(
        scope.c.id == param("scope", Key), source.c.id == scope.c.source_id
    )


def _machine(what: str, reader: ReaderKind) -> Any:
    machine = schema.machines.alias()
    told = _is_editors(machine, reader) if f"machine.{what}" in _OF_EDITORS else true()
    members = {
        # Whoever may read a machine may read its version and its image.
        "image": summaries.image(machine.c.image_id, ReaderKind.STAFF),
        "version": summaries.version_of(machine.c.version_n, ReaderKind.STAFF),
        "machine": summaries.machine_shape(machine, reader),
    }
    return select(json_text(json_object(members))).where(
        machine.c.id == param("machine", Key), access.readable(machine, reader), told
    )
