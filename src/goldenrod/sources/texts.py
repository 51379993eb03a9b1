"""Reads texts from outside that may be anything."""

from goldenrod.base.clock import Instant, parse_instant


def instant(written: object) -> Instant | None:
    """An instant, or None for what is none. AWS has been seen to write `13:31:456`."""
    try:
        return parse_instant(written[:64]) if isinstance(written, str) else None
    except ValueError:
        return None
