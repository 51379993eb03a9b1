"""Every page, as it is drawn: readable to everybody, never wider than the window, never jumping.

axe-core finds what a screen reader, a keyboard or weak eyes would stumble over. What it looks at
does not depend on colours but for contrast, so in the dark contrast alone is looked at again.
"""

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from goldenrod.web.pages.routes import PAGES
from tests.browser.visits import VISITS, Site, rows
from tests.browser.windows import Windows, layout_shift

WIDTHS = (320, 390, 500, 641, 800, 901, 1280)
HEIGHT = 800
AXE = """
async (only) => {
  const rules = only ? {runOnly: {type: 'rule', values: only}} : {};
  const found = await axe.run(document, {...rules, resultTypes: ['violations'], preload: false});
  return found.violations.flatMap(
    (one) => one.nodes.map((node) => `${one.id}: ${node.target.join(' ')} ${node.html}`));
}
"""
OVERFLOW = """
() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  return [...document.querySelectorAll('body *')]
    .filter((one) => one.getBoundingClientRect().right > wide + 0.5)
    .map((one) => `${one.tagName}.${one.className} reaches to ${one.getBoundingClientRect().right}`)
    .slice(0, 5).concat([`the page is ${document.documentElement.scrollWidth} wide`]);
}
"""


def test_every_page_that_is_read_is_looked_at() -> None:
    assert VISITS.keys() == {route.path for route in PAGES if route.method == "GET"}


ALWAYS = {("/", "nobody"), ("/images/{image}", "alice"), ("/images/{image}/edit", "alice")}
"""Looked at in each run; the others in the long one."""


@pytest.mark.parametrize(
    ("address", "who"),
    [pytest.param(*row, marks=[pytest.mark.long] * (row not in ALWAYS)) for row in rows(VISITS)],
)
def test_a_page_is_fit_for_everybody(site: Site, windows: Windows, address: str, who: str) -> None:
    page = windows(who)
    page.goto(site.at(address), wait_until="load")
    assert layout_shift(page) == 0
    assert not wrong_looks(page)


def wrong_looks(page: Page) -> list[tuple[int, str]]:
    """What is too wide, and what axe finds, in the page: wide and narrow, light and dark."""
    page.evaluate(AXE_SCRIPT)
    wrong = [(width, found) for width in WIDTHS for found in _too_wide(page, width)]
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": HEIGHT})
        for scheme, only in (("light", None), ("dark", ["color-contrast"])):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            wrong += [(width, f"{scheme}: {found}") for found in page.evaluate(AXE, only)]
    return wrong


def _too_wide(page: Page, width: int) -> list[str]:
    page.set_viewport_size({"width": width, "height": HEIGHT})
    return list(page.evaluate(OVERFLOW))


def test_what_axe_looks_for_would_be_found(site: Site, windows: Windows) -> None:
    """The looks above see a field without a label, pale words, and a line that is too long."""
    page = windows()
    page.goto("/")
    page.evaluate(AXE_SCRIPT)
    page.evaluate(
        """() => {
          const main = document.querySelector('main');
          main.append(document.createElement('input'));
          const pale = main.appendChild(document.createElement('p'));
          pale.textContent = 'pale';
          pale.style.cssText = 'color: light-dark(#ccc, #444); width: 2000px';
        }"""
    )
    assert {found.split(":")[0] for found in page.evaluate(AXE, None)} == {
        "label",
        "color-contrast",
    }
    page.emulate_media(color_scheme="dark")
    assert [found.split(":")[0] for found in page.evaluate(AXE, ["color-contrast"])] == [
        "color-contrast"
    ]
    assert _too_wide(page, 390)
