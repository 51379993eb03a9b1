"""The cookies that pages set, and the signatures made with their secrets: of forms and notices.

- `goldenrod_session`: the secret of a session.
- `goldenrod_visit`: the secret of a visitor who is about to sign in.
- `goldenrod_oidc`: the pending sign-in with an OpenID Connect provider, until its answer comes.
- `goldenrod_notice`: the notice that the next page shows.
- `goldenrod_revision`: the newest revision that a signed-in browser has seen, if there are several
  database servers.
- `goldenrod_theme`: the theme that the visitor chose, if not that of their system.

All are HttpOnly, SameSite=Lax and valid for the whole host. If the public address is https, they are
Secure and their names begin with `__Host-`, so that no other host of the domain can set them.
"""

import hashlib
import secrets
from typing import Any

import falcon
from itsdangerous import BadData, URLSafeSerializer

from goldenrod.base.config import Settings

SESSION, VISIT, NOTICE = "goldenrod_session", "goldenrod_visit", "goldenrod_notice"
OIDC, THEME, REVISION = "goldenrod_oidc", "goldenrod_theme", "goldenrod_revision"
REVISION_SECONDS = 600
"""How long a browser remembers it: longer than a failover takes. Where a database lost its last
changes, this browser is answered again at the latest after that time."""
THEMES = ("light", "dark")
MOST_SEALED = 3000
"""The longest text of a signed cookie. Browsers store 4,096 bytes a cookie."""


def named(name: str, settings: Settings) -> str:
    """The full name of a cookie, with `__Host-` on https."""
    return f"__Host-{name}" if secure(settings) else name


def secure(settings: Settings) -> bool:
    """Whether the public address is https."""
    return settings.public_url.startswith("https:")


def given(req: falcon.Request, name: str, settings: Settings) -> str | None:
    """The value of a cookie of the request: the first one, if there are several."""
    values = req.get_cookie_values(named(name, settings))
    return values[0] if values else None


def written(name: str, value: str, settings: Settings, seconds: int | None = None) -> str:
    """The value of a Set-Cookie header.

    `seconds`: how long the browser stores it. 0 deletes it; None stores it until the browser closes.
    """
    parts = [f"{named(name, settings)}={value}", "Path=/", "HttpOnly", "SameSite=Lax"]
    if seconds is not None:
        parts.append(f"Max-Age={seconds}")
    if secure(settings):
        parts.append("Secure")
    return "; ".join(parts)


class CookieJar:
    """The cookies of one request and of its answer."""

    def __init__(self, req: falcon.Request, settings: Settings) -> None:
        self._req = req
        self._settings = settings
        self._set: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        """The value of a cookie that the browser sent."""
        return given(self._req, name, self._settings)

    def set_cookie(self, name: str, value: str, seconds: int | None = None) -> None:
        """Set a cookie for so many seconds, or until the browser closes."""
        self._set[name] = written(name, value, self._settings, seconds)

    def delete(self, name: str) -> None:
        """Delete a cookie of the browser."""
        self.set_cookie(name, "", 0)

    @property
    def headers(self) -> tuple[str, ...]:
        """The values of the answer's Set-Cookie headers."""
        return tuple(self._set.values())


def new_secret() -> str:
    """A new random secret for a visitor."""
    return secrets.token_urlsafe(24)


def _serializer(secret: str, use: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        secret.encode("utf-8", "replace"),
        salt=use,
        signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
    )


def seal(secret: str, value: dict[str, Any], use: str = "notice") -> str | None:
    """A value as the text of a cookie, signed with the secret for one use; None if it is too long."""
    text = str(_serializer(secret, use).dumps(value))
    return text if len(text) <= MOST_SEALED else None


def unseal(secret: str, text: str, use: str = "notice") -> dict[str, Any] | None:
    """The value of a text that `seal` made with this secret and use; None for any other text."""
    try:
        value = _serializer(secret, use).loads(text.encode("utf-8", "replace"))
    except BadData:
        return None
    return value if isinstance(value, dict) else None
