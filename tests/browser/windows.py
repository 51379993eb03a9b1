"""Windows of a browser, each a person of their own, watched for what no page may do.

Whatever a page asks for elsewhere, writes to the console as an error (a breach of the
Content-Security-Policy is one), or throws, is kept in `wrong`; `layout_shift` is how far its parts
jumped after they were first drawn.
"""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from goldenrod.demo.catalogue import PASSWORD
from tests.browser.chromium import WAIT_MS

NOBODY = "nobody"
expect.set_options(timeout=WAIT_MS)
_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.shifted += shift.value;
}).observe({type: 'layout-shift', buffered: true});
"""


class Windows:
    """Opens windows at one site: `windows("alice", width=390)`."""

    def __init__(self, browser: Browser, url: str, states: dict[str, Any] | None = None) -> None:
        self.url = url
        self.wrong: list[str] = []
        self._browser = browser
        self._states = {} if states is None else states
        self._contexts: list[BrowserContext] = []

    def __call__(
        self,
        user: str = NOBODY,
        *,
        width: int = 1280,
        height: int = 800,
        dark: bool = False,
        javascript: bool = True,
        **more: Any,
    ) -> Page:
        """A new window in which this user is signed in, with cookies of its own."""
        context = self._browser.new_context(
            base_url=self.url,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=javascript,
            storage_state=self._state(user),
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id="Europe/Berlin",
            **more,
        )
        context.set_default_timeout(WAIT_MS)
        if javascript:
            context.add_init_script(_SHIFTS)
        self._contexts.append(context)
        page = context.new_page()
        self._revision_source(page)
        return page

    def _revision_source(self, page: Page) -> None:
        def asked(request: Request) -> None:
            if not request.url.startswith(f"{self.url}/"):
                self.wrong.append(f"{page.url} asked for {request.url[:200]}")

        def said(message: ConsoleMessage) -> None:
            # A page that is itself a refusal, such as 404, is written to the console by Chromium.
            refused = message.text.startswith("Failed to load resource") and (
                message.location["url"] in (page.url, "") or page.url == "about:blank"
            )
            if message.type == "error" and not refused:
                self.wrong.append(f"{page.url} said: {message.text[:500]}")

        page.on("request", asked)
        page.on("console", said)
        page.on("pageerror", lambda error: self.wrong.append(f"{page.url} threw: {error}"))

    def _state(self, user: str) -> Any:
        """The cookies of this user's session; each signs in once, through the page."""
        if user == NOBODY:
            return None
        if user not in self._states:
            page = self(NOBODY)
            sign_in(page, user)
            self._states[user] = page.context.storage_state()
            page.context.close()
        return self._states[user]

    def close(self) -> None:
        for context in self._contexts:
            context.close()
        self._contexts.clear()


Open = Callable[..., Page]


def sign_in(page: Page, user: str, password: str = PASSWORD) -> None:
    """Sign in through the page."""
    page.goto("/sign-in")
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()


def layout_shift(page: Page) -> float:
    """How far parts of the page jumped by themselves, as browsers measure it."""
    return float(page.evaluate("() => new Promise(r => requestAnimationFrame(() => r(shifted)))"))


def results(page: Page) -> list[str]:
    """Where the results lead, in their order."""
    found = page.locator("a[data-result]")
    return [str(found.nth(number).get_attribute("href")) for number in range(found.count())]


def at(page: Page, path: str) -> None:
    """Wait until the window shows this address."""
    page.wait_for_url(lambda url: url.split("://")[1].partition("/")[2] == path.removeprefix("/"))
