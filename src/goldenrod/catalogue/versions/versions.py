"""Image versions: their JSON, and the list with its filters.

A version is one release of an image: what changed, its parent, its machines, what it needs and who
may use it. Its id is a UUID; its name is never reused in its image. `publish.py` publishes, edits and
ends versions; `history.py` reads their history.
"""

from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    FromClause,
    String,
    and_,
    case,
    false,
    literal_column,
    or_,
    select,
    true,
)

from goldenrod.base.errors import NotFound
from goldenrod.base.text import filter_key
from goldenrod.catalogue import search
from goldenrod.catalogue.versions import version_names
from goldenrod.rules import access, filters, resources, summaries
from goldenrod.rules.access import NOW, Actor, ReaderKind
from goldenrod.rules.changes import labels
from goldenrod.rules.lifecycle import channel_targets, states
from goldenrod.rules.resources import Resource
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Filter, Listing, Wanted
from goldenrod.store.sql import (
    NULL_JSON,
    among,
    json_object,
    json_text,
    param,
    revision_read,
)


def shape(version: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A version in a list, as JSON: the contract's fields in its order, then Goldenrod's own."""
    return json_object(_members(version, reader))


def single_shape(version: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A single version as JSON, with the number of newer versions than it and than its parent."""
    counts = {
        "behind": states.behind(version, reader),
        "parent_behind": states.parent_behind(version, reader),
    }
    return json_object(_members(version, reader) | counts)


def _members(version: FromClause, reader: ReaderKind) -> dict[str, ColumnElement[Any]]:
    return {
        "id": version.c.id,
        "parent": summaries.version_of(version.c.parent_n, reader),
        "name": version.c.name,
        "change_log": version.c.change_log,
        "image": summaries.image(version.c.image_id, ReaderKind.STAFF),
        "machines": summaries.machines(version, reader),
        "allow_imaging": version.c.allow_imaging,
        "licenses": summaries.licenses(version),
        "membership": summaries.membership(version, reader),
        "scripts": summaries.scripts(version),
        "user": summaries.user(version.c.user_id),
        "identity": summaries.identity(version.c.identity_id, reader),
        "start_date": version.c.start_date,
        "end_date": version.c.end_date,
        "url": summaries.url("image_versions", version.c.id),
        "doc_object_id": version.c.doc_object_id,
        "min_cpu": version.c.min_cpu,
        "min_mem": version.c.min_mem,
        "state": states.state(version),
        "deprecation": summaries.deprecation(version, reader),
        "revoked": summaries.revoked(version, reader),
        "exclude_from_latest": version.c.exclude_from_latest,
        "stale": states.stale(version, reader),
        "labels": summaries.labels(version),
    }


def _of_image(version: FromClause, reader: ReaderKind, is_it: Any) -> ColumnElement[bool]:
    image = schema.images.alias()
    return version.c.image_id == select(image.c.id).where(is_it(image)).scalar_subquery()


def _of_parent(version: FromClause, reader: ReaderKind, is_it: Any) -> ColumnElement[bool]:
    parent = schema.versions.alias()
    return version.c.parent_n == select(parent.c.n).where(is_it(parent)).scalar_subquery()


def _on_provider(by: filters.ByMachine) -> filters.Referring:
    return lambda version, reader, is_it: by(version, reader, lambda _, provider: is_it(provider))


def _under_license(version: FromClause, reader: ReaderKind, is_it: Any) -> ColumnElement[bool]:
    license, pairing = schema.licenses.alias(), schema.version_licenses.alias()
    under = select(pairing.c.version_n).where(license.c.id == pairing.c.license_id, is_it(license))
    return among(version.c.n, under)


def _with_script(version: FromClause, reader: ReaderKind, is_it: Any) -> ColumnElement[bool]:
    script, pairing = schema.boot_scripts.alias(), schema.version_scripts.alias()
    using = select(pairing.c.version_n).where(script.c.id == pairing.c.script_id, is_it(script))
    return among(version.c.n, using)


def _tagged(version: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
    tag, link = schema.tags.alias(), schema.image_tags.alias()
    carrying = select(link.c.image_id).where(
        tag.c.id == link.c.tag_id, tag.c.name_key == param("f_tag", tag.c.name_key.type)
    )
    return among(version.c.image_id, carrying)


def _targeted(version: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
    return channel_targets.targeted(version, reader, param("f_channel", String))


def _of_architecture(by: filters.ByMachine) -> filters.Referring:
    return lambda version, reader, is_it: by(version, reader, lambda machine, _: is_it(machine))


VERSIONS = Resource(
    schema.versions,
    shape,
    Listing(
        schema.versions,
        {
            "image_id": filters.refers("image_id", schema.images, _of_image, narrow=True),
            "user": filters.username("user", lambda version: version.c.user_id),
            "created_by": filters.username("created_by", lambda version: version.c.created_by_id),
            "name": version_names.FILTER,
            "parent": filters.refers("parent", schema.versions, _of_parent, narrow=True),
            "provider": filters.refers(
                "provider",
                schema.providers,
                _on_provider(filters.found_by_machine),
                checked=_on_provider(filters.with_machine),
            ),
            "license": filters.refers_to_one("license", schema.licenses, _under_license),
            "script": filters.refers("script", schema.boot_scripts, _with_script),
            "tag": Filter(
                "a tag's name",
                lambda given: Wanted("", {"f_tag": filter_key(given)}),
                _tagged,
            ),
            "architecture": filters.architecture(
                _of_architecture(filters.found_by_machine),
                _of_architecture(filters.with_machine),
            ),
            "allow_imaging": filters.boolean(lambda version, reader: version.c.allow_imaging),
            "current": filters.boolean(lambda version, reader: access.open_now(version)),
            "launchable": filters.boolean(channel_targets.has_launchable),
            "state": filters.what_is(states.STATES, states.is_in),
            "revoked": filters.boolean(
                lambda version, reader: states.revoked(version),
                lambda version, reader: states.found_revoked(version),
            ),
            "stale": filters.boolean(states.stale),
            "exclude_from_latest": filters.boolean(
                lambda version, reader: version.c.exclude_from_latest
            ),
            "channel": Filter(
                "a channel's name", lambda given: Wanted("", {"f_channel": given}), _targeted
            ),
            "label": labels.FILTER,
            "start_date__gte": filters.since("start_date__gte", "start_date"),
            "start_date__lt": filters.since("start_date__lt", "start_date", before=True),
            "search": search.VERSIONS,
        },
        ("start_date", "end_date", "name"),
        {"name": "name_key", "end_date": "ends_at"},
    ),
    one=single_shape,
)


def _common(reader: ReaderKind, form: str) -> Any:
    """One version without what few versions have, the address of its image's `latest`, and whether it
    `has_more`: a revocation, a deprecation, or a parent that it does not follow in one line."""
    version, newest = schema.versions.alias(), schema.versions.alias()
    found = select(
        *version.c,
        states.revoked_from(version).label("revoked_from"),
        states.in_line(version, reader).label("in_line"),
    ).where(resources.named(version, schema.versions, form), access.readable(version, reader))
    # Without the limit the database would repeat these subqueries wherever their values are used.
    thing = found.limit(literal_column("1")).subquery("thing")
    latest = (
        select(summaries.url("image_versions", newest.c.id))
        .where(newest.c.n == channel_targets.latest(thing.c.image_id, reader))
        .scalar_subquery()
    )
    has_more = or_(
        thing.c.revoked_from.is_not(None),
        thing.c.deprecated_at.is_not(None),
        and_(thing.c.parent_n.is_not(None), thing.c.in_line.is_not(true())),
    )
    members = _members(thing, reader) | {
        "parent": summaries.one(_parent, schema.versions, "n", thing.c.parent_n, reader),
        "state": states.state(thing, thing.c.revoked_from <= NOW),
        "deprecation": NULL_JSON,
        "revoked": NULL_JSON,
        "stale": false(),
        "behind": states.behind(thing, reader),
        "parent_behind": case((thing.c.in_line, 0), else_=None),
    }
    return select(
        json_text(json_object(members)).label("json"),
        latest.label("latest"),
        has_more.label("has_more"),
        thing.c.image_id,
        revision_read().label("revision"),
    )


def _parent(version: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    # For a single version PostgreSQL would collect all that are revoked, to look for it among them.
    return summaries.version_shape(version, reader, states.revoked_from(version) <= NOW)


def _more(reader: ReaderKind, form: str) -> Any:
    """What few versions have, and the images on which the JSON of such a version depends."""
    version = schema.versions.alias("thing")
    return select(
        json_text(summaries.deprecation(version, reader)).label("deprecation"),
        json_text(summaries.revoked(version, reader)).label("revoked"),
        states.parent_behind(version, reader).label("parent_behind"),
        *summaries.images_shown(version),
        revision_read().label("revision"),
    ).where(resources.named(version, schema.versions, form), access.readable(version, reader))


def get_with_latest(tx: Tx, actor: Actor, key: str) -> tuple[str, str | None]:
    """One version as `VERSIONS.get` answers it, and the address of its image's `latest`. Raises
    NotFound.

    PostgreSQL sets up all parts of a statement each time it runs, which for one version takes longer
    than reading. So a second statement reads what few versions have, for those that have it.
    """
    form = resources.key_form(schema.versions, key)
    given = resources.params(tx, actor) | {"key": key.lower()}
    common = form and tx.first(_common, actor.reader, form, **given)
    if not common:
        raise NotFound()
    tx.read_at(common["revision"])
    if not common["has_more"]:
        tx.depends_on([common["image_id"]])
        return common["json"], common["latest"]
    more = tx.first(_more, actor.reader, form, **given)
    if not more:
        raise NotFound()
    tx.read_at(more["revision"])
    tx.depends_on(summaries.image_ids(more))
    return _joined(common["json"], more), common["latest"]


def _joined(common: str, more: Row) -> str:
    """The JSON of a version with what few versions have. The rest stays as the database wrote it."""
    members = msgspec.json.decode(common, type=dict[str, msgspec.Raw])
    joined = members | {
        "deprecation": msgspec.Raw(more["deprecation"] or "null"),
        "revoked": msgspec.Raw(more["revoked"] or "null"),
        "stale": bool(more["parent_behind"]),
        "parent_behind": more["parent_behind"],
    }
    return msgspec.json.encode(joined).decode()
