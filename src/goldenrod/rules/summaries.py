"""Summaries: the JSON of a resource inside another one, as SQL.

A summary has `id` and `url` first, then fields that often save a request. If the reader may not read
the inner resource, the summary is `{"id": …}` alone. URLs begin with the parameter `api`: `/api/v2`,
after the public URL if one is set.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    String,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)

from goldenrod.rules import access
from goldenrod.rules.access import NOW, ReaderKind
from goldenrod.rules.lifecycle import machine_access, states
from goldenrod.store import schema
from goldenrod.store.db import Row
from goldenrod.store.sql import (
    NULL_JSON,
    as_json,
    in_list,
    json_list,
    json_map,
    json_object,
    json_text,
    param,
)

Json = ColumnElement[Any]
Shape = Callable[[FromClause, ReaderKind], Json]

_API = param("api", String)


def url(resource: str, key: ColumnElement[Any]) -> ColumnElement[str]:
    """The address of one thing: `/api/v2/images/7`."""
    address: ColumnElement[str] = _API.concat(literal(f"/{resource}/", String))
    return address.concat(cast(key, String))


def only_id(key: ColumnElement[Any]) -> Json:
    """The summary of a resource that the reader may not read: its id."""
    return json_object({"id": key})


def readable_or_id(shape: Shape, thing: FromClause, reader: ReaderKind) -> Json:
    """The summary if the reader may read the thing, otherwise its id alone."""
    if reader is ReaderKind.STAFF:
        return shape(thing, reader)
    return case((access.readable(thing, reader), shape(thing, reader)), else_=only_id(thing.c.id))


def readable_columns(provider: FromClause, reader: ReaderKind) -> list[ColumnElement[Any]]:
    """A provider's id as `provider_id`, and `provider` (its slug), `provider_name` and
    `provider_type`. Those three are null if the reader may not read the provider."""
    is_readable = access.readable(provider, reader)
    return [
        provider.c.id.label("provider_id"),
        case((is_readable, provider.c.slug), else_=None).label("provider"),
        case((is_readable, provider.c.name), else_=None).label("provider_name"),
        case((is_readable, provider.c.type), else_=None).label("provider_type"),
    ]


def by_readable_slug(provider: FromClause, reader: ReaderKind) -> list[ColumnElement[Any]]:
    """The order of providers by slug. Those that the reader may not read come last, by id."""
    is_readable = access.readable(provider, reader)
    return [
        case((is_readable, 0), else_=1),
        case((is_readable, provider.c.slug), else_=literal("", String)),
        provider.c.id,
    ]


def one(shape: Shape, table: Any, key: str, value: ColumnElement[Any], reader: ReaderKind) -> Json:
    """The summary, or the id alone, of the row of `table` whose `key` is `value`; null if none."""
    thing = table.alias()
    query = select(readable_or_id(shape, thing, reader)).where(thing.c[key] == value)
    return query.correlate_except(thing).scalar_subquery()


def user(user_id: ColumnElement[int]) -> Json:
    """A user's summary. Anyone who may read an object may know the users that it names."""
    account = schema.users.alias()
    shape = json_object(
        {
            "id": account.c.id,
            "url": url("users", account.c.id),
            "uuid": account.c.uuid,
            "username": account.c.username,
        }
    )
    query = select(shape).where(account.c.id == user_id)
    return query.correlate_except(account).scalar_subquery()


def version_shape(
    version: FromClause, reader: ReaderKind, in_force: ColumnElement[bool] | None = None
) -> Json:
    """`in_force` is as in `states.state`."""
    image = schema.images.alias()
    short = json_object({"id": image.c.id, "url": url("images", image.c.id), "slug": image.c.slug})
    return json_object(
        {
            "id": version.c.id,
            "url": url("image_versions", version.c.id),
            "name": version.c.name,
            "state": states.state(version, in_force),
            "start_date": version.c.start_date,
            "end_date": version.c.end_date,
            # Everyone who may read a version may read its image.
            "image": select(short).where(image.c.id == version.c.image_id).scalar_subquery(),
        }
    )


def image_shape(image: FromClause, reader: ReaderKind) -> Json:
    return json_object(
        {
            "id": image.c.id,
            "url": url("images", image.c.id),
            "uuid": image.c.uuid,
            "slug": image.c.slug,
            "name": image.c.name,
            "is_public": image.c.is_public,
            "created_by": user(image.c.created_by_id),
            "end_date": image.c.end_date,
        }
    )


def provider_shape(provider: FromClause, reader: ReaderKind) -> Json:
    return json_object(
        {
            "id": provider.c.id,
            "url": url("providers", provider.c.id),
            "uuid": provider.c.uuid,
            "slug": provider.c.slug,
            "name": provider.c.name,
        }
    )


def machine_shape(machine: FromClause, reader: ReaderKind, host: FromClause | None = None) -> Json:
    """`host` is the machine's provider, where the statement has its row already."""
    shown = (
        provider(machine.c.provider_id, reader)
        if host is None
        else readable_or_id(provider_shape, host, reader)
    )
    return json_object(
        {
            "id": machine.c.id,
            "url": url("provider_machines", machine.c.id),
            "uuid": machine.c.uuid,
            "identifier": machine.c.identifier,
            "architecture": machine.c.architecture,
            "size_gb": machine.c.size_gb,
            "start_date": machine.c.start_date,
            "end_date": machine.c.end_date,
            "provider": shown,
        }
    )


def _titled(resource: str) -> Shape:
    def shape(thing: FromClause, reader: ReaderKind) -> Json:
        return json_object(
            {
                "id": thing.c.id,
                "url": url(resource, thing.c.id),
                "uuid": thing.c.uuid,
                "title": thing.c.title,
                "type": thing.c.type,
            }
        )

    return shape


license_shape = _titled("licenses")
script_shape = _titled("boot_scripts")


def group_shape(group: FromClause, reader: ReaderKind) -> Json:
    return json_object(
        {
            "id": group.c.id,
            "url": url("groups", group.c.id),
            "uuid": group.c.uuid,
            "name": group.c.name,
        }
    )


def identity_shape(identity: FromClause, reader: ReaderKind) -> Json:
    return json_object(
        {
            "id": identity.c.id,
            "url": url("identities", identity.c.id),
            "uuid": identity.c.uuid,
            "provider": provider(identity.c.provider_id, reader),
        }
    )


def version_of(n: ColumnElement[int], reader: ReaderKind) -> Json:
    """The summary of the version with this key; null if there is none."""
    return one(version_shape, schema.versions, "n", n, reader)


def deprecation(version: FromClause, reader: ReaderKind) -> Json:
    """A version's deprecation, even if it is in the future; null if there is none."""
    shown = json_object(
        {
            "at": version.c.deprecated_at,
            "reason": version.c.deprecation_reason,
            "replacement": version_of(version.c.replacement_n, reader),
        }
    )
    return case((version.c.deprecated_at.is_not(None), shown), else_=NULL_JSON)


def revoked(version: FromClause, reader: ReaderKind) -> Json:
    """The revocation that a version shows; null if there is none.

    If there are several, one in force comes before one in the future, then the version's own before
    an inherited one, then the one with the nearest origin. If the reader may not read the origin,
    only its id is shown, without the reason and the user.
    """
    return _revocation(version, reader)[0]


def revoked_reason(version: FromClause, reader: ReaderKind) -> Json:
    """The reason of that revocation; null where the reader may not read its origin."""
    return _revocation(version, reader)[1]


def stopping(version: FromClause, reader: ReaderKind) -> Json:
    """The revocation that makes channels stop at a version, in the form of `revoked`: the nearest one
    in force with `roll_back_channels: false`."""
    return _revocation(version, reader, stops=True)[0]


def stopping_reason(version: FromClause, reader: ReaderKind) -> Json:
    """The reason of the revocation that makes channels stop at a version; null where the reader may
    not read its origin."""
    return _revocation(version, reader, stops=True)[1]


def _revocation(
    version: FromClause, reader: ReaderKind, *, stops: bool = False
) -> tuple[Json, Json]:
    """A revocation of the version, and its reason. With `stops`, only one that stops channels."""
    reach, revocation, origin = (
        schema.revocation_reach.alias(),
        schema.revocations.alias(),
        schema.versions.alias(),
    )
    own = reach.c.depth == 0
    may_know = or_(own, access.readable(origin, reader))
    reason = case((may_know, revocation.c.reason), else_=None)
    shown = json_object(
        {
            "at": revocation.c.at,
            "reason": reason,
            "by": case((may_know, user(revocation.c.by_id)), else_=NULL_JSON),
            "inherited_from": case(
                (own, NULL_JSON), else_=readable_or_id(version_shape, origin, reader)
            ),
        }
    )

    def first(column: Json) -> Json:
        tables = _from_origin(reach, revocation, origin)
        query = select(column).select_from(tables).where(reach.c.n == version.c.n)
        if stops:
            query = query.where(states.stops_at(reach))
        return query.order_by(reach.c.at > NOW, reach.c.depth).limit(1).scalar_subquery()

    return as_json(first(shown)), first(reason)


def _from_origin(reach: FromClause, revocation: FromClause, origin: FromClause) -> FromClause:
    """What revocations reach, with each revocation and the version where it began."""
    return reach.join(revocation, revocation.c.id == reach.c.revocation_id).join(
        origin, origin.c.n == revocation.c.version_n
    )


def images_shown(version: FromClause) -> tuple[ColumnElement[Any], ...]:
    """The ids of all images on which the JSON of a version depends: its own, and those of its parent,
    its replacement and the origins of its revocations."""
    reach, revocation, origin = (
        schema.revocation_reach.alias(),
        schema.revocations.alias(),
        schema.versions.alias(),
    )
    tables = _from_origin(reach, revocation, origin)
    origins = select(origin.c.image_id).select_from(tables).where(reach.c.n == version.c.n)
    return (
        version.c.image_id.label("own_image"),
        image_of(version.c.parent_n).label("parent_image"),
        image_of(version.c.replacement_n).label("replacement_image"),
        json_text(json_list(origins, version)).label("revoking_images"),
    )


def image_of(n: ColumnElement[int]) -> ColumnElement[int]:
    """The id of the image of the version with this key; null if there is none."""
    other = schema.versions.alias()
    return select(other.c.image_id).where(other.c.n == n).scalar_subquery()


def image_ids(row: Row) -> list[int | None]:
    """The ids in the columns of `images_shown`."""
    origins = json.loads(row["revoking_images"])
    return [row["own_image"], row["parent_image"], row["replacement_image"], *origins]


def images_in(shown: Any) -> Iterator[int]:
    """The ids of the images in decoded JSON, at any depth: those of all versions that it shows. Their
    `image` is always shown."""
    if isinstance(shown, list):
        for one in shown:
            yield from images_in(one)
    elif isinstance(shown, dict):
        for name, value in shown.items():
            if name == "image" and isinstance(value, dict):
                yield value["id"]
            yield from images_in(value)


def image(image_id: ColumnElement[int], reader: ReaderKind) -> Json:
    return one(image_shape, schema.images, "id", image_id, reader)


def provider(provider_id: ColumnElement[int], reader: ReaderKind) -> Json:
    return one(provider_shape, schema.providers, "id", provider_id, reader)


def identity(identity_id: ColumnElement[int], reader: ReaderKind) -> Json:
    return one(identity_shape, schema.identities, "id", identity_id, reader)


def machines(version: FromClause, reader: ReaderKind) -> Json:
    """The machines of a version that the reader may read: current ones on active, current providers."""
    machine, host = schema.machines.alias(), schema.providers.alias()
    query = (
        select(machine_shape(machine, reader, host))
        .select_from(machine.join(host, host.c.id == machine.c.provider_id))
        .where(
            machine.c.version_n == version.c.n,
            machine_access.listed_in_version(machine, host, reader),
        )
        .order_by(machine.c.id)
    )
    return json_list(query, version)


def _attached(pairing: Any, thing: Any, column: str, shape: Shape, version: FromClause) -> Json:
    link, item = pairing.alias(), thing.alias()
    # Licenses are everybody's, and whoever may read a version may read its scripts. Not a join: for it,
    # PostgreSQL reads all items where these are few, and sorts.
    shown = select(shape(item, ReaderKind.STAFF)).where(item.c.id == link.c[column])
    query = (
        select(shown.correlate_except(item).scalar_subquery())
        .where(link.c.version_n == version.c.n)
        .order_by(link.c[column])
    )
    return json_list(query, version)


def licenses(version: FromClause) -> Json:
    return _attached(schema.version_licenses, schema.licenses, "license_id", license_shape, version)


def scripts(version: FromClause) -> Json:
    return _attached(
        schema.version_scripts, schema.boot_scripts, "script_id", script_shape, version
    )


def membership(version: FromClause, reader: ReaderKind) -> Json:
    """The groups that a version is shared with. Editors and staff get all; other readers get those that
    they belong to."""
    link, group = schema.version_memberships.alias(), schema.groups.alias()
    query = (
        select(group_shape(group, reader))
        .select_from(link.join(group, group.c.id == link.c.group_id))
        .where(
            link.c.version_n == version.c.n,
            _own_groups(link, access.edits_version, version, reader),
        )
        .order_by(group.c.id)
    )
    return json_list(query, version)


def labels(version: FromClause) -> Json:
    """The labels of a version as one object, sorted by key."""
    label = schema.version_labels.alias()
    query = (
        select(label.c.key, label.c.value)
        .where(label.c.version_n == version.c.n)
        .order_by(label.c.key)
    )
    return json_map(query, version)


def maintainers(image: FromClause, reader: ReaderKind) -> Json:
    """The groups that maintain an image. The same readers get them as in `membership`."""
    link, group = schema.image_maintainers.alias(), schema.groups.alias()
    query = (
        select(group_shape(group, reader))
        .select_from(link.join(group, group.c.id == link.c.group_id))
        .where(
            link.c.image_id == image.c.id,
            _own_groups(link, access.edits_image, image, reader),
        )
        .order_by(group.c.id)
    )
    return json_list(query, image)


def _own_groups(
    link: Any, edits: Any, thing: FromClause, reader: ReaderKind
) -> ColumnElement[bool]:
    own = in_list(link.c.group_id, "groups")
    return or_(own, edits(thing, reader)) if reader is ReaderKind.USER else edits(thing, reader)


def tags(image: FromClause) -> Json:
    """An image's tags, sorted by name. Everyone who may read the image may read them."""
    link, tag = schema.image_tags.alias(), schema.tags.alias()
    shape = json_object(
        {
            "id": tag.c.id,
            "url": url("tags", tag.c.id),
            "uuid": tag.c.uuid,
            "name": tag.c.name,
        }
    )
    query = (
        select(shape)
        .select_from(link.join(tag, tag.c.id == link.c.tag_id))
        .where(link.c.image_id == image.c.id)
        .order_by(tag.c.name_key)
    )
    return json_list(query, image)


def count_of(query: Any) -> ColumnElement[int]:
    """How many rows a correlated query has."""
    rows = query.subquery()
    return select(func.count()).select_from(rows).scalar_subquery()


def versions_url(image: FromClause) -> ColumnElement[str]:
    """The URL of the list of all versions of an image."""
    address: ColumnElement[str] = _API.concat(literal("/image_versions?image_id=", String))
    return address.concat(cast(image.c.id, String))
