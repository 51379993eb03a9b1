"""How many versions a reader may read: exact, from the stored counts.

A reader in groups may read what is public, what the biggest of their groups may read, and what only
the other groups may read. The last is counted one by one, each version once. Where all of their
groups may read few versions, these are all counted one by one.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    exists,
    func,
    literal,
    select,
    true,
    union_all,
)

from goldenrod.rules import access
from goldenrod.rules.access import NOW, Actor, ReaderKind, open_at
from goldenrod.rules.visibility import stored_counts
from goldenrod.rules.visibility.stored_counts import closed, hidden_at, opened
from goldenrod.store import schema
from goldenrod.store.db import Tx
from goldenrod.store.sql import Key, has_row, in_list, param, unindexed

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
    between, sign = stored_counts.interval(counted.at, tx.now)
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


IsProvider = Callable[[FromClause, str], ColumnElement[bool]]
"""Whether a row is the provider that was asked for by a key of this form."""


def count_on_provider(
    tx: Tx, actor: Actor, is_it: IsProvider, form: str, **given: Any
) -> int | None:
    """How many versions the actor, who is not staff, may read that list a machine on a provider. None
    where the stored count is not right. `given`: the parameters of the rule and of `is_it`."""
    found = tx.first(_provider, actor.reader, is_it, form, **given)
    assert found is not None
    if not found["right"]:
        return None
    if found["id"] is None:
        return 0
    between, sign = stored_counts.interval(found["counted_at"], tx.now)
    more = tx.first(_on_provider, actor.reader, provider=found["id"], **given, **between)
    assert more is not None
    return int((found["n"] or 0) + sign * more["turned"] + more["rest"])


def _provider(reader: ReaderKind, is_it: IsProvider, form: str) -> Any:
    """The provider's id if the reader is shown machines there, and the stored count."""
    catalogue, provider, count = schema.catalogue, schema.providers.alias(), schema.scope_counts
    shown = and_(
        is_it(provider, form), access.readable(provider, reader), access.offers_to(provider, reader)
    )
    return select(
        catalogue.c.counted_at,
        stored_counts.kept(catalogue).label("right"),
        provider.c.id,
        count.c.n,
    ).select_from(
        catalogue.outerjoin(provider, shown).outerjoin(
            count, count.c.scope == stored_counts.on_provider(provider.c.id)
        )
    )


def _on_provider(reader: ReaderKind) -> Any:
    """The change of the provider's count, and how many other versions there only the reader's groups
    may read."""
    provider = param("provider", Key)
    rest: ColumnElement[int] = literal(0, Key)
    if reader is ReaderKind.USER:
        hidden, machine = not_public(False).subquery("hidden"), schema.machines.alias()
        placed = exists().where(
            machine.c.version_n == hidden.c.n,
            unindexed(machine.c.provider_id) == provider,
            access.current(machine),
        )
        rest = _number(select(hidden.c.n).where(placed))
    turned = stored_counts.turned_on_provider(provider).scalar_subquery()
    return select(turned.label("turned"), rest.label("rest"))
