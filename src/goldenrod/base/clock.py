"""Instants: points in time, as the catalogue writes them.

An `Instant` is a string of 27 characters, `2015-10-11T10:50:50.123456Z`: UTC, always six
fractional digits, years 0001 to 9999. So instants compare as strings, and are the same in SQLite,
JSON and Python. PostgreSQL stores them as `timestamptz`
(`store/connections/drivers.py` turns them back into this form).
"""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import NewType

Instant = NewType("Instant", str)

END_OF_TIME = Instant("9999-12-31T23:59:59.999999Z")
"""What a null end_date sorts and compares as."""

_WRITTEN = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:?\d\d)",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1)


def now() -> Instant:
    """The machine's clock, to the microsecond."""
    return of_micros(micros())


def micros() -> int:
    """The machine's clock, in microseconds since 1970."""
    return time.time_ns() // 1000


def of_micros(since_1970: int) -> Instant:
    """The instant so many microseconds after 1970 began."""
    moment = _EPOCH + timedelta(microseconds=since_1970)
    return Instant(f"{moment.isoformat(timespec='microseconds')}Z")


def to_micros(instant: str) -> int:
    """How many microseconds an instant lies after 1970 began."""
    return (datetime.fromisoformat(instant[:-1]) - _EPOCH) // timedelta(microseconds=1)


def hour_of(instant: Instant) -> Instant:
    """The beginning of the hour that an instant is in."""
    return Instant(f"{instant[:13]}:00:00.000000Z")


def of(moment: datetime) -> Instant:
    """The instant of an aware datetime."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return Instant(f"{utc.isoformat(timespec='microseconds')}Z")


def parse_instant(text: str) -> Instant:
    """The instant of an ISO 8601 text, with any offset and up to nine fractional digits, cut to six.

    Raises ValueError, with a message for its author, where the zone is missing, the date does not
    exist, or it is outside the years 0001 to 9999 in UTC.
    """
    found = _WRITTEN.fullmatch(text)
    if not found:
        raise ValueError(
            "an instant looks like 2026-03-14T09:20:00Z: date, time and a zone (Z or +02:00)"
        )
    *parts, fraction, zone = found.groups()
    year, month, day, hour, minute, second = map(int, parts)
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        moment = datetime(year, month, day, hour, minute, second, micro, tzinfo=UTC)
        if zone not in "Zz":
            hours, minutes = int(zone[1:3]), int(zone[-2:])
            if hours > 23 or minutes > 59:
                raise ValueError("no such offset")
            moment -= timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
        return of(moment)
    except (ValueError, OverflowError):
        raise ValueError(
            "this date or time does not exist, or lies outside the years 0001 to 9999"
        ) from None


def to_datetime(instant: Instant) -> datetime:
    """The aware datetime of an instant, for arithmetic."""
    return datetime.fromisoformat(instant[:-1]).replace(tzinfo=UTC)


def later(instant: Instant, **span: float) -> Instant:
    """The instant plus a `timedelta(**span)`, but not after the year 9999."""
    try:
        return of(to_datetime(instant) + timedelta(**span))
    except OverflowError:
        return END_OF_TIME
