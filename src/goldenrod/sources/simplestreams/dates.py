"""Dates as simplestreams writes them, in the form of mail: `Wed, 09 May 2018 21:17:15 +0000`."""

from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

from goldenrod.base import clock
from goldenrod.base.clock import Instant
from goldenrod.sources.texts import instant


@lru_cache(maxsize=1024)
def mail_date(text: str | None) -> Instant | None:
    """The instant of a date; None where it cannot be read. One without a zone is in UTC."""
    if not text or len(text) > 64:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return clock.of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, TypeError, OverflowError, IndexError):
        return instant(text)
