"""Themes, keys, forced colours, paper and zoom, in the browser."""

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.visits import Site
from tests.browser.windows import Windows

PAPER = "() => getComputedStyle(document.documentElement).backgroundColor"
SHAPES = """
() => Object.fromEntries([...document.querySelectorAll('.lin-key .state, .vt .state')].map((one) => {
  const looks = getComputedStyle(one, '::before');
  return [one.textContent.trim(), [looks.clipPath, looks.borderTopStyle, looks.backgroundColor,
    looks.backgroundImage].join(' ')];
}))
"""
CUT = """
() => [...document.querySelectorAll('main *')].filter((one) => {
  const looks = getComputedStyle(one);
  return one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 1
    && ['hidden', 'auto', 'scroll'].includes(looks.overflowX) && looks.display !== 'inline';
}).map((one) => `${one.tagName}.${one.className} ${one.textContent.trim().slice(0, 40)}`)
"""
CONTROLS = """
() => [...document.querySelectorAll('button, .btn, nav, .menu, select')]
  .filter((one) => one.checkVisibility()).map((one) => one.outerHTML.slice(0, 80))
"""


def test_a_theme_holds_on_every_page_without_javascript(site: Site, windows: Windows) -> None:
    page = windows(javascript=False)
    page.goto(site.at("/images/{image}"))
    light = page.evaluate(PAPER)
    page.get_by_role("button", name="Dark").click()
    assert page.url.endswith(site.at("/images/{image}"))
    dark = page.evaluate(PAPER)
    assert dark != light
    page.goto("/")
    assert page.evaluate(PAPER) == dark
    page.emulate_media(media="print")
    assert page.evaluate(PAPER) == light
    page.emulate_media(media="screen", color_scheme="dark")
    page.get_by_role("button", name="Light").click()
    assert page.evaluate(PAPER) == light
    page.get_by_role("button", name="Auto").click()
    assert page.evaluate(PAPER) == dark


def test_the_keys_open_over_a_page_and_escape_closes_menus(site: Site, windows: Windows) -> None:
    page = windows("alice")
    page.goto(site.at("/images/{image}"))
    menu = page.locator("summary", has_text="Manage")
    menu.click()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="New version…")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="New version…")).to_be_hidden()
    expect(menu).to_be_focused()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_contain_text("Move to the search field")
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    expect(menu).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("?")
    expect(page.locator("#q")).to_have_value("?")
    expect(keys).to_be_hidden()


def test_forced_colours_keep_states_apart_and_show_the_focus(site: Site, windows: Windows) -> None:
    page = windows(forced_colors="active")
    page.goto(site.at("/images/{older}"))
    shapes = page.evaluate(SHAPES)
    assert len(shapes) >= 2
    assert len(set(shapes.values())) == len(shapes)
    for _ in range(12):
        page.keyboard.press("Tab")
        outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
        inside_picture = page.evaluate("() => !!document.activeElement.closest('svg')")
        assert inside_picture or outline != "none"
    paper, ink = page.evaluate(
        """() => {
          const node = document.querySelector('.lin .n');
          const probe = document.body.appendChild(document.createElement('p'));
          probe.style.color = 'Canvas';
          return [getComputedStyle(probe).color, getComputedStyle(node).fill];
        }"""
    )
    assert paper != ink


@pytest.mark.parametrize("address", ["/images/{image}", "/images/{older}/versions/{revoked}"])
def test_on_paper_there_are_no_controls_and_nothing_is_cut(
    site: Site, windows: Windows, address: str
) -> None:
    page = windows("alice", width=720)
    page.goto(site.at(address))
    page.emulate_media(media="print")
    assert page.evaluate(CONTROLS) == []
    assert page.evaluate(CUT) == []
    assert _width(page) <= 720


def test_the_first_page_is_small(site: Site) -> None:
    """Home and an image's page, with their style sheets, before compression."""
    for address in ("/", "/images/{image}", "/images/{twin}", "/images/{older}"):
        page = httpx.get(site.url + site.at(address), timeout=60).text
        styles = {*re.findall(r'"(/static/[^"]+[.]css)"', page)}
        sizes = [len(httpx.get(site.url + style).content) for style in styles]
        assert len(styles) == 1
        assert len(page.encode()) + sum(sizes) < 60_000, address


def _width(page: Page) -> int:
    return int(page.evaluate("() => document.documentElement.scrollWidth"))
