"""One request for a page: who asks, the form that was sent, and the page that is answered.

A `Visit` is a `Request` of a browser. Its session cookie says who asks or, for feeds, a token in the
Authorization header; a header that is not one valid token is 401 here too. A form changes something
only where it was sent from a page of this site (`check_form`). After a change the browser is
redirected (303) to the page that shows it, with a notice of what was done.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import falcon

from goldenrod.base import clock
from goldenrod.base.config import Settings
from goldenrod.base.csv_text import csv_text
from goldenrod.base.errors import (
    BadRequest,
    Forbidden,
    Problem,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from goldenrod.catalogue.accounts import actors, sessions
from goldenrod.rules import resources
from goldenrod.rules.access import Actor
from goldenrod.rules.changes import security_log
from goldenrod.store.db import Database, Tx
from goldenrod.store.revision import Seen, read_seen
from goldenrod.web.authenticate import identify
from goldenrod.web.pages.kit import cookies, csrf, notices, render, urls
from goldenrod.web.pages.kit.csrf import is_address_here, is_from_this_site, local_address
from goldenrod.web.pages.kit.forms import Form, parse_form
from goldenrod.web.pages.kit.notices import Undo
from goldenrod.web.request import Request, Response
from goldenrod.web.response_cache import ResponseCache
from goldenrod.web.user_agent import browser_name

__all__ = ["HEADERS", "POLICY", "Page", "Undo", "Visit"]

HTML = "text/html; charset=utf-8"
POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
MOST_ANONYMOUS = 64 * 1024
"""The most bytes of a form of somebody who is not signed in. The form to sign in needs few; a page
that takes more sets `most_anonymous`."""
HEADERS = {"Content-Security-Policy": POLICY, "Vary": "Cookie, Authorization, Accept-Encoding"}


@dataclass(frozen=True)
class Page(Response):
    """The answer of a page's handler. It may set cookies."""

    cookies: tuple[str, ...] = ()
    media_type: str = HTML


def csv_page(
    name: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, tagged: bool = False
) -> Page:
    """A CSV file that the browser saves under this name. `tagged`: with an ETag."""
    text = csv_text(columns, rows)
    headers = HEADERS | {"Content-Disposition": f'attachment; filename="{name}"'}
    etag = resources.etag(text) if tagged else None
    return Page(200, text, headers, etag=etag, media_type="text/csv; charset=utf-8")


class Visit(Request):
    """One request for a page."""

    def __init__(
        self,
        req: falcon.Request,
        db: Database,
        settings: Settings,
        cache: ResponseCache | None = None,
    ) -> None:
        super().__init__(req, db, settings, cache)
        self.session: sessions.Session | None = None
        self.problem: Problem | None = None
        """What the page that is answered says is wrong."""
        self.most_anonymous = MOST_ANONYMOUS
        self._jar = cookies.CookieJar(req, settings)
        self._secret: str | None = None
        """The secret of the session, or of a visitor without one who has a form: it signs the forms."""
        self._form: Form | None = None

    # ── who asks ───────────────────────────────────────────────────────────────────────────

    @contextmanager
    def change(self) -> Iterator[tuple[Tx, Actor]]:
        """A change that a form makes, and who asks. Raises Unauthorized, Forbidden where the form is
        not from a page of this site."""
        self.require_sent()
        with self._write() as (tx, actor):
            yield tx, actor

    @contextmanager
    def write_unversioned(self) -> Iterator[tuple[Tx, Actor]]:
        """The same for what no reader of the catalogue sees, such as sessions."""
        self.require_sent()
        with self.db.write_unversioned() as tx:
            self._confirm(tx, tx.revision)
            yield tx, self.actor

    @contextmanager
    def preview(self) -> Iterator[tuple[Tx, Actor, bool]]:
        """A change that is made and undone, so that a page shows its impact; who asks; and whether a
        change could be made. While somebody else is writing it cannot: the transaction only reads."""
        self.require_user()
        with self.db.preview() as tx:
            if tx is not None:
                self._confirm(tx, tx.revision - 1)
                yield tx, self.actor, True
                return
        with self.read() as (tx, actor):
            yield tx, actor, False

    def require_user(self) -> None:
        """Raise Unauthorized unless somebody is signed in."""
        self._find_who_asks()
        if self.anonymous:
            raise Unauthorized("Sign in to do this.")

    def require_sent(self) -> None:
        """Raise Unauthorized, Forbidden unless somebody who is signed in sent a form of this site."""
        self.require_user()
        self.check_form()

    def _identify(self, tx: Tx) -> bool:
        header = self.req.get_header("Authorization")
        secret = self._jar.get(cookies.SESSION) if header is None else None
        found = actors.of_session(tx, secret) if secret else None
        if found:
            self.actor, self.session = found
            self._secret = secret
            return self.session.last_seen != clock.hour_of(tx.now)
        self.actor, unnoted = identify(tx, header)
        if secret:
            self._jar.delete(cookies.SESSION)
        return unnoted

    def _is_unchanged(self, tx: Tx, revision: int, *, in_write: bool = False) -> bool:
        # Signing out leaves the catalogue's revision as it is: before a write, a session is looked up.
        look_up = in_write and self.session is not None
        return not look_up and super()._is_unchanged(tx, revision, in_write=in_write)

    def least(self) -> Seen | None:
        return super().least() or self._remembered()

    def _remembered(self) -> Seen | None:
        return read_seen(self._jar.get(cookies.REVISION) or "")

    @property
    def may_be_signed_in(self) -> bool:
        """Whether the browser sends the cookie of a session."""
        return self._jar.get(cookies.SESSION) is not None

    def revision_cookie(self) -> str | None:
        """The cookie with which a signed-in browser remembers what it has seen; None if it knows."""
        if self.session is None or self.seen is None or not self.settings.several_servers:
            return None
        if self._remembered() == self.seen:
            return None
        return cookies.written(
            cookies.REVISION, str(self.seen), self.settings, cookies.REVISION_SECONDS
        )

    def _note_use(self) -> None:
        if self.session is None:
            super()._note_use()
            return
        # A reader does not wait for a writer; the next use is recorded.
        with suppress(Unavailable), self.db.write_unversioned(wait=False) as tx:
            sessions.record_use(tx, self.session)

    # ── what is sent ───────────────────────────────────────────────────────────────────────

    def asked(self, name: str) -> str:
        """A parameter of the query, or an empty text. Raises BadRequest."""
        return next(iter(self.asked_all(name)), "")

    def asked_all(self, name: str) -> list[str]:
        """All values of a parameter that may be given several times. Raises BadRequest."""
        texts = self.arguments().get(name, [])
        if any("\x00" in text for text in texts):
            raise BadRequest(f"{name} contains a NUL character.", code="parameter_invalid")
        return texts

    @property
    def form(self) -> Form:
        """The form that was sent. Raises TooLarge, UnsupportedMedia, BadRequest."""
        if self._form is None:
            self.read_body()
            if isinstance(self._raw, Problem):
                raise self._raw
            if self.anonymous and len(self._raw or b"") > self.most_anonymous:
                most = f"{self.most_anonymous:,}"
                raise TooLarge(f"Until you sign in, a form has at most {most} bytes.")
            self._form = parse_form(self.req.content_type, self._raw or b"")
        return self._form

    def check_form(self) -> None:
        """Raise Forbidden unless this browser sent the form from a page of this site. A token may not
        send forms: its scope limits what the API lets it change, and forms know no scopes."""
        if self.req.get_header("Authorization") is not None:
            raise Forbidden(
                "Forms are for browsers that are signed in. With a token, make this change through the "
                "API. Nothing was changed.",
                code="form_refused",
            )
        secret = self._secret or self._jar.get(cookies.VISIT)
        # The form is read last: nobody has to receive it from a stranger or from another site.
        if not (
            is_from_this_site(self.req, self.settings)
            and secret
            and csrf.matches(secret, self.form.get("token"))
        ):
            raise Forbidden(
                "This form did not come from a page of this site as you are signed in now. Go back, "
                "reload the page, and send it again. Nothing was changed.",
                code="form_refused",
            )

    def expect(self, current: str | None) -> None:
        """Compare the form's `etag`, of what it was filled in from, with what is current now."""
        etag = None if current is None else resources.etag(current)
        self._expect(self.form.get("etag") or None, etag)

    @property
    def here(self) -> str:
        """This address, with its query."""
        return local_address(quote(self.req.path), self.req.query_string)

    @property
    def back(self) -> str:
        """Where a refusal's page links to: here, or the page whose form was sent."""
        if self.req.method == "GET":
            return self.here
        referer = self.req.get_header("Referer") or ""
        if not is_address_here(referer, self.req, self.settings):
            return urls.HOME
        return local_address(urlsplit(referer).path, urlsplit(referer).query)

    # ── answers ────────────────────────────────────────────────────────────────────────────

    def page(
        self, template: str, status: int = 200, *, problem: Problem | None = None, **context: Any
    ) -> Page:
        """A page from a template. With a `problem`, such as what is wrong with a form, the status and
        headers are the problem's. Besides `context` the template gets `me` (the actor), `signed_in`,
        `token`, `notice`, `problem`, `now`, `here` (this address with its query), `theme`."""
        self.problem = problem
        status = problem.status if problem else status
        body = self._render(template, context | {"problem": problem, "notice": self._notice()})
        etag = resources.etag(body) if status == 200 else None
        headers = HEADERS | (problem.headers if problem else {})
        return Page(status, body, headers, etag, cookies=self._jar.headers)

    def part(self, template: str, **context: Any) -> Page:
        """A part of a page, which a script puts into the page."""
        body = self._render(template, context)
        return Page(200, body, HEADERS, resources.etag(body))

    def _render(self, template: str, context: dict[str, Any]) -> str:
        known = {
            "me": self.actor,
            "signed_in": not self.anonymous,
            "token": self.token,
            "now": self.now or clock.now(),
            "here": self.here,
            "theme": self.theme,
        }
        return render.render(template, known | context)

    def redirect(
        self, to: str, done: str | None = None, more: str = "", undo: Undo | None = None
    ) -> Page:
        """Redirect to the page that shows a change. That page also shows a notice: what was `done`,
        `more` about it, and a button to `undo` it."""
        if done and self._secret:
            sealed = notices.seal(self._secret, done, more, undo)
            self._jar.set_cookie(cookies.NOTICE, sealed, notices.SECONDS)
        return Page(303, None, {**HEADERS, "Location": to}, cookies=self._jar.headers)

    def _notice(self) -> dict[str, Any] | None:
        sealed = self._jar.get(cookies.NOTICE)
        if sealed is None:
            return None
        self._jar.delete(cookies.NOTICE)
        return cookies.unseal(self._secret, sealed) if self._secret else None

    @property
    def token(self) -> str:
        """The token that this visitor's forms carry; empty for one who has no form to send."""
        return csrf.form_token(self._secret) if self._secret else ""

    @property
    def personal(self) -> bool:
        """Whether the answer is for this visitor alone."""
        return not self.anonymous or self._secret is not None or bool(self._jar.headers)

    @property
    def theme(self) -> str:
        """The theme that this browser's cookie names; empty for that of the system."""
        given = self._jar.get(cookies.THEME) or ""
        return given if given in cookies.THEMES else ""

    def store_theme(self, theme: str, seconds: int) -> None:
        """Store a theme in this browser; any other word stands for that of the system."""
        if theme in cookies.THEMES:
            self._jar.set_cookie(cookies.THEME, theme, seconds)
        else:
            self._jar.delete(cookies.THEME)

    # ── signing in and out ─────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        """Give a visitor who is not signed in a secret, so that a form can carry its token."""
        if self._secret is None:
            self._secret = self._jar.get(cookies.VISIT) or cookies.new_secret()
            self._jar.set_cookie(cookies.VISIT, self._secret)

    def begin_session(self, tx: Tx, user_id: int, by: str, claim: str | None = None) -> None:
        """Sign a user in with this browser. `by`: the way that they proved who they are. `claim`: what
        is wrong with the claim of groups."""
        days = self.settings.session_days
        browser = browser_name(self.req.get_header("User-Agent"))
        self._secret = sessions.create_session(tx, user_id, days, browser)
        self._jar.set_cookie(cookies.SESSION, self._secret, days * 86_400)
        self._jar.delete(cookies.VISIT)
        if by != "password":
            noted: dict[str, Any] = {"by": by} | ({"claim": claim} if claim else {})
            security_log.record(tx, "sign_in:success", user_id=user_id, **noted)

    def leave(self) -> None:
        """Have the browser delete its session's cookie."""
        self._secret, self.session = None, None
        self._jar.delete(cookies.SESSION)

    def store_oidc_request(self, request: dict[str, Any], seconds: int) -> None:
        """Store what was asked of the OpenID Connect provider in this browser, sealed, until the
        provider sends the browser back."""
        self.begin()
        assert self._secret is not None
        sealed = cookies.seal(self._secret, request, "oidc")
        assert sealed is not None
        self._jar.set_cookie(cookies.OIDC, sealed, seconds)

    def take_oidc_request(self) -> dict[str, Any] | None:
        """What this browser stored, once; None where it brings nothing valid back."""
        sealed, secret = self._jar.get(cookies.OIDC), self._secret or self._jar.get(cookies.VISIT)
        if sealed is None:
            return None
        self._jar.delete(cookies.OIDC)
        return cookies.unseal(secret, sealed, "oidc") if secret else None
