"""Queries of the version page: machines, licenses and scripts, children, channels.

They return what the page shows beyond the API's version. Each query applies the access rule itself.
"""

import json
from typing import Any

from sqlalchemy import ColumnElement, FromClause, String, func, select

from goldenrod.base.errors import NotFound
from goldenrod.base.text import is_uuid, sought_key
from goldenrod.catalogue.versions import version_names, versions
from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.lifecycle import channel_targets, machine_access, machine_choice, states
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Id, Key, json_list, json_object, json_text, param

MOST_CHILDREN = 12
"""How many children of a version are listed."""
MOST_TEXT = 20_000
"""How many characters of a license or script are shown on the page."""


# ── which version ──────────────────────────────────────────────────────────────────────────────


def _named(reader: ReaderKind, form: str, by_id: bool) -> Any:
    version, image = schema.versions.alias("thing"), schema.images.alias("image")
    if by_id:
        wanted: Any = version.c.id == param("version", Id)
    else:
        wanted = version.c.n == version_names.meant_by(form, reader)
    return select(
        version.c.n,
        version.c.id,
        version.c.name,
        version.c.image_id,
        image.c.slug,
        image.c.name.label("image_name"),
        access.changeable(version, reader).label("may_change"),
        json_text(versions.single_shape(version, reader)).label("json"),
    ).where(image.c.id == version.c.image_id, wanted, access.readable(version, reader))


def find_version(tx: Tx, actor: Actor, image: str, version: str) -> Row:
    """The version of an address: by its UUID, whatever the image, or by a name that it has or had in
    the image.

    The row also has `json`, which is the API's answer, and `version`, which is that decoded. Raises
    NotFound.
    """
    row = _row_by_id(tx, actor, version)
    form = resources.key_form(schema.images, image)
    # PostgreSQL stores no text with a NUL character, so no version has such a name.
    if row is None and form and "\x00" not in version:
        given = resources.params(tx, actor)
        key = resources.key_value(form, image)
        row = tx.first(
            _named, actor.reader, form, False, version=sought_key(version), key=key, **given
        )
    return _decoded(row)


def get_by_id(tx: Tx, actor: Actor, key: str) -> Row:
    """The version with a UUID, as `find_version` returns it. Raises NotFound."""
    return _decoded(_row_by_id(tx, actor, key))


def _row_by_id(tx: Tx, actor: Actor, key: str) -> Row | None:
    if not is_uuid(key):
        return None
    given = resources.params(tx, actor)
    return tx.first(_named, actor.reader, "id", True, version=key.lower(), **given)


def _decoded(row: Row | None) -> Row:
    if row is None:
        raise NotFound()
    return row | {"may_change": bool(row["may_change"]), "version": json.loads(row["json"])}


# ── its machines ───────────────────────────────────────────────────────────────────────────────


def _machines(reader: ReaderKind) -> Any:
    version, machine, place = (
        schema.versions.alias(),
        schema.machines.alias(),
        schema.providers.alias(),
    )
    return (
        select(
            machine.c.identifier,
            machine.c.architecture,
            machine.c.size_gb,
            machine.c.checksum,
            machine.c.start_date,
            machine.c.end_date,
            place.c.public.label("provider_public"),
            *summaries.readable_columns(place, reader),
        )
        .where(
            version.c.id == param("version", Id),
            access.readable(version, reader),
            machine.c.version_n == version.c.n,
            place.c.id == machine.c.provider_id,
            machine_access.listed_in_version(machine, place, reader),
        )
        .order_by(
            *summaries.by_readable_slug(place, reader),
            machine.c.architecture,
            machine.c.start_date.desc(),
            machine.c.id.desc(),
        )
    )


def list_machines(tx: Tx, actor: Actor, version: str) -> list[Row]:
    """The machines of a version that the reader sees, by provider and architecture, newest first;
    `provider_public` is whether everybody sees the provider.

    `provider`, `provider_name` and `provider_type` are null if the reader, an editor of the version,
    may not read the provider.
    """
    return tx.rows(_machines, actor.reader, version=version, **resources.params(tx, actor))


def _latest_on_provider(reader: ReaderKind) -> Any:
    """The version whose machine `latest` offers on a provider for one architecture."""
    place, machine, version = (
        schema.providers.alias(),
        schema.machines.alias(),
        schema.versions.alias(),
    )
    found = machine_choice.by_latest(
        param("image", Key),
        place.c.id,
        reader,
        lambda it: it.c.architecture == param("architecture", String),
    )
    return (
        select(json_text(summaries.version_shape(version, reader)))
        .select_from(place)
        .where(
            place.c.slug == param("provider", String),
            access.readable(place, reader),
            machine.c.id == found,
            version.c.n == machine.c.version_n,
            access.readable(version, reader),
        )
    )


def find_latest_on_provider(
    tx: Tx, actor: Actor, image_id: int, provider: str, architecture: str
) -> Row | None:
    """The newest version that `latest` offers on a provider, by slug, for one architecture."""
    text = tx.value(
        _latest_on_provider,
        actor.reader,
        image=image_id,
        provider=provider,
        architecture=architecture,
        **resources.params(tx, actor),
    )
    return json.loads(text) if text else None


# ── licenses, scripts and channels ─────────────────────────────────────────────────────────────


def _text(thing: FromClause, resource: str) -> dict[str, ColumnElement[Any]]:
    return {
        "url": summaries.url(resource, thing.c.id),
        "title": thing.c.title,
        "type": thing.c.type,
        "text": func.substr(thing.c.text, 1, MOST_TEXT),
        "length": func.length(thing.c.text),
    }


def _texts(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    license, licensed = schema.licenses.alias(), schema.version_licenses.alias()
    script, used = schema.boot_scripts.alias(), schema.version_scripts.alias()
    licenses = (
        select(json_object(_text(license, "licenses")))
        .select_from(licensed.join(license, license.c.id == licensed.c.license_id))
        .where(licensed.c.version_n == version.c.n, access.readable(license, reader))
        .order_by(license.c.id)
    )
    when = {
        "run_every_deploy": script.c.run_every_deploy,
        "wait_for_deploy": script.c.wait_for_deploy,
    }
    scripts = (
        select(json_object(_text(script, "boot_scripts") | when))
        .select_from(used.join(script, script.c.id == used.c.script_id))
        .where(used.c.version_n == version.c.n, access.readable(script, reader))
        .order_by(script.c.id)
    )
    channel = schema.channels.alias()
    pointing_channels = (
        select(json_object({"name": channel.c.name}))
        .where(
            channel.c.image_id == version.c.image_id,
            access.readable(channel, reader),
            channel_targets.target(channel, reader) == version.c.n,
        )
        .order_by(channel.c.name)
    )
    shown = json_object(
        {
            "licenses": json_list(licenses, version),
            "scripts": json_list(scripts, version),
            "channels": json_list(pointing_channels, version),
        }
    )
    return select(json_text(shown)).where(
        version.c.id == param("version", Id), access.readable(version, reader)
    )


def get_texts(tx: Tx, actor: Actor, version: str) -> Row:
    """The `licenses` and `scripts` of a version, each with the beginning of its text and the whole
    length; and `channels`, the names of those that point at it. Raises NotFound."""
    text = tx.value(_texts, actor.reader, version=version, **resources.params(tx, actor))
    if not text:
        raise NotFound()
    found: Row = json.loads(text)
    return found


# ── its children ───────────────────────────────────────────────────────────────────────────────


def _children(reader: ReaderKind) -> Any:
    picked_from, shown = schema.versions.alias(), schema.versions.alias("shown")
    picked = (
        select(picked_from.c.n, func.count().over().label("count"))
        .where(picked_from.c.parent_n == param("n", Key), access.readable(picked_from, reader))
        .order_by(picked_from.c.start_date.desc(), picked_from.c.id.desc())
        .limit(MOST_CHILDREN)
        .subquery("picked")
    )
    described = json_object(
        {
            "version": summaries.version_shape(shown, reader),
            "behind": states.behind(shown, reader),
            "excluded": shown.c.exclude_from_latest,
        }
    )
    return (
        select(json_text(described).label("json"), picked.c.count)
        .select_from(picked.join(shown, shown.c.n == picked.c.n))
        .order_by(shown.c.start_date.desc(), shown.c.id.desc())
    )


def list_children(tx: Tx, actor: Actor, version_key: int) -> tuple[int, list[Row]]:
    """The number of readable children of a version, and the newest of them: `version`; `behind`, the
    number of newer versions; and whether it is `excluded` from latest."""
    rows = tx.rows(_children, actor.reader, n=version_key, **resources.params(tx, actor))
    return (rows[0]["count"] if rows else 0), [json.loads(row["json"]) for row in rows]
