"""Applies the plan of one image (`actions.py`) in the transaction that it was made in."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field
from sqlalchemy import select

from goldenrod.base import wire
from goldenrod.base.clock import Instant
from goldenrod.catalogue.images import images
from goldenrod.catalogue.sync.actions import (
    Action,
    CreateImage,
    CreateMachine,
    CreateVersion,
    Deprecate,
    EndMachine,
    ImagePlan,
    ImageState,
    Place,
    RestoreMachine,
    UpdateMachine,
    VersionRef,
)
from goldenrod.catalogue.sync.source_actor import Providers
from goldenrod.catalogue.versions import machines, publish, version_names
from goldenrod.rules import access
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, events, version_lists
from goldenrod.rules.lifecycle import lineage_walk, lines
from goldenrod.rules.visibility import denormalised, stored_counts
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, param

DEPRECATED = "Deprecated on its cloud."
FEW_VERSIONS = 8
"""With at most this many new versions, each is denormalised by itself, otherwise the whole image."""


class Terms(Struct, frozen=True):
    """What new versions of a source get: accounts and groups, by the owner on the cloud."""

    identities: Mapping[str, str] = {}
    groups: Mapping[str, int] = {}


class Done(Struct, frozen=True):
    """One thing that was done, for the report. `machines` is how many machines it is about."""

    kind: str
    subject: str
    reason: str = ""
    version: int | None = None
    machine: int | None = None
    machines: int = 0
    image: int | None = None


class Applied(Struct):
    """What was done to an image: the counts by (kind, outcome), and each thing."""

    image_id: int | None = None
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    done: list[Done] = field(default_factory=list)
    machines: dict[Place, int] = field(default_factory=dict)
    """The machine that each place now has."""


def apply(
    tx: Tx, actor: Actor, state: ImageState, plan: ImagePlan, providers: Providers, terms: Terms
) -> Applied:
    """Do what the plan says. `state` is what it was made from, in this transaction. Raises Problem."""
    writer = _Writer(tx, actor, state, plan, providers, terms)
    for action in plan.actions:
        writer.do(action)
    writer.finish()
    return writer.applied


class _Writer:
    def __init__(
        self,
        tx: Tx,
        actor: Actor,
        state: ImageState,
        plan: ImagePlan,
        providers: Providers,
        terms: Terms,
    ) -> None:
        self._tx = tx
        self._actor = actor
        self._state = state
        self._plan = plan
        self._providers = providers
        self._terms = terms
        self._named = {version.n: version.name for version in state.versions.values()}
        self._new: dict[str, int] = {}
        self._new_machines: list[tuple[Place, Row]] = []
        self._added: Counter[int] = Counter()
        self._created_before = providers.created
        self.applied = Applied(image_id=state.id)

    def do(self, action: Action) -> None:
        """Do one thing."""
        match action:
            case CreateImage():
                self._create_image(action)
            case CreateVersion():
                self._create_version(action)
            case CreateMachine():
                self._create_machine(action)
            case UpdateMachine(id=number, facts=facts):
                self._edit(number, dict(facts), "machine:edit", "updated", ", ".join(facts))
            case EndMachine(id=number, reason=reason):
                self._edit(number, {"end_date": self._tx.now}, "machine:end", "ended", reason)
            case RestoreMachine(id=number, facts=facts):
                after = {**facts, "end_date": None}
                self._edit(number, after, "machine:restore", "restored", "active again")
            case Deprecate():
                self._deprecate(action)

    def _count(self, kind: str, outcome: str) -> None:
        self.applied.counts[kind, outcome] += 1

    # ── image and versions ────────────────────────────────────────────────────────────────

    def _create_image(self, action: CreateImage) -> None:
        body = wire.NewImage(
            name=action.name,
            description=action.description,
            tags=list(action.tags),
            is_public=action.public,
        )
        made = images.create_image(self._tx, self._actor, body)
        self.applied.image_id = int(made.key)
        self._count("image", "created")
        reason = "public" if action.public else "private"
        self.applied.done.append(Done("created", action.name, f"image, {reason}"))

    def _key(self, ref: VersionRef) -> int:
        return ref if isinstance(ref, int) else self._new[ref]

    def _create_version(self, action: CreateVersion) -> None:
        tx, image_id = self._tx, self.applied.image_id
        assert image_id is not None
        parent = None if action.parent is None else self._key(action.parent)
        values: Row = {
            "name": version_names.checked(action.name),
            "change_log": action.change_log,
            "allow_imaging": True,
            "start_date": action.start_date,
            "end_date": None,
            "min_mem": action.min_mem,
            "identity_id": self._identity(action),
        }
        if action.deprecated_at:
            values |= self._deprecation(action.deprecated_at, action.replacement)
        n = publish.insert_version(tx, self._actor, image_id, parent, values)
        groups = sorted(
            {self._terms.groups[one] for one in action.owners if one in self._terms.groups}
        )
        version_lists.set_all(tx, version_lists.MEMBERSHIP, n, groups)
        made = {**values, "image": image_id, "membership": groups}
        # As publishing records it: nulls are not told.
        made = {name: value for name, value in made.items() if value not in (None, [])}
        created = audit.created(made)
        audit.record(tx, self._actor, "version:create", schema.versions, n, created)
        self._new[action.name] = n
        self._named[n] = action.name
        self._count("version", "created")

    def _identity(self, action: CreateVersion) -> int | None:
        """The source user's account here that is declared for an owner there."""
        for owner in action.owners:
            if key := self._terms.identities.get(owner):
                found = self._tx.value(_identity, key=key, user=self._actor.user_id)
                if found is not None:
                    return int(found)
        return None

    def _deprecation(self, at: Instant | None, replacement: int | None) -> Row:
        return {
            "deprecated_at": at,
            "deprecation_reason": DEPRECATED if at else None,
            "replacement_n": replacement if at else None,
        }

    def _deprecate(self, action: Deprecate) -> None:
        tx, n = self._tx, action.version
        replacement = action.replacement
        if replacement and tx.value(
            lineage_walk.reaches, "replacement_n", start=replacement, target=n
        ):
            replacement = None
        after = self._deprecation(action.at, replacement)
        row = tx.first(_version, n=n)
        assert row is not None
        changed = audit.changed(row, after)
        if not changed:
            return
        tx.update(schema.versions, {"n": n}, **after)
        denormalised.refresh_version(tx, n)
        told = {name.replace("replacement_n", "replacement"): it for name, it in changed.items()}
        if "replacement" in told:
            told["replacement"] = {
                side: self._version_id(key) for side, key in told["replacement"].items()
            }
        audit.record(tx, self._actor, "version:edit", schema.versions, n, told)
        events.version_edited(tx, n, told, row)
        self._count("version", "changed")
        reason = (
            f"deprecated at {action.at} there" if action.at else "not deprecated there any more"
        )
        self.applied.done.append(Done("updated", action.name, reason, n, image=row["image_id"]))

    def _version_id(self, n: int | None) -> str | None:
        row = self._tx.first(_version, n=n) if n else None
        return row["id"] if row else None

    # ── machines ──────────────────────────────────────────────────────────────────────────

    def _create_machine(self, action: CreateMachine) -> None:
        n = self._key(action.version)
        image_id = self.applied.image_id
        assert image_id is not None
        values = {
            "provider_id": self._providers.create(self._tx, self._actor, action.place[0]),
            "identifier": action.identifier,
            "architecture": action.architecture,
            "size_gb": action.size_gb,
            "checksum": action.checksum,
            "start_date": action.start_date,
            "end_date": None,
        }
        self._new_machines.append((action.place, {"version_n": n, "image_id": image_id, **values}))
        self._added[n] += 1
        self._count("machine", "created")

    def _edit(
        self, machine_id: int, after: Row, action: audit.Action, outcome: str, reason: str
    ) -> None:
        tx = self._tx
        row = tx.first(_machine, id=machine_id)
        assert row is not None
        changed = audit.changed(row, after)
        with stored_counts.counting_machine(tx, row["version_n"], after):
            tx.update(schema.machines, {"id": machine_id}, **machines.stored(after))
        audit.record(tx, self._actor, action, schema.machines, machine_id, changed)
        events.machine_changed(tx, row, {**row, **after})
        self._count("machine", {"updated": "changed"}.get(outcome, outcome))
        subject = f"{row['provider']} {row['identifier']}"
        n, image_id = row["version_n"], row["image_id"]
        self.applied.done.append(Done(outcome, subject, reason, n, machine_id, 1, image_id))

    # ── at the end ────────────────────────────────────────────────────────────────────────

    def finish(self) -> None:
        """Denormalise what is new, record events, and count."""
        tx, image_id, plan = self._tx, self.applied.image_id, self._plan
        if image_id is not None and self._state.id is not None:
            self._count("image", "unchanged" if not plan.actions else "changed")
        created = set(self._new.values())
        rows = [values for _, values in self._new_machines]
        # The machines of new versions are counted when these are denormalised.
        with stored_counts.counting(tx, "n", [n for n in self._added if n not in created]):
            numbers = machines.insert_machines(tx, self._actor, rows) if rows else []
        if self._new and image_id is not None:
            if len(self._new) <= FEW_VERSIONS and self._state.id is not None:
                for n in self._new.values():
                    denormalised.refresh_version(tx, n)
            else:
                denormalised.refresh_image(tx, image_id)
            lines.changed(tx, image_id)
            events.versions_created(tx, image_id, list(self._new.values()))
        if image_id is not None:
            events.machines_created(tx, image_id, numbers)
            places = (place for place, _ in self._new_machines)
            self.applied.machines |= dict(zip(places, numbers, strict=True))
        for n, added in self._added.items():
            kind, what = ("created", "version") if n in created else ("updated", "machines added")
            reason = f"{what}: {added} {'machine' if added == 1 else 'machines'}"
            self.applied.done.append(Done(kind, self._named[n], reason, n, machines=added))
        self.applied.counts["provider", "created"] += self._providers.created - self._created_before
        self.applied.counts["version", "changed"] += plan.changed_versions
        self.applied.counts["version", "unchanged"] += plan.unchanged_versions
        self.applied.counts["machine", "unchanged"] += plan.unchanged_machines


def _machine() -> Any:
    machine, provider = schema.machines, schema.providers
    return (
        select(*machine.c, provider.c.slug.label("provider"))
        .select_from(machine.join(provider, provider.c.id == machine.c.provider_id))
        .where(machine.c.id == param("id", Key), access.readable(provider, ReaderKind.STAFF))
    )


def _version() -> Any:
    version = schema.versions
    return select(*version.c).where(
        version.c.n == param("n", Key), access.readable(version, ReaderKind.STAFF)
    )


def _identity() -> Any:
    identity = schema.identities
    return (
        select(identity.c.id)
        .where(
            identity.c.key == param("key"),
            identity.c.user_id == param("user", Key),
            access.readable(identity, ReaderKind.STAFF),
        )
        .order_by(identity.c.id)
        .limit(1)
    )
