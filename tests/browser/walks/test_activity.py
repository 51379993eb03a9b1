"""Staff find who did what: by keyboard alone, and without JavaScript. Names are completed."""

import pytest
from playwright.sync_api import expect

from tests.browser.visits import Site
from tests.browser.windows import Windows

KINDS = [pytest.param(True, marks=pytest.mark.long), False]


@pytest.mark.parametrize("javascript", KINDS, ids=["keyboard", "no-javascript"])
def test_activity_is_filtered_by_keyboard(site: Site, windows: Windows, javascript: bool) -> None:
    page = windows("dora", javascript=javascript)
    page.goto("/staff")
    page.get_by_role("navigation", name="Staff").get_by_role("link", name="Activity").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/staff/activity")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "f-result":
            break
    expect(page.get_by_label("Show")).to_be_focused()
    page.keyboard.press("c")
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_label("By user")).to_be_focused()
    page.keyboard.type("ali")
    if javascript:
        options = page.locator("datalist#f-user-names option")
        expect(options).to_have_attribute("value", "alice")
    page.keyboard.type("ce")
    page.keyboard.press("Enter")
    page.wait_for_url("**result=changes**user=alice**")
    entries = page.get_by_role("list", name="Activity, newest first").get_by_role("listitem")
    assert entries.count() > 0
    for entry in entries.all():
        assert (entry.text_content() or "").strip().startswith("alice")
    with page.expect_download() as file:
        page.get_by_role("link", name="Download CSV").focus()
        page.keyboard.press("Enter")
    assert file.value.suggested_filename == "activity.csv"


def test_several_names_are_completed_one_by_one(site: Site, windows: Windows) -> None:
    page = windows("dora")
    page.goto("/staff/groups")
    page.get_by_label("Members").focus()
    page.keyboard.type("alice, bo")
    options = page.locator("datalist#f-users-names option")
    expect(options).to_have_attribute("value", "alice, bob")
