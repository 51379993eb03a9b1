"""The releases of an image per month, as bars and in words."""

import re

from goldenrod.base.clock import Instant
from goldenrod.store.db import Database
from goldenrod.web.pages.images.release_months import HEIGHT, MOST_MONTHS, release_months
from tests.conftest import Clock
from tests.images.test_image_page import OPEN, publish
from tests.support.cast import World
from tests.support.pages.visitor import Visitor

NOW = Instant("2026-03-14T09:20:00.000000Z")
DATES = [
    Instant(f"{day}T00:00:00.000000Z")
    for day in ("2026-03-14", "2026-03-01", "2026-01-31", "2025-12-31")
]


def test_each_month_has_a_bar_and_is_told_in_words() -> None:
    found = release_months(DATES, NOW, 1000)
    assert found
    assert found.summary == "4 since Dec 2025, at most 2 in a month"
    assert 'aria-label="Releases per month: Dec 2025 1, Jan 2026 1, Feb 2026 0, Mar 2026 2"' in (
        found.svg
    )
    heights = [int(high) for high in re.findall(r"v-(\d+)h", found.svg)]
    assert sorted(heights) == [1, HEIGHT // 2, HEIGHT // 2, HEIGHT]
    assert re.findall(r">([^<>]+)</text>", found.svg) == ["Dec 2025"]


def test_only_what_can_be_counted_is_shown() -> None:
    assert release_months(DATES[:2], NOW, 1000) is None
    assert release_months([], NOW, 1000) is None
    old = [*DATES, Instant("2019-01-01T00:00:00.000000Z")]
    found = release_months(old, NOW, 1000)
    assert found and found.svg.count("v-") == MOST_MONTHS
    assert re.findall(r">([^<>]+)</text>", found.svg) == ["Apr 2024", "2025", "2026"]
    # There may be older ones than those that were read: the oldest month is not counted.
    cut = release_months(DATES, NOW, len(DATES))
    assert cut and cut.summary == "3 since Jan 2026, at most 2 in a month"


def test_an_images_page_shows_the_releases_that_its_reader_may_read(
    db: Database, world: World, visitor: Visitor, clock: Clock
) -> None:
    assert "Releases per month" not in visitor.get(OPEN).text
    with db.write() as tx:
        for number, days in enumerate((100, 70, 10, -5)):
            publish(tx, world, f"m{number}", days, "east/x86_64")
    page = visitor.get(OPEN)
    counts = re.findall(
        r" (\d+)(?:,|$)", re.findall('aria-label="Releases per month: ([^"]+)', page.text)[0]
    )
    # The one to come is not a release yet, not even for its editor.
    assert sum(map(int, counts)) == int(re.findall(r"(\d+) versions since", page.words)[0])
