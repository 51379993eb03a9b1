"""Every page at 200 % zoom in a window of 1280 by 800: 640 by 400 pixels, each drawn as four.

Everything is still reachable: the page scrolls down only, no text is cut off, and nothing that stays in
place covers more than a third of the window.
"""

import pytest
from playwright.sync_api import Page

from tests.browser.test_looks import OVERFLOW
from tests.browser.visits import VISITS, Site, rows
from tests.browser.windows import Windows

CUT = """
() => [...document.querySelectorAll('main *, header *')].filter((one) => {
  const looks = getComputedStyle(one);
  const hides = (overflow) => ['hidden', 'clip'].includes(overflow);
  return one.checkVisibility() && one.clientWidth > 1 && one.textContent.trim()
    && !one.closest('svg') && looks.display !== 'inline' && looks.textOverflow !== 'ellipsis'
    && (hides(looks.overflowX) && one.scrollWidth > one.clientWidth + 1
      || hides(looks.overflowY) && one.scrollHeight > one.clientHeight + 1);
}).map((one) => `${one.tagName}.${one.className} is cut: ${one.textContent.trim().slice(0, 40)}`)
"""
COVERED = """
() => {
  const staying = [...document.querySelectorAll('body *')].filter((one) => one.checkVisibility()
    && ['fixed', 'sticky'].includes(getComputedStyle(one).position)
    && one.getBoundingClientRect().width > innerWidth / 2);
  const covered = Math.max(0, ...staying.map((one) => one.getBoundingClientRect().height));
  return covered > innerHeight / 3 ? [`${covered} of ${innerHeight} pixels are covered`] : [];
}
"""
ALWAYS = {("/", "nobody"), ("/images/{image}/edit", "alice")}
"""Looked at in each run; the others in the long one, as the first of those who visit them."""


def _wrong(site: Site, windows: Windows, addresses: list[tuple[str, str]]) -> list[str]:
    pages = {who: _zoomed(windows, who) for who in dict.fromkeys(who for _, who in addresses)}
    wrong = []
    for address, who in addresses:
        page = pages[who]
        page.goto(site.at(address), wait_until="load")
        for look in (OVERFLOW, CUT, COVERED):
            wrong += [f"{address} {who}: {found}" for found in page.evaluate(look)]
    return wrong


def _zoomed(windows: Windows, who: str) -> Page:
    return windows(who, width=640, height=400, device_scale_factor=2)


def test_pages_at_double_size(site: Site, windows: Windows) -> None:
    assert not _wrong(site, windows, sorted(ALWAYS))


@pytest.mark.long
def test_every_page_at_double_size(site: Site, windows: Windows) -> None:
    first = dict(reversed([*rows(VISITS)]))
    assert not _wrong(site, windows, [*first.items()])
