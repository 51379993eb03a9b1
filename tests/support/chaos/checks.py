"""What must hold after each kill, with writers waiting; and at the end, of everything."""

from random import Random
from typing import Any

from sqlalchemy import func, select

from goldenrod.base import config
from goldenrod.rules.visibility import denormalised, stored_counts
from goldenrod.store import schema
from goldenrod.store.db import Database, Tx
from tests.support.chaos.load import Client, Lost
from tests.support.chaos.record import Cell, Published, Record, Value
from tests.support.chaos.replay import Replay
from tests.support.chaos.scene import Scene
from tests.support.client import ApiClient
from tests.support.denormalised import counted, derived, stored

COMPARED = 6
"""So many addresses are compared after each kill, each over this many connections."""
CONNECTIONS = 3
MACHINES = 2
SYNCED = 6
NEVER_CACHED = config.load({"GOLDENROD_CACHE_MB": "0", "GOLDENROD_WEBHOOKS_PRIVATE": "true"})


class Checks:
    """Compares the catalogue with what was acknowledged. What is wrong goes to the record."""

    def __init__(self, scene: Scene, record: Record, seed: int) -> None:
        self.scene, self.record = scene, record
        self.r = Random(seed)
        self.replay = Replay()
        self.revision = 0
        self.checked = 0
        self.compared = 0
        self.seen = 0
        """How many acknowledged versions were checked."""

    def after_kill(self, what: str) -> None:
        """The checks after one kill."""
        found: list[str] = []
        with self.scene.opened() as db:
            api = ApiClient(db, NEVER_CACHED, self.scene.world)
            found += self._revision(db)
            found += self._cells(api, self.record.take_touched())
            found += self._audit(db)
            with db.read() as tx:
                found += _events(tx)
                found += _wholes(tx)
            new, self.seen = self.record.versions[self.seen :], len(self.record.versions)
            found += self._versions(api, new)
            found += self._served(api)
        for one in found:
            self.record.fail(f"after {what}: {one}")

    def at_the_end(self) -> None:
        """The checks of everything that was ever acknowledged."""
        found: list[str] = []
        with self.scene.opened() as db:
            api = ApiClient(db, NEVER_CACHED, self.scene.world)
            found += self._revision(db)
            found += self._cells(api, dict(self.record.cells))
            found += self._versions(api, self.record.versions)
            found += self._images(db)
            found += self._audit(db)
            with db.read() as tx:
                found += self.replay.compare(tx, set(self.replay.things))
            found += _derived(db)
        found += [] if (said := self.scene.integrity()) == "ok" else [f"integrity: {said}"]
        found += self.scene.errors()
        for one in found:
            self.record.fail(f"at the end: {one}")

    # ── what was acknowledged ──────────────────────────────────────────────────────────────

    def _revision(self, db: Database) -> list[str]:
        before, self.revision = self.revision, db.current_revision().revision
        return [] if self.revision >= before else [f"revision {self.revision} after {before}"]

    def _cells(self, api: ApiClient, cells: dict[Cell, Value]) -> list[str]:
        wrong = []
        answers: dict[str, Any] = {}
        for (what, key), value in cells.items():
            path = address(what, key)
            if path not in answers:
                answers[path] = api.get(path, "dora")
            found = shown(what, answers[path])
            self.checked += 1
            if not value.allows(found):
                wrong.append(f"{what} of {key} is {found!r}: {value}")
        return wrong

    def _versions(self, api: ApiClient, versions: list[Published]) -> list[str]:
        wrong = []
        for made in versions:
            answer = api.get(f"/image_versions/{made.key}", "dora")
            self.checked += 1
            if answer.status_code != 200:
                wrong.append(f"{made} was acknowledged: {answer.status_code}")
                continue
            it = answer.json
            whole = (it["name"], len(it["machines"]), len(it["licenses"]))
            if whole != (made.name, MACHINES, 1):
                wrong.append(f"{made} is not whole: {whole}")
        return wrong

    def _images(self, db: Database) -> list[str]:
        """Each image was created once, however often its creation was sent."""
        with db.read() as tx:
            found = {row["name"]: row["n"] for row in tx.rows(_images_by_name)}
        return [
            f"{made} is there {found.get(made.name, 0)} times"
            for made in self.record.images
            if found.get(made.name) != 1
        ]

    # ── what answers ───────────────────────────────────────────────────────────────────────

    def _served(self, api: ApiClient) -> list[str]:
        """Answers of the server's processes, with their caches, and of a new reader without one."""
        recent = [made.key for made in self.record.versions[-40:]]
        paths = ["/image_versions?page_size=20&ordering=-start_date", "/api/v2/images?page_size=50"]
        paths += [f"/image_versions/{key}" for key in self.r.sample(recent, min(3, len(recent)))]
        if self.record.images:
            paths.append(f"/api/v2/images/{self.record.images[-1].key}")
        wrong = []
        for path in paths[:COMPARED]:
            who = self.r.choice([None, "alice", "charlie", "dora"])
            for _ in range(CONNECTIONS):
                client = Client(self.scene, self.scene.world.secrets[who] if who else None)
                try:
                    served = client.ask("GET", path)
                except Lost:
                    continue  # a connection of the worker that was killed
                finally:
                    client.close()
                if served.status == 503:
                    # It says that it cannot answer now, which is no wrong answer.
                    with self.record.lock:
                        self.record.unavailable += 1
                    continue
                new = api.get(path, who)
                self.compared += 1
                if (served.status, served.body) != (new.status_code, new.content):
                    self.record.stale += 1
                    wrong.append(
                        f"{path} as {who} is served ({served.status}) differently than read "
                        f"({new.status_code})"
                    )
        return wrong

    # ── the whole ──────────────────────────────────────────────────────────────────────────

    def _audit(self, db: Database) -> list[str]:
        with db.read() as tx:
            touched, wrong = self.replay.go_on(tx)
            return wrong + self.replay.compare(tx, touched)


def address(what: str, key: str) -> str:
    if what == "stable":
        return f"/api/v2/images/{key}/channels/stable"
    return f"/api/v2/images/{key}" if what == "is_public" else f"/image_versions/{key}"


def shown(what: str, answer: Any) -> Any:
    """The value of a cell in an answer."""
    if answer.status_code == 404:
        return None
    it = answer.json
    match what:
        case "stable":
            return it["assigned"] and it["assigned"]["id"]
        case "ended":
            return it["end_date"] is not None
        case "revoked":
            return it["revoked"] is not None
    return it[what]


def _images_by_name() -> Any:
    it = schema.images.c
    return (
        select(it.name, func.count().label("n")).where(it.name.like("made by %")).group_by(it.name)
    )


def _unannounced() -> Any:
    v, e = schema.versions, schema.events
    told = select(e.c.version_n).where(e.c.type == "version.published")
    since = select(func.min(schema.webhooks.c.start_date)).scalar_subquery()
    return select(v.c.name).where(v.c.n.not_in(told), v.c.start_date > since)


def _undelivered() -> Any:
    e, d = schema.events, schema.deliveries
    there = select(d.c.event_sequence)
    return select(e.c.sequence).where(e.c.queued, e.c.sequence.not_in(there))


def _events(tx: Tx) -> list[str]:
    """Each version was announced in the transaction that created it, and each announcement waits or is
    delivered."""
    wrong = [f"{row['name']} has no event" for row in tx.rows(_unannounced)]
    return wrong + [f"event {row['sequence']} has no delivery" for row in tx.rows(_undelivered)]


def _sizes(column: str) -> Any:
    v, i, m = schema.versions, schema.images, schema.machines
    machines = select(func.count()).where(m.c.version_n == v.c.n).scalar_subquery()
    of_sync = i.c.name.like("image %") if column == "synced" else i.c.name.like("made by %")
    return (
        select(i.c.name, func.sum(machines).label("machines"), func.count().label("versions"))
        .select_from(v.join(i, i.c.id == v.c.image_id))
        .where(of_sync)
        .group_by(i.c.id, i.c.name)
    )


def _wholes(tx: Tx) -> list[str]:
    """Each version has all of its machines, and each image of a sync all of its versions."""
    wrong = [
        f"{row['name']} has {row['machines']} machines of {row['versions']} versions"
        for row in tx.rows(_sizes, "made")
        if row["machines"] != MACHINES * row["versions"]
    ]
    return wrong + [
        f"{row['name']} of a sync has {row['machines']} machines"
        for row in tx.rows(_sizes, "synced")
        if row["machines"] != SYNCED
    ]


def _derived(db: Database) -> list[str]:
    """What is stored twice is the same when it is computed again."""
    with db.write() as tx:
        tx.dry_run = True
        stored_counts.catch_up(tx)
        before = derived(tx)
        wrong = [] if stored(tx) == counted(tx) else [f"counts differ: {stored(tx)}, {counted(tx)}"]
        denormalised.refresh_all(tx)
        if derived(tx) != before:
            wrong.append("repeated columns differ")
    return wrong
