"""Finding, as people do it: with keys alone, by words, by an id that they found running."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.visits import Site
from tests.browser.windows import Windows, at, results

FIELD = "Search images, versions and ids"


def test_home_answers_while_one_types(site: Site, windows: Windows) -> None:
    page = windows()
    page.goto("/")
    field = page.get_by_role("searchbox")
    expect(field).to_be_focused()
    all_of_them = results(page)
    assert len(all_of_them) > 3
    page.keyboard.type("gpu")
    expect(page.locator("a[data-result]")).to_have_count(1)
    expect(page.locator("#res-status")).to_have_text("1 found")
    page.keyboard.press("ArrowDown")
    expect(page.locator("a[data-result]").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("a[data-result]").first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(field).to_be_focused()
    # Escape leads back to what the page came with.
    page.keyboard.press("Escape")
    expect(field).to_be_focused()
    expect(page.locator("a[data-result]")).to_have_count(len(all_of_them))
    assert results(page) == all_of_them


@pytest.mark.long
def test_enter_in_the_field_shows_all_that_was_found(site: Site, windows: Windows) -> None:
    page = windows()
    page.goto("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("gpu")
    page.keyboard.press("Enter")
    at(page, "/search?q=gpu")
    expect(page.get_by_role("link", name="All versions matching “gpu”")).to_be_visible()
    page.go_back()
    at(page, "/")


@pytest.mark.long
def test_words_that_nothing_fits_are_told(site: Site, windows: Windows) -> None:
    page = windows()
    page.goto("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("zebra")
    expect(page.locator("a[data-result]")).to_have_count(0)
    expect(page.locator("#res")).to_contain_text("No images match “zebra”.")


@pytest.mark.long
def test_a_filter_is_applied_when_it_is_chosen(site: Site, windows: Windows) -> None:
    page = windows()
    page.goto("/")
    page.get_by_label("Architecture").select_option("arm64")
    at(page, "/search?architecture=arm64")
    assert len(results(page)) == 2
    expect(page.get_by_label("Architecture")).to_have_value("arm64")


@pytest.mark.long
def test_slash_leads_to_the_field_from_any_page(site: Site, windows: Windows) -> None:
    page = windows()
    page.goto("/sign-in")
    page.get_by_role("heading", name="Sign in").click()
    page.keyboard.press("/")
    field = page.get_by_role("searchbox", name=FIELD)
    expect(field).to_be_focused()
    expect(field).to_have_value("")
    page.keyboard.type("gpu")
    found = page.locator("#pop a[data-result]")
    expect(found).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#pop")).to_be_hidden()
    # Browsers empty a search field at Escape.
    page.keyboard.type("gpu")
    expect(found).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(found).to_be_focused()
    # Whoever goes elsewhere is no longer in the way of what was found.
    page.get_by_label("Username").focus()
    expect(page.locator("#pop")).to_be_hidden()
    # Where one types, a slash is a slash.
    page.keyboard.type("a/b")
    expect(page.get_by_label("Username")).to_have_value("a/b")


@pytest.mark.long
def test_an_id_that_is_pasted_leads_to_its_version(site: Site, windows: Windows) -> None:
    page = windows(permissions=["clipboard-read", "clipboard-write"])
    page.goto("/")
    page.evaluate("text => navigator.clipboard.writeText(text)", site.at("  {identifier} "))
    page.keyboard.press("Control+V")
    known = page.get_by_role("region", name=site.at("What {identifier} is"))
    expect(known).to_contain_text(site.at("{version}"))
    expect(known).to_contain_text("the newest")
    page.keyboard.press("ArrowDown")
    expect(known.locator("a[data-result]").first).to_be_focused()
    page.keyboard.press("Enter")
    at(page, site.at("/images/{image}/versions/{version}"))


@pytest.mark.long
def test_an_id_of_something_withdrawn_says_so_and_what_to_use(site: Site, windows: Windows) -> None:
    page = windows()
    page.goto(site.at("/search?q={revoked_identifier}"))
    known = page.get_by_role("region", name=site.at("What {revoked_identifier} is"))
    expect(known).to_contain_text("revoked")
    expect(known).to_contain_text("Its container runtime leaks memory under load.")
    offered = known.locator("li", has_text="latest")
    offered.get_by_role("button", name="Copy").click()
    expect(offered.get_by_role("button")).to_have_text("Copied")


def test_find_open_copy_the_id(site: Site, windows: Windows) -> None:
    page = windows(permissions=["clipboard-read", "clipboard-write"])
    page.goto("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("6.1-x86_64 hvm")
    page.locator(site.at('a[data-result][href="/images/{image}"]')).click()
    at(page, site.at("/images/{image}"))
    box = page.get_by_role("region", name="Use it")
    box.get_by_label("Provider").select_option("us-east-1")
    page.wait_for_url("**provider=us-east-1**")
    shown = box.locator("#use-id")
    expect(shown).to_have_text(re.compile(r"^ami-[0-9a-f]+$"))
    # The choice is the address: whoever is sent it sees the same.
    other = windows()
    other.goto(page.url)
    expect(other.locator("#use-id")).to_have_text(shown.inner_text())
    box.locator(".id").get_by_role("button", name="Copy").click()
    expect(box.locator(".id").get_by_role("button")).to_have_text("Copied")
    assert page.evaluate("() => navigator.clipboard.readText()") == shown.inner_text()
