"""Searching looks at few images and versions, however many match, and finds the same."""

import itertools
import re
from collections.abc import Iterator
from datetime import date, timedelta
from uuid import UUID

import pytest

from goldenrod.base import wire
from goldenrod.base.clock import Instant, later
from goldenrod.catalogue.channels import lookup
from goldenrod.catalogue.images import image_search, images
from goldenrod.catalogue.versions import publish, versions
from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import ANONYMOUS
from goldenrod.rules.visibility import readable_counts
from goldenrod.rules.visibility.readable_counts import MachineFilter
from goldenrod.store import bulk, paging, schema, search_index
from goldenrod.store.db import Database, Row, Tx
from tests.support.cast import World
from tests.support.plans import plan_of

SHOWN = ("anonymous", "alice", "dora")


def _fill(db: Database, world: World, number: int) -> None:
    """Images whose newest version is offered, scheduled, hidden, without a machine, or absent."""
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        for i in range(number):
            name = ("im", "image", "image of alice")[i % 3] + f" {i:02d}"
            image = wire.NewImage(name=name, is_public=i % 7 != 3)
            key = images.create_image(tx, alice, image).key
            for age in range(i % 4):
                machine = wire.NestedMachine(provider="east", identifier=f"ami-{i}-{age}")
                offered = (i + age) % 3 == 0
                body = wire.NewVersion(
                    name=str(age),
                    image=int(key),
                    change_log="zebra" if (i + age) % 5 == 0 else "okapi",
                    machines=[machine] if offered else [],
                    start_date=_start(tx, i, age),
                )
                publish.create_version(tx, alice, body)


def _start(tx: Tx, i: int, age: int) -> Instant:
    """Some are scheduled, and several have the same instant."""
    return later(tx.now, days=3 if i % 11 == 5 and age else -(i % 6) - age)


def _found(tx: Tx, world: World, who: str, **asked: str) -> list[Row]:
    actor = ANONYMOUS if who == "anonymous" else world.actor(tx, who)
    query = paging.parse(image_search.LIST, {name: [value] for name, value in asked.items()})
    return image_search.find_images(tx, actor, query, asked.get("search", "")).images


@pytest.mark.long_on_postgresql
def test_few_candidates_and_frequent_words_find_the_same(
    db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is by name, then by the newest release that is offered to the reader. Images are found
    by the versions that match, or by looking at one image after the other."""
    _fill(db, world, 20)
    with db.read() as tx:
        for who, search in itertools.product(SHOWN, ("", "im", "okapi image")):
            words = {"search": search} if search else {}
            whole = _found(tx, world, who, **words, page_size="100")
            assert len(whole) > 3
            ranks = [_rank(it, search) for it in whole]
            assert ranks == sorted(ranks), (who, search)
            with monkeypatch.context() as patched:
                patched.setattr(image_search, "CANDIDATES_PER_RESULT", 1)
                patched.setattr(image_search, "FEWEST_CANDIDATES", 1)
                patched.setattr("goldenrod.catalogue.search.FEW_MATCHES", -1)
                found: list[Row] = []
                while len(found) < len(whole):
                    page = str(1 + len(found) // 5)
                    found += _found(tx, world, who, **words, page_size="5", page=page)
                assert found == whole, (who, search)


def _rank(image: Row, search: str) -> tuple[object, ...]:
    """By name, then what is offered before the rest. (Instants of one form sort as text.)"""
    names = str(image["name"]), str(image["slug"])
    by_name = 0 if search in names else 1 if any(it.startswith(search) for it in names) else 2
    released = image["released"]
    newest = [-ord(c) for c in str(released)] if released else []
    return by_name if search else 2, released is None, newest


# ── plans ──────────────────────────────────────────────────────────────────────────────────

# (There are few images, so PostgreSQL may read the table of their words whole.)
WHOLE = re.compile(
    r"Seq Scan on (versions|machines|version_words)"
    r"|SCAN (thing|version|machine)\b|thing USING INDEX ix_versions_(public_)?start_date"
)


PER_IMAGE = 100


def _fill_tables(tx: Tx, many: int) -> None:
    """Copies of a version and its machine, a hundred in each copy of its image. All have the word
    "usual", and a hundred the word "rare"."""
    [version] = [row for row in bulk.rows(tx, schema.versions) if row["name"] == "open-1.0"]
    machines = bulk.rows(tx, schema.machines)
    machine = next(row for row in machines if row["version_n"] == version["n"])
    [image] = [row for row in bulk.rows(tx, schema.images) if row["id"] == version["image_id"]]
    numbers = range(1001, 1001 + many)
    images_of = {number: 1001 + number % (many // PER_IMAGE) for number in numbers}
    for key in sorted(set(images_of.values())):
        bulk.load(tx, schema.images, [_copy(image, key) | {"id": key, "slug": f"copy-{key}"}])
    # PostgreSQL plans the check of a foreign key once: here for a table that is full already.
    for batch in _batches(numbers):
        rows = [
            _copy(version, number) | {"n": number, "image_id": images_of[number]}
            for number in batch
        ]
        bulk.load(tx, schema.versions, rows)
    for batch in _batches(numbers):
        rows = [
            _copy(machine, number)
            | {"id": number, "version_n": number, "image_id": images_of[number]}
            for number in batch
        ]
        bulk.load(tx, schema.machines, rows)
    for number in numbers:
        words = ["usual", "rare"] if number % (many // 100) == 0 else ["usual"]
        search_index.put(tx, "version_words", number, words)


def _batches(numbers: range) -> Iterator[range]:
    return (numbers[at : at + bulk.BATCH] for at in range(0, len(numbers), bulk.BATCH))


def _copy(row: Row, number: int) -> Row:
    day = date(2020, 1, 1) + timedelta(days=number % 2000)
    changed = {"name": f"v{number}", "name_key": f"v{number}"} if "name" in row else {}
    if "identifier" in row:
        changed |= {"identifier": f"ami-{number}", "identifier_key": f"ami-{number}"}
    key = "uuid" if "uuid" in row else "id"
    began = f"{day}T00:00:00.000000Z"
    return row | changed | {key: str(UUID(int=number)), "start_date": began}


@pytest.mark.parametrize("many", [1_000, pytest.param(200_000, marks=pytest.mark.long)])
def test_versions_of_rare_words_and_machines_are_found_by_an_index(
    db: Database, world: World, many: int
) -> None:
    """With and without statistics. A rare word is looked for first, wherever it is in the search."""
    with db.write() as tx:
        _fill_tables(tx, many)
        if many < 200_000 and tx.dialect == "postgresql":
            # PostgreSQL reads small tables whole. Where an index serves, it takes that now.
            tx.sql("SET LOCAL enable_seqscan = off")
            # An earlier test may have left statistics of these tables.
            tx.sql("DELETE FROM pg_statistic WHERE starelid >= 16384")
            tx.sql("UPDATE pg_class SET relpages = 0, reltuples = -1 WHERE oid >= 16384")
        for analyzed in (False, True):
            if analyzed:
                tx.sql("ANALYZE")
            elif many == 200_000 and tx.dialect == "postgresql":
                # It takes an image for one of two hundred, so that a word may have a twentieth of all
                # versions. Within a minute after the commit it has statistics by itself.
                continue
            for search in ("rare", "usual rare", "rare usual"):
                _require_index(tx, search)
            given = {**resources.params(tx, ANONYMOUS), "identifiers": ["ami-1500"]}
            found = plan_of(tx, lookup._matches, ANONYMOUS.reader, **given)
            assert not WHOLE.search(found), found
            assert "ix_machines_identifier_key" in found
            _require_machines_of_images(tx)
            _require_order(tx, many)
            _require_little_of_machines(tx)


def _require_index(tx: Tx, search: str) -> None:
    query = versions.VERSIONS.where(search=search).planned(tx)
    assert "rare" in query.params["f_exact_0"] + query.params["f_prefix_0"]
    given = {**resources.params(tx, ANONYMOUS), **query.params, "size": 101}
    listing, seen, reader = query.listing, access.readable, ANONYMOUS.reader
    counted = plan_of(tx, resources._counted, listing, seen, reader, query.forms, None, **given)
    shape = listing, seen, summaries.version_shape, reader, query.forms, query.order
    found = plan_of(tx, resources._rows, *shape, None, False, "few", **given)
    for plan in (counted, found):
        assert not WHOLE.search(plan), (search, plan)
        assert re.search("version_words", plan), plan
    assert resources.count(tx, ANONYMOUS, query) == 100


def _require_order(tx: Tx, many: int) -> None:
    """Where many versions match a provider or an architecture, they are read in the list's order, and
    the machines of each are looked at."""
    for asked in ({"provider": "east"}, {"architecture": "x86_64"}):
        query = versions.VERSIONS.where(**asked)
        given = {**resources.params(tx, ANONYMOUS), **query.params, "size": 101}
        shape = query.listing, resources.public_or_shared, summaries.version_shape
        more = ANONYMOUS.reader, query.forms, query.order, None, False, "many"
        found = plan_of(tx, resources._rows, *shape, *more, **given)
        assert re.search(r"ix_machines_(version_n|provider_id|architecture)", found), found
        if tx.dialect == "sqlite" or many == 200_000:  # PostgreSQL would rather sort a thousand
            assert re.search(r"ix_versions_(public|start_date)\b", found), found
        assert not re.search(r"SCAN machines|Seq Scan on machines", found), found


def _require_little_of_machines(tx: Tx) -> None:
    """The counts of a provider and an architecture are stored. What opened or closed since then is
    found by instants."""
    between = {"first": later(tx.now, seconds=-10), "last": tx.now}
    for name, value in {"provider": "east", "architecture": "arm64"}.items():
        query = versions.VERSIONS.where(**{name: value})
        asked = MachineFilter(query.listing, name, query.forms[0][1], resources._is_provider)
        given = {**resources.params(tx, ANONYMOUS), **query.params, "offered": [1], **between}
        found = plan_of(tx, readable_counts._since, ANONYMOUS.reader, asked, **given)
        assert not WHOLE.search(found), found
        if tx.dialect == "sqlite":
            # Where PostgreSQL has no statistics, one index is as good as another.
            for index in ("versions_public_opens_at", "versions_public_closes_at"):
                assert f"ix_{index}" in found, found
            for index in ("machines_start_date", "machines_end_date"):
                assert f"ix_{index}" in found, found


def _require_machines_of_images(tx: Tx) -> None:
    """Whether an image is on a provider, or has an architecture, is asked of two indexes."""
    if tx.dialect != "sqlite":
        return  # PostgreSQL may rather join the few images
    for asked in ({"provider": "nimbus"}, {"architecture": "arm64"}):
        query = images.IMAGES.where(**asked)
        given = {**resources.params(tx, ANONYMOUS), **query.params}
        shape = query.listing, access.readable, ANONYMOUS.reader, query.forms, None
        found = plan_of(tx, resources._counted, *shape, **given)
        assert "uq_machines_offered" in found and "ix_machines_ending" in found, found
        assert not WHOLE.search(found), found
