"""Resolving: from image, channel (or version) and provider to the one machine to launch. Automation
calls this.

A revoked version, and a channel that stopped at one, answer 409 with the reason, unless revoked
versions were allowed. Machines of several architectures answer 409 with a list, unless an architecture
was named.
"""

import json
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, null, select

from goldenrod.base.architectures import normal_architecture
from goldenrod.base.errors import Conflict, NotFound
from goldenrod.base.text import is_uuid, sought_key
from goldenrod.catalogue.channels import channels
from goldenrod.catalogue.versions import instead, version_names
from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.lifecycle import channel_targets, machine_access, machine_choice, states
from goldenrod.rules.lifecycle.channel_targets import LATEST
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Id, Key, json_list, json_object, json_text, param


def _offer(machine: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A machine with its version, in the form of an answer."""
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


def _any(machine: FromClause) -> ColumnElement[bool]:
    return machine.c.id.is_not(None)


def _of_architecture(machine: FromClause) -> ColumnElement[bool]:
    wanted: ColumnElement[bool] = machine.c.architecture == param("architecture")
    return wanted


def _named(reader: ReaderKind, image_form: str, provider_form: str | None, computed: bool) -> Any:
    """All that a path names: the image, its channel with target and stop, and the provider."""
    image, channel = schema.images.alias("thing"), schema.channels.alias()
    its_channel = and_(
        channel.c.image_id == image.c.id,
        channel.c.name == param("named"),
        access.readable(channel, reader),
    )
    # The target of `latest` depends on the provider.
    target, stopped = (
        (null(), null())
        if computed
        else (channel_targets.target(channel, reader), channel_targets.stopped(channel))
    )
    found: list[ColumnElement[Any]] = [
        image.c.id.label("image_id"),
        json_text(summaries.image_shape(image, reader)).label("image"),
        channel.c.id.label("channel_id"),
        target.label("target"),
        stopped.label("stopped"),
    ]
    if provider_form:
        found.append(_provider_id(reader, provider_form))
    return (
        select(*found)
        .select_from(image.outerjoin(channel, its_channel))
        .where(resources.named(image, schema.images, image_form), access.readable(image, reader))
    )


def _provider_id(reader: ReaderKind, form: str) -> ColumnElement[Any]:
    provider = schema.providers.alias()
    provider_id = select(provider.c.id).where(
        resources.named(provider, schema.providers, form, "provider_key"),
        access.readable(provider, reader),
    )
    return provider_id.scalar_subquery().label("provider_id")


def _pinned(reader: ReaderKind, image_form: str, provider_form: str | None, by_id: bool) -> Any:
    """All that a path with a version names: the image, the version if the reader may read it, and the
    provider. A name that a version had before it was moved to another image still means it."""
    image, version = schema.images.alias("thing"), schema.versions.alias("pinned")
    meant: ColumnElement[bool] = and_(
        version.c.id == param("version", Id), version.c.image_id == image.c.id
    )
    if not by_id:
        meant = version.c.n == version_names.meant_by(image_form, reader)
    found: list[ColumnElement[Any]] = [
        image.c.id.label("image_id"),
        json_text(summaries.image_shape(image, reader)).label("image"),
        version.c.n,
        states.revoked(version).label("revoked"),
    ]
    if provider_form:
        found.append(_provider_id(reader, provider_form))
    return (
        select(*found)
        .select_from(image.outerjoin(version, and_(meant, access.readable(version, reader))))
        .where(resources.named(image, schema.images, image_form), access.readable(image, reader))
    )


def find_named(tx: Tx, actor: Actor, image: str, channel: str, provider: str | None) -> Row:
    """The row of `_named`. Raises NotFound (`channel_not_found` if only the channel is missing)."""
    form = resources.key_form(schema.images, image)
    provider_form = provider and resources.key_form(schema.providers, provider)
    named = channel if channels.NAME.fullmatch(channel) else ""  # which no channel has
    keys = {"key": form and resources.key_value(form, image), "named": named}
    if provider and provider_form:
        keys["provider_key"] = resources.key_value(provider_form, provider)
    row = form and tx.first(
        _named,
        actor.reader,
        form,
        provider_form,
        channel == LATEST,
        **keys,
        **resources.params(tx, actor),
    )
    if not row:
        raise NotFound()
    if row["channel_id"] is None:
        raise channels.not_found()
    if provider is not None and row.get("provider_id") is None:
        raise NotFound()
    return row


def _machines(reader: ReaderKind, latest: bool, architecture: bool) -> Any:
    """The machines of one version that the reader may launch on one provider, newest first.

    The version is `version_key`, or for `latest` the one that `latest` offers on the provider.
    """
    version, machine, provider = (
        schema.versions.alias(),
        schema.machines.alias(),
        schema.providers.alias(),
    )
    wanted: ColumnElement[Any] = param("version_key", Key)
    if latest:
        where = _of_architecture if architecture else _any
        newest = schema.machines.alias()
        chosen = machine_choice.by_latest(
            param("image", Key), param("provider", Key), reader, where
        )
        wanted = select(newest.c.version_n).where(newest.c.id == chosen).scalar_subquery()
    of_architecture = [_of_architecture(machine)] if architecture else []
    return (
        select(
            machine.c.architecture,
            json_text(summaries.machine_shape(machine, reader)).label("machine"),
            json_text(_offer(machine, reader)).label("offer"),
            *summaries.images_shown(version),
        )
        .where(
            version.c.n == wanted,
            access.readable(version, reader),
            machine.c.version_n == version.c.n,
            machine.c.provider_id == param("provider", Key),
            provider.c.id == machine.c.provider_id,
            machine_access.launchable(machine, version, provider, reader),
            *of_architecture,
        )
        .order_by(machine.c.start_date.desc(), machine.c.id.desc())
    )


def resolve_version(
    tx: Tx,
    actor: Actor,
    image: str,
    version: str,
    provider: str,
    *,
    architecture: str | None = None,
    allow_revoked: bool = False,
) -> dict[str, Any]:
    """The same as `resolve`, for a version: by its id, or by a name that it has or had in the image."""
    form = resources.key_form(schema.images, image)
    provider_form = resources.key_form(schema.providers, provider)
    if form is None or "\x00" in version:
        raise NotFound()
    by_id = is_uuid(version)
    keys: dict[str, Any] = {"version": version.lower() if by_id else sought_key(version)}
    if provider_form:
        keys["provider_key"] = resources.key_value(provider_form, provider)
    found = tx.first(
        _pinned,
        actor.reader,
        form,
        provider_form,
        by_id,
        key=resources.key_value(form, image),
        **keys,
        **resources.params(tx, actor),
    )
    if found is None:
        raise NotFound()
    if found["n"] is None:
        raise NotFound("This image has no version of this name that you may see.")
    if found.get("provider_id") is None:
        raise NotFound()
    if found["revoked"] and not allow_revoked:
        _refuse_revoked(tx, actor, found["n"], "This version is revoked.", stops=False)
    offers = _offers(tx, actor, found["provider_id"], architecture, version_key=found["n"])
    if not offers:
        raise NotFound(
            "This version has no machine on this provider that you may launch.",
            code="machine_not_found",
        )
    return {"image": json.loads(found["image"]), "channel": None, **_only(tx, found, offers)}


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
    """The machine that a channel offers on a provider, with image, channel, version and warnings.

    Takes two statements. Raises NotFound (`channel_not_found`, `machine_not_found`), Conflict
    (`version_revoked`, `machine_ambiguous`).
    """
    found = find_named(tx, actor, image, channel, provider)
    latest = channel == LATEST
    version_key = None if latest else offered_version(tx, actor, found, allow_revoked=allow_revoked)
    offers = []
    if latest or version_key is not None:
        offers = _offers(
            tx,
            actor,
            found["provider_id"],
            architecture,
            latest=latest,
            version_key=version_key,
            image=found["image_id"],
        )
    if not offers:
        raise NotFound(_why_none(tx, actor, found["image_id"]), code="machine_not_found")
    return {"image": json.loads(found["image"]), "channel": channel, **_only(tx, found, offers)}


def _offers(
    tx: Tx,
    actor: Actor,
    provider_id: int,
    architecture: str | None,
    *,
    version_key: int | None,
    latest: bool = False,
    image: int | None = None,
) -> list[Row]:
    return tx.rows(
        _machines,
        actor.reader,
        latest,
        architecture is not None,
        version_key=version_key,
        image=image,
        provider=provider_id,
        architecture=architecture and normal_architecture(architecture),
        **resources.params(tx, actor),
    )


def _only(tx: Tx, found: Row, offers: list[Row]) -> dict[str, Any]:
    """The newest of these machines, which all are of one version. Raises Conflict
    (`machine_ambiguous`)."""
    tx.depends_on([found["image_id"], *summaries.image_ids(offers[0])])
    architectures = sorted({row["architecture"] for row in offers})
    if len(architectures) > 1:
        raise Conflict(
            f"There are machines of several architectures. Name one of: {', '.join(architectures)}.",
            code="machine_ambiguous",
            extra={"machines": [json.loads(row["machine"]) for row in offers]},
        )
    offer: dict[str, Any] = json.loads(offers[0]["offer"])
    return offer


def _why_none(tx: Tx, actor: Actor, image_id: int) -> str:
    if instead.is_all_revoked(tx, actor, image_id):
        return "All versions of this image are revoked, so no channel offers a machine."
    return "This channel offers no machine on this provider that you may launch."


def offered_version(tx: Tx, actor: Actor, found: Row, *, allow_revoked: bool) -> int | None:
    """The version that a named channel offers, or None.

    Raises Conflict (`version_revoked`) if the channel stopped at a version that the reader may read.
    """
    stopped = found["stopped"]
    if stopped is None or allow_revoked:
        version_key: int | None = found["target"] if stopped is None else stopped
        return version_key
    _refuse_revoked(tx, actor, stopped, "The channel stopped at a revoked version.", stops=True)
    return None


def _refuse_revoked(tx: Tx, actor: Actor, version_key: int, what: str, *, stops: bool) -> None:
    """Raise Conflict (`version_revoked`) if the reader may read this revoked version."""
    row = tx.first(
        _revoked_version,
        actor.reader,
        stops,
        version_key=version_key,
        **resources.params(tx, actor),
    )
    if row is None:
        return
    revoked, version = json.loads(row["revoked"]), json.loads(row["version"])
    better = instead.of_row(row)
    reason = revoked["reason"] or "no reason shown"
    raise Conflict(
        f"{what} {_use(better)} Why it was revoked: {reason}",
        code="version_revoked",
        extra={"version": version, "revoked": revoked, "instead": better.version},
    )


def _use(better: instead.Instead) -> str:
    """What to use instead, as a sentence with the version's address."""
    if better.version:
        image, name, url = (better.version[key] for key in ("image", "name", "url"))
        return f"Use {image['slug']}/{name} instead ({url})."
    if better.all_revoked:
        return "All versions of the image are revoked."
    return "There is no version that you can use instead."


def _revoked_version(reader: ReaderKind, stops: bool) -> Any:
    """A revoked version, with its revocation: the one that `stops` channels, or the one it shows."""
    version = schema.versions.alias()
    revocation = summaries.stopping if stops else summaries.revoked
    return select(
        json_text(summaries.version_shape(version, reader)).label("version"),
        json_text(revocation(version, reader)).label("revoked"),
        *instead.columns(version, reader),
    ).where(version.c.n == param("version_key", Key), access.readable(version, reader))


def _everywhere(reader: ReaderKind) -> Any:
    """The machines that a channel offers on each provider, as one JSON list."""
    channel, provider, machine = (
        schema.channels.alias(),
        schema.providers.alias(),
        schema.machines.alias(),
    )
    chosen = machine_choice.by_channel(channel, provider.c.id, reader, _any)
    query = (
        select(_offer(machine, reader))
        .select_from(provider)
        .where(
            access.readable(provider, reader),
            channel.c.id == param("channel", Key),
            machine.c.id == chosen,
        )
        .order_by(provider.c.slug)
    )
    return select(json_text(json_list(query)))


def resolve_everywhere(tx: Tx, actor: Actor, image: str, channel: str) -> dict[str, Any]:
    """The machines that a channel offers, one for each provider that has one.

    Takes two statements. Raises NotFound, Conflict (`version_revoked`).
    """
    found = find_named(tx, actor, image, channel, None)
    if channel != LATEST:
        offered_version(tx, actor, found, allow_revoked=False)
    given = resources.params(tx, actor)
    results = tx.value(_everywhere, actor.reader, channel=found["channel_id"], **given)
    head = json.loads(found["image"])
    return {"image": head, "channel": channel, "results": json.loads(results)}
