"""Lists of versions and their counts, compared with what the rule says as one predicate."""

import json
from typing import Any
from urllib.parse import parse_qs

from sqlalchemy import String, Table, and_, select

from goldenrod.catalogue.versions import versions
from goldenrod.rules import access, resources
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.lifecycle import machine_access
from goldenrod.rules.visibility import (
    readable_counts,
)
from goldenrod.store import paging, schema
from goldenrod.store.db import Tx
from goldenrod.store.sql import Key, param
from tests.support.denormalised import counted, stored


def _readable(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    columns = version.c.id, version.c.start_date, version.c.end_date, version.c.name_key
    return select(*columns, version.c.image_id).where(access.readable(version, reader))


def read(tx: Tx, actor: Actor) -> list[dict[str, Any]]:
    """The versions that the predicate holds for."""
    return tx.rows(_readable, actor.reader, **resources.params(tx, actor))


def in_order(rows: list[dict[str, Any]], ordering: str) -> list[str]:
    """The ids of versions as a list in this order has them."""
    column = {"name": "name_key"}.get(ordering.lstrip("-"), ordering.lstrip("-"))
    key = lambda row: (row[column] or "9999-12-31T23:59:59.999999Z", row["id"])  # noqa: E731
    return [row["id"] for row in sorted(rows, key=key, reverse=ordering[0] == "-")]


def listed(tx: Tx, actor: Actor, **arguments: str) -> tuple[list[str], set[int]]:
    """The ids of a whole list, page by page as `next` leads, and what its pages said it counts."""
    found: list[str] = []
    said: set[int] = set()
    query: str | None = ""
    given = {name: [text] for name, text in arguments.items()}
    while query is not None:
        page = versions.VERSIONS.page(tx, actor, paging.parse(versions.VERSIONS.listing, given))
        found += [json.loads(text)["id"] for text in page.results]
        said.add(page.count)
        query = page.next
        if query is not None:
            given = parse_qs(query)
    return found, said


def check(tx: Tx, actor: Actor, orders: list[str]) -> None:
    """The list and its count are what the predicate says."""
    rows = read(tx, actor)
    assert readable_counts.count_readable(tx, actor) == len(rows)
    for ordering in orders:
        found, said = listed(tx, actor, ordering=ordering, page_size="2")
        assert found == in_order(rows, ordering), ordering
        assert said == {len(rows)}
    by_number = versions.VERSIONS.page(
        tx, actor, paging.parse(versions.VERSIONS.listing, {"page_size": ["2"], "page": ["1"]})
    )
    assert [json.loads(it)["id"] for it in by_number.results] == in_order(rows, "start_date")[:2]
    found, said = listed(tx, actor, allow_imaging="true")
    assert sorted(found) == sorted(row["id"] for row in rows)
    assert said == {len(rows)}


def _values(column: str) -> Any:
    table, name = column.split(".")
    wanted = schema.metadata.tables[table].c[name]
    return select(wanted.label("value")).distinct().order_by(wanted)


def _placed(reader: ReaderKind, column: str) -> Any:
    """The versions that list a machine on a provider, or of an architecture, as the rule says."""
    version, machine, provider = (
        table.alias() for table in (schema.versions, schema.machines, schema.providers)
    )
    of = {
        "providers.id": and_(
            provider.c.id == param("value", Key), access.readable(provider, reader)
        ),
        "machines.architecture": machine.c.architecture == param("value", String),
    }
    return (
        select(version.c.id)
        .distinct()
        .where(
            access.readable(version, reader),
            machine.c.version_n == version.c.n,
            provider.c.id == machine.c.provider_id,
            of[column],
            machine_access.listed_in_version(machine, provider, reader, version),
        )
    )


BY_MACHINE = {"provider": "providers.id", "architecture": "machines.architecture"}


def check_machines(tx: Tx, actor: Actor) -> int:
    """The list of each provider and of each architecture, and its count, are what the rule says; how
    many versions they have."""
    every = 0
    given = resources.params(tx, actor)
    for name, column in BY_MACHINE.items():
        for row in tx.rows(_values, column):
            value = row["value"]
            if value == "":
                continue  # nothing is found by it
            rows = tx.rows(_placed, actor.reader, column, value=value, **given)
            wanted = {it["id"] for it in rows}
            query = versions.VERSIONS.where(**{name: value})
            assert versions.VERSIONS.count(tx, actor, **{name: value}) == len(wanted)
            if actor.reader is not ReaderKind.STAFF:
                assert resources._stored_count(tx, actor, query) == len(wanted), (name, value)
            found, said = listed(tx, actor, **{name: str(value)}, page_size="2")
            assert len(found) == len(wanted) and set(found) == wanted
            assert said == {len(wanted)}
            every += len(wanted)
    return every


def placed(*providers: int) -> str:
    """The placement of machines of the cast's architecture on these providers, as it is stored."""
    pairs = [[provider, "x86_64"] for provider in providers]
    return json.dumps(pairs, separators=(",", ":"))


def stored_on(tx: Tx, provider: int) -> int:
    """The stored number of versions on a provider."""
    return sum(n for of, n in stored(tx).items() if f"[{provider}," in str(of))


def check_stored(tx: Tx) -> None:
    """The stored counts are those of their instant."""
    assert stored(tx) == counted(tx)


def keys(table: Table) -> Any:
    return select(table.c.id).order_by(table.c.id)
