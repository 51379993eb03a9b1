"""Images: an image groups versions under one name, with an owner and an audience.

`is_public` decides whether its versions are public. Its editors are the owner (at first the creator)
and the members of its maintainer groups. A slug is derived from the name. Old slugs keep working.
"""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, exists, or_, select

from goldenrod.base import decode
from goldenrod.base.errors import forbidden_field
from goldenrod.base.faults import Faults
from goldenrod.base.text import filter_key, name_key
from goldenrod.base.wire import ImagePatch, NewImage
from goldenrod.catalogue import search
from goldenrod.catalogue.channels import channels
from goldenrod.catalogue.images import tags
from goldenrod.rules import access, filters, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, events, mutations, references
from goldenrod.rules.changes.mutations import Created
from goldenrod.rules.lifecycle import machine_access
from goldenrod.rules.resources import Resource
from goldenrod.rules.visibility import denormalised
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Filter, Listing, Wanted
from goldenrod.store.sql import Key, json_list, json_object, param

NEWEST = 100
"""How many of its newest readable versions an image lists."""


def shape(image: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """An image as JSON."""
    version, counted = schema.versions.alias(), schema.versions.alias()
    newest = (
        select(summaries.version_shape(version, reader))
        .where(version.c.image_id == image.c.id, access.readable(version, reader))
        .order_by(version.c.start_date.desc(), version.c.id.desc())
        .limit(NEWEST)
    )
    readable = (
        select(counted.c.n)
        .where(counted.c.image_id == image.c.id, access.readable(counted, reader))
        .correlate(image)
    )
    return json_object(
        {
            "id": image.c.id,
            "uuid": image.c.uuid,
            "url": summaries.url("images", image.c.id),
            "name": image.c.name,
            "slug": image.c.slug,
            "description": image.c.description,
            "is_public": image.c.is_public,
            "tags": summaries.tags(image),
            "owner": summaries.user(image.c.owner_id),
            "maintainers": summaries.maintainers(image, reader),
            "created_by": summaries.user(image.c.created_by_id),
            "start_date": image.c.start_date,
            "end_date": image.c.end_date,
            "versions": json_list(newest, image),
            "versions_count": summaries.count_of(readable),
            "versions_url": summaries.versions_url(image),
        }
    )


def _of_version(image: FromClause, reader: ReaderKind, asks: Any) -> ColumnElement[bool]:
    """Whether a version that the reader may read lists a machine that meets the condition `asks`."""

    def lists(has_end: bool) -> ColumnElement[bool]:
        machine, provider, version = (
            table.alias() for table in (schema.machines, schema.providers, schema.versions)
        )
        end = machine.c.end_date
        return exists().where(
            machine.c.image_id == image.c.id,
            end.is_not(None) if has_end else end.is_(None),
            provider.c.id == machine.c.provider_id,
            asks(machine, provider),
            version.c.n == machine.c.version_n,
            machine_access.listed_in_version(machine, provider, reader, version),
            access.readable(version, reader),
        )

    # Machines with and without an end are in two indexes by image and provider.
    return or_(lists(False), lists(True))


def _on_provider(image: FromClause, reader: ReaderKind, is_it: Any) -> ColumnElement[bool]:
    return _of_version(image, reader, lambda machine, provider: is_it(provider))


def _of_architecture(image: FromClause, reader: ReaderKind, is_it: Any) -> ColumnElement[bool]:
    return _of_version(
        image,
        reader,
        lambda machine, provider: is_it(machine),
    )


def _tagged(image: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
    tag, link = schema.tags.alias(), schema.image_tags.alias()
    return exists().where(
        link.c.image_id == image.c.id,
        tag.c.id == link.c.tag_id,
        tag.c.name_key == param("f_tag", tag.c.name_key.type),
    )


IMAGES = Resource(
    schema.images,
    shape,
    Listing(
        schema.images,
        {
            "name": filters.by_key("name"),
            "tag": Filter(
                "a tag's name",
                lambda given: Wanted("", {"f_tag": filter_key(given)}),
                _tagged,
            ),
            "owner": filters.username("owner", lambda image: image.c.owner_id),
            "created_by": filters.username("created_by", lambda image: image.c.created_by_id),
            "provider": filters.refers("provider", schema.providers, _on_provider),
            "architecture": filters.architecture(_of_architecture),
            "is_public": filters.boolean(lambda image, reader: image.c.is_public),
            "current": filters.boolean(lambda image, reader: access.current(image)),
            "search": search.IMAGES,
        },
        ("start_date", "end_date", "name"),
        {"name": "name_key"},
    ),
)


def get_image(tx: Tx, actor: Actor, key: str) -> str:
    """One image as JSON. Raises NotFound."""
    image_id, found = resources.get_with_key(tx, actor, schema.images, shape, key)
    tx.depends_on([image_id])
    return found


def create_image(tx: Tx, actor: Actor, body: NewImage) -> Created:
    """Create an image, owned by the actor. Raises BadRequest, Conflict."""
    actor.require_write()
    faults = Faults()
    name = faults.of(decode.name, "name", body.name)
    description = faults.of(decode.text, "description", body.description)
    given_slug = (
        faults.of(mutations.checked_slug, body.slug) if isinstance(body.slug, str) else None
    )
    start_date, end_date = mutations.dates(faults, tx, body.start_date, body.end_date)
    groups = faults.of(_groups, tx, actor, body.maintainers)
    tag_names = faults.of(tags.checked_names, tx, actor, body.tags)
    faults.report()
    values = {
        "name": name,
        "slug": mutations.free_slug(tx, schema.images, given_slug)
        if given_slug
        else mutations.new_slug(tx, schema.images, name),
        "description": description,
        "is_public": body.is_public,
        "start_date": start_date,
        "end_date": end_date,
    }
    image_id = insert_image(tx, actor, values)
    tagged = tags.set_of_image(tx, actor, image_id, tag_names)
    _set_maintainers(tx, image_id, groups)
    search.index_image(tx, image_id)
    created = audit.created({**values, "tags": tagged, "maintainers": groups})
    audit.record(tx, actor, "image:create", schema.images, image_id, created)
    return Created(str(image_id))


def insert_image(tx: Tx, actor: Actor, values: Row) -> int:
    """Insert an image with checked values, its slug and its `latest` channel. Returns the id."""
    image_id = tx.insert(
        schema.images,
        uuid=mutations.new_uuid(),
        name_key=name_key(values["name"]),
        owner_id=actor.user_id,
        created_by_id=actor.user_id,
        **values,
    )
    mutations.reserve_slug(tx, schema.images, image_id, values["slug"])
    channels.create_latest(tx, image_id)
    return image_id


def _groups(tx: Tx, actor: Actor, refs: Any, known: list[int] | None = None) -> list[int]:
    return references.all_of(
        refs,
        lambda ref, place: references.group_id(
            tx, actor, ref, f"maintainers[{place}]", known or ()
        ),
    )


def _maintainer_ids() -> Any:
    link = schema.image_maintainers
    return select(link.c.group_id).where(link.c.image_id == param("image", Key))


def _set_maintainers(tx: Tx, image_id: int, groups: list[int]) -> None:
    tx.delete(schema.image_maintainers, image_id=image_id)
    for group in groups:
        tx.insert(schema.image_maintainers, image_id=image_id, group_id=group)


def edit_image(tx: Tx, actor: Actor, row: Row, patch: ImagePatch) -> None:
    """Change what the patch gives. `row` comes from `IMAGES.row_for_change`.

    Raises BadRequest, Forbidden (only the owner and staff change owner and maintainers),
    Conflict (`slug_unavailable`).
    """
    given = mutations.given(patch)
    faults = Faults()
    after: Row = mutations.new_dates(faults, row, patch.start_date, patch.end_date)
    if "name" in given:
        with faults.noted():
            after["name"] = decode.name("name", given["name"], row["name"])
            after["name_key"] = name_key(after["name"])
    if "description" in given:
        after["description"] = faults.of(decode.text, "description", given["description"])
    if "is_public" in given:
        after["is_public"] = given["is_public"]
    if "slug" in given and given["slug"] != row["slug"]:
        after["slug"] = faults.of(mutations.checked_slug, given["slug"])
    lists_before: Row = {}
    lists_after: Row = {}
    if "maintainers" in given:
        lists_before["maintainers"] = sorted(
            link["group_id"] for link in tx.rows(_maintainer_ids, image=row["id"])
        )
        lists_after["maintainers"] = faults.of(
            _groups, tx, actor, given["maintainers"], lists_before["maintainers"]
        )
    if "owner" in given and references.plain(given["owner"]) != row["owner_id"]:
        after["owner_id"] = faults.of(
            references.user_id, tx, actor, given["owner"], "owner", [row["owner_id"]]
        )
    if "tags" in given:
        lists_before["tags"] = tags.ids_of_image(tx, row["id"])
        tag_names = faults.of(tags.checked_names, tx, actor, given["tags"])
    after = {field: value for field, value in after.items() if value != row[field]}
    if not actor.has_staff_rights and row["owner_id"] != actor.user_id:
        changed_lists = audit.changed(lists_before, lists_after)
        wrong = "Only the owner of an image, or staff, may change its owner and maintainers."
        for field in {"owner_id", "maintainers"} & {*after, *changed_lists}:
            faults.add(forbidden_field(field.removesuffix("_id"), wrong, code="owner_required"))
    faults.report()
    if "slug" in after:
        mutations.free_slug(tx, schema.images, after["slug"], row["id"])
        mutations.reserve_slug(tx, schema.images, row["id"], after["slug"])
    if after:
        tx.update(schema.images, {"id": row["id"]}, **after)
    if "tags" in given:
        lists_after["tags"] = tags.set_of_image(tx, actor, row["id"], tag_names)
    if "maintainers" in lists_after:
        _set_maintainers(tx, row["id"], lists_after["maintainers"])
    changed = audit.changed(row, {k: v for k, v in after.items() if k != "name_key"})
    changed |= audit.changed(lists_before, lists_after)
    if changed:
        if {"name", "slug", "description", "tags"} & changed.keys():
            search.index_image(tx, row["id"])
        if {"is_public", "owner_id", "maintainers", "start_date", "end_date"} & changed.keys():
            dates = events.version_dates_of_image(tx, row["id"])
            denormalised.refresh_image(tx, row["id"])
            events.image_edited(tx, row["id"], dates)
        audit.record(tx, actor, "image:edit", schema.images, row["id"], changed)


def end_image(tx: Tx, actor: Actor, row: Row) -> None:
    """End an image, and with it its versions: set its end_date to now."""
    if mutations.has_ended(tx, row):
        return
    tx.update(schema.images, {"id": row["id"]}, end_date=tx.now)
    dates = events.version_dates_of_image(tx, row["id"])
    denormalised.refresh_image(tx, row["id"])
    events.image_edited(tx, row["id"], dates)
    changed = {"end_date": {"before": row["end_date"], "after": tx.now}}
    audit.record(tx, actor, "image:end", schema.images, row["id"], changed)
