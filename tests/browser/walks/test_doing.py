"""What editors do in a browser: edit while another user edits, assign, revoke, create a token."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_looks import wrong_looks
from tests.browser.visits import Site
from tests.browser.windows import Windows, at


def done(page: Page) -> Page:
    """Wait until a page tells that something was done."""
    expect(page.locator(".banner.done")).to_be_visible()
    return page


@pytest.mark.long
def test_two_edit_at_once_and_neither_loses_a_word(own_site: Site, own_windows: Windows) -> None:
    address = own_site.at("/images/{image}/versions/{version}/edit")
    hers, his = own_windows("alice"), own_windows("dora")
    hers.goto(address)
    his.goto(address)
    hers.get_by_role("textbox", name="Change log").fill("Hers: a newer kernel.")
    his.get_by_role("textbox", name="Change log").fill("His: the disk is larger.")
    his.get_by_label("DOI").fill("10.1000/182")
    hers.get_by_role("button", name="Save").click()
    expect(done(hers).get_by_text("Hers: a newer kernel.").first).to_be_visible()
    # Whoever comes second sees both texts; nothing of theirs is saved, and nothing is lost.
    his.get_by_role("button", name="Save", exact=True).click()
    meeting = his.get_by_role("alert")
    expect(meeting).to_contain_text("alice saved first")
    expect(meeting).to_contain_text("Hers: a newer kernel.")
    expect(meeting).to_contain_text("His: the disk is larger.")
    expect(his.get_by_role("textbox", name="Change log")).to_have_value("His: the disk is larger.")
    expect(his.get_by_label("DOI")).to_have_value("10.1000/182")
    his.get_by_role("textbox", name="Change log").fill(
        "Hers: a newer kernel. His: the disk is larger."
    )
    his.get_by_role("button", name="Save", exact=True).click()
    expect(done(his).get_by_text("Hers: a newer kernel. His:").first).to_be_visible()
    hers.reload()
    expect(hers.get_by_text("Hers: a newer kernel. His:").first).to_be_visible()


@pytest.mark.long
def test_a_version_is_promoted_and_that_is_undone(own_site: Site, own_windows: Windows) -> None:
    page = own_windows("alice")
    image = own_site.at("/images/{image}")
    page.goto(f"{image}/channels/stable")
    page.get_by_role("combobox", name="Version").fill(own_site.names["version"])
    page.get_by_label("Reason").first.fill("Ran as candidate for two weeks.")
    page.get_by_role("button", name="Assign", exact=True).click()
    expect(done(page).locator(".banner.done")).to_contain_text(own_site.names["version"])
    anyone = own_windows()
    anyone.goto(image)
    stable = anyone.locator("#channels li", has_text="stable")
    expect(stable).to_contain_text(own_site.names["version"])
    page.get_by_role("button", name="Undo").click()
    done(page)
    anyone.reload()
    expect(stable).not_to_contain_text(own_site.names["version"])


@pytest.mark.long
def test_revoking_shows_first_what_it_touches(own_site: Site, own_windows: Windows) -> None:
    page = own_windows("alice")
    page.goto(own_site.at("/images/{image}/versions/{version}"))
    page.get_by_text("Manage").click()
    page.get_by_role("link", name="Revoke").click()
    touched = page.get_by_role("region", name="Impact")
    expect(touched).to_contain_text("1 version")
    expect(page.get_by_role("button", name="Revoke 1 version")).to_be_visible()
    # What is built on it is counted as soon as it is asked for; nothing has been changed.
    page.get_by_label("Also revoke everything built on it").check()
    button = page.get_by_role("button", name=re.compile(r"Revoke [2-9] versions"))
    expect(button).to_be_visible()
    expect(touched).to_contain_text("research-workbench")
    anyone = own_windows()
    anyone.goto(own_site.at("/images/{image}/versions/{version}"))
    expect(anyone.get_by_text("revoked")).to_have_count(0)
    page.get_by_label("Reason").fill("It leaks keys.")
    button.click()
    expect(done(page).get_by_text("It leaks keys.").first).to_be_visible()
    anyone.reload()
    expect(anyone.get_by_text("It leaks keys.").first).to_be_visible()
    expect(anyone.get_by_role("main")).not_to_contain_text("workbench")
    page.get_by_role("button", name="Undo").click()
    done(page)
    anyone.reload()
    expect(anyone.get_by_text("It leaks keys.")).to_have_count(0)


@pytest.mark.long
def test_the_keyboard_alone_finds_and_edits(own_site: Site, own_windows: Windows) -> None:
    page = own_windows("alice")
    page.goto("/")
    page.keyboard.type("workbench")
    expect(page.locator("a[data-result]")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    at(page, "/images/research-workbench")
    # Past the header by the skip link, which is the first that Tab finds.
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_text("Manage"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("link", name="Edit", exact=False).first)
    page.keyboard.press("Enter")
    at(page, "/images/research-workbench/edit")
    field = page.get_by_label("Description")
    tab_to(page, field)
    page.keyboard.press("Control+A")
    page.keyboard.type("Written without a mouse.")
    tab_to(page, page.get_by_role("button", name="Save"))
    page.keyboard.press("Enter")
    expect(done(page).get_by_text("Written without a mouse.").first).to_be_visible()


@pytest.mark.long
def test_the_keyboard_alone_checks_ids(site: Site, windows: Windows) -> None:
    page = windows()
    page.goto("/check")
    tab_to(page, page.get_by_role("textbox", name="Ids"))
    for name in ("identifier", "revoked_identifier", "deprecated_identifier"):
        page.keyboard.type(site.names[name])
        page.keyboard.press("Enter")
    page.keyboard.type("ami-0")
    tab_to(page, page.get_by_role("button", name="Check", exact=True))
    page.keyboard.press("Enter")
    rows = page.get_by_role("table").get_by_role("rowheader")
    expect(rows).to_have_count(4)
    assert not wrong_looks(page)
    page.set_viewport_size({"width": 1280, "height": 800})
    tab_to(page, page.get_by_role("button", name="Download CSV"))
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert len(download.value.path().read_text().splitlines()) == 5
    # A file leaves the page as it was: the form can be sent again.
    page.get_by_role("button", name="Unknown").focus()
    page.keyboard.press("Enter")
    expect(rows).to_have_text(["ami-0"])


@pytest.mark.long
def test_the_keyboard_alone_promotes_and_undoes_it(own_site: Site, own_windows: Windows) -> None:
    page = own_windows("alice")
    page.goto(own_site.at("/images/{image}/versions/{version}"))
    tab_to(page, page.get_by_role("link", name="Promote"))
    page.keyboard.press("Enter")
    at(page, own_site.at("/images/{image}/versions/{version}/promote"))
    expect(page.get_by_role("row", name="stable")).to_contain_text("→")
    tab_to(page, page.get_by_label("Reason"))
    page.keyboard.type("Ran as candidate.")
    tab_to(page, page.get_by_role("button", name="Promote to stable"))
    page.keyboard.press("Enter")
    expect(done(page)).to_have_url(re.compile(f"/images/{own_site.names['image']}$"))
    told = page.locator(".banner.done")
    expect(told).to_contain_text(own_site.at("stable now offers {version}."))
    tab_to(page, page.get_by_role("button", name="Undo"))
    page.keyboard.press("Enter")
    expect(told).not_to_contain_text(own_site.at("stable now offers {version}."))


def tab_to(page: Page, wanted: object) -> None:
    """Press Tab until this has the focus; each stop on the way can be seen."""
    for _ in range(40):
        page.keyboard.press("Tab")
        assert page.evaluate(
            """() => {
              const box = document.activeElement.getBoundingClientRect();
              return box.width > 0 && box.height > 0;
            }"""
        )
        if wanted.evaluate("one => one === document.activeElement"):  # type: ignore[attr-defined]
            return
    raise AssertionError("Tab never came to it")


@pytest.mark.long
def test_a_token_is_shown_once(own_site: Site, own_windows: Windows) -> None:
    page = own_windows("bob")
    page.goto("/account/tokens")
    page.get_by_label("Name").fill("build server")
    page.get_by_role("button", name="Create token").click()
    secret = page.get_by_text(re.compile(r"^gr_[\w-]+$")).first
    expect(secret).to_be_visible()
    text = secret.inner_text().strip()
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    answer = page.request.get("/api/v2/tokens", headers={"Authorization": f"Token {text}"})
    assert answer.ok
    page.goto("/account/tokens")
    expect(page.get_by_role("rowheader", name="build server")).to_be_visible()
    assert text not in page.content()


@pytest.mark.long
def test_editing_works_without_javascript(own_site: Site, own_windows: Windows) -> None:
    page = own_windows("alice", javascript=False)
    page.goto("/images/research-workbench/edit")
    page.get_by_label("Description").fill("Written without JavaScript.")
    page.get_by_role("button", name="Save").click()
    expect(done(page).get_by_text("Written without JavaScript.").first).to_be_visible()
    page.goto(own_site.at("/images/{image}/versions/{version}/revoke"))
    page.get_by_label("Also revoke everything built on it").check()
    page.get_by_role("main").get_by_role("button", name="Refresh preview").last.click()
    button = page.get_by_role("button", name=re.compile(r"Revoke [2-9] versions"))
    expect(button).to_be_visible()
    page.get_by_label("Reason").fill("It leaks keys.")
    button.click()
    expect(done(page).get_by_text("It leaks keys.").first).to_be_visible()


def test_filling_the_time_chooses_schedule_and_now_empties_it(
    own_site: Site, own_windows: Windows
) -> None:
    page = own_windows("alice")
    page.goto(own_site.at("/images/{image}/versions/{version}/revoke"))
    page.get_by_label("Time").fill("2099-01-01T08:00")
    expect(page.get_by_label("Schedule")).to_be_checked()
    page.get_by_label("Now", exact=True).check()
    expect(page.get_by_label("Time")).to_have_value("")
