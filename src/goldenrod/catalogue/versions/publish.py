"""Publishing, editing and ending versions: how a version changes, all of it or nothing.

A version's name is unique in its image for good, so that a pinned name never means another build.
Lineage has no cycle. With `allow_imaging` false a child needs the right to change the parent. What
is wrong with a body is found before If-Match is compared, and that before conflicts are looked for.
"""

import json
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import exists, literal, select

from goldenrod.base import decode
from goldenrod.base.errors import Conflict, Forbidden, field_problem, unknown_reference
from goldenrod.base.text import name_key
from goldenrod.base.wire import NewVersion, VersionPatch
from goldenrod.catalogue import search
from goldenrod.catalogue.versions import machines
from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, events, mutations, references, version_lists
from goldenrod.rules.changes.mutations import Created
from goldenrod.rules.lifecycle import deprecation, revocation_reach
from goldenrod.rules.visibility import denormalised, stored_counts
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, Sortable, json_text, param

PLAIN = ("allow_imaging", "min_cpu", "min_mem", "exclude_from_latest")
"""Fields that are taken as they come."""

STANDS_ON = {"name", "image", "membership", "start_date", "end_date", "deprecated_at"}
"""Fields that change who sees a version, when, as what, and where in a list."""


def version_name(given: str) -> str:
    """A version's name: one line, not `.` or `..`, which mean something else in an address."""
    name = decode.name("name", given)
    if name_key(name) in (".", ".."):
        raise field_problem("name", "must not be . or ..")
    return name


def create_version(tx: Tx, actor: Actor, body: NewVersion) -> Created:
    """Publish a version, with its machines; `not_inherited` tells what it did not take over.

    Raises BadRequest, Forbidden (not the actor's image), Conflict (`version_name_taken`,
    `imaging_not_allowed`, `machine_taken`).
    """
    actor.require_write()
    image = references.read(tx, actor, schema.images, body.image, "image")
    if not image["may_change"]:
        raise Forbidden("You may read this image, but not publish versions of it.")
    parent = None
    if body.parent is not None:
        parent = references.read(tx, actor, schema.versions, body.parent, "parent")
    values: Row = {
        "name": version_name(body.name),
        "change_log": decode.text("change_log", body.change_log),
        "allow_imaging": body.allow_imaging,
        "identity_id": None if body.identity is None else _own_identity(tx, actor, body.identity),
        "start_date": mutations.start(tx, body.start_date),
        "end_date": mutations.end(body.end_date),
        "doc_object_id": _line("doc_object_id", body.doc_object_id),
        "min_cpu": body.min_cpu,
        "min_mem": body.min_mem,
        "exclude_from_latest": body.exclude_from_latest,
    }
    if body.deprecation is not None:
        values |= deprecation.columns(tx, actor, None, body.deprecation)
    mutations.in_order(values["start_date"], values["end_date"])
    attached, left = _attached(tx, actor, body, parent, image)
    placed = [
        machines.checked(tx, actor, machine, f"machines[{place}].")
        for place, machine in enumerate(body.machines)
    ]
    _require_free_name(tx, image["id"], values["name"], 0)
    if parent:
        _require_imaging(parent)
        revocation_reach.require_parent(tx, parent["n"], body.allow_revoked_parent)
    n = insert_version(tx, actor, image["id"], parent["n"] if parent else None, values)
    for pairing in version_lists.PAIRINGS:
        version_lists.set_all(tx, pairing, n, attached[pairing.field])
    there = [machines.insert_machine(tx, actor, n, image["id"], machine) for machine in placed]
    denormalised.of_version(tx, n)
    events.created(tx, image["id"], [n])
    events.placed(tx, image["id"], there)
    told = {**_told(tx, values, values), "image": image["id"], "parent": parent and parent["id"]}
    audit.record(tx, actor, "version:create", schema.versions, n, audit.made(told | attached))
    extra = {"parent": parent["n"], "left": left} if parent else {}
    return Created(str(tx.value(_id_of, n=n)), True, extra)


def not_inherited(tx: Tx, actor: Actor, made: Created) -> dict[str, Any]:
    """What the answer to publishing adds: what of its parent's the version did not take over, as
    far as the reader is shown it now."""
    if not made.extra:
        return {}
    left = made.extra["left"]
    seen = resources.params(tx, actor)
    groups = tx.value(_membership, actor.reader, n=made.extra["parent"], **seen)
    shown = [group for group in json.loads(groups or "[]") if group["id"] in left["membership"]]
    scripts = [{"id": key} for key in left["scripts"]]
    return {"not_inherited": {"scripts": scripts, "membership": shown}}


def insert_version(tx: Tx, actor: Actor, image_id: int, parent_n: int | None, values: Row) -> int:
    """Write a checked version and its search words; its internal key. `standing` comes after, and
    then `events.created`."""
    n = tx.insert(
        schema.versions,
        id=mutations.new_uuid(),
        image_id=image_id,
        parent_n=parent_n,
        user_id=actor.user_id,
        name_key=name_key(values["name"]),
        **{"exclude_from_latest": False, **values},
        **denormalised.until_set(actor.user_id, values["start_date"]),
    )
    stored_counts.one_more(tx)
    search.index_version(tx, n, values["name"], values["change_log"])
    revocation_reach.adopt(tx, n, parent_n, new=True)
    return n


def _attached(
    tx: Tx, actor: Actor, body: NewVersion, parent: Row | None, image: Row
) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """What to attach to a new version, given or inherited; and what was not inherited."""
    attached: dict[str, list[int]] = {}
    left: dict[str, list[int]] = {"scripts": [], "membership": []}
    for pairing in version_lists.PAIRINGS:
        refs = getattr(body, pairing.field)
        if refs is not UNSET:
            attached[pairing.field] = version_lists.resolve(tx, actor, pairing, refs)
        elif parent is None:
            attached[pairing.field] = []
        else:
            held = version_lists.ids(tx, pairing, parent["n"])
            attached[pairing.field] = taken = _inherited(tx, actor, pairing, held, parent, image)
            left[pairing.field] = [key for key in held if key not in taken]
    return attached, left


def _inherited(
    tx: Tx,
    actor: Actor,
    pairing: version_lists.Pairing,
    held: list[int],
    parent: Row,
    image: Row,
) -> list[int]:
    """Licenses always, scripts where the publisher may attach them, membership in one image only."""
    if pairing is version_lists.LICENSES:
        return held
    if pairing is version_lists.MEMBERSHIP:
        return held if parent["image_id"] == image["id"] else []
    scripts = (resources.get_row(tx, actor, schema.boot_scripts, str(key)) for key in held)
    return [script["id"] for script in scripts if version_lists.attachable(tx, actor, script)]


def _membership(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    return select(json_text(summaries.membership(version, reader))).where(
        version.c.n == param("n", Key), access.readable(version, reader)
    )


def _id_of() -> Any:
    return select(schema.versions.c.id).where(schema.versions.c.n == param("n", Key))


def _line(field: str, given: str | None) -> str | None:
    return None if given is None else decode.name(field, given)


def _own_identity(tx: Tx, actor: Actor, ref: references.Given) -> int:
    identity = references.read(tx, actor, schema.identities, ref, "identity")
    if identity["user_id"] != actor.user_id:
        raise unknown_reference("identity", references.plain(ref))
    return int(identity["id"])


def _require_free_name(tx: Tx, image_id: int, name: str, n: int) -> None:
    taken = tx.value(_named, image=image_id, key=name_key(name))
    if taken is not None and taken != n:
        raise Conflict(
            f"This image has a version named {name!r}, ended ones included: a name never means "
            "another build.",
            code="version_name_taken",
        )


def _named() -> Any:
    version = schema.versions
    return select(version.c.n).where(
        version.c.image_id == param("image", Key),
        version.c.name_key == param("key", Sortable),
    )


def _require_imaging(parent: Row) -> None:
    if not parent["allow_imaging"] and not parent["may_change"]:
        raise Conflict(
            "The parent does not allow imaging: only its keepers may build on it.",
            code="imaging_not_allowed",
        )


def _descends() -> Any:
    """Whether the version `n` is `start` or one of its ancestors."""
    version = schema.versions
    line = (
        select(version.c.n, version.c.parent_n)
        .where(version.c.n == param("start", Key))
        .cte("line", recursive=True)
    )
    above = version.alias()
    line = line.union(select(above.c.n, above.c.parent_n).where(above.c.n == line.c.parent_n))
    return select(literal(1)).where(exists().where(line.c.n == param("n", Key)))


def edit_version(tx: Tx, actor: Actor, row: Row, patch: VersionPatch) -> None:
    """Change what the patch gives. `row` comes from `take_version`.

    Raises BadRequest, Forbidden (moving between images that are not both the actor's),
    Conflict (`version_name_taken`, `parent_cycle`, `imaging_not_allowed`,
    `machine_taken`).
    """
    after = _plain_values(tx, actor, row, patch)
    image = _new_image(tx, actor, row, patch.image)
    parent = _new_parent(tx, actor, row, patch.parent)
    if parent is not UNSET:
        after["parent_n"] = parent["n"] if parent else None
    if image:
        after["image_id"] = image["id"]
    attached: dict[str, list[int]] = {}
    held: dict[str, list[int]] = {}
    for pairing in version_lists.PAIRINGS:
        refs = getattr(patch, pairing.field)
        if refs is not UNSET:
            held[pairing.field] = version_lists.ids(tx, pairing, row["n"])
            attached[pairing.field] = version_lists.resolve(
                tx, actor, pairing, refs, held[pairing.field]
            )
    then = {**row, **after}
    if (then["image_id"], then["name"]) != (row["image_id"], row["name"]):
        _require_free_name(tx, then["image_id"], then["name"], row["n"])
    if parent:
        _require_imaging(parent)
        if tx.value(_descends, start=parent["n"], n=row["n"]):
            raise Conflict("A version cannot descend from itself.", code="parent_cycle")
        revocation_reach.require_parent(tx, parent["n"], patch.allow_revoked_parent is True)
    if after.get("replacement_n"):
        revocation_reach.require_no_circle(tx, row["n"], after["replacement_n"])
    if image:
        if tx.value(_in_channel, n=row["n"]):
            raise Conflict(
                "A channel of its image was assigned this version: it stays in its image.",
                code="version_in_channel",
            )
        machines.require_room(tx, row["n"], image["id"])
    _write(tx, actor, row, after, held, attached)


def _plain_values(tx: Tx, actor: Actor, row: Row, patch: VersionPatch) -> Row:
    """The columns that the patch's own values give, those that differ only."""
    given = mutations.given(patch)
    after: Row = {field: given[field] for field in PLAIN if field in given}
    if "deprecation" in given:
        after |= deprecation.columns(tx, actor, row, given["deprecation"])
    if "name" in given:
        after["name"] = version_name(given["name"])
    if "change_log" in given:
        after["change_log"] = decode.text("change_log", given["change_log"])
    if "doc_object_id" in given:
        after["doc_object_id"] = _line("doc_object_id", given["doc_object_id"])
    if "identity" in given:
        ref = given["identity"]
        kept = ref is not None and references.plain(ref) == row["identity_id"]
        if not kept:
            after["identity_id"] = None if ref is None else _own_identity(tx, actor, ref)
    after |= mutations.new_dates(row, patch.start_date, patch.end_date)
    return {field: value for field, value in after.items() if value != row[field]}


def _new_image(tx: Tx, actor: Actor, row: Row, ref: references.Given | UnsetType) -> Row | None:
    """The image a version moves to; None where it stays."""
    if isinstance(ref, UnsetType) or references.plain(ref) == row["image_id"]:
        return None
    image = references.read(tx, actor, schema.images, ref, "image")
    if image["id"] == row["image_id"]:
        return None
    left = resources.get_row(tx, actor, schema.images, str(row["image_id"]))
    if not (image["may_change"] and left["may_change"]):
        raise Forbidden("Moving a version needs the right to change both images.")
    return image


def _new_parent(
    tx: Tx, actor: Actor, row: Row, ref: references.Given | None | UnsetType
) -> Row | None | UnsetType:
    """The new parent; UNSET where it stays as it is."""
    if isinstance(ref, UnsetType):
        return UNSET
    if ref is None:
        return UNSET if row["parent_n"] is None else None
    present = row["parent_n"] and tx.value(_id_of, n=row["parent_n"])
    if present and str(references.plain(ref)).lower() == present:
        return UNSET
    return references.read(tx, actor, schema.versions, ref, "parent")


def _write(
    tx: Tx,
    actor: Actor,
    row: Row,
    after: Row,
    held: dict[str, list[int]],
    attached: dict[str, list[int]],
) -> None:
    changed = audit.between(_told(tx, row, after), _told(tx, after, after))
    changed |= audit.between(held, attached)
    if not changed:
        return
    if "name" in after:
        after["name_key"] = name_key(after["name"])
    if after:
        tx.update(schema.versions, {"n": row["n"]}, **after)
    if "parent_n" in after:
        revocation_reach.adopt(tx, row["n"], after["parent_n"])
    for pairing in version_lists.PAIRINGS:
        if pairing.field in attached:
            version_lists.set_all(tx, pairing, row["n"], attached[pairing.field])
    if "name" in after or "change_log" in after:
        now = {**row, **after}
        search.index_version(tx, row["n"], now["name"], now["change_log"])
    if STANDS_ON & changed.keys():
        denormalised.of_version(tx, row["n"])
    audit.record(tx, actor, "version:edit", schema.versions, row["n"], changed)
    events.edited(tx, row["n"], changed, row)


def _in_channel() -> Any:
    assigned = schema.assignments
    return select(exists().where(assigned.c.version_n == param("n", Key)))


def _told(tx: Tx, values: Row, fields: Row) -> Row:
    """Columns as the audit tells them: the contract's names, a version by its id."""
    told: Row = {}
    for field in fields:
        value = values[field]
        if field in ("parent_n", "replacement_n"):
            told[field.removesuffix("_n")] = value and str(tx.value(_id_of, n=value))
        else:
            told[field.removesuffix("_id") if field != "doc_object_id" else field] = value
    return told


def end_version(tx: Tx, actor: Actor, row: Row) -> None:
    """Withdraw a version: its end_date is now. One that has ended stays as it is."""
    if mutations.has_ended(tx, row):
        return
    tx.update(schema.versions, {"n": row["n"]}, end_date=tx.now)
    denormalised.of_version(tx, row["n"])
    changed = {"end_date": {"before": row["end_date"], "after": tx.now}}
    audit.record(tx, actor, "version:end", schema.versions, row["n"], changed)
    events.edited(tx, row["n"], changed, row)
