"""The start of random sequences of the lifecycle: the cast's things (`support/cast.py`) in the
model, and the readers."""

from goldenrod.base.clock import later
from goldenrod.store.db import Tx
from tests.support.cast import World
from tests.support.lifecycle.records import Image, Machine, Provider, Reader, Version
from tests.support.lifecycle.records import World as Model

LAB = frozenset({"lab"})
READERS: dict[str | None, Reader] = {
    None: Reader(),
    "bob": Reader("bob", frozenset({"bob", "lab"}), frozenset({"west"})),
    "charlie": Reader("charlie", frozenset({"charlie"})),
    "alice": Reader("alice", frozenset({"alice", "lab"}), frozenset({"east", "west"})),
    "dora": Reader("dora", frozenset({"dora"}), staff=True),
}
PROVIDERS = ("east", "west")


def machines_of(tx: Tx, key: str) -> list[Machine]:
    """The machines of a version as they are stored."""
    mark = ":key" if tx.dialect == "sqlite" else "%(key)s"
    rows = tx.sql(
        "SELECT m.id, p.name, m.identifier, m.architecture, m.start_date, m.end_date"
        " FROM machines m JOIN versions v ON v.n = m.version_n"
        f" JOIN providers p ON p.id = m.provider_id WHERE v.id = {mark}",
        {"key": key},
    ).fetchall()
    return [Machine(row[0], key, *row[1:]) for row in rows]


def opening(tx: Tx, cast: World) -> Model:
    """The cast's things in the model; see `support/cast.py`."""
    now = tx.now
    w = Model(now)
    w.providers = {name: Provider(name, name == "east", now) for name in PROVIDERS}
    for name in cast.images:
        w.images[name] = Image(
            name,
            owner="alice",
            public=name in ("open", "ended", "scheduled"),
            maintainers=LAB if name == "kept" else frozenset(),
            start=later(now, days=1 if name == "scheduled" else -30),
            end=later(now, days=-1) if name == "ended" else None,
        )
        key = cast.versions[name]
        membership = LAB if name == "shared" else frozenset[str]()
        w.versions[key] = Version(key, name, "alice", None, membership, later(now, days=-20))
        for it in machines_of(tx, key):
            w.machines[it.id] = it
    return w
