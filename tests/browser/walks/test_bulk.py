"""Several versions are changed by the keyboard alone, with JavaScript and without."""

import re

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect

from tests.browser.test_looks import AXE, HEIGHT
from tests.browser.visits import Site
from tests.browser.walks.test_doing import tab_to
from tests.browser.windows import Windows, at


@pytest.mark.long
@pytest.mark.parametrize("javascript", [True, False])
def test_several_versions_are_revoked_by_the_keyboard_alone(
    own_site: Site, own_windows: Windows, javascript: bool
) -> None:
    page = own_windows("alice", javascript=javascript)
    page.goto("/images/research-workbench/bulk")
    for name in ("1.1", "1.2"):
        tab_to(page, page.get_by_label(name, exact=True))
        page.keyboard.press("Space")
    tab_to(page, page.get_by_label("Deprecate"))
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Revoke")).to_be_checked()
    tab_to(page, page.get_by_role("button", name="Continue"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Revoke 2 versions")).to_be_visible()
    nothing_wrong(page, javascript)
    tab_to(page, page.get_by_label("Reason"))
    page.keyboard.type("It leaks keys.")
    tab_to(page, page.get_by_role("button", name=re.compile("Revoke 2 versions")))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="2 versions revoked")).to_be_visible()
    at(page, "/images/research-workbench/bulk")
    nothing_wrong(page, javascript)
    page.goto("/images/research-workbench/versions/1.1")
    expect(page.get_by_text("It leaks keys.").first).to_be_visible()


def nothing_wrong(page: Page, javascript: bool) -> None:
    if not javascript:
        return  # axe is a script
    page.evaluate(AXE_SCRIPT)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": HEIGHT})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert page.evaluate(AXE, None) == []
