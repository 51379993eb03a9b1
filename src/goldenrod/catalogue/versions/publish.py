"""Publishing, editing and ending versions. Each change is made completely or not at all.

A version's name is never reused in its image, so that a pinned name always means the same build.
Lineage has no cycle. If `allow_imaging` is false, only editors of the parent may build on it. Faults
of the body are reported first, then a failed If-Match, then conflicts.
"""

import json
from contextlib import nullcontext
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import exists, select

from goldenrod.base import decode
from goldenrod.base.errors import Conflict, forbidden_field, unknown_reference
from goldenrod.base.faults import Faults
from goldenrod.base.text import name_key
from goldenrod.base.wire import NewVersion, VersionPatch
from goldenrod.catalogue import search
from goldenrod.catalogue.channels import assign
from goldenrod.catalogue.versions import machines, version_names
from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, events, labels, mutations, references, version_lists
from goldenrod.rules.changes.mutations import Created
from goldenrod.rules.lifecycle import deprecation, lineage_walk, lines, revocation_reach
from goldenrod.rules.visibility import denormalised, stored_counts
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, json_text, param

PLAIN_FIELDS = ("allow_imaging", "min_cpu", "min_mem", "exclude_from_latest")
"""Fields that are stored as given."""

READER_FIELDS = {"image", "membership", "start_date", "end_date"}
"""Fields that decide who may read a version."""
DENORMALISED_FIELDS = READER_FIELDS | {"name", "deprecated_at"}
"""Fields from which the denormalised columns are computed: visibility and order in lists."""
LINE_FIELDS = {"image_id", "parent_n", "start_date"}
"""Columns by which the versions of an image are one line."""
SHOWN_ELSEWHERE = {"image_id", "parent_n", "replacement_n"}
"""Columns whose change also concerns other images."""


def create_version(tx: Tx, actor: Actor, body: NewVersion) -> Created:
    """Publish a version with its machines, and assign it to channels; `not_inherited` lists what it did
    not inherit.

    Raises BadRequest, Forbidden (not the actor's image), Conflict (`version_name_taken`,
    `imaging_not_allowed`, `machine_taken`, and those of `assign.assign_new_version`).
    """
    actor.require_write()
    faults = Faults()
    image = faults.of(
        references.read_for_change,
        tx,
        actor,
        schema.images,
        body.image,
        "image",
        "You can read this image, but only its editors can publish versions.",
    )
    parent = None
    if body.parent is not None:
        parent = faults.of(references.read, tx, actor, schema.versions, body.parent, "parent")
    name = faults.of(version_names.checked, body.name)
    start_date, end_date = mutations.dates(faults, tx, body.start_date, body.end_date)
    values: Row = {
        "name": name,
        "change_log": faults.of(decode.text, "change_log", body.change_log),
        "allow_imaging": body.allow_imaging,
        "identity_id": faults.of(_own_identity, tx, actor, body.identity),
        "start_date": start_date,
        "end_date": end_date,
        "doc_object_id": faults.of(_optional_name, "doc_object_id", body.doc_object_id),
        "min_cpu": body.min_cpu,
        "min_mem": body.min_mem,
        "exclude_from_latest": body.exclude_from_latest,
    }
    if body.deprecation is not None:
        with faults.noted():
            values |= deprecation.columns(tx, actor, None, body.deprecation)
    given = {
        pairing.field: faults.of(version_lists.resolve, tx, actor, pairing, refs)
        for pairing in version_lists.PAIRINGS
        if (refs := getattr(body, pairing.field)) is not UNSET
    }
    new_machines = [
        faults.of(machines.checked, tx, actor, machine, f"machines[{place}].")
        for place, machine in enumerate(body.machines)
    ]
    labelled = faults.of(labels.merged, {}, body.labels)
    for position, channel in enumerate(body.channels):
        faults.of(assign.checked_name, f"channels[{position}]", channel)
    faults.report()
    attached, left = _attached(tx, actor, given, parent, image)
    version_names.require_free(tx, image["id"], values["name"])
    if parent:
        _require_imaging(parent)
        revocation_reach.require_parent_not_revoked(tx, parent["n"], body.allow_revoked_parent)
    key = mutations.new_uuid()
    with tx.within_image(image["id"]):
        row = values | {"id": key}
        n = insert_version(tx, actor, image["id"], parent["n"] if parent else None, row)
        for pairing in version_lists.PAIRINGS:
            version_lists.set_all(tx, pairing, n, attached[pairing.field])
        labels.write(tx, n, {}, labelled)
        for machine, given_machine in zip(new_machines, body.machines, strict=True):
            if given_machine.take_identifier:
                machines.end_taken(tx, actor, n, image["id"], machine)
        machine_ids = [
            machines.insert_machine(tx, actor, n, image["id"], machine) for machine in new_machines
        ]
        denormalised.refresh_version(tx, n)
        events.versions_created(tx, image["id"], [n])
        events.machines_created(tx, image["id"], machine_ids)
        audited = {
            **_audited(tx, values, values),
            "image": image["id"],
            "parent": parent and parent["id"],
            "labels": labelled,
        }
        audit.record(
            tx, actor, "version:create", schema.versions, n, audit.created(audited | attached)
        )
        assign.assign_new_version(tx, actor, image, {"n": n}, body.channels)
    extra = {"parent": parent["n"], "left": left} if parent else {}
    return Created(key, True, extra)


def not_inherited(tx: Tx, actor: Actor, made: Created) -> dict[str, Any]:
    """What the response to publishing adds: what the version did not inherit from its parent, limited
    to what the reader may see now."""
    if not made.extra:
        return {}
    left = made.extra["left"]
    seen = resources.params(tx, actor)
    groups = tx.value(_membership, actor.reader, n=made.extra["parent"], **seen)
    shown = [group for group in json.loads(groups or "[]") if group["id"] in left["membership"]]
    scripts = [{"id": key} for key in left["scripts"]]
    return {"not_inherited": {"scripts": scripts, "membership": shown}}


def insert_version(tx: Tx, actor: Actor, image_id: int, parent_n: int | None, values: Row) -> int:
    """Write a checked version and its search words; return its internal key. Afterwards call
    `denormalised.refresh_version`, then `events.versions_created`."""
    n = tx.insert(
        schema.versions,
        image_id=image_id,
        parent_n=parent_n,
        user_id=actor.user_id,
        name_key=name_key(values["name"]),
        **{"id": mutations.new_uuid(), "exclude_from_latest": False, **values},
        **denormalised.initial(actor.user_id, values["start_date"]),
    )
    stored_counts.add_version(tx)
    search.index_version(tx, n, values["name"], values["change_log"])
    revocation_reach.change_parent(tx, n, parent_n, new=True)
    lines.added(tx, n)
    return n


def _attached(
    tx: Tx, actor: Actor, given: dict[str, list[int]], parent: Row | None, image: Row
) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """What to attach to a new version, given or inherited, and what was not inherited."""
    attached = dict(given)
    left: dict[str, list[int]] = {"scripts": [], "membership": []}
    for pairing in version_lists.PAIRINGS:
        if pairing.field in given:
            continue
        if parent is None:
            attached[pairing.field] = []
        else:
            current = version_lists.ids(tx, pairing, parent["n"])
            attached[pairing.field] = taken = _inherited(tx, actor, pairing, current, parent, image)
            left[pairing.field] = [key for key in current if key not in taken]
    return attached, left


def _inherited(
    tx: Tx,
    actor: Actor,
    pairing: version_lists.Pairing,
    current: list[int],
    parent: Row,
    image: Row,
) -> list[int]:
    """Inherits licenses, scripts that the publisher may attach, and membership within one image."""
    if pairing is version_lists.LICENSES:
        return current
    if pairing is version_lists.MEMBERSHIP:
        return current if parent["image_id"] == image["id"] else []
    scripts = (resources.get_row(tx, actor, schema.boot_scripts, str(key)) for key in current)
    return [script["id"] for script in scripts if version_lists.attachable(tx, actor, script)]


def _membership(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    return select(json_text(summaries.membership(version, reader))).where(
        version.c.n == param("n", Key), access.readable(version, reader)
    )


def _id_of() -> Any:
    return select(schema.versions.c.id).where(schema.versions.c.n == param("n", Key))


def _optional_name(field: str, given: str | None, stored: str | None = None) -> str | None:
    return None if given is None else decode.name(field, given, stored)


def _own_identity(tx: Tx, actor: Actor, ref: references.Given | None) -> int | None:
    if ref is None:
        return None
    identity = references.read(tx, actor, schema.identities, ref, "identity")
    if identity["user_id"] != actor.user_id:
        raise unknown_reference("identity", references.plain(ref))
    return int(identity["id"])


def _require_imaging(parent: Row) -> None:
    if not parent["allow_imaging"] and not parent["may_change"]:
        raise Conflict(
            "The parent does not allow imaging: only its editors can build on it.",
            code="imaging_not_allowed",
        )


def edit_version(tx: Tx, actor: Actor, row: Row, patch: VersionPatch) -> None:
    """Change what the patch gives. `row` comes from `VERSIONS.row_for_change`.

    Raises BadRequest, Forbidden (moving between images of which the actor may not edit both),
    Conflict (`version_name_taken`, `parent_cycle`, `imaging_not_allowed`,
    `machine_taken`).
    """
    faults = Faults()
    after = _plain_values(faults, tx, actor, row, patch)
    image = faults.of(_new_image, tx, actor, row, patch.image)
    parent = faults.of(_new_parent, tx, actor, row, patch.parent)
    if parent is not UNSET:
        after["parent_n"] = parent["n"] if parent else None
    if image:
        after["image_id"] = image["id"]
    attached: dict[str, list[int]] = {}
    current: dict[str, list[int]] = {}
    labelled = None
    if not isinstance(patch.labels, UnsetType):
        before = labels.read(tx, row["n"])
        labelled = before, faults.of(labels.merged, before, patch.labels)
    for pairing in version_lists.PAIRINGS:
        refs = getattr(patch, pairing.field)
        if refs is not UNSET:
            current[pairing.field] = version_lists.ids(tx, pairing, row["n"])
            attached[pairing.field] = faults.of(
                version_lists.resolve, tx, actor, pairing, refs, current[pairing.field]
            )
    faults.report()
    then = {**row, **after}
    if (then["image_id"], then["name"]) != (row["image_id"], row["name"]):
        version_names.require_free(tx, then["image_id"], then["name"], row["n"])
    if parent:
        _require_imaging(parent)
        if tx.value(lineage_walk.reaches, "parent_n", start=parent["n"], target=row["n"]):
            raise Conflict("A version cannot descend from itself.", code="parent_cycle")
        revocation_reach.require_parent_not_revoked(
            tx, parent["n"], patch.allow_revoked_parent is True
        )
    if after.get("replacement_n"):
        revocation_reach.require_no_cycle(tx, row["n"], after["replacement_n"])
    if image:
        if tx.value(_in_channel, n=row["n"]):
            raise Conflict(
                "A channel of the image has been assigned this version, so it cannot move to "
                "another image.",
                code="version_in_channel",
            )
        machines.require_no_clash(tx, row["n"], image["id"])
    narrow = SHOWN_ELSEWHERE.isdisjoint(after)
    with tx.within_image(row["image_id"]) if narrow else nullcontext():
        _write(tx, actor, row, after, current, attached, labelled)


def _plain_values(faults: Faults, tx: Tx, actor: Actor, row: Row, patch: VersionPatch) -> Row:
    """The columns that the patch's own values change."""
    given = mutations.given(patch)
    after: Row = {field: given[field] for field in PLAIN_FIELDS if field in given}
    if "deprecation" in given:
        with faults.noted():
            after |= deprecation.columns(tx, actor, row, given["deprecation"])
    if "name" in given:
        after["name"] = faults.of(version_names.checked, given["name"], row["name"])
    if "change_log" in given:
        after["change_log"] = faults.of(decode.text, "change_log", given["change_log"])
    if "doc_object_id" in given:
        after["doc_object_id"] = faults.of(
            _optional_name, "doc_object_id", given["doc_object_id"], row["doc_object_id"]
        )
    if "identity" in given:
        ref = given["identity"]
        kept = ref is not None and references.plain(ref) == row["identity_id"]
        if not kept:
            after["identity_id"] = faults.of(_own_identity, tx, actor, ref)
    after |= mutations.new_dates(faults, row, patch.start_date, patch.end_date)
    return {field: value for field, value in after.items() if value != row[field]}


def _new_image(tx: Tx, actor: Actor, row: Row, ref: references.Given | UnsetType) -> Row | None:
    """The image a version moves to; None if it does not move."""
    if isinstance(ref, UnsetType) or references.plain(ref) == row["image_id"]:
        return None
    image = references.read(tx, actor, schema.images, ref, "image")
    if image["id"] == row["image_id"]:
        return None
    left = resources.get_row(tx, actor, schema.images, str(row["image_id"]))
    if not (image["may_change"] and left["may_change"]):
        raise forbidden_field("image", "To move a version you must be an editor of both images.")
    return image


def _new_parent(
    tx: Tx, actor: Actor, row: Row, ref: references.Given | None | UnsetType
) -> Row | None | UnsetType:
    """The new parent; UNSET if it does not change."""
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
    current: dict[str, list[int]],
    attached: dict[str, list[int]],
    labelled: tuple[labels.Labels, labels.Labels] | None,
) -> None:
    changed = audit.changed(_audited(tx, row, after), _audited(tx, after, after))
    changed |= audit.changed(current, attached)
    if labelled:
        changed |= audit.changed({"labels": labelled[0]}, {"labels": labelled[1]})
    if not changed:
        return
    if "name" in after:
        after["name_key"] = name_key(after["name"])
    if after:
        version_names.record_change(tx, row, after)
        tx.update(schema.versions, {"n": row["n"]}, **after)
    if "parent_n" in after:
        revocation_reach.change_parent(tx, row["n"], after["parent_n"])
    if LINE_FIELDS & after.keys():
        for image_id in {row["image_id"], after.get("image_id", row["image_id"])}:
            lines.changed(tx, image_id)
    for pairing in version_lists.PAIRINGS:
        if pairing.field in attached:
            version_lists.set_all(tx, pairing, row["n"], attached[pairing.field])
    if labelled:
        labels.write(tx, row["n"], *labelled)
    if "name" in after or "change_log" in after:
        now = {**row, **after}
        search.index_version(tx, row["n"], now["name"], now["change_log"])
    if DENORMALISED_FIELDS & changed.keys():
        readers = bool(READER_FIELDS & changed.keys())
        denormalised.refresh_version(tx, row["n"], readers=readers)
    audit.record(tx, actor, "version:edit", schema.versions, row["n"], changed)
    events.version_edited(tx, row["n"], changed, row)


def _in_channel() -> Any:
    assigned = schema.assignments
    return select(exists().where(assigned.c.version_n == param("n", Key)))


def _audited(tx: Tx, values: Row, fields: Row) -> Row:
    """Columns as the audit records them: with the contract's names, and versions by id."""
    audited: Row = {}
    for field in fields:
        value = values[field]
        if field in ("parent_n", "replacement_n"):
            audited[field.removesuffix("_n")] = value and str(tx.value(_id_of, n=value))
        else:
            audited[field.removesuffix("_id") if field != "doc_object_id" else field] = value
    return audited


def end_version(tx: Tx, actor: Actor, row: Row) -> None:
    """End a version now. A version that has already ended stays unchanged."""
    if mutations.has_ended(tx, row):
        return
    with tx.within_image(row["image_id"]):
        tx.update(schema.versions, {"n": row["n"]}, end_date=tx.now)
        denormalised.refresh_version(tx, row["n"])
        changed = {"end_date": {"before": row["end_date"], "after": tx.now}}
        audit.record(tx, actor, "version:end", schema.versions, row["n"], changed)
        events.version_edited(tx, row["n"], changed, row)
