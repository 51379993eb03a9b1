"""One request for a page: who looks, what a form says, and the page that is answered.

A `Visit` is a `Call` whose asker is a browser: its session cookie says who asks, or, as for feeds, a
token in the Authorization header; a header that is not one valid token is 401 here too. What a form
changes is done only where the form came from a page of this site (`check_form`). After a change the
browser is sent on to the page that shows it (303), with a notice of what was done.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import falcon

from goldenrod.base import clock
from goldenrod.base.clock import Instant
from goldenrod.base.config import Settings
from goldenrod.base.errors import (
    BadRequest,
    Forbidden,
    Problem,
    Unauthorized,
    Unavailable,
    UnsupportedMedia,
)
from goldenrod.catalogue.accounts import sessions, tokens
from goldenrod.rules import resources
from goldenrod.rules.access import Actor
from goldenrod.rules.changes import security_log
from goldenrod.store.db import Database, Tx
from goldenrod.web.authenticate import identify
from goldenrod.web.pages.kit import cookies, render, urls
from goldenrod.web.pages.kit.forms import Form
from goldenrod.web.request import Request, Response
from goldenrod.web.response_cache import ResponseCache
from goldenrod.web.user_agent import browser_name

HTML = "text/html; charset=utf-8"
FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 2000
POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Vary": "Cookie, Authorization"}


@dataclass(frozen=True)
class Undo:
    """What gives back what was just done: a form of one button, with hidden fields."""

    action: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Page(Response):
    """What a page's door answers: an answer that may set cookies."""

    cookies: tuple[str, ...] = ()
    media_type: str = HTML


class Visit(Request):
    """One request for a page."""

    def __init__(
        self,
        req: falcon.Request,
        db: Database,
        settings: Settings,
        keep: ResponseCache | None = None,
    ) -> None:
        super().__init__(req, db, settings, keep)
        self.session: sessions.Session | None = None
        self.now: Instant | None = None
        """The instant that was read; None before anything was."""
        self._secret: str | None = None
        self._form: Form | None = None
        self._cookies: dict[str, str] = {}
        self.problem: Problem | None = None
        """What the page that is answered says is wrong."""

    @contextmanager
    def change(self) -> Iterator[tuple[Tx, Actor]]:
        """A change that a form asks for, and who asks. Raises Unauthorized, Forbidden where the form
        is not from a page of this site."""
        self.require_user()
        self.check_form()
        with self.db.write() as tx, self._unless_outdated():
            tx.address = self.address
            self._identify(tx)
            yield tx, self.actor

    @contextmanager
    def write_unversioned(self) -> Iterator[tuple[Tx, Actor]]:
        """The same for what no reader of the catalogue sees, such as sessions."""
        self.require_user()
        self.check_form()
        with self.db.write_unversioned() as tx:
            tx.address = self.address
            self._identify(tx)
            yield tx, self.actor

    @contextmanager
    def preview(self) -> Iterator[tuple[Tx, Actor, bool]]:
        """A change that is tried and rolled back, so that a page shows its impact; who asks; and
        whether changes can be tried. They cannot while somebody else is writing: the transaction
        only reads then."""
        self.require_user()
        with self.db.preview() as tx:
            if tx is not None:
                self._identify(tx)
                yield tx, self.actor, True
                return
        with self.read() as (tx, actor):
            yield tx, actor, False

    def require_user(self) -> None:
        """Raise Unauthorized unless somebody is signed in."""
        with self.read() as (_, actor):
            if actor.kind == "anonymous":
                raise Unauthorized("Sign in to do this.")

    def require_sent(self) -> None:
        """Raise Unauthorized, Forbidden unless somebody who is signed in sent a form of this site."""
        self.require_user()
        self.check_form()

    def _identify(self, tx: Tx) -> bool:
        self.now = tx.now
        header = self.req.get_header("Authorization")
        secret = self._given(cookies.SESSION) if header is None else None
        found = sessions.find_actor(tx, secret) if secret else None
        if found:
            self.actor, self.session = found
            self._secret = secret
            unnoted = self.session.last_seen != tokens.hour_of(tx.now)
        else:
            self.actor, unnoted = identify(tx, header)
            if secret:
                self.keep(cookies.SESSION, "", 0)
        return unnoted

    def _note_use(self) -> None:
        if self.session is None:
            super()._note_use()
            return
        # A reader does not wait for a writer; the next use will be noted.
        with suppress(Unavailable), self.db.write_unversioned(wait=False) as tx:
            sessions.note_use(tx, self.session)

    def asked(self, name: str) -> str:
        """A parameter of the query, empty where there is none; what a page does not know it leaves
        be. Raises BadRequest."""
        text = self.arguments().get(name, [""])[0]
        if "\x00" in text:
            raise BadRequest(f"{name} holds a NUL character.", code="parameter_invalid")
        return text

    # ── forms ──────────────────────────────────────────────────────────────────────────────

    @property
    def form(self) -> Form:
        """What the form says. Raises TooLarge, UnsupportedMedia, BadRequest."""
        if self._form is None:
            self._form = self._read_form()
        return self._form

    def _read_form(self) -> Form:
        self.read_body()
        if isinstance(self._raw, Problem):
            raise self._raw
        kind, _, _ = (self.req.content_type or "").partition(";")
        if kind.strip().lower() != FORM:
            raise UnsupportedMedia("Send the form as a browser does.")
        try:
            fields = parse_qs(
                (self._raw or b"").decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=MOST_FIELDS,
            )
        except ValueError:
            raise BadRequest("The form is not well-formed UTF-8.", code="body_malformed") from None
        if any("\x00" in value for values in fields.values() for value in values):
            raise BadRequest("A field of the form holds a NUL character.", code="body_malformed")
        # A browser sends line ends as it likes; in the catalogue they are one character.
        return Form(
            {
                name: [value.replace("\r\n", "\n") for value in values]
                for name, values in fields.items()
            }
        )

    def check_form(self) -> None:
        """Raise Forbidden unless the form was sent from a page of this site by this browser. A token
        sends no forms: its scope says what it may change through the API, a form knows no scopes."""
        if self.req.get_header("Authorization") is not None:
            raise Forbidden(
                "Forms are for browsers that are signed in. With a token, make this change through the "
                "API. Nothing was changed.",
                code="form_refused",
            )
        secret = self._secret or self._given(cookies.VISIT)
        # The form is read last: who has no session, nor a page of this site, sends it for nothing.
        if not (self._from_here() and secret and cookies.fits(secret, self.form.get("token"))):
            raise Forbidden(
                "This form did not come from a page of this site as you are signed in now. Go back, "
                "reload the page, and send it again. Nothing was changed.",
                code="form_refused",
            )

    def _from_here(self) -> bool:
        """What the browser says of where the form was, where it says it."""
        if self.req.get_header("Sec-Fetch-Site") not in (None, "same-origin", "none"):
            return False
        origin = self.req.get_header("Origin")
        return origin is None or self._is_ours(origin)

    def _is_ours(self, address: str) -> bool:
        """The address is one of this site, by the name that the browser or the settings know it by."""
        ours = {self.req.get_header("Host"), urlsplit(self.settings.public_url).netloc}
        try:
            return urlsplit(address).netloc in ours - {None, ""}
        except ValueError:
            return False

    @property
    def token(self) -> str:
        """What this visitor's forms carry; empty for one who has nothing to send."""
        return cookies.form_token(self._secret) if self._secret else ""

    def begin(self) -> None:
        """Give a visitor who is about to sign in a secret, so that the form can carry its token."""
        if self._secret is None:
            self._secret = self._given(cookies.VISIT) or cookies.new_secret()
            self.keep(cookies.VISIT, self._secret)

    def expect(self, current: str | None) -> None:
        """Compare the form's `etag`, of what it was filled in from, with what is there now."""
        etag = None if current is None else resources.etag(current)
        self._expect(self.form.get("etag") or None, etag)

    # ── answers ────────────────────────────────────────────────────────────────────────────

    def page(
        self, template: str, status: int = 200, *, problem: Problem | None = None, **context: Any
    ) -> Page:
        """A page made of a template; with a `problem`, such as what a form was refused for, the
        status and headers are the problem's. Besides `context` the template knows `me` (the actor),
        `signed_in`, `token`, `notice`, `problem`, `now`, `here` (this address with its query)."""
        self.problem = problem
        status = problem.status if problem else status
        body = self._render(template, context | {"problem": problem, "notice": self._notice()})
        etag = resources.etag(body) if status == 200 else None
        headers = HEADERS | (problem.headers if problem else {})
        return Page(status, body, headers, etag, cookies=tuple(self._cookies.values()))

    def part(self, template: str, **context: Any) -> Page:
        """A part of a page, for a script that puts it where it belongs."""
        body = self._render(template, context)
        return Page(200, body, HEADERS, resources.etag(body))

    def _render(self, template: str, context: dict[str, Any]) -> str:
        known = {
            "me": self.actor,
            "signed_in": not self.anonymous,
            "token": self.token,
            "now": self.now or clock.now(),
            "here": self.here,
        }
        return render.render(template, known | context)

    @property
    def here(self) -> str:
        """This address, with its query."""
        return _path(quote(self.req.path), self.req.query_string)

    @property
    def back(self) -> str:
        """Where to go on after a refusal: here, or the page whose form was sent."""
        if self.req.method == "GET":
            return self.here
        referer = self.req.get_header("Referer") or ""
        if not self._is_ours(referer):
            return urls.HOME
        return _path(urlsplit(referer).path, urlsplit(referer).query)

    def redirect(
        self, to: str, done: str | None = None, more: str = "", undo: Undo | None = None
    ) -> Page:
        """Send the browser on, after a change, to the page that shows it. That page tells what was
        `done`, `more` of it, and offers to undo it."""
        if done and self._secret:
            notice = {"done": done, "more": more, "undo": None}
            back = undo and {"action": undo.action, "fields": dict(undo.fields)}
            sealed = cookies.seal(self._secret, notice | {"undo": back})
            sealed = sealed or cookies.seal(self._secret, notice) or ""
            self.keep(cookies.NOTICE, sealed, 120)
        return Page(303, None, {**HEADERS, "Location": to}, cookies=tuple(self._cookies.values()))

    def _notice(self) -> dict[str, Any] | None:
        given = self._given(cookies.NOTICE)
        if given is None:
            return None
        self.keep(cookies.NOTICE, "", 0)
        return cookies.unseal(self._secret, given) if self._secret else None

    # ── signing in and out ─────────────────────────────────────────────────────────────────

    def enter(self, secret: str) -> None:
        """Have the browser keep the session with this secret."""
        self._secret = secret
        self.keep(cookies.SESSION, secret, self.settings.session_days * 86_400)
        self.keep(cookies.VISIT, "", 0)

    def begin_session(self, tx: Tx, user_id: int, by: str) -> None:
        """Sign a user in with this browser, as the session's list will show it."""
        browser = browser_name(self.req.get_header("User-Agent"))
        self.enter(sessions.create_session(tx, user_id, self.settings.session_days, browser))
        if by != "password":
            security_log.record(tx, "sign_in:success", user_id=user_id, by=by)

    def leave(self) -> None:
        """Have the browser forget its session."""
        self._secret, self.session = None, None
        self.keep(cookies.SESSION, "", 0)

    def promise(self, value: dict[str, Any], seconds: int) -> None:
        """Have this browser, and no other, bring a value back within so many seconds."""
        self.begin()
        assert self._secret is not None
        sealed = cookies.seal(self._secret, value, "oidc")
        assert sealed is not None
        self.keep(cookies.OIDC, sealed, seconds)

    def promised(self) -> dict[str, Any] | None:
        """What this browser was to bring back, once; None where it does not."""
        given, secret = self._given(cookies.OIDC), self._secret or self._given(cookies.VISIT)
        if given is None:
            return None
        self.keep(cookies.OIDC, "", 0)
        return cookies.unseal(secret, given, "oidc") if secret else None

    # ── cookies ────────────────────────────────────────────────────────────────────────────

    def keep(self, name: str, value: str, seconds: int | None = None) -> None:
        """Have the browser keep a cookie; 0 seconds: forget it."""
        self._cookies[name] = cookies.written(name, value, self.settings, seconds)

    def _given(self, name: str) -> str | None:
        return cookies.given(self.req, name, self.settings)

    @property
    def personal(self) -> bool:
        """Whether what is answered is for this visitor alone."""
        return not self.anonymous or self._secret is not None or bool(self._cookies)


def _path(path: str, query: str) -> str:
    """A path of this site, escaped as it came: one slash at its beginning, whatever was sent."""
    written = quote(f"/{path.lstrip('/')}", safe="/:@!$&'()*+,;=~-._%")
    return f"{written}?{query}" if query else written
