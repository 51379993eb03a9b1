"""Reads what the catalogue has of an image, for a plan (`actions.py`). A source reads as staff."""

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import String, select

from goldenrod.base.text import identifier_key, name_key, slug
from goldenrod.catalogue.sync.actions import (
    ImageState,
    KnownMachine,
    KnownVersion,
    Place,
)
from goldenrod.catalogue.sync.source_actor import Providers
from goldenrod.rules import access
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.lifecycle import states
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, Sortable, in_list, param

_V, _M, _C, _A = schema.versions, schema.machines, schema.cloud_machines, schema.audit


def _image_by_slug() -> Any:
    image, slugs = schema.images, schema.image_slugs
    return (
        select(*image.c)
        .select_from(image.join(slugs, slugs.c.image_id == image.c.id))
        .where(
            slugs.c.slug == param("slug"),
            image.c.owner_id == param("owner", Key),
            access.readable(image, ReaderKind.STAFF),
        )
    )


def _image_by_name() -> Any:
    image = schema.images
    return (
        select(*image.c)
        .where(
            image.c.name_key == param("key", Sortable),
            image.c.owner_id == param("owner", Key),
            access.readable(image, ReaderKind.STAFF),
        )
        .order_by(image.c.id)
    )


def find_image(tx: Tx, actor: Actor, name: str) -> Row | None:
    """The owner's image of this name, or one that had this name's slug before it was renamed."""
    key = name_key(name)
    if by_name := tx.first(_image_by_name, key=key, owner=actor.user_id):
        return by_name
    by_slug = tx.first(_image_by_slug, slug=slug(name), owner=actor.user_id)
    # Several names give the same slug.
    return by_slug if by_slug and key in _names_had(tx, by_slug["id"]) else None


def _namings() -> Any:
    return select(_A.c.changes).where(
        _A.c.subject == "images",
        _A.c.subject_id == param("image", Key),
        _A.c.changes.like('%"name":%'),
    )


def _names_had(tx: Tx, image_id: int) -> set[str]:
    """The keys of the names that an image has had."""
    changes = (json.loads(entry["changes"])["name"] for entry in tx.rows(_namings, image=image_id))
    return {name_key(text) for change in changes for text in change.values() if text}


def read_image(
    tx: Tx,
    actor: Actor,
    name: str,
    providers: Providers,
    *,
    linked: Iterable[int] = (),
    asked: Iterable[tuple[Place, str]] = (),
) -> ImageState:
    """What the catalogue has of the owner's image of this name.

    `linked` are machines that the cloud listed under the places of this image until now, `asked` are
    places, with their identifiers, whose versions releases refer to.
    """
    state = ImageState()
    keys = providers.by_id()
    found = find_image(tx, actor, name)
    if found:
        state.id = found["id"]
        state.held_back = found["is_public"] and _public_by_source(tx, found["id"])
        _read_versions(tx, state)
        _read_machines(tx, state, keys)
    if linked := sorted(set(linked)):
        own = {machine.id for machine in state.all_machines()}
        for machine in _known(tx, tx.rows(_machines, "id", keys=linked), keys):
            if machine.id not in own and machine.image != state.id:
                state.linked[machine.place] = machine
    asked = list(asked)
    if asked:
        places = {place for place, _ in asked}
        given = sorted({identifier for _, identifier in asked})
        for row in tx.rows(_versions_of, keys=given):
            place = _place(row, keys)
            if place in places:
                state.known.setdefault(place, row["version_n"])
    return state


def read_machines(tx: Tx, machine_ids: Iterable[int], providers: Providers) -> list[KnownMachine]:
    """These machines."""
    rows = tx.rows(_machines, "id", keys=sorted(set(machine_ids)))
    return _known(tx, rows, providers.by_id())


def images_of(tx: Tx, machine_ids: Iterable[int]) -> dict[int, tuple[int, str]]:
    """The id and name of the image of each of these machines."""
    rows = tx.rows(_images_of, keys=sorted(set(machine_ids)))
    return {row["machine"]: (row["id"], row["name"]) for row in rows}


def _images_of() -> Any:
    image = schema.images
    return (
        select(_M.c.id.label("machine"), image.c.id, image.c.name)
        .select_from(_M.join(image, image.c.id == _M.c.image_id))
        .where(in_list(_M.c.id, "keys"), access.readable(image, ReaderKind.STAFF))
    )


def _place(row: Row, keys: dict[int, str]) -> Place:
    # A provider that the source does not name cannot clash with one that it names.
    provider = keys.get(row["provider_id"], f"#{row['provider_id']}")
    return provider, identifier_key(row["identifier"])


# ── versions ──────────────────────────────────────────────────────────────────────────────


def _versions() -> Any:
    return select(
        _V.c.n,
        _V.c.name,
        _V.c.name_key,
        _V.c.image_id,
        _V.c.start_date,
        _V.c.deprecated_at,
        _V.c.replacement_n,
        states.revoked(_V).label("revoked"),
    ).where(_V.c.image_id == param("image", Key), access.readable(_V, ReaderKind.STAFF))


def _former_names() -> Any:
    former = schema.former_names
    return (
        select(
            former.c.name_key,
            *(_V.c[name] for name in ("n", "name", "start_date", "deprecated_at", "replacement_n")),
            _V.c.image_id,
            states.revoked(_V).label("revoked"),
        )
        .select_from(former.join(_V, _V.c.n == former.c.version_n))
        .where(former.c.image_id == param("image", Key), access.readable(_V, ReaderKind.STAFF))
    )


def _deprecations() -> Any:
    """Who changed the deprecation of versions, the latest last."""
    return (
        select(_A.c.subject_id, _A.c.via)
        .where(
            _A.c.subject == "versions",
            in_list(_A.c.subject_id, "keys"),
            _A.c.changes.like('%"deprecated_at":%'),
        )
        .order_by(_A.c.sequence)
    )


def _read_versions(tx: Tx, state: ImageState) -> None:
    rows = [
        *tx.rows(_former_names, image=state.id, now=tx.now),
        *tx.rows(_versions, image=state.id, now=tx.now),
    ]
    changed_by: dict[int, str] = {}
    for entry in tx.rows(_deprecations, keys=sorted({row["n"] for row in rows})):
        changed_by[entry["subject_id"]] = entry["via"]
    for row in rows:
        by = changed_by.get(row["n"])
        state.versions[row["name_key"]] = KnownVersion(
            n=row["n"],
            name=row["name"],
            start_date=row["start_date"],
            moved=row["image_id"] != state.id,
            revoked=bool(row["revoked"]),
            deprecated_at=row["deprecated_at"],
            replacement=row["replacement_n"],
            follows=by == "source" or (by is None and row["deprecated_at"] is None),
        )


# ── machines ──────────────────────────────────────────────────────────────────────────────


def _machines(column: str) -> Any:
    return select(*_M.c).where(in_list(_M.c[column], "keys")).order_by(_M.c.id)


def _versions_of() -> Any:
    return (
        select(_M.c.provider_id, _M.c.identifier, _M.c.version_n)
        .where(in_list(_M.c.identifier, "keys", String))
        .order_by(_M.c.end_date.is_not(None), _M.c.id.desc())
    )


def _on_clouds() -> Any:
    """What clouds last said about the deprecation of machines, the latest last."""
    return (
        select(_C.c.machine_id, _C.c.deprecated_at)
        .where(in_list(_C.c.machine_id, "keys"), _C.c.deprecated_at.is_not(None))
        .order_by(_C.c.seen_at)
    )


def _ends() -> Any:
    """Who gave machines an end, the latest last."""
    return (
        select(_A.c.subject_id, _A.c.via, _A.c.changes)
        .where(
            _A.c.subject == "machines",
            in_list(_A.c.subject_id, "keys"),
            _A.c.changes.like('%"end_date":%'),
        )
        .order_by(_A.c.sequence)
    )


def _read_machines(tx: Tx, state: ImageState, keys: dict[int, str]) -> None:
    rows = tx.rows(_machines, "image_id", keys=[state.id])
    if moved := sorted({version.n for version in state.versions.values() if version.moved}):
        rows += tx.rows(_machines, "version_n", keys=moved)
    for machine in _known(tx, rows, keys):
        state.machines[machine.place].append(machine)


def _known(tx: Tx, rows: list[Row], keys: dict[int, str]) -> list[KnownMachine]:
    live = {row["id"]: row["end_date"] is None or row["end_date"] > tx.now for row in rows}
    ended = sorted(number for number, lives in live.items() if not lives)
    ended_by: dict[int, str] = {}
    for entry in tx.rows(_ends, keys=ended) if ended else ():
        if json.loads(entry["changes"])["end_date"]["after"] is not None:
            ended_by[entry["subject_id"]] = entry["via"]
    said = {
        row["machine_id"]: row["deprecated_at"] for row in tx.rows(_on_clouds, keys=sorted(live))
    }
    return [
        KnownMachine(
            id=row["id"],
            version=row["version_n"],
            image=row["image_id"],
            place=_place(row, keys),
            architecture=row["architecture"],
            size_gb=row["size_gb"],
            checksum=row["checksum"],
            live=live[row["id"]],
            ended_by_source=ended_by.get(row["id"]) == "source",
            deprecated_at=said.get(row["id"]),
        )
        for row in rows
    ]


# ── who made the image public ─────────────────────────────────────────────────────────────


def _made_public() -> Any:
    return (
        select(_A.c.via)
        .where(
            _A.c.subject == "images",
            _A.c.subject_id == param("image", Key),
            _A.c.changes.like('%"is_public":%'),
        )
        .order_by(_A.c.sequence.desc())
        .limit(1)
    )


def _public_by_source(tx: Tx, image_id: int) -> bool:
    return bool(tx.value(_made_public, image=image_id) == "source")
