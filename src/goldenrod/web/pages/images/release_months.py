"""The releases of an image per month: a row of bars, drawn as SVG, and the same in words."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from goldenrod.base.clock import Instant
from goldenrod.web.pages.lineage.layout import MONTHS

MOST_MONTHS = 24
LEAST_MONTHS = 3
"""With fewer months there is nothing to see."""
BAR, STEP, HEIGHT = 12, 16, 40
"""The width of a bar, the distance between bars, and the height of the highest one."""


@dataclass(frozen=True)
class ReleaseMonths:
    """The bars, for a template."""

    svg: Any
    summary: str


def release_months(dates: list[Instant], now: Instant, most_dates: int) -> ReleaseMonths | None:
    """The bars of these releases (the newest first), up to the present month; None for too few months.

    If there are `most_dates`, there may be older ones: the oldest month is left out, since its count
    may be too low.
    """
    counts = Counter(_month(date) for date in dates)
    last = _month(now)
    first = max(min(counts, default=last) + (len(dates) == most_dates), last - MOST_MONTHS + 1)
    months = range(first, last + 1)
    if len(months) < LEAST_MONTHS:
        return None
    shown = {month: counts[month] for month in months}
    most = max(1, *shown.values())
    total = sum(shown.values())
    since = f"{MONTHS[first % 12]} {first // 12}"
    words = ", ".join(
        f"{MONTHS[month % 12]} {month // 12} {count}" for month, count in shown.items()
    )
    return ReleaseMonths(
        Markup(_svg(shown, most, words)),  # noqa: S704 # nosec B704 # numbers and names of months
        f"{total:,} since {since}, at most {most:,} in a month",
    )


def _month(instant: Instant) -> int:
    """The number of months since the year 0."""
    return int(instant[:4]) * 12 + int(instant[5:7]) - 1


def _svg(shown: dict[int, int], most: int, words: str) -> str:
    width, bars, empty, years = STEP * len(shown), "", "", []
    free = 0
    for at, (month, count) in enumerate(shown.items()):
        x = at * STEP
        high = max(2, round(HEIGHT * count / most)) if count else 1
        bar = f"M{x} {HEIGHT}v-{high}h{BAR}v{high}z"
        bars, empty = (bars + bar, empty) if count else (bars, empty + bar)
        # The first month is named, and each January after it.
        if x >= free and (at == 0 or month % 12 == 0):
            text = str(month // 12) if month % 12 == 0 else f"{MONTHS[month % 12]} {month // 12}"
            years.append(f'<text x="{x}" y="{HEIGHT + 14}">{text}</text>')
            free = x + 64
    return (
        f'<svg class="months" width="{width}" height="{HEIGHT + 18}" viewBox="0 0 {width} '
        f'{HEIGHT + 18}" role="img" aria-label="Releases per month: {words}">'
        f'<path class="e" d="{empty}"/><path d="{bars}"/>{"".join(years)}</svg>'
    )
