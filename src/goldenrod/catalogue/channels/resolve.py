"""Resolving: image, channel and provider to the one machine that the reader may launch.

The call that automation makes. What is revoked answers 409 with its reason, unless that was allowed;
several machines of different architectures answer 409, listing them, unless one was named.
"""

import json
from typing import Any

from sqlalchemy import ColumnElement, FromClause, select

from goldenrod.base.errors import Conflict, NotFound
from goldenrod.catalogue.channels import channels
from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.lifecycle import machine_access, machine_choice, states
from goldenrod.rules.lifecycle.states import LATEST
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, json_list, json_object, json_text, param


def _offer(machine: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A machine with its version, as resolving answers it."""
    version = schema.versions.alias()
    shown = json_object(
        {
            "provider": summaries.provider(machine.c.provider_id, reader),
            "version": summaries.version_shape(version, reader),
            "machine": summaries.machine_shape(machine, reader),
            "deprecation": summaries.deprecation(version, reader),
            "revoked": summaries.revoked(version, reader),
        }
    )
    return select(shown).where(version.c.n == machine.c.version_n).scalar_subquery()


def _one_offer(reader: ReaderKind) -> Any:
    machine = schema.machines.alias()
    return select(json_text(_offer(machine, reader))).where(
        machine.c.id == param("machine", Key), access.readable(machine, reader)
    )


def _any(machine: FromClause) -> ColumnElement[bool]:
    return machine.c.id.is_not(None)


def _of_architecture(machine: FromClause) -> ColumnElement[bool]:
    wanted: ColumnElement[bool] = machine.c.architecture == param("architecture")
    return wanted


def _by_latest(reader: ReaderKind, named: bool) -> Any:
    where = _of_architecture if named else _any
    found = machine_choice.by_latest(param("image", Key), param("provider", Key), reader, where)
    return select(found)


def _target(column: str, reader: ReaderKind) -> Any:
    channel = schema.channels.alias()
    found = states.stopped(channel) if column == "stopped" else states.target(channel, reader)
    return select(found).where(channel.c.id == param("channel", Key))


def _machines_there(reader: ReaderKind) -> Any:
    """The machines of one version that the reader may launch on one provider, newest first."""
    version, machine, provider = (
        schema.versions.alias(),
        schema.machines.alias(),
        schema.providers.alias(),
    )
    return (
        select(
            machine.c.id,
            machine.c.architecture,
            json_text(summaries.machine_shape(machine, reader)).label("json"),
        )
        .where(
            version.c.n == param("n", Key),
            access.readable(version, reader),
            machine.c.version_n == version.c.n,
            machine.c.provider_id == param("provider", Key),
            provider.c.id == machine.c.provider_id,
            machine_access.launchable(machine, version, provider, reader),
        )
        .order_by(machine.c.start_date.desc(), machine.c.id.desc())
    )


def resolve(
    tx: Tx,
    actor: Actor,
    image: str,
    channel: str,
    provider: str,
    *,
    architecture: str | None = None,
    allow_revoked: bool = False,
) -> dict[str, Any]:
    """What a channel offers on a provider: image, channel, provider, version, machine, warnings.

    Raises NotFound (`channel_not_found`, `machine_not_found`), Conflict (`version_revoked`,
    `machine_ambiguous`).
    """
    given = resources.params(tx, actor)
    found = channels.see_channel(tx, actor, image, channel)
    place = resources.get_row(tx, actor, schema.providers, provider)
    if found["name"] == LATEST:
        # Of the newest version that has a machine there, the one choice among its machines.
        first = tx.value(
            _by_latest,
            actor.reader,
            architecture is not None,
            image=found["image_id"],
            provider=place["id"],
            architecture=architecture,
            **given,
        )
        n = first and tx.value(_version_of, machine=first)
    else:
        n = _offered(tx, actor, found, given, allow_revoked=allow_revoked)
    machine = n and _chosen(tx, actor, n, place["id"], architecture, given)
    if not machine:
        raise NotFound(
            "This channel offers no machine there that you may launch.", code="machine_not_found"
        )
    offer = json.loads(str(tx.value(_one_offer, actor.reader, machine=machine, **given)))
    head = _head(tx, actor, found)
    return {"image": head, "channel": found["name"], **offer}


def _version_of() -> Any:
    machine = schema.machines
    return select(machine.c.version_n).where(machine.c.id == param("machine", Key))


def _head(tx: Tx, actor: Actor, channel: Row) -> Any:
    shape = summaries.image_shape
    return json.loads(resources.get(tx, actor, schema.images, shape, str(channel["image_id"])))


def _chosen(
    tx: Tx, actor: Actor, n: int, provider: int, architecture: str | None, given: Row
) -> int | None:
    """The one machine of a version on a provider; None for none. Raises Conflict for several that
    differ in architecture where none was named."""
    there = tx.rows(_machines_there, actor.reader, n=n, provider=provider, **given)
    if architecture is not None:
        there = [row for row in there if row["architecture"] == architecture]
    if len({row["architecture"] for row in there}) > 1:
        known = ", ".join(sorted({row["architecture"] for row in there}))
        raise Conflict(
            f"There are machines of several architectures: name one of {known}.",
            code="machine_ambiguous",
            extra={"machines": [json.loads(row["json"]) for row in there]},
        )
    return there[0]["id"] if there else None


def _offered(tx: Tx, actor: Actor, channel: Row, given: Row, *, allow_revoked: bool) -> int | None:
    """The version that a named channel offers. Raises Conflict (`version_revoked`) where it
    stopped at one that the reader may read: it tells the revocation that stops the channel."""
    stopped = tx.value(_target, "stopped", actor.reader, channel=channel["id"], **given)
    if stopped is None:
        return tx.value(_target, "target", actor.reader, channel=channel["id"], **given)  # type: ignore[no-any-return]
    told = tx.first(_told, actor.reader, n=stopped, **given)
    if told is None:
        return None
    if allow_revoked:
        return int(stopped)
    revoked = json.loads(told["revoked"])
    raise Conflict(
        f"The channel stopped at a revoked version: {revoked['reason'] or 'no reason shown'}",
        code="version_revoked",
        extra={"version": json.loads(told["version"]), "revoked": revoked},
    )


def _told(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    return select(
        json_text(summaries.version_shape(version, reader)).label("version"),
        json_text(summaries.stopping(version, reader)).label("revoked"),
    ).where(version.c.n == param("n", Key), access.readable(version, reader))


def _everywhere(reader: ReaderKind) -> Any:
    """What a channel offers on each provider, as one JSON list."""
    channel, provider, machine = (
        schema.channels.alias(),
        schema.providers.alias(),
        schema.machines.alias(),
    )
    offered = machine_choice.by_channel(channel, provider.c.id, reader, _any)
    query = (
        select(_offer(machine, reader))
        .select_from(provider)
        .where(
            access.readable(provider, reader),
            channel.c.id == param("channel", Key),
            machine.c.id == offered,
        )
        .order_by(provider.c.slug)
    )
    return select(json_text(json_list(query)))


def resolve_everywhere(tx: Tx, actor: Actor, image: str, channel: str) -> dict[str, Any]:
    """What a channel offers, one machine for each provider that has one. Raises NotFound, and
    Conflict (`version_revoked`)."""
    found = channels.see_channel(tx, actor, image, channel)
    given = resources.params(tx, actor)
    if found["name"] != LATEST:
        _offered(tx, actor, found, given, allow_revoked=False)
    results = tx.value(_everywhere, actor.reader, channel=found["id"], **given)
    head = _head(tx, actor, found)
    return {"image": head, "channel": found["name"], "results": json.loads(results)}
