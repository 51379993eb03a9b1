"""Names that complete what somebody types: users, groups, tags, providers, images, versions.

A completion names only what its reader may see. A user is named for staff, for those who share a group
with them, and for those who may read an image that they own.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, Select, exists, literal, or_, select, true

from goldenrod.rules import access, filters, resources
from goldenrod.rules.access import ME, Actor, ReaderKind
from goldenrod.rules.lifecycle import states
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, in_list, param

MOST = 10
_begins = filters.begins("text")


class Completion(NamedTuple):
    """One name, and what describes it beside: a title or a state, or nothing."""

    value: str
    label: str


def _named(value: Any, label: Any, key: Any, *conditions: Any) -> Select[Any]:
    shown = select(value.label("value"), label.label("label"))
    return shown.where(*conditions).order_by(key).limit(param("most"))


_NOTHING: ColumnElement[str] = literal("")


def _users(reader: ReaderKind) -> Any:
    user = schema.users.alias()
    return _named(
        user.c.username, _NOTHING, user.c.name_key, _begins(user.c.name_key), _known(user, reader)
    )


def _known(user: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
    """The reader may know that there is this user."""
    if reader is ReaderKind.STAFF:
        return true()
    image = schema.images.alias()
    owns = exists().where(image.c.owner_id == user.c.id, access.readable(image, reader))
    if reader is ReaderKind.ANONYMOUS:
        return owns
    member = schema.group_users.alias()
    beside = exists().where(member.c.user_id == user.c.id, in_list(member.c.group_id, "groups"))
    return or_(user.c.id == ME, beside, owns)


def _groups(reader: ReaderKind) -> Any:
    group = schema.groups.alias()
    return _named(
        group.c.name,
        literal("group"),
        group.c.name_key,
        _begins(group.c.name_key),
        group.c.personal_of.is_(None),
        access.readable(group, reader),
    )


def _tags(reader: ReaderKind) -> Any:
    tag = schema.tags.alias()
    readable = access.readable(tag, reader)
    return _named(tag.c.name, _NOTHING, tag.c.name_key, _begins(tag.c.name_key), readable)


def _providers(reader: ReaderKind) -> Any:
    provider = schema.providers.alias()
    return _with_slug(provider, access.readable(provider, reader))


def _images(reader: ReaderKind) -> Any:
    image = schema.images.alias()
    return _with_slug(image, access.readable(image, reader))


def _with_slug(thing: FromClause, readable: ColumnElement[bool]) -> Any:
    found = or_(_begins(thing.c.name_key), _begins(thing.c.slug))
    return _named(thing.c.slug, thing.c.name, thing.c.slug, found, readable)


def _versions(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    return _named(
        version.c.name,
        states.state(version),
        version.c.start_date.desc(),
        version.c.image_id == param("image", Key),
        _begins(version.c.name_key),
        access.readable(version, reader),
    )


_BUILDS: dict[str, tuple[Callable[[ReaderKind], Any], ...]] = {
    "user": (_users,),
    "group": (_groups,),
    "member": (_groups, _users),
    "tag": (_tags,),
    "provider": (_providers,),
    "image": (_images,),
}
KINDS = (*_BUILDS, "version", "any-version")
"""What can be completed. member: a group or a user. any-version: also `image/version`."""


def complete(tx: Tx, actor: Actor, kind: str, text: str, image: str = "") -> list[Completion]:
    """The names of one of `KINDS` that begin with a text, as far as the actor may see them. `image`:
    the slug or id of the image whose versions are meant."""
    if kind == "any-version":
        return _any_version(tx, actor, text, image)
    if kind == "version":
        return _of_image(tx, actor, text, image)
    found = [it for build in _BUILDS[kind] for it in _rows(tx, actor, build, text)]
    return found[:MOST]


def _any_version(tx: Tx, actor: Actor, text: str, image: str) -> list[Completion]:
    found = _of_image(tx, actor, text, image)
    other, slash, name = text.partition("/")
    if slash:
        there = _of_image(tx, actor, name, other)
        found += [Completion(f"{other}/{it.value}", it.label) for it in there]
    else:
        images = _rows(tx, actor, _images, text)
        found += [Completion(f"{it.value}/", it.label) for it in images]
    return found[:MOST]


def _of_image(tx: Tx, actor: Actor, text: str, image: str) -> list[Completion]:
    row = resources.find_row(tx, actor, schema.images, image)
    return _rows(tx, actor, _versions, text, image=row["id"]) if row else []


def _rows(tx: Tx, actor: Actor, build: Any, text: str, **more: Any) -> list[Completion]:
    try:
        asked = filters.beginning("text", text)
    except ValueError:
        return []
    given: Row = {**resources.params(tx, actor), **asked, **more, "most": MOST}
    return [Completion(**row) for row in tx.rows(build, actor.reader, **given)]
