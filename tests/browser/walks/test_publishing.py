"""Publishing, with machines and licenses, by keyboard alone and without JavaScript."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visits import Site
from tests.browser.walks.test_doing import done, tab_to
from tests.browser.windows import Windows, at

NEW = "/images/research-workbench/versions/new"
HERE = "/images/research-workbench/versions"


def follow_by_keyboard(page: Page, wanted: object) -> None:
    tab_to(page, wanted)
    page.keyboard.press("Enter")


@pytest.mark.long
def test_the_keyboard_alone_publishes(own_site: Site, own_windows: Windows) -> None:
    page = own_windows("alice")
    page.goto(f"{HERE}/1.2")
    tab_to(page, page.get_by_role("main").get_by_text("Manage"))
    page.keyboard.press("Enter")
    follow_by_keyboard(page, page.get_by_role("link", name="New version from this"))
    page.wait_for_url("**/versions/new?parent=1.2")
    name = page.get_by_label("Name", exact=True)
    expect(name).to_be_focused()
    expect(name).to_have_attribute("placeholder", "1.3")
    expect(page.get_by_role("combobox", name="Parent")).to_have_value("1.2")
    page.keyboard.type("1.3")
    tab_to(page, page.get_by_role("textbox", name="Change log"))
    page.keyboard.type("Published without a mouse.")
    tab_to(page, page.get_by_role("textbox", name="Image ID").first)
    page.keyboard.type("ami-by-keyboard")
    more = page.get_by_text("Licenses, boot scripts, requirements and more")
    expect(page.get_by_label("Minimum CPUs")).to_be_hidden()
    follow_by_keyboard(page, more)
    tab_to(page, page.get_by_role("checkbox", name="Apache License 2.0"))
    page.keyboard.press("Space")
    tab_to(page, page.get_by_label("Minimum CPUs"))
    page.keyboard.type("2")
    follow_by_keyboard(page, page.get_by_role("button", name="Publish"))
    at(page, f"{HERE}/1.3")
    expect(done(page).get_by_text("Published without a mouse.").first).to_be_visible()
    expect(page.get_by_text("ami-by-keyboard").first).to_be_visible()
    # Its machine is edited in its row.
    page.goto(f"{HERE}/1.3/machines")
    follow_by_keyboard(page, page.get_by_role("link", name="Edit ami-by-keyboard"))
    expect(page.get_by_label("Image ID")).to_be_visible()
    size = page.get_by_label("Size in GB")
    tab_to(page, size)
    page.keyboard.type("12")
    follow_by_keyboard(page, page.get_by_role("button", name="Save"))
    expect(done(page).get_by_text("12 GB")).to_be_visible()


@pytest.mark.long
def test_publishing_needs_no_javascript(own_site: Site, own_windows: Windows) -> None:
    page = own_windows("alice", javascript=False)
    page.goto("/licenses/new")
    page.get_by_label("Title").fill("Terms of the lab")
    page.get_by_label("Type").select_option("Full Text")
    page.get_by_label("Text", exact=True).fill("Be kind.\nCite us.")
    page.get_by_role("button", name="Create license").click()
    expect(done(page).get_by_text("Cite us.")).to_be_visible()
    page.goto(NEW)
    page.get_by_label("Name", exact=True).fill("1.3")
    # Words find a license; the form keeps what was typed, and stays unfolded.
    page.get_by_text("Licenses, boot scripts, requirements and more").click()
    page.get_by_label("Licenses: others, by title or ID").fill("kind")
    page.get_by_role("button", name="Find licenses").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("1.3")
    page.get_by_role("checkbox", name="Terms of the lab").check()
    page.get_by_label("Minimum CPUs").fill("many")
    page.get_by_role("button", name="Publish").click()
    page.get_by_role("link", name="Minimum CPUs").click()
    expect(page.get_by_label("Minimum CPUs")).to_be_in_viewport()
    page.get_by_label("Minimum CPUs").fill("2")
    page.get_by_role("button", name="Publish").click()
    at(page, f"{HERE}/1.3")
    page.get_by_text("Terms of the lab").click()
    expect(done(page).get_by_text("Cite us.")).to_be_visible()
    page.goto(f"{HERE}/1.1/machines")
    page.get_by_role("link", name="Edit").first.click()
    page.get_by_label("Size in GB").fill("12")
    page.get_by_role("button", name="Save").click()
    expect(done(page).get_by_text("12 GB").first).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(done(page).get_by_text("12 GB")).to_have_count(0)
