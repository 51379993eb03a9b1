"""The same with JavaScript switched off: nothing that is needed is missing."""

import pytest
from playwright.sync_api import expect

from goldenrod.demo.catalogue import PASSWORD
from tests.browser.visits import Site
from tests.browser.windows import Windows, at, results


def test_finding_goes_by_enter(site: Site, windows: Windows) -> None:
    page = windows(javascript=False)
    page.goto("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("gpu")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=gpu**")
    assert len(results(page)) == 1
    page.get_by_label("Architecture").select_option("x86_64")
    page.get_by_role("main").get_by_role("button", name="Search").click()
    page.wait_for_url("**architecture=x86_64**")
    assert len(results(page)) == 1
    # A button that could do nothing is not there.
    page.goto(site.at("/search?q={revoked_identifier}"))
    expect(page.get_by_text("Its container runtime leaks memory")).to_be_visible()
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)


@pytest.mark.long
def test_signing_in_and_out_goes_by_forms(site: Site, windows: Windows) -> None:
    page = windows(javascript=False)
    page.goto("/sign-in")
    page.get_by_label("Username").fill("bob")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="bob")).to_be_visible()
    page.goto("/account")
    page.locator(".title").get_by_role("button", name="Sign out").click()
    at(page, "/")
    expect(page.get_by_role("navigation").get_by_role("link", name="Sign in")).to_be_visible()


def test_ids_are_checked_by_a_form(site: Site, windows: Windows) -> None:
    page = windows(javascript=False)
    page.goto("/check")
    page.get_by_role("textbox", name="Ids").fill(site.at("{identifier},{revoked_identifier} ami-0"))
    page.get_by_role("button", name="Check", exact=True).click()
    rows = page.get_by_role("table").get_by_role("rowheader")
    expect(rows).to_have_count(3)
    page.get_by_role("button", name="Needs action").click()
    expect(rows).to_have_text([site.names["revoked_identifier"]])
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert [line.split(",")[1] for line in lines] == ["state", "revoked"]


@pytest.mark.long
def test_a_version_is_promoted_by_a_form(own_site: Site, own_windows: Windows) -> None:
    page = own_windows("alice", javascript=False)
    page.goto(own_site.at("/images/{image}/versions/{version}"))
    page.get_by_role("link", name="Promote").click()
    page.get_by_role("button", name="Promote to stable").click()
    told = page.locator(".banner.done")
    expect(told).to_contain_text(own_site.at("stable now offers {version}."))
    page.get_by_role("button", name="Undo").click()
    expect(told).not_to_contain_text(own_site.at("stable now offers {version}."))
