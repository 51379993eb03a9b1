"""Surveys a source: looks at its scopes, and finds out what that means. Nothing is written.

What is found is planned and shown (`run_sync.py`) before anything is written.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct, field

from goldenrod.base.clock import Instant
from goldenrod.base.printing import escaped
from goldenrod.base.text import identifier_key, name_key
from goldenrod.catalogue.sync import cloud_rows, image_state
from goldenrod.catalogue.sync.actions import Place
from goldenrod.catalogue.sync.cloud_rows import Observed, Scope
from goldenrod.catalogue.sync.reports import Entry
from goldenrod.catalogue.sync.source_actor import Providers
from goldenrod.rules.access import Actor
from goldenrod.sources.declarations import AnySource
from goldenrod.sources.found import Found, Listed, Look, Skipped, Source
from goldenrod.sources.releases import releases
from goldenrod.sources.sync import image_work, missing, read_scopes
from goldenrod.sources.sync.image_work import Ending, ImageWork
from goldenrod.sources.sync.missing import Missing
from goldenrod.sources.sync.plan import can_be_identifier
from goldenrod.store.db import Row, Tx

Progress = Callable[[int, int], None]

UNNAMED = (
    "the source does not name this part any more, which was last read at {}; if that is right, declare "
    "the other parts"
)


class ScopeRow(Struct, frozen=True):
    """A machine that a scope lists: its place, and what the cloud says about it."""

    scope: str
    place: Place
    facts: Row


class Survey(Struct):
    """What a source lists, compared with what it listed before.

    `rows` are the listed machines by the key of the image that they belong to.
    """

    looks: list[Look]
    providers: Providers
    keys: dict[str, str] = field(default_factory=dict)
    scopes: dict[str, Scope] = field(default_factory=dict)
    observed: dict[str, Observed] = field(default_factory=dict)
    gone: dict[str, list[int]] = field(default_factory=dict)
    works: list[ImageWork] = field(default_factory=list)
    rows: dict[str, list[ScopeRow]] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    skipped: int = 0

    @property
    def failed(self) -> list[Look]:
        """The looks that failed."""
        return [look for look in self.looks if look.failed is not None]

    def place(self, listed: Listed) -> Place:
        """Where a listed machine is."""
        return self.keys[listed.machine.provider], identifier_key(listed.machine.identifier)


def look(
    declaration: AnySource,
    source: Source,
    concurrency: int,
    progress: Progress | None = None,
) -> Survey:
    """Read all scopes of a source."""
    looks = read_scopes.read_all(source, concurrency, progress)
    providers = Providers(slugs=declaration.providers, public=declaration.public is True)
    survey = Survey(looks, providers)
    listed: list[Listed] = []
    for one in looks:
        for row in one.rows if one.failed is None else ():
            if isinstance(row, Listed):
                listed.append(row)
            else:
                survey.skipped += row.machines
                survey.entries.append(_skipped(row))
        if one.failed is not None:
            survey.entries.append(Entry("failed", one.scope, one.failed))
        survey.entries += [Entry("note", one.scope, note) for note in one.notes]
    found: list[Found] = []
    for release in releases(listed):
        if isinstance(release, Skipped):
            survey.skipped += release.machines
            survey.entries.append(_skipped(release))
        else:
            found.append(release)
    survey.works = image_work.by_image(found)
    # Machines that contradict one another are listed, too.
    image_work.describe(providers, [row.machine for row in listed])
    return survey


def _skipped(skipped: Skipped) -> Entry:
    more = f" ({skipped.machines:,} machines)" if skipped.machines > 1 else ""
    return Entry("skipped", skipped.where, skipped.reason + more)


def compare(
    tx: Tx, survey: Survey, source_id: int | None, fingerprint: str, looks: int
) -> list[Missing]:
    """Compare the looks with those before. Returns the live machines that are no longer listed."""
    survey.providers.read(tx)
    survey.keys = image_work.keys(survey.providers)
    survey.scopes = cloud_rows.read_scopes(tx, source_id, survey.providers.by_id())
    _note_unnamed(survey, fingerprint, tx.now)
    gone: list[Missing] = []
    for one in survey.looks:
        if one.failed is not None:
            continue
        listed: dict[Place, Row] = {}
        for row in one.rows:
            if isinstance(row, Listed) and can_be_identifier(row.machine.identifier):
                place = survey.place(row)
                listed[place] = _facts(row)
                survey.rows.setdefault(name_key(row.image), []).append(
                    ScopeRow(one.scope, place, listed[place])
                )
        before = survey.scopes.get(one.scope, Scope())
        observed = cloud_rows.observe(
            before,
            listed,
            one.read_at,
            same_declaration=before.declaration == fingerprint,
            additions_only=one.additions_only,
        )
        survey.observed[one.scope] = observed
        gone += missing.of_scope(one.scope, observed, looks, one.read_at)
    _note_links(survey)
    due = [one.row for one in gone if one.due]
    elsewhere = cloud_rows.listed_elsewhere(tx, due) if due else set()
    kept = [one for one in gone if one.due and one.row["id"] in elsewhere]
    survey.entries += [_kept(one, missing.ELSEWHERE) for one in kept]
    survey.entries += [_kept(one, one.reason) for one in gone if not one.due]
    return [one for one in gone if one.due and one not in kept]


def _note_unnamed(survey: Survey, fingerprint: str, at: Instant) -> None:
    """A scope that was read under the same declaration, and that the source names no longer, could not
    be read: that a cloud stops naming a region does not say that it is empty."""
    looked = {one.scope for one in survey.looks}
    read = {name for name, scope in survey.scopes.items() if scope.looked_at is not None}
    # A source that cannot say which scopes it has fails once, for all of them.
    named = any(one.failed is None or one.scope in read for one in survey.looks)
    whole = None if named else next((one.failed for one in survey.looks), None)
    for name, scope in survey.scopes.items():
        if name in looked or name not in read or scope.declaration != fingerprint:
            continue
        reason = whole or UNNAMED.format(scope.looked_at)
        survey.looks.append(Look(scope=name, read_at=at, failed=reason))
        if whole is None:
            survey.entries.append(Entry("failed", name, reason))


def _note_links(survey: Survey) -> None:
    """Tell each image which machines the cloud listed under its places until now."""
    linked: dict[Place, set[int]] = {}
    for scope in survey.scopes.values():
        for place, row in scope.rows.items():
            if row["machine_id"] is not None:
                linked.setdefault(place, set()).add(row["machine_id"])
    for work in survey.works:
        for release in work.releases:
            for machine in release.machines:
                place = survey.keys[machine.provider], identifier_key(machine.identifier)
                work.linked |= linked.get(place, set())


def _facts(row: Listed) -> Row:
    machine = row.machine
    size = machine.size_gb if machine.size_gb and 0 < machine.size_gb < 2**31 else None
    return {
        "cloud_provider": _line(machine.provider),
        "identifier": machine.identifier,
        "source_name": _line(row.source_name, 1024),
        "architecture": _line(machine.architecture),
        "size_gb": size,
        "checksum": _line(machine.checksum or ""),
        "visibility": machine.visibility,
        "status": machine.status,
        "cloud_owner": _line(machine.owner),
        "deprecated_at": machine.deprecated_at,
        "replacement": machine.replacement and _line(machine.replacement, 512),
        "created_at": machine.created_at,
    }


def _line(text: str, most: int = 256) -> str:
    """A text that can be stored."""
    return escaped(text.encode(errors="replace").decode())[:most]


def _kept(one: Missing, reason: str) -> Entry:
    row = one.row
    subject = f"{row['cloud_provider'] or one.scope} {row['identifier']}"
    return Entry("kept", subject, reason, row["image_id"], row["version_n"], row["machine_id"])


def ask(
    survey: Survey, source: Source, due: list[Missing], concurrency: int, *, end_anyway: bool
) -> list[Ending]:
    """Ask the clouds for machines that are missing long enough: those that are gone are to be ended.

    When so many of a scope are gone that the brake holds, no more are asked for.
    """
    endings: list[Ending] = []
    by_scope: dict[str, list[Missing]] = {}
    for one in due:
        by_scope.setdefault(one.scope, []).append(one)
    for name, waiting in by_scope.items():
        most = missing.most_at_once(survey.scopes.get(name))
        found = 0
        while waiting and (end_anyway or found <= most):
            batch, waiting = waiting[: most + 1], waiting[most + 1 :]
            answers = read_scopes.ask_all(source, map(_asked, batch), concurrency)
            for one in batch:
                answer = answers[_asked(one)]
                if answer == "gone":
                    found += 1
                    survey.gone.setdefault(name, []).append(one.row["id"])
                    reason = missing.GONE.format(one.row["missing_since"])
                    endings.append(Ending(one.row["machine_id"], reason, name))
                else:
                    survey.entries.append(_kept(one, missing.reason_to_keep(answer)))
    return endings


def _asked(one: Missing) -> read_scopes.Asked:
    return one.scope, str(one.row["cloud_provider"] or ""), str(one.row["identifier"])


def add_endings(tx: Tx, actor: Actor, survey: Survey, endings: list[Ending]) -> None:
    """Give each image the machines of it that are to be ended; images that list nothing are added."""
    if not endings:
        return
    images = image_state.images_of(tx, [one.machine for one in endings])
    works: Mapping[int | None, ImageWork] = {
        found["id"]: work
        for work in survey.works
        if (found := image_state.find_image(tx, actor, work.name))
    }
    others: dict[int, ImageWork] = {}
    for one in endings:
        image_id, name = images[one.machine]
        work = works.get(image_id) or others.setdefault(image_id, ImageWork(name, alone=True))
        work.endings.append(one)
    survey.works += others.values()


def hold(survey: Survey, held: Mapping[str, Entry]) -> None:
    """The brake holds these scopes: nothing of theirs ends."""
    for work in survey.works:
        work.endings = [one for one in work.endings if one.scope not in held]
    for name in held:
        survey.gone.pop(name, None)
    survey.entries += held.values()
