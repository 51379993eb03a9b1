"""Single sign-on in Chromium against a provider in a process of its own, by keyboard alone: a claim
puts somebody into a group, whose image they see and follow; without the claim it is gone."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.visits import look_around
from tests.browser.windows import Windows, at
from tests.support.processes import oidc_provider
from tests.support.processes.oidc_provider import CLIENT, SECRET, Provider
from tests.support.processes.server import free_port, running

IMAGE = "/images/research-workbench"
MOST_TABS = 60


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with oidc_provider.running() as made:
        yield made


@pytest.fixture
def windows(
    browser: Browser, demonstration: Path, provider: Provider, tmp_path: Path
) -> Iterator[Windows]:
    """Windows at a server on the demonstration whose public address the provider redirects to."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    provider.tell(redirect_uri=f"{url}/sign-in/oidc/callback")
    settings = {
        "PUBLIC_URL": url,
        "OIDC_ISSUER": provider.issuer,
        "OIDC_CLIENT_ID": CLIENT,
        "OIDC_CLIENT_SECRET": SECRET,
        "OIDC_NAME": "Cloud SSO",
        "OIDC_GROUPS_CLAIM": "groups",
        "OIDC_GROUPS": '{"/cloud/lab": "lab"}',
        "OIDC_STAFF": "/cloud/image-admins",
    }
    env = {f"GOLDENROD_{name}": value for name, value in settings.items()}
    path = shutil.copy(demonstration, tmp_path / "catalogue.db")
    options = ("--port", str(port))
    with running(f"sqlite:///{path}", tmp_path / "stderr", *options, **env) as server:
        opened = Windows(browser, look_around(server.url).url)
        yield opened
        opened.close()
        # A browser is led to the provider, and asks nobody else for anything.
        elsewhere = f" asked for {provider.issuer}/authorize?"
        assert not [wrong for wrong in opened.wrong if elsewhere not in wrong]


def press(page: Page, name: str) -> None:
    """Go to the link or button of this name with Tab, and press Enter."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "() => { const e = document.activeElement;"
            " return e.getAttribute('aria-label') || e.textContent.trim(); }"
        )
        if focused == name:
            page.keyboard.press("Enter")
            page.wait_for_load_state()
            return
    raise AssertionError(f"no {name!r} within {MOST_TABS} tabs at {page.url}")


def enter(page: Page, provider: Provider, *values: str) -> None:
    """Sign in anew, with these values in the claim."""
    person: dict[str, Any] = {"sub": "1001", "preferred_username": "grace", "groups": [*values]}
    provider.tell(person=person, now=int(time.time()))
    page.context.clear_cookies()
    page.goto("/sign-in?next=/account")
    press(page, "Continue with Cloud SSO")
    at(page, "/account")
    expect(page.get_by_role("heading", level=1)).to_contain_text("grace")


@pytest.mark.long
def test_a_claim_gives_a_group_and_its_image_and_takes_them_away(
    windows: Windows, provider: Provider
) -> None:
    page = windows()
    enter(page, provider)
    expect(page.locator("section", has=page.locator("#groups-h"))).not_to_contain_text("lab")
    assert page.goto(IMAGE).status == 404  # type: ignore[union-attr]

    enter(page, provider, "/cloud/lab", "/cloud/other")
    expect(page.locator("section", has=page.locator("#groups-h"))).to_contain_text("from Cloud SSO")
    assert page.goto(IMAGE).status == 200  # type: ignore[union-attr]
    press(page, "Follow")
    expect(page.get_by_text("You follow Research workbench.")).to_be_visible()
    page.goto("/account")
    expect(page.locator("#following")).to_contain_text("Research workbench")
    page.goto("/")
    expect(page.locator("#since")).to_contain_text("Since your last visit")
    expect(page.get_by_role("link", name="Staff", exact=True)).to_have_count(0)

    enter(page, provider, "/cloud/image-admins")
    expect(page.locator(".facts-line").first).to_contain_text("Staff from Cloud SSO")
    enter(page, provider, "/cloud/other")
    expect(page.locator(".facts-line").first).not_to_contain_text("Staff")
    expect(page.locator("#following")).not_to_contain_text("Research workbench")
    assert page.goto(IMAGE).status == 404  # type: ignore[union-attr]
