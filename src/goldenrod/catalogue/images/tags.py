"""Tags of images. A tag is created on first use, by name. Staff describe and rename tags."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, FromClause, exists, select

from goldenrod.base import decode
from goldenrod.base.errors import Conflict
from goldenrod.base.faults import Faults
from goldenrod.base.text import name_key
from goldenrod.base.wire import Reference, TagPatch
from goldenrod.catalogue import search
from goldenrod.rules import filters, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, mutations, references
from goldenrod.rules.resources import Resource
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Listing
from goldenrod.store.sql import Key, Sortable, json_object, param


def shape(tag: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A tag as JSON."""
    return json_object(
        {
            "id": tag.c.id,
            "uuid": tag.c.uuid,
            "url": summaries.url("tags", tag.c.id),
            "name": tag.c.name,
            "description": tag.c.description,
            "start_date": tag.c.start_date,
        }
    )


TAGS = Resource(
    schema.tags,
    shape,
    Listing(
        schema.tags,
        {"name": filters.by_key("name"), "search": search.WORDS},
        ("name", "start_date"),
        {"name": "name_key"},
        default="name",
    ),
)


def checked_names(tx: Tx, actor: Actor, given: Iterable[str | Reference]) -> list[str]:
    """The tag names in a body, without duplicates. An object in the body names a tag by its id.

    Raises BadRequest.
    """
    names: dict[str, str] = {}
    faults = Faults()
    for position, ref in enumerate(given):
        field = f"tags[{position}]"
        with faults.noted():
            if isinstance(ref, str):
                name = decode.name(field, ref)
            else:
                name = references.read(tx, actor, schema.tags, ref, field)["name"]
            names.setdefault(name_key(name), name)
    faults.report()
    return list(names.values())


def _by_key() -> Any:
    return select(schema.tags.c.id).where(schema.tags.c.name_key == param("key", Sortable))


def _of_image() -> Any:
    link = schema.image_tags
    return select(link.c.tag_id).where(link.c.image_id == param("image", Key))


def ids_of_image(tx: Tx, image_id: int) -> list[int]:
    """The sorted ids of an image's tags."""
    return sorted(row["tag_id"] for row in tx.rows(_of_image, image=image_id))


def set_of_image(tx: Tx, actor: Actor, image_id: int, names: list[str]) -> list[int]:
    """Give an image exactly these tags, creating new ones. Returns their sorted ids."""
    wanted = sorted(_find_or_create(tx, actor, name) for name in names)
    before = ids_of_image(tx, image_id)
    for gone in set(before) - set(wanted):
        tx.delete(schema.image_tags, image_id=image_id, tag_id=gone)
    for new in sorted(set(wanted) - set(before)):
        tx.insert(schema.image_tags, image_id=image_id, tag_id=new)
    return wanted


def _find_or_create(tx: Tx, actor: Actor, name: str) -> int:
    found = tx.value(_by_key, key=name_key(name))
    if found is not None:
        return int(found)
    values = {"name": name, "description": ""}
    tag_id = tx.insert(
        schema.tags,
        uuid=mutations.new_uuid(),
        name_key=name_key(name),
        start_date=tx.now,
        words=search.words_of(name),
        **values,
    )
    audit.record(tx, actor, "tag:create", schema.tags, tag_id, audit.created(values))
    return tag_id


def _images_with() -> Any:
    link = schema.image_tags
    return select(link.c.image_id).where(link.c.tag_id == param("tag", Key))


def edit_tag(tx: Tx, actor: Actor, row: Row, patch: TagPatch) -> None:
    """Rename or describe a tag. Raises BadRequest, Conflict (`tag_name_taken`)."""
    given = mutations.given(patch)
    after: Row = {}
    faults = Faults()
    if "name" in given:
        after["name"] = faults.of(decode.name, "name", given["name"], row["name"])
    if "description" in given:
        after["description"] = faults.of(decode.text, "description", given["description"])
    faults.report()
    changed = audit.changed(row, after)
    if "name" in changed:
        after["name_key"] = name_key(after["name"])
        if tx.value(_by_key, key=after["name_key"]) not in (None, row["id"]):
            raise Conflict(f"A tag named {after['name']!r} already exists.", code="tag_name_taken")
    if not changed:
        return
    then = {**row, **after}
    words = search.words_of(then["name"], then["description"])
    tx.update(schema.tags, {"id": row["id"]}, words=words, **after)
    if "name" in changed:
        for image in tx.rows(_images_with, tag=row["id"]):
            search.index_image(tx, image["image_id"])
    audit.record(tx, actor, "tag:edit", schema.tags, row["id"], changed)


def _is_used() -> Any:
    link = schema.image_tags
    return select(exists().where(link.c.tag_id == param("tag", Key)))


def remove_tag(tx: Tx, actor: Actor, row: Row) -> None:
    """Remove a tag that no image has. Raises Conflict (`tag_in_use`)."""
    if tx.value(_is_used, tag=row["id"]):
        raise Conflict(
            "The tag is in use: remove it from all images first, including ended ones.",
            code="tag_in_use",
        )
    tx.delete(schema.tags, id=row["id"])
    removed = {"name": {"before": row["name"], "after": None}}
    audit.record(tx, actor, "tag:remove", schema.tags, row["id"], removed)
