"""Deprecating, revoking or sharing several versions of an image at once: all of them or nothing.

Each version is changed as it is when it is changed alone. Versions to which the action does not apply
are left out, and reported. The impact is computed once for all: what several of the versions affect is
counted once. So the cost grows with the number of versions, also where they are built on one another.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import UNSET, structs
from sqlalchemy import select

from goldenrod.base import decode, wire
from goldenrod.base.clock import Instant
from goldenrod.base.errors import (
    Conflict,
    PreconditionFailed,
    field_problem,
    forbidden_field,
    unknown_reference,
)
from goldenrod.base.faults import Faults
from goldenrod.base.text import is_uuid
from goldenrod.catalogue.versions import impact, publish, revocations
from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import references, version_lists
from goldenrod.rules.lifecycle import deprecation, lineage_walk
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Page, Query
from goldenrod.store.sql import Id, in_list

FIELDS = {
    "deprecate": ("reason", "at", "replacement"),
    "revoke": ("reason", "at", "descendants", "roll_back_channels"),
    "share": ("groups",),
}
"""The fields of a body that each action takes."""

LEFT_OUT = {
    "version_already_revoked": "It is already revoked.",
    "version_already_deprecated": "It is already deprecated.",
    "version_already_shared": "It is already shared with all of these groups.",
    "replacement_cycle": "It is the replacement, or what replaces it.",
}
"""Why an action does not apply to a version, by a code."""
MOST_NAMED = 5
"""How many versions that have changed are named where nothing is undone."""


class Outcome(NamedTuple):
    """What a bulk action changes, as ids: `left_out` as [id, code]; `versions` and `channels` as in
    `revocations.Effect`; `built_on` is how many of the versions whose state changes were not chosen."""

    action: str
    at: Instant
    chosen: list[str]
    left_out: list[list[str]]
    versions: list[list[str]]
    versions_count: int
    built_on: int
    channels: list[list[Any]]
    channels_count: int
    machines_count: int
    providers_count: int
    groups: list[int]
    shared: dict[str, list[int]] | None = None
    """The groups that each version was not shared with before, by its id."""


class _Done(NamedTuple):
    """What an action did to the chosen versions: the codes of those it left out, by id, and what
    differs when it takes effect."""

    left_out: dict[str, str]
    at: Instant
    versions: list[list[str]]
    channels: list[list[Any]]
    shared: dict[str, list[int]] | None = None


def change(tx: Tx, actor: Actor, image: Row, body: wire.Bulk) -> Outcome:
    """Apply one action to versions of an image. `image` is a row that the actor may read.

    Raises BadRequest, Forbidden (a version that the actor may not change).
    """
    actor.require_write()
    faults = Faults()
    for field in sorted(set().union(*FIELDS.values()) - set(FIELDS[body.action])):
        if getattr(body, field) is not UNSET:
            faults.add(field_problem(field, f"does not belong to the action {body.action}"))
    rows = _rows(faults, tx, actor, image, body.versions)
    done = _ACTIONS[body.action](faults, tx, actor, rows, body)
    chosen = [row["id"] for row in rows if row["id"] not in done.left_out]
    changed = [key for key, _, _ in done.versions]
    affected = sorted({*changed, *chosen})
    machines = impact.machines_of_versions(tx, actor, affected)
    groups = impact.groups_of_versions(tx, actor, affected)
    if body.action == "share":
        given = set(_groups(Faults(), tx, actor, body))
        groups = [group for group in groups if group["id"] in given]
    return Outcome(
        body.action,
        done.at,
        chosen,
        [[key, code] for key, code in done.left_out.items()],
        done.versions[: revocations.MOST_LISTED],
        len(done.versions),
        len(set(changed) - set(chosen)),
        done.channels[: revocations.MOST_LISTED],
        len(done.channels),
        machines.count,
        machines.providers,
        [group["id"] for group in groups],
        done.shared,
    )


def list_choices(tx: Tx, actor: Actor, query: Query) -> Page:
    """A page of the versions that a query of `VERSIONS` asks for, as summaries: to choose among."""
    return resources.page(tx, actor, summaries.version_shape, query)


def summaries_of(tx: Tx, actor: Actor, ids: list[str]) -> list[dict[str, Any]]:
    """The summaries of those of these versions that the actor may read, in this order."""
    found = revocations.versions_by_id(tx, actor, ids)
    return [found[key] for key in dict.fromkeys(ids) if key in found]


def _chosen(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    may = access.changeable(version, reader).label("may_change")
    return (
        select(*version.c, may)
        .where(in_list(version.c.id, "ids", Id()), access.readable(version, reader))
        .order_by(version.c.start_date, version.c.id)
    )


def _rows(
    faults: Faults, tx: Tx, actor: Actor, image: Row, refs: list[references.Given]
) -> list[Row]:
    """The rows of the versions that a body names, each once, the oldest first."""
    keys = [str(references.plain(ref)).lower() for ref in refs]
    ids = sorted({key for key in keys if is_uuid(key)})
    rows = tx.rows(_chosen, actor.reader, ids=ids, **resources.params(tx, actor))
    found = {row["id"]: row for row in rows}
    for index, key in enumerate(keys):
        field, row = f"versions[{index}]", found.get(key)
        if row is None:
            faults.add(unknown_reference(field, key[:80]))
        elif row["image_id"] != image["id"]:
            faults.add(field_problem(field, "is a version of another image"))
        elif not row["may_change"]:
            refusal = "You can read this version, but only its editors can change it."
            faults.add(forbidden_field(field, refusal))
    return rows


# ── deprecating ────────────────────────────────────────────────────────────────────────────


def _deprecate(faults: Faults, tx: Tx, actor: Actor, rows: list[Row], body: wire.Bulk) -> _Done:
    at = tx.now
    if isinstance(body.at, str):
        at = faults.of(decode.instant, "at", body.at)
    if body.reason:
        faults.of(deprecation.reason, "reason", body.reason)
    if body.replacement is not UNSET and body.replacement is not None:
        faults.of(references.read, tx, actor, schema.versions, body.replacement, "replacement")
    faults.report()
    given = wire.NewDeprecation(at=at, reason=body.reason, replacement=body.replacement)
    left_out = {
        row["id"]: "version_already_deprecated" for row in rows if row["deprecated_at"] is not None
    }
    takes_effect = max(at, tx.now)
    keys = [row["n"] for row in rows]
    was = revocations.snapshot(tx, actor, keys, takes_effect)
    for row in rows:
        if row["id"] not in left_out:
            try:
                publish.edit_version(tx, actor, row, wire.VersionPatch(deprecation=given))
            except Conflict as refused:
                if refused.code not in LEFT_OUT:
                    raise
                left_out[row["id"]] = refused.code
    return _done(tx, actor, left_out, takes_effect, was, keys)


def _done(
    tx: Tx,
    actor: Actor,
    left_out: dict[str, str],
    at: Instant,
    was: revocations.Snapshot,
    keys: list[int],
) -> _Done:
    now = revocations.snapshot(tx, actor, keys, at)
    return _Done(left_out, at, *revocations.differences(tx, actor, was, now))


# ── revoking ───────────────────────────────────────────────────────────────────────────────


def _revoke(faults: Faults, tx: Tx, actor: Actor, rows: list[Row], body: wire.Bulk) -> _Done:
    if body.reason is UNSET or body.reason is None:
        faults.add(field_problem("reason", "is required"))
    terms = wire.Revocation(
        reason=body.reason or "none",
        at=body.at or None,
        descendants=body.descendants is True,
        roll_back_channels=body.roll_back_channels is not False,
    )
    checked = faults.of(revocations.checked, tx, terms)
    faults.report()
    at, reason = checked
    own = revocations.own_revocations(tx, [row["n"] for row in rows])
    in_force = {n for n, revocation in own.items() if revocation["at"] <= tx.now}
    left_out = {row["id"]: "version_already_revoked" for row in rows if row["n"] in in_force}
    chosen = [row for row in rows if row["n"] not in in_force]
    keys = [row["n"] for row in chosen]
    reached = set(keys)
    # A revocation that is replaced may have reached further than the new one.
    if terms.descendants or any(revocation["descendants"] for revocation in own.values()):
        reached |= {row["n"] for row in tx.rows(lineage_walk.below, roots=keys)}
    was = revocations.snapshot(tx, actor, sorted(reached), at)
    for row in chosen:
        # What is built on a version that is built on another chosen one is reached through that one.
        topmost = row["parent_n"] not in reached
        its = structs.replace(terms, descendants=terms.descendants and topmost)
        revocations.record(tx, actor, row["n"], own.get(row["n"]), at, reason, its)
    return _done(tx, actor, left_out, at, was, sorted(reached))


# ── sharing ────────────────────────────────────────────────────────────────────────────────


def _groups(faults: Faults, tx: Tx, actor: Actor, body: wire.Bulk) -> list[int]:
    """The ids of the groups that a body names."""
    refs = body.groups or []
    if not refs:
        faults.add(field_problem("groups", "is required"))
        return []
    membership = version_lists.MEMBERSHIP
    found = [
        faults.of(version_lists.resolve, tx, actor, membership, [ref], (), f"groups[{index}]") or []
        for index, ref in enumerate(refs)
    ]
    return sorted({key for keys in found for key in keys})


def _share(faults: Faults, tx: Tx, actor: Actor, rows: list[Row], body: wire.Bulk) -> _Done:
    wanted = _groups(faults, tx, actor, body)
    faults.report()
    left_out: dict[str, str] = {}
    shared: dict[str, list[int]] = {}
    for row in rows:
        shared_with = version_lists.ids(tx, version_lists.MEMBERSHIP, row["n"])
        if set(wanted) <= set(shared_with):
            left_out[row["id"]] = "version_already_shared"
            continue
        patch = wire.VersionPatch(membership=[*shared_with, *(body.groups or [])])
        publish.edit_version(tx, actor, row, patch)
        shared[row["id"]] = sorted(set(wanted) - set(shared_with))
    return _Done(left_out, tx.now, [], [], shared)


_ACTIONS: dict[str, Callable[..., _Done]] = {
    "deprecate": _deprecate,
    "revoke": _revoke,
    "share": _share,
}


def describe(tx: Tx, actor: Actor, outcome: Outcome, *, dry_run: bool) -> dict[str, Any]:
    """An outcome as the API returns it, with everything as the reader sees it now."""
    effect = revocations.describe(
        tx,
        actor,
        revocations.Effect(
            outcome.at,
            outcome.versions,
            outcome.versions_count,
            outcome.channels,
            outcome.channels_count,
        ),
        dry_run=dry_run,
    )
    left_out = dict(outcome.left_out)
    named = revocations.versions_by_id(tx, actor, [*outcome.chosen, *left_out])
    affected = sorted({*outcome.chosen, *(key for key, _, _ in outcome.versions)})
    groups = impact.groups_of_versions(tx, actor, affected)
    return {
        "dry_run": effect.pop("dry_run"),
        "action": outcome.action,
        "at": effect.pop("at"),
        "chosen_count": len(outcome.chosen),
        "chosen": [named[key] for key in outcome.chosen if key in named],
        "left_out_count": len(left_out),
        "left_out": [
            {"version": named[key], "reason": LEFT_OUT[code]}
            for key, code in left_out.items()
            if key in named
        ],
        **effect,
        "machines_count": outcome.machines_count,
        "providers_count": outcome.providers_count,
        "groups": [group for group in groups if group["id"] in outcome.groups],
    }


# ── undoing ────────────────────────────────────────────────────────────────────────────────


class Changed(NamedTuple):
    """A version as an action left it: its id, a hash of what the action changed, and the groups that it
    was not shared with before."""

    id: str
    mark: str
    groups: list[int]


def changed_versions(tx: Tx, actor: Actor, image: Row, outcome: Outcome) -> list[Changed]:
    """What an action that was just carried out changed, for `undo`."""
    rows = _rows(Faults(), tx, actor, image, [*outcome.chosen])
    marks, shared = _marks(tx, outcome.action, rows), outcome.shared or {}
    return [Changed(row["id"], marks[row["id"]], shared.get(row["id"], [])) for row in rows]


def undo(tx: Tx, actor: Actor, image: Row, action: str, versions: list[Changed]) -> None:
    """Undo an action on all of these versions. Raises BadRequest, Forbidden, and PreconditionFailed if
    one of them was changed in the same respect since."""
    actor.require_write()
    faults = Faults()
    rows = _rows(faults, tx, actor, image, [it.id for it in versions])
    faults.report()
    wanted, marks = {it.id: it for it in versions}, _marks(tx, action, rows)
    other = [row["name"] for row in rows if marks[row["id"]] != wanted[row["id"]].mark]
    if other:
        named = ", ".join(other[:MOST_NAMED]) + (" and others" if len(other) > MOST_NAMED else "")
        raise PreconditionFailed(
            f"Nothing was undone, because these versions have changed: {named}."
        )
    for row in rows:
        if action == "revoke":
            revocations.restore(tx, actor, row, wire.Restoring())
        elif action == "deprecate":
            publish.edit_version(tx, actor, row, wire.VersionPatch(deprecation=None))
        else:
            now = version_lists.ids(tx, version_lists.MEMBERSHIP, row["n"])
            left: list[references.Given] = [
                group for group in now if group not in wanted[row["id"]].groups
            ]
            publish.edit_version(tx, actor, row, wire.VersionPatch(membership=left))


def _marks(tx: Tx, action: str, rows: list[Row]) -> dict[str, str]:
    """For each version, by its id, a hash of what the action changes."""
    facts: dict[str, Any]
    if action == "revoke":
        own = revocations.own_revocations(tx, [row["n"] for row in rows])
        facts = {row["id"]: own[row["n"]]["id"] if row["n"] in own else None for row in rows}
    elif action == "deprecate":
        names = ("deprecated_at", "deprecation_reason", "replacement_n")
        facts = {row["id"]: [row[name] for name in names] for row in rows}
    else:
        shared = version_lists.MEMBERSHIP
        facts = {row["id"]: sorted(version_lists.ids(tx, shared, row["n"])) for row in rows}
    return {
        key: hashlib.blake2b(json.dumps(it).encode(), digest_size=8).hexdigest()
        for key, it in facts.items()
    }
