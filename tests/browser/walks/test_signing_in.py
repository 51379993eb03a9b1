"""Signing in and out, as a person at a keyboard does it."""

import pytest
from playwright.sync_api import expect

from goldenrod.demo.catalogue import PASSWORD
from tests.browser.visits import Site
from tests.browser.windows import Windows, at


def test_a_wrong_password_is_told_and_the_right_one_leads_back(
    site: Site, windows: Windows
) -> None:
    page = windows()
    page.goto("/account")
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    at(page, "/sign-in?next=%2Faccount")
    page.get_by_label("Username").fill("bob")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Could not sign you in.")
    # What was typed is there still, the password is not, and it is where one goes on.
    expect(page.get_by_label("Username")).to_have_value("bob")
    expect(page.get_by_label("Password")).to_have_value("")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    at(page, "/account")
    expect(page.get_by_role("heading", level=1)).to_contain_text("bob")


@pytest.mark.long
def test_signing_out_ends_it_here_and_not_elsewhere(site: Site, windows: Windows) -> None:
    elsewhere = windows("charlie")
    page = windows()
    page.goto("/sign-in")
    page.get_by_label("Username").fill("charlie")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="charlie")).to_be_visible()
    page.goto("/account")
    page.locator(".title").get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("navigation").get_by_role("link", name="Sign in")).to_be_visible()
    page.goto("/account")
    expect(page.get_by_role("main").get_by_role("link", name="Sign in")).to_be_visible()
    elsewhere.goto("/account")
    expect(elsewhere.get_by_role("heading", level=1)).to_contain_text("charlie")
