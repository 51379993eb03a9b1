"""How many versions a reader may read: exact, from the stored counts.

A reader in groups may read what is public, what the biggest of their groups may read, and what only
the other groups may read. The last is counted one by one, each version once. Where all of their
groups may read few versions, these are all counted one by one.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    String,
    and_,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)

from goldenrod.rules import access
from goldenrod.rules.access import NOW, Actor, ReaderKind, open_at
from goldenrod.rules.visibility import placement_counts, stored_counts
from goldenrod.rules.visibility.intervals import closed, interval, opened
from goldenrod.rules.visibility.stored_counts import hidden_at
from goldenrod.store import schema
from goldenrod.store.db import Tx
from goldenrod.store.paging import Listing
from goldenrod.store.sql import (
    Key,
    as_json,
    has_row,
    in_list,
    json_list,
    json_object,
    json_text,
    param,
    unindexed,
)

COUNTED_ONE_BY_ONE = 10_000
"""Up to this many versions that a reader's groups may read, all are counted one by one."""

_V, _S = schema.versions, schema.shares


def scopes(actor: Actor) -> tuple[int, ...]:
    """The scopes that count what the actor may read."""
    return (
        (stored_counts.ALL,)
        if actor.reader is ReaderKind.STAFF
        else (stored_counts.PUBLIC, *actor.groups)
    )


def count_readable(tx: Tx, actor: Actor) -> int:
    """How many versions the actor may read now."""
    counted = stored_counts.read(tx, scopes(actor))
    if actor.reader is ReaderKind.STAFF:
        return counted.n[stored_counts.ALL]
    between, sign = interval(counted.at, tx.now)
    biggest = _biggest(actor, counted.n)
    seen = tx.first(
        _seen,
        actor.reader,
        biggest > 0,
        now=tx.now,
        groups=[group for group in actor.groups if group != biggest],
        biggest=biggest,
        **between,
    )
    assert seen is not None
    n: int = counted.n[stored_counts.PUBLIC] + sign * seen["public"] + seen["rest"]
    if biggest:
        n += counted.n[biggest] + sign * seen["group"]
    return n


def _biggest(actor: Actor, n: stored_counts.Counts) -> int:
    """The group whose stored count is used: one that may read most of what the reader's groups may
    read, if that is much; else 0. (Checking whether another group may read a version takes longer
    than counting it.)"""
    every = sum(n[group] for group in actor.groups)
    biggest = max(actor.groups, key=lambda group: n[group], default=0)
    return biggest if every > COUNTED_ONE_BY_ONE and 2 * n[biggest] > every else 0


def _seen(reader: ReaderKind, big: bool) -> Any:
    """The changes of the public count and of the biggest group's count, and the rest's count."""
    nothing = literal(0, Key)
    public = _number(select(_V.c.n).where(_V.c.public, opened(_V))) - _number(
        select(_V.c.n).where(_V.c.public, closed(_V))
    )
    return select(
        public.label("public"),
        (_of_biggest() if big else nothing).label("group"),
        (_number(not_public(big)) if reader is ReaderKind.USER else nothing).label("rest"),
    )


def _number(rows: Any) -> ColumnElement[int]:
    return select(func.count()).select_from(rows.subquery()).scalar_subquery()


_BIGGEST = param("biggest", Key)


def _of_biggest() -> ColumnElement[int]:
    newly_open, newly_closed = (
        _number(
            select(_S.c.n).where(~_S.c.as_editor, turned(_S), unindexed(_S.c.group_id) == _BIGGEST)
        )
        - _number(select(_V.c.n).where(_V.c.public, turned(_V), has_row(_of(_V, share))))
        for turned, share in ((opened, _S.alias()), (closed, _S.alias()))
    )
    return newly_open - newly_closed


def _of(version: FromClause, share: FromClause) -> Select[Any]:
    """The biggest group's share of a version."""
    return select(share.c.n).where(share.c.group_id == _BIGGEST, share.c.n == version.c.n)


def not_public(big: bool) -> Select[Any]:
    """The versions that the reader's groups other than the biggest may read, and neither everybody
    nor the biggest may; each once."""
    one, version, share, theirs = _S.alias(), _V.alias(), _S.alias(), _S.alias()
    ours = in_list(one.c.group_id, "groups")
    scheduled = select(share.c.n).where(
        share.c.n == version.c.n, in_list(share.c.group_id, "groups")
    )
    seen = union_all(
        select(one.c.n).where(ours, ~one.c.public, one.c.as_editor),
        select(one.c.n).where(ours, ~one.c.public, ~one.c.as_editor, open_at(one, NOW)),
        # Public versions that have ended, which editors may read,
        select(one.c.n).where(
            ours, one.c.public, one.c.closes_at <= NOW, one.c.closes_at < schema.END_OF_TIME
        ),
        # and those that have not begun, of which there are few anywhere.
        select(version.c.n).where(
            version.c.public,
            version.c.opens_at > NOW,
            version.c.opens_at <= schema.END_OF_TIME,
            has_row(scheduled),
        ),
    ).subquery("readable")
    counted = ~has_row(_of(seen, theirs).where(hidden_at(theirs, NOW))) if big else true()
    # SQLite groups rows in less time than a UNION takes.
    return select(seen.c.n).where(counted).group_by(seen.c.n)


MOST_PLACEMENTS = 2_000
"""The most placements that are read. Where there are more, versions are counted one by one."""


class MachineFilter(NamedTuple):
    """A list's filter by the machines of versions: by provider or by architecture."""

    listing: Listing
    name: str
    form: str
    is_provider: Callable[[FromClause, str], ColumnElement[bool]]
    """Whether a row is the provider that was asked for by a key of this form."""

    @property
    def by_architecture(self) -> bool:
        """The filter is by architecture, on any provider."""
        return self.name == "architecture"

    def on(self, provider: FromClause) -> ColumnElement[bool]:
        """Machines on this provider are asked for."""
        return true() if self.by_architecture else self.is_provider(provider, self.form)

    def asks(self, machine: FromClause) -> ColumnElement[bool]:
        """The machine is asked for and on one of the providers of the parameter `offered`."""
        offered = in_list(unindexed(machine.c.provider_id), "offered")
        wanted = machine.c.architecture == param(f"f_{self.name}", String)
        return and_(offered, unindexed(wanted)) if self.by_architecture else offered

    def matches(self, pair: tuple[int, str], offered: list[int], given: dict[str, Any]) -> bool:
        """The same of a provider and an architecture of a placement."""
        provider, architecture = pair
        wanted = not self.by_architecture or architecture == given[f"f_{self.name}"]
        return wanted and provider in offered

    def is_shown(self, version: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
        """The reader, who may read the version, is shown such a machine of it."""
        checked = self.listing.filters[self.name].checked
        assert checked is not None
        return checked(version, reader, self.form)


def count_by_machine(tx: Tx, actor: Actor, asked: MachineFilter, **given: Any) -> int | None:
    """How many versions that the actor, who is not staff, may read match a filter by machines. None
    where the stored counts are not right, or too many. `given`: the parameters of the rule and of the
    filter."""
    found = tx.first(_stored, actor.reader, asked, **given)
    assert found is not None
    placements, offered = json.loads(found["placements"]), json.loads(found["offered"])
    known = all(row["placement"] is not None or row["n"] == 0 for row in placements)
    if not (found["right"] and known and len(placements) <= MOST_PLACEMENTS):
        return None
    n = sum(
        row["n"]
        for row in placements
        if any(asked.matches(pair, offered, given) for pair in row["placement"] or ())
    )
    between, sign = interval(found["counted_at"], tx.now)
    more = tx.first(_since, actor.reader, asked, offered=offered, **given, **between)
    assert more is not None
    return int(n + sign * more["turned"] + more["rest"] + more["edited"])


def _stored(reader: ReaderKind, asked: MachineFilter) -> Any:
    """The stored counts by placement, and the providers asked for that are open to the reader."""
    catalogue, provider, counts = (
        schema.catalogue,
        schema.providers.alias(),
        schema.placement_counts,
    )
    offered = select(provider.c.id).where(
        asked.on(provider),
        access.readable(provider, reader),
        access.offers_to(provider, reader),
    )
    row = json_object({"n": counts.c.n, "placement": as_json(counts.c.placement)})
    placements = select(row).limit(MOST_PLACEMENTS + 1)
    return select(
        catalogue.c.counted_at,
        stored_counts.kept(catalogue).label("right"),
        json_text(json_list(offered)).label("offered"),
        json_text(json_list(placements)).label("placements"),
    )


def _since(reader: ReaderKind, asked: MachineFilter) -> Any:
    """The change of the count of what everybody may read; how many other versions match that only the
    reader's groups may read; and how many that everybody may read match for their editors only."""
    rest: ColumnElement[int] = literal(0, Key)
    edited = rest
    if reader is ReaderKind.USER:
        hidden, version = not_public(False).subquery("hidden"), _V.alias()
        shown = _on_offered(hidden, asked)
        if asked.by_architecture:
            edited = _number(_edited(reader, asked))
            # Most have one on an open provider, which is found in less time.
            there = select(version.c.n).where(
                version.c.n == hidden.c.n, asked.is_shown(version, reader)
            )
            shown = or_(shown, has_row(there.correlate(hidden)))
        rest = _number(select(hidden.c.n).where(shown))
    turned = placement_counts.turn(asked.asks)
    return select(turned.label("turned"), rest.label("rest"), edited.label("edited"))


def _edited(reader: ReaderKind, asked: MachineFilter) -> Select[Any]:
    """The versions that everybody may read of which the reader, as an editor, is shown machines on
    closed providers, and no others that are asked for."""
    share, version = _S.alias(), _V.alias()
    return (
        select(version.c.n)
        .distinct()
        .select_from(share.join(version, version.c.n == share.c.n))
        .where(
            in_list(share.c.group_id, "groups"),
            share.c.as_editor,
            version.c.public,
            open_at(version, NOW),
            asked.is_shown(version, reader),
            ~_on_offered(version, asked),
        )
    )


def _on_offered(version: FromClause, asked: MachineFilter) -> ColumnElement[bool]:
    """The version has a machine that is asked for on a provider that is open to the reader."""
    machine = schema.machines.alias()
    return exists().where(
        machine.c.version_n == version.c.n, asked.asks(machine), access.current(machine)
    )
