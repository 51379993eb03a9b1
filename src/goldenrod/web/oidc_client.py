"""An OpenID Connect provider: where to send people, and what it says of who came back.

What it says of itself (its discovery document) and its keys are kept for an hour; keys that it has
not shown yet are asked for once more, at most every so often. HTTP goes to the configured issuer's
host, and to hosts that the operator names, and nowhere else: no redirect is followed, no proxy of the
environment used, every answer is short in size and time. An ID token counts only where one of the
provider's keys signed it, with an algorithm of two keys, for this client, with the nonce that was
asked for.
"""

import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlsplit

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from goldenrod.base.clock import Instant, to_datetime
from goldenrod.base.config import Settings
from goldenrod.base.errors import BadRequest, Unavailable

STEP_S = 5.0
"""The longest wait to connect, or for the next part of an answer."""
WHOLE_S = 10.0
"""The longest that one question takes, however its answer trickles."""
MOST_ANSWER = 512 * 1024
KEPT_S = 3600.0
"""So long the provider's document and keys are kept."""
AGAIN_S = 30.0
"""So often at most keys that are not known yet are asked for."""
REST_S = 5.0
"""So long a provider that did not answer is not asked again."""
LEEWAY_S = 60
"""By so much its clock may differ."""
MOST_AT_ONCE = 8
"""So many threads at most wait for the provider; the next is told to come again."""
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Of two keys each: none, and those with a shared secret, sign nothing here."""

_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Person(NamedTuple):
    """Whom the provider vouches for: its own id of them, and what it calls them."""

    issuer: str
    subject: str
    name: str


class _Silent(Exception):
    """The provider gave no answer that can be used; the text says why, for the operator."""


def failed(detail: str) -> BadRequest:
    """The refusal of what came back from the provider."""
    return BadRequest(f"{detail} Nothing was changed: sign in anew.", code="oidc_sign_in_failed")


class OpenIdProvider:
    """The provider that the settings name."""

    def __init__(
        self, issuer: str, client_id: str, client_secret: str, hosts: tuple[str, ...]
    ) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._hosts = {urlsplit(issuer).netloc.lower(), *hosts}
        self._asking = threading.Lock()
        self._gate = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._document: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._document_until = self._keys_until = self._keys_again = self._rest_until = 0.0
        self._why = ""

    # ── what it says of itself ─────────────────────────────────────────────────────────────

    def discover(self) -> Mapping[str, Any]:
        """Its discovery document. Raises Unavailable."""
        if time.monotonic() >= self._document_until:
            with self._one_at_a_time():
                if time.monotonic() >= self._document_until:
                    self._document = self._checked(self._ask(self._discovery_address()))
                    self._document_until = time.monotonic() + KEPT_S
        return self._document

    def _discovery_address(self) -> str:
        return self.issuer.rstrip("/") + "/.well-known/openid-configuration"

    def _checked(self, document: Any) -> dict[str, Any]:
        if not isinstance(document, dict) or document.get("issuer") != self.issuer:
            raise _Silent("its discovery document is that of another issuer")
        for name in _ENDPOINTS:
            self._require_address(name, document.get(name))
        return document

    def _require_address(self, name: str, address: object) -> None:
        parts = urlsplit(address) if isinstance(address, str) else urlsplit("")
        schemes = {"https", urlsplit(self.issuer).scheme}
        if parts.scheme not in schemes or not parts.netloc:
            raise _Silent(f"its {name} is no address that can be used")
        # People are led to the authorization endpoint; this process asks the others itself.
        if name != "authorization_endpoint" and parts.netloc.lower() not in self._hosts:
            raise _Silent(
                f"its {name} is at {parts.netloc}, which is not the issuer's host: name it in "
                "GOLDENROD_OIDC_HOSTS to have it asked"
            )

    def _key_set(self, *, anew: bool = False) -> KeySet:
        address = self.discover()["jwks_uri"]
        with self._one_at_a_time():
            now = time.monotonic()
            due = now >= self._keys_until or (anew and now >= self._keys_again)
            if self._keys is None or due:
                self._keys_again = now + AGAIN_S
                try:
                    self._keys = KeySet.import_key_set(self._ask(address))
                except (JoseError, ValueError, KeyError, TypeError):
                    raise _Silent("its keys cannot be read") from None
                self._keys_until = now + KEPT_S
            return self._keys

    # ── signing in ─────────────────────────────────────────────────────────────────────────

    def authorization_address(
        self, redirect_uri: str, scopes: str, *, state: str, nonce: str, verifier: str
    ) -> str:
        """Where to send a browser. Raises Unavailable."""
        address: str = prepare_grant_uri(
            self.discover()["authorization_endpoint"],
            self._client_id,
            "code",
            redirect_uri=redirect_uri,
            scope=scopes,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return address

    def redeem(
        self, code: str, redirect_uri: str, *, verifier: str, nonce: str, now: Instant
    ) -> Person:
        """Whom a code stands for. Raises BadRequest (`oidc_sign_in_failed`), Unavailable."""
        document = self.discover()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        with self._one_of_a_few():
            answer = self._ask(document["token_endpoint"], self._with_client(form, document))
        token, access = (answer.get(name) for name in ("id_token", "access_token"))
        if not isinstance(token, str):
            raise failed(f"The provider did not accept it ({_word(answer.get('error'))}).")
        return self._person(token, access, nonce, int(to_datetime(now).timestamp()))

    def _with_client(
        self, form: dict[str, str], document: Mapping[str, Any]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """The form and headers that say which client asks, in the way that the provider takes."""
        ways = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if not self._client_secret:
            return form | {"client_id": self._client_id}, {}
        if "client_secret_basic" in ways:
            # As RFC 6749, 2.3.1, has it: both are encoded before they are joined.
            name, secret = quote_plus(self._client_id), quote_plus(self._client_secret)
            basic = httpx.BasicAuth(name, secret)
            request = next(basic.auth_flow(httpx.Request("POST", self.issuer)))
            return form, {"Authorization": request.headers["Authorization"]}
        named = {"client_id": self._client_id, "client_secret": self._client_secret}
        return form | named, {}

    def _person(self, token: str, access: object, nonce: str, now: int) -> Person:
        try:
            read = self._read(token)
            claims = CodeIDToken(
                read.claims,
                read.header,
                options={
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": self._client_id},
                    "sub": {"essential": True},
                    "nonce": {"essential": True, "value": nonce},
                },
                params={"client_id": self._client_id, "access_token": access, "nonce": nonce},
            )
            claims.validate(now=now, leeway=LEEWAY_S)
        except (JoseError, AuthlibBaseError, ValueError, TypeError, KeyError) as wrong:
            named = _word(getattr(wrong, "claim", None) or getattr(wrong, "error", None))
            raise failed(f"The provider's ID token does not hold ({named}).") from None
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= 255 or "\x00" in subject:
            raise failed("The provider's ID token names nobody.")
        given = (claims.get(name) for name in ("preferred_username", "nickname", "name"))
        name = next((text for text in given if isinstance(text, str) and text.strip()), "")
        return Person(self.issuer, subject, name)

    def _read(self, token: str) -> jwt.Token:
        try:
            return jwt.decode(token, self._key_set(), algorithms=ALGORITHMS)
        except InvalidKeyIdError:
            # A provider changes its keys: look once more.
            return jwt.decode(token, self._key_set(anew=True), algorithms=ALGORITHMS)

    # ── asking ─────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Who asks for what is kept; where it failed, nobody waits for it in vain for a while."""
        with _passed(self._asking):
            if time.monotonic() < self._rest_until:
                raise _away(self._why)
            try:
                yield
            except _Silent as silent:
                self._rest_until = time.monotonic() + REST_S
                self._why = str(silent)
                raise _away(self._why) from None

    @contextmanager
    def _one_of_a_few(self) -> Iterator[None]:
        """Who redeems a code. Anybody may bring a code that is none: what that is answered keeps
        nobody else from asking."""
        with _passed(self._gate):
            try:
                yield
            except _Silent as silent:
                raise _away(str(silent)) from None

    def _ask(self, address: str, sent: tuple[dict[str, str], dict[str, str]] | None = None) -> Any:
        """The JSON that an address of the provider answers; to a form its refusals too."""
        form, headers = sent or ({}, {})
        headers = {"Accept": "application/json", **headers}
        until = time.monotonic() + WHOLE_S
        try:
            with (
                httpx.Client(verify=_tls(), timeout=STEP_S, trust_env=False) as client,
                client.stream(
                    "POST" if sent else "GET", address, data=form or None, headers=headers
                ) as answer,
            ):
                if answer.status_code != 200 and not (sent and answer.status_code in (400, 401)):
                    raise _Silent(f"it answers {answer.status_code}")
                body = bytearray()
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > MOST_ANSWER or time.monotonic() > until:
                        raise _Silent("its answer is too long, or comes too slowly")
            read = json.loads(body)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise _Silent(f"no connection: {type(error).__name__}") from None
        except (ValueError, RecursionError):
            raise _Silent("its answer is not JSON") from None
        if not isinstance(read, dict):
            raise _Silent("its answer is not a JSON object")
        return read


@contextmanager
def _passed(gate: "threading.Lock | threading.BoundedSemaphore") -> Iterator[None]:
    """Wait for one's turn. Raises Unavailable where it does not come."""
    if not gate.acquire(timeout=STEP_S):
        raise _away("too many sign in at once")
    try:
        yield
    finally:
        gate.release()


def _away(why: str) -> Unavailable:
    said = f"The OpenID Connect provider cannot be used now: {why}."
    return Unavailable(said, code="oidc_unavailable", retry_after=int(REST_S))


def _word(given: object) -> str:
    """A word of the provider's that may be shown: its code of an error, or a claim's name."""
    with suppress(AttributeError):
        text = str(given)[:40]
        if text.replace("_", "").isalnum():
            return text
    return "no reason given"


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


@cache
def _made(
    issuer: str, client_id: str, client_secret: str, hosts: tuple[str, ...]
) -> OpenIdProvider:
    return OpenIdProvider(issuer, client_id, client_secret, hosts)


def provider_of(settings: Settings) -> OpenIdProvider | None:
    """The provider that people may sign in with; None where there is none."""
    if not settings.oidc_issuer:
        return None
    return _made(
        settings.oidc_issuer,
        settings.oidc_client_id,
        settings.oidc_client_secret,
        settings.oidc_hosts,
    )
