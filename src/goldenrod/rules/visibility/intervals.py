"""What opened and closed between two instants, by ranges of indexes."""

from sqlalchemy import ColumnElement, FromClause, and_

from goldenrod.base.clock import Instant
from goldenrod.rules.access import Predicate
from goldenrod.store.sql import Moment, param

FIRST, LAST = param("first", Moment), param("last", Moment)
"""The two instants between which versions and machines open and close."""


def interval(at: Instant, now: Instant) -> tuple[dict[str, Instant], int]:
    """The two instants to look between for counts of `at`, and 1; -1 where the clock was set back."""
    if at <= now:
        return {"first": at, "last": now}, 1
    return {"first": now, "last": at}, -1


def opened(thing: FromClause) -> Predicate:
    """It opened after the first, up to the last, and is open at the last."""
    return and_(within(thing.c.opens_at), thing.c.closes_at > LAST)


def closed(thing: FromClause) -> Predicate:
    """It was open at the first, and closed after it, up to the last."""
    return and_(within(thing.c.closes_at), thing.c.opens_at <= FIRST)


def within(date: ColumnElement[Instant]) -> Predicate:
    """The date is after the first, up to the last."""
    return and_(date > FIRST, date <= LAST)
