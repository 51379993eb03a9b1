"""The lifecycle in SQL against the lifecycle in plain Python: random sequences of changes, compared
at each step, for each of the cast.

After each step every reader is shown all versions, all channels and what each machine is; of what
would take long to ask whole (resolving, lineage, filters, single versions) some at random. The
sequences of the suite are the same in each run; `GOLDENROD_SEQUENCES` sets how many.
`python -m tests.rules.test_lifecycle_model 2000 [sqlite | postgresql [first seed]]` plays that many
others.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from goldenrod.base.clock import Instant
from goldenrod.base.errors import Problem
from goldenrod.base.wire import Running
from goldenrod.catalogue.channels import channels, lookup, resolve
from goldenrod.catalogue.versions import versions
from goldenrod.catalogue.versions.lineage import lineage
from goldenrod.rules.access import Actor
from goldenrod.rules.lifecycle.states import STATES
from goldenrod.rules.visibility import denormalised
from goldenrod.store import bulk, paging, schema
from goldenrod.store.db import Database, Row, Tx
from goldenrod.store.migrate import migrate
from tests.conftest import NOON
from tests.support.cast import World, build_world
from tests.support.denormalised import derived
from tests.support.lifecycle import model
from tests.support.lifecycle.random_changes import CHANNELS, STAGE, Play
from tests.support.lifecycle.records import Reader
from tests.support.lifecycle.start import PROVIDERS, READERS
from tests.support.processes.postgres import Cluster
from tests.support.visibility.loading import keep_statements

ASKED = os.environ.get("GOLDENROD_SEQUENCES")
FEW = {"sqlite": 8, "postgresql": 2}
MANY = {"sqlite": 30, "postgresql": 10}
"""Sequences in each run, and in the long one."""
STEPS = 20
SEARCHED = (schema.image_words, schema.version_words)

Shown = dict[str, Any]


@pytest.mark.long_on_postgresql
def test_every_step_is_as_the_model_says(db: Database) -> None:
    play_all(db, range(FEW[db.dialect]))


@pytest.mark.long
def test_it_is_so_in_many_sequences(db: Database) -> None:
    play_all(db, range(FEW[db.dialect], int(ASKED or MANY[db.dialect])))


def play_all(db: Database, seeds: range, told: Any = None) -> int:
    """Play one sequence for each seed; how many steps that were."""
    cast = build_world(db)
    keep_statements(db)
    with db.read() as tx:
        begin = tx.now
        tables = [
            # What is searched is not played with.
            (table, [] if table in SEARCHED else list(bulk.rows(tx, table)))
            for table in schema.metadata.sorted_tables
        ]
    for seed in seeds:
        with db.write() as tx:
            tx.now = begin
            set_back(tx, tables)
            play_one(tx, cast, seed)
        if told:
            told(seed)
    return len(seeds) * STEPS


def set_back(tx: Tx, tables: list[tuple[Any, list[Row]]]) -> None:
    """Let the catalogue hold the cast's things and nothing else."""
    tx.sql("UPDATE versions SET parent_n = NULL, replacement_n = NULL")
    for table, _ in reversed(tables):
        if table is not schema.catalogue:
            tx.sql(f"DELETE FROM {table.name}")
    for table, rows in tables:
        if rows and table is not schema.catalogue:
            bulk.load(tx, table, rows)
    denormalised.refresh_all(tx)


def play_one(tx: Tx, cast: World, seed: int) -> None:
    r = Random(seed)
    play = Play(tx, cast, r)
    try:
        play.open()
        for _ in range(STEPS):
            play.step()
            for name, reader in READERS.items():
                Look(play, play.actors[name], reader).compare()
        kept = derived(tx)
        denormalised.refresh_all(tx)
        assert derived(tx) == kept
    except Exception as error:
        story = "\n".join(play.story)
        raise AssertionError(f"seed {seed}, after:\n{story}") from error


class Look:
    """What one reader is shown now, beside what the model says."""

    def __init__(self, play: Play, actor: Actor, reader: Reader) -> None:
        self.play, self.actor, self.reader = play, actor, reader
        self.tx, self.w, self.r = play.tx, play.w, play.r
        self.seen = [key for key in self.w.versions if model.reads_version(self.w, reader, key)]

    def compare(self) -> None:
        self.versions()
        for image in STAGE:
            self.channels(image)
        self.everything_running()
        self.filters()
        self.one_version()
        for _ in range(2):
            self.resolving()
        self.lineage()

    def listed(self, **arguments: str) -> dict[str, Shown]:
        given = {name: [value] for name, value in arguments.items()} | {"page_size": ["1000"]}
        page = versions.VERSIONS.page(
            self.tx, self.actor, paging.parse(versions.VERSIONS.listing, given)
        )
        found = {it["id"]: it for it in map(json.loads, page.results)}
        assert page.count == len(page.results) == len(found)
        return found

    def versions(self) -> None:
        w, reader = self.w, self.reader
        found = {
            key: {
                "state": it["state"],
                "parent": inner(it["parent"]),
                "deprecation": told_deprecation(it["deprecation"]),
                "revoked": told_revoked(it["revoked"]),
                "stale": it["stale"],
                "excluded": it["exclude_from_latest"],
            }
            for key, it in self.listed().items()
        }
        expected = {
            key: {
                "state": model.state(w, key),
                "parent": model.seen(w, reader, w.versions[key].parent),
                "deprecation": model.deprecation(w, reader, key),
                "revoked": model.revoked(w, reader, key),
                "stale": model.stale(w, reader, key),
                "excluded": w.versions[key].excluded,
            }
            for key in self.seen
        }
        assert found == expected, reader

    def filters(self) -> None:
        w, reader, r = self.w, self.reader, self.r
        name = r.choice([*CHANNELS, "latest"])
        wanted = r.choice(STATES)
        there = (model.channel_named(w, reader, image, name) for image in w.images)
        cases: list[tuple[str, str, set[str]]] = [
            ("state", wanted, {key for key in self.seen if model.state(w, key) == wanted}),
            ("revoked", "true", {key for key in self.seen if model.in_force(w, key)}),
            ("stale", "true", {key for key in self.seen if model.stale(w, reader, key)}),
            ("channel", name, {model.target(w, reader, it) for it in there if it} - {None}),
        ]
        filter_, value, expected = r.choice(cases)
        assert set(self.listed(**{filter_: value})) == expected, (reader, filter_, value)

    def one_version(self) -> None:
        if not self.seen:
            return
        key = self.r.choice(self.seen)
        it = versions.VERSIONS.read(self.tx, self.actor, key)
        found = it["behind"], it["parent_behind"]
        w, reader = self.w, self.reader
        assert found == (model.behind(w, reader, key), model.parent_behind(w, reader, key)), key

    def channels(self, image: str) -> None:
        w, reader = self.w, self.reader
        query = paging.parse(channels.LIST, {})
        expected = model.shown_channels(w, reader, image) or None
        try:
            page = channels.list_channels(self.tx, self.actor, self.image_id(image), query)
        except Problem as problem:
            assert (problem.code, expected) == ("not_found", None)
            return
        found = {it["name"]: told_channel(it) for it in map(json.loads, page.results)}
        assert found == expected, (reader, image)

    def image_id(self, image: str) -> str:
        return str(self.play.cast.images[image])

    def resolving(self) -> None:
        w, reader, r = self.w, self.reader, self.r
        image, name = self.play.image(), r.choice([*CHANNELS, "latest"])
        provider, architecture = r.choice(PROVIDERS), r.choice([None, None, "x86_64", "arm64"])
        allowed = r.random() < 0.3
        asked = (self.tx, self.actor, self.image_id(image), name)
        try:
            found = resolve.resolve(
                *asked, provider, architecture=architecture, allow_revoked=allowed
            )
            outcome = found["machine"]["id"]
            shown = model.revoked(w, reader, found["version"]["id"])
            assert told_revoked(found["revoked"]) == shown
        except Problem as problem:
            outcome = problem.code
        expected = model.resolve(w, reader, image, name, provider, architecture, allowed)
        assert outcome == expected, (reader, image, name, provider, architecture, allowed)
        everywhere: Any
        try:
            results = resolve.resolve_everywhere(*asked)["results"]
            everywhere = {it["provider"]["slug"]: it["machine"]["id"] for it in results}
        except Problem as problem:
            everywhere = problem.code
        assert everywhere == model.resolve_everywhere(w, reader, image, name), (reader, image, name)

    def everything_running(self) -> None:
        w, reader = self.w, self.reader
        identifiers = sorted({it.identifier for it in w.machines.values()})
        asked: list[str | Running] = [*identifiers, "ami-unknown"]
        results = lookup.look_up(self.tx, self.actor, asked)["results"]
        found = {it["identifier"]: list(map(self.told_match, it["matches"])) for it in results}
        expected = {it: model.look_up(w, reader, it) for it in [*identifiers, "ami-unknown"]}
        assert found == expected, reader

    def told_match(self, it: Shown) -> Shown:
        whole = it["machine"] is not None
        assert whole == ("url" in it["image"]) == ("url" in it["version"]) == bool(it["owner"])
        return {
            "image": self.play.image_ids[it["image"]["id"]],
            "version": it["version"]["id"],
            "state": it["state"],
            "version_state": it["version"]["state"],
            "machine": it["machine"] and it["machine"]["id"],
            "reason": it["reason"],
            "replacement": inner(it["replacement"]),
            "behind": it["behind"],
            "offered": {one["channel"]: one["machine"]["id"] for one in it["offered"]},
        }

    def lineage(self) -> None:
        if not self.seen:
            return
        w, reader, r = self.w, self.reader, self.r
        root, depth = r.choice(self.seen), r.choice([None, None, 0, 1, 2])
        direction: Any = r.choice(["ancestors", "descendants", "both", "both"])
        found = lineage.get_lineage(self.tx, self.actor, root, direction, depth)
        nodes = {it["id"]: it for it in found["nodes"]}
        edges = {(it["parent"], it["child"]) for it in found["edges"]}
        assert len(nodes) == len(found["nodes"])
        assert (set(nodes), edges) == model.lineage(w, reader, root, direction, depth), reader
        assert found["nodes"][0]["id"] == root
        for key, it in nodes.items():
            assert it["state"] == model.state(w, key)
            assert it["stale"] == model.stale(w, reader, key)
            assert told_revoked(it["revoked"]) == model.revoked(w, reader, key)


def inner(it: Shown | None) -> tuple[str, bool] | None:
    """An inner version: its id, and whether more than that shows."""
    if it is None:
        return None
    assert (set(it) == {"id"}) == ("url" not in it)
    return it["id"], "url" in it


def told_deprecation(it: Shown | None) -> Shown | None:
    return it and {**it, "replacement": inner(it["replacement"])}


def told_revoked(it: Shown | None) -> Shown | None:
    if it is None:
        return None
    by = it["by"] and it["by"]["username"]
    return {**it, "by": by, "inherited_from": inner(it["inherited_from"])}


def told_channel(it: Shown) -> Shown:
    stopped = it["stopped"]
    return {
        "assigned": inner(it["assigned"]),
        "target": it["target"] and it["target"]["id"],
        "stopped": stopped and (stopped["version"]["id"], stopped["reason"]),
        "restricted": it["restricted"],
        "groups": sorted(group["name"] for group in it["groups"]),
    }


def main(sequences: int, backend: str = "sqlite", first: int = 1_000_000) -> None:
    """Play many sequences on a new catalogue and say how long it took."""
    begun = time.monotonic()

    def told(seed: int) -> None:
        if (seed - first + 1) % 100 == 0:
            print(f"{seed - first + 1} sequences, {time.monotonic() - begun:.0f} s", flush=True)

    def run(url: str) -> None:
        db = Database(url, now=lambda: Instant(NOON))
        migrate(db)
        steps = play_all(db, range(first, first + sequences), told)
        spent = time.monotonic() - begun
        print(f"{sequences} sequences, {steps} steps on {backend}: all equal, {spent:.0f} s")
        db.close()

    if backend == "sqlite":
        folder = Path(tempfile.mkdtemp())
        try:
            run(f"sqlite:///{folder}/catalogue.db")
        finally:
            shutil.rmtree(folder)
        return
    with Cluster() as cluster:
        cluster.create("long")
        run(cluster.url("long"))


if __name__ == "__main__":
    asked = sys.argv[1:] or ["200"]
    main(int(asked[0]), *asked[1:2], *map(int, asked[2:3]))
