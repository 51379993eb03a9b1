"""A browser for pages without JavaScript. It stores cookies, follows redirects, and submits forms with
their values in the page, including the token.

    visitor.sign_in("alice")
    page = visitor.get("/account")
    page = visitor.submit(page, "/sign-out")            the form with this action
    page = visitor.submit(page, "/x", name="new")       what is filled in
"""

from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urlsplit

from falcon import testing

from goldenrod.base.config import Settings
from goldenrod.catalogue.accounts import sessions, users
from goldenrod.store.db import Database
from goldenrod.web.pages.kit import cookies
from tests.support.app import app_over

ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@dataclass
class Form:
    """A form of a page: its action, and its fields with their values in the page."""

    action: str
    method: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    """The name and value of each button."""


@dataclass
class PageResponse:
    """The answer to a request for a page."""

    address: str
    status: int
    headers: dict[str, str]
    text: str
    cookies: dict[str, Any] = field(default_factory=dict)
    """The cookies that the answer set, by name."""

    @cached_property
    def _parts(self) -> "_read":
        return _read(self.text)

    @property
    def forms(self) -> list[Form]:
        return self._parts.forms

    @property
    def links(self) -> list[str]:
        return self._parts.links

    @property
    def anchors(self) -> list[tuple[str, str]]:
        """The target and the text of each link."""
        return self._parts.anchors

    @property
    def ids(self) -> set[str]:
        """The ids of the elements."""
        return self._parts.ids

    @property
    def words(self) -> str:
        """The visible text: without tags, with whitespace collapsed."""
        return _collapsed(self._parts.texts)

    def form(self, action: str) -> Form:
        """The form with this action. If there is also one that narrows what is shown, the form
        that changes something. The test fails if there is none, or several."""
        found = [form for form in self.forms if form.action == action]
        [form] = found if len(found) < 2 else [form for form in found if form.method == "post"]
        return form


class Visitor:
    """One browser."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.client = testing.TestClient(app_over(db, settings))
        self.db, self.settings = db, settings
        self.cookies: dict[str, str] = {}

    def ask(
        self,
        method: str,
        address: str,
        *,
        body: str | None = None,
        headers: dict[str, str] | None = None,
        follow: bool = True,
    ) -> PageResponse:
        """Request an address of the site, and follow redirects."""
        parts = urlsplit(address)
        sent = {"Accept": ACCEPT, **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body is not None:
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        result = self.client.simulate_request(
            method, parts.path, query_string=parts.query, headers=sent, body=body
        )
        for name, cookie in result.cookies.items():
            if cookie.max_age == 0:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = cookie.value
        if follow and result.status_code == 303:
            return self.ask("GET", result.headers["location"])
        headers = dict(result.headers)
        return PageResponse(address, result.status_code, headers, result.text, dict(result.cookies))

    def get(self, address: str, **more: Any) -> PageResponse:
        return self.ask("GET", address, **more)

    def submit(
        self,
        page: PageResponse,
        action: str,
        /,
        *,
        button: tuple[str, str] | None = None,
        headers: dict[str, str] | None = None,
        follow: bool = True,
        **filled: str | list[str] | None,
    ) -> PageResponse:
        """Send the form with this action. None leaves a field out."""
        form = page.form(action)
        fields: dict[str, list[str]] = dict(form.fields)
        for name, value in filled.items():
            fields[name] = [] if value is None else [value] if isinstance(value, str) else value
        if button:
            fields[button[0]] = [button[1]]
        body = urlencode(fields, doseq=True)
        if form.method == "get":
            return self.get(f"{action}?{body}", follow=follow)
        return self.ask("POST", action, body=body, headers=headers, follow=follow)

    def sign_in(self, name: str, password: str | None = None) -> None:
        """Sign in: with a password by the form; without one, as one of the cast, in three requests
        fewer (`tests/accounts/test_sign_in_pages.py` sends the form)."""
        if password is not None:
            form = self.get("/sign-in")
            done = self.submit(form, "/sign-in", username=name, password=password)
            assert done.status == 200, done.text
            return
        with self.db.write_unversioned() as tx:
            user = users.find_user(tx, name)
            assert user is not None
            secret = sessions.create_session(tx, user, self.settings.session_days)
        self.cookies[cookies.named(cookies.SESSION, self.settings)] = secret


def undone(visitor: Visitor, page: PageResponse) -> PageResponse:
    """Press Undo."""
    start = page.text.index('class="banner done"')
    text = page.text[start : page.text.index("</form>", start) + len("</form>")]
    only = PageResponse(page.address, page.status, page.headers, text)
    return visitor.submit(only, only.forms[0].action)


def _collapsed(texts: list[str]) -> str:
    return " ".join("".join(texts).split())


class _read(HTMLParser):
    """The forms, links and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.anchors: list[tuple[str, str]] = []
        self.ids: set[str] = set()
        self.texts: list[str] = []
        self._anchor: tuple[str, int] | None = None
        """The target of the link that is open, and how many texts were before it."""
        self._open: Form | None = None
        self._area: str | None = None
        self._select: str | None = None
        self._option = False
        """The chosen option's words, which follow, are its value."""
        self._silent = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
            self._anchor = given["href"], len(self.texts)
        if tag == "form":
            self._open = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._open)
        self._silent = tag in ("script", "style")
        if self._open is None or not given.get("name"):
            if tag == "option" and self._open is not None and self._select:
                values = self._open.fields.setdefault(self._select, [])
                if "selected" in given or not values:
                    self._open.fields[self._select] = [given.get("value", "")]
                    self._option = "value" not in given
            return
        name = given["name"]
        if tag == "input":
            kind = given.get("type", "text")
            if kind in ("checkbox", "radio") and "checked" not in given:
                return
            value = given.get("value", "on" if kind in ("checkbox", "radio") else "")
            self._open.fields.setdefault(name, []).append(value)
        elif tag == "textarea":
            self._area = name
            self._open.fields.setdefault(name, []).append("")
        elif tag == "select":
            self._select = name
        elif tag == "button":
            self._open.buttons.append((name, given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._anchor is not None:
            target, before = self._anchor
            self.anchors.append((target, _collapsed(self.texts[before:])))
            self._anchor = None
        elif tag == "form":
            self._open = None
        elif tag == "textarea":
            self._area = None
        elif tag == "select":
            self._select = None
        self._silent = False

    def handle_data(self, data: str) -> None:
        if self._option and self._select and self._open is not None:
            self._open.fields[self._select] = [data]
            self._option = False
        if self._area and self._open is not None:
            # Browsers drop a line end directly after the tag.
            values = self._open.fields[self._area]
            values[-1] += data.removeprefix("\n") if not values[-1] else data
        if not self._silent:
            self.texts.append(f" {data}")
