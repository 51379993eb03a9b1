"""Syncs one source: surveys it, plans, shows the plan, and applies it image by image.

Each image is one transaction, in which its plan is made again. So a run that is killed leaves no image
half done, and the next run does the rest. One run at a time has the source's lease.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from msgspec import Struct, field

from goldenrod.base.errors import BadRequest, NotFound, Problem, Unavailable
from goldenrod.base.text import is_slug, name_key
from goldenrod.catalogue.leases import new_holder
from goldenrod.catalogue.sync import apply, cloud_rows, drift, leases, reports, source_actor
from goldenrod.catalogue.sync.actions import (
    CreateImage,
    CreateMachine,
    CreateVersion,
    Deprecate,
    EndMachine,
    ImagePlan,
    ImageState,
    Passed,
    RestoreMachine,
    UpdateMachine,
)
from goldenrod.catalogue.sync.apply import Applied
from goldenrod.catalogue.sync.leases import LEASE_S, LeaseLost
from goldenrod.catalogue.sync.reports import Entry, Report
from goldenrod.rules.access import Actor
from goldenrod.sources.declarations import AnySource, InvalidDeclaration
from goldenrod.sources.found import Source
from goldenrod.sources.sync import image_work, missing, survey
from goldenrod.sources.sync.image_work import ImageWork
from goldenrod.sources.sync.plan import Terms
from goldenrod.sources.sync.survey import Progress, ScopeRow, Survey
from goldenrod.store.db import Database, Row, Tx

State = Literal["done", "partly", "braked", "failed", "locked", "planned"]


class Options(Struct, frozen=True, kw_only=True):
    """How a source is synced. `fingerprint` is a hash of its declaration."""

    fingerprint: str
    kind: str
    dry_run: bool = False
    end_anyway: bool = False
    concurrency: int = 4
    lease_s: float = LEASE_S


class Plan(Struct):
    """What a run is going to do: of each image, and what concerns none."""

    images: list[ImagePlan] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    skipped: int = 0

    def counts(self) -> Counter[str]:
        """The numbers of machines to be created, and so on, and of new images and versions."""
        counts: Counter[str] = Counter()
        for plan in self.images:
            counts["unchanged"] += plan.unchanged_machines
            for action in plan.actions:
                counts[_COUNTED[type(action)]] += 1
            for passed in plan.passed:
                counts[passed.kind] += passed.machines
        counts["skipped"] += self.skipped
        counts["kept"] += sum(entry.kind == "kept" for entry in self.entries)
        counts["failed"] += sum(entry.kind == "failed" for entry in self.entries)
        return counts


_COUNTED: dict[type, str] = {
    CreateImage: "images",
    CreateVersion: "versions",
    CreateMachine: "created",
    UpdateMachine: "updated",
    EndMachine: "ended",
    RestoreMachine: "restored",
    Deprecate: "deprecations",
}


class Result(Struct):
    """How a run ended. `plan` is what was shown; `counts` what was done."""

    source: str
    state: State
    plan: Plan = field(default_factory=Plan)
    counts: Counter[str] = field(default_factory=Counter)
    run: int | None = None


def sync(
    db: Database,
    declaration: AnySource,
    source: Source,
    options: Options,
    *,
    looking: Progress | None = None,
    show: Callable[[Plan], object] | None = None,
    applying: Progress | None = None,
) -> Result:
    """Sync one source. `show` is called with the plan before anything of it is done.

    Raises NotFound for an unknown owner, BadRequest for an unknown group, Unavailable.
    """
    run = _Run(db, declaration, source, options)
    if options.dry_run:
        plan = run.plan(looking)
        if show:
            show(plan)
        return Result(declaration.name, "planned", plan, plan.counts())
    with db.write() as tx:
        run.actor, run.new = _terms(tx, declaration, may_create=True)
        run.source_id = leases.acquire(tx, declaration.name, options.kind, run.me, options.lease_s)
        if run.source_id is None:
            return Result(declaration.name, "locked")
        report = reports.begin(tx, run.source_id)
    try:
        with run.renewing():
            return run.whole(report, looking, show, applying)
    finally:
        with suppress(Unavailable), db.write_unversioned() as tx:
            leases.release(tx, declaration.name, run.me)


def require_usable(db: Database, declaration: AnySource) -> None:
    """Raise InvalidDeclaration where a declaration names what the catalogue does not have."""
    name = declaration.name
    for key in declaration.providers.values():
        if not is_slug(key):
            raise InvalidDeclaration(f"source {name!r}: {key!r} cannot be a provider's slug")
    try:
        with db.read() as tx:
            _terms(tx, declaration, may_create=False)
    except (NotFound, BadRequest) as refused:
        raise InvalidDeclaration(f"source {name!r}: {refused.detail}") from None


def _terms(tx: Tx, declaration: AnySource, *, may_create: bool) -> tuple[Actor, apply.Terms]:
    actor = source_actor.source_actor(
        tx, declaration.owner, declaration.name, may_create=may_create
    )
    groups = source_actor.group_ids(tx, actor, declaration.projects.values())
    return actor, apply.Terms(
        identities=declaration.identities,
        groups={owner: groups[name] for owner, name in declaration.projects.items()},
    )


class _Run:
    def __init__(
        self, db: Database, declaration: AnySource, source: Source, options: Options
    ) -> None:
        self.db = db
        self.me = new_holder()
        self.actor = Actor(kind="source")
        self.new = apply.Terms()
        self.source_id: int | None = None
        self._declaration = declaration
        self._source = source
        self._options = options
        self._survey = Survey([], source_actor.Providers())
        self._held: dict[str, Entry] = {}
        self._left: dict[tuple[str, str, str], ScopeRow] = {}
        self._scope_ids: dict[str, int] = {}

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Renew the lease until the block ends."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(self._options.lease_s / 3):
                with suppress(Unavailable), self.db.write_unversioned() as tx:
                    leases.renew(tx, self._declaration.name, self.me, self._options.lease_s)

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    # ── planning ──────────────────────────────────────────────────────────────────────────

    def plan(self, looking: Progress | None) -> Plan:
        """Survey the source, and plan what to do. Writes nothing."""
        options, declaration = self._options, self._declaration
        self._survey = survey.look(declaration, self._source, options.concurrency, looking)
        with self.db.read() as tx:
            if options.dry_run:
                self.actor, self.new = _terms(tx, declaration, may_create=False)
                known = leases.find_source(tx, declaration.name)
                self.source_id = known["id"] if known else None
            due = survey.compare(
                tx, self._survey, self.source_id, options.fingerprint, declaration.looks
            )
        endings = survey.ask(
            self._survey,
            self._source,
            due,
            options.concurrency,
            end_anyway=options.end_anyway,
        )
        with self.db.read() as tx:
            survey.add_endings(tx, self.actor, self._survey, endings)
            plans = self._plans(tx)
            if not options.end_anyway:
                self._held = missing.braked(plans, self._survey.scopes)
            if self._held:
                survey.hold(self._survey, self._held)
                plans = self._plans(tx)
        return Plan(plans, self._survey.entries, self._survey.skipped)

    def _plan_terms(self) -> Terms:
        return Terms(self._survey.keys, self._declaration.public, frozenset(self._held))

    def _plans(self, tx: Tx) -> list[ImagePlan]:
        found = self._survey
        terms = self._plan_terms()
        return [
            image_work.plan(tx, self.actor, work, found.providers, terms)[1] for work in found.works
        ]

    # ── applying ──────────────────────────────────────────────────────────────────────────

    def whole(
        self,
        report: Report,
        looking: Progress | None,
        show: Callable[[Plan], object] | None,
        applying: Progress | None,
    ) -> Result:
        """Plan, show the plan, and apply it."""
        name = self._declaration.name
        counts: Counter[str] = Counter()
        plan = Plan()
        try:
            plan = self.plan(looking)
            if show:
                show(plan)
            self._record_looks(report, plan)
            counts += Counter(skipped=plan.skipped)
            for entry in plan.entries:
                counts[entry.kind] += entry.kind in ("kept", "failed")
            self._apply(report, counts, applying)
            state = self._state()
        except LeaseLost as lost:
            self._end(report, "failed", counts, Entry("failed", "run", str(lost)))
            return Result(name, "locked", plan, counts, report.run_id)
        except BaseException as error:
            self._end(report, "failed", counts, Entry("failed", "run", _why(error)))
            raise
        self._end(report, state, counts)
        return Result(name, state, plan, counts, report.run_id)

    def _state(self) -> Literal["done", "partly", "braked", "failed"]:
        found = self._survey
        if self._held:
            return "braked"
        if found.failed:
            return "partly" if len(found.failed) < len(found.looks) else "failed"
        return "done"

    def _end(
        self, report: Report, state: reports.State, counts: Counter[str], *entries: Entry
    ) -> None:
        with suppress(Unavailable), self.db.write() as tx:
            report.add(tx, entries)
            report.finish(tx, state, counts)

    def _record_looks(self, report: Report, plan: Plan) -> None:
        """Write what the looks say: the machines that they list and no longer list, and failures."""
        assert self.source_id is not None
        found, options = self._survey, self._options
        for one in found.looks:
            with self.db.write() as tx:
                leases.require(tx, self.source_id, self.me)
                if one.failed is not None:
                    self._scope_ids[one.scope] = cloud_rows.record_failure(
                        tx, self.source_id, one.scope, one.failed, one.read_at, options.fingerprint
                    )
                    continue
                self._scope_ids[one.scope] = cloud_rows.record(
                    tx,
                    self.source_id,
                    one.scope,
                    found.observed[one.scope],
                    at=one.read_at,
                    declaration=options.fingerprint,
                    looks=self._declaration.looks,
                    gone=found.gone.get(one.scope, ()),
                )
        for rows in found.rows.values():
            for row in rows:
                if row.place in found.observed[row.scope].new:
                    self._left[row.scope, *row.place] = row
        with self.db.write() as tx:
            looked = (one.scope for one in found.looks)
            cloud_rows.forget_failures(tx, self.source_id, looked, options.fingerprint)
            report.add(tx, plan.entries)

    def _apply(self, report: Report, counts: Counter[str], applying: Progress | None) -> None:
        found = self._survey
        total, done = sum(work.machines for work in found.works), 0
        for work in found.works:
            try:
                with self.db.write() as tx:
                    added = self._apply_one(tx, report, work, counts)
            except Problem as refused:
                if isinstance(refused, Unavailable):
                    raise
                counts["skipped"] += work.machines
                with self.db.write() as tx:
                    reason = f"nothing of this image was changed: {refused.detail}"
                    report.add(tx, [Entry("skipped", work.name, reason)])
            else:
                counts.update(added)
            done += work.machines
            if applying:
                applying(done, total)
        self._add_left()
        self._record_drift()

    def _apply_one(
        self, tx: Tx, report: Report, work: ImageWork, counts: Counter[str]
    ) -> Counter[str]:
        """Bring one image up to date. Returns what that adds to the counts."""
        assert self.source_id is not None
        found = self._survey
        leases.require(tx, self.source_id, self.me)
        providers = found.providers.copy()
        state, plan = image_work.plan(tx, self.actor, work, providers, self._plan_terms())
        applied = apply.apply(tx, self.actor, state, plan, providers, self.new)
        linked = self._link(tx, work, state, plan, applied, providers)
        report.add(tx, [*_done(applied), *(_passed(applied, one) for one in plan.passed)])
        added = _added(applied, plan)
        report.count(tx, counts + added)
        tx.on_commit(lambda: self._committed(providers, linked))
        return added

    def _committed(
        self, providers: source_actor.Providers, linked: list[tuple[str, str, str]]
    ) -> None:
        self._survey.providers = providers
        for key in linked:
            del self._left[key]

    def _link(
        self,
        tx: Tx,
        work: ImageWork,
        state: ImageState,
        plan: ImagePlan,
        applied: Applied,
        providers: source_actor.Providers,
    ) -> list[tuple[str, str, str]]:
        """Write which machines here the listed ones of an image are. Returns the rows that are new."""
        if work.alone:
            return []
        found = self._survey
        ended = {one.id for one in plan.actions if isinstance(one, EndMachine)}
        new: list[Row] = []
        added: list[tuple[str, str, str]] = []
        changed: dict[int, int] = {}
        for row in found.rows.get(name_key(work.name), ()):
            machine = applied.machines.get(row.place)
            if machine is None and (known := state.machines.get(row.place)):
                lasting = [one for one in known if one.live and one.id not in ended]
                machine = (lasting or known)[-1].id
            key = (row.scope, *row.place)
            if key in self._left:
                new.append(self._new_row(tx, row, machine, providers))
                added.append(key)
                continue
            before = found.scopes[row.scope].rows[row.place]
            if machine is not None and before["machine_id"] != machine:
                changed[before["id"]] = machine
        cloud_rows.add(tx, new)
        cloud_rows.link(tx, changed)
        return added

    def _new_row(
        self, tx: Tx, row: ScopeRow, machine: int | None, providers: source_actor.Providers
    ) -> Row:
        at = next(one.read_at for one in self._survey.looks if one.scope == row.scope)
        return {
            **row.facts,
            "scope_id": self._scope_ids[row.scope],
            "provider_id": providers.create(tx, self.actor, row.place[0]),
            "machine_id": machine,
            "seen_at": at,
        }

    def _add_left(self) -> None:
        """Write the listed machines that belong to no image here."""
        if not self._left:
            return
        with self.db.write() as tx:
            providers = self._survey.providers.copy()
            rows = [self._new_row(tx, row, None, providers) for row in self._left.values()]
            cloud_rows.add(tx, rows)

    def _record_drift(self) -> None:
        """Record the events of machines that went missing or drifted, and of scopes that failed."""
        for scope_id in self._scope_ids.values():
            with self.db.write() as tx:
                drift.record_changes(tx, scope_id)


def _why(error: BaseException) -> str:
    if isinstance(error, Problem):
        return error.detail
    return f"it was stopped: {type(error).__name__}"


def _done(applied: Applied) -> Iterator[Entry]:
    for one in applied.done:
        image = one.image or applied.image_id
        yield Entry(one.kind, one.subject, one.reason, image, one.version, one.machine)


def _passed(applied: Applied, one: Passed) -> Entry:
    return Entry(one.kind, one.subject, one.reason, applied.image_id, one.version)


def _added(applied: Applied, plan: ImagePlan) -> Counter[str]:
    counted = applied.counts
    added = Counter(
        images=counted["image", "created"],
        versions=counted["version", "created"],
        created=counted["machine", "created"],
        updated=counted["machine", "changed"],
        ended=counted["machine", "ended"],
        restored=counted["machine", "restored"],
        unchanged=plan.unchanged_machines,
        deprecations=sum(isinstance(one, Deprecate) for one in plan.actions),
    )
    for one in plan.passed:
        added[one.kind] += one.machines
    return added
