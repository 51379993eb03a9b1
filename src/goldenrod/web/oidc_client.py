"""A client of an OpenID Connect provider: discovery, authorization URL, token exchange, ID tokens.

The discovery document and the keys are cached for an hour; for an unknown key they are fetched again,
at most every 30 seconds. Requests go only to the issuer's host and to the hosts that the operator
allows. Redirects and proxies of the environment are ignored; answers are limited in size and time. An
ID token is valid only if a key of the provider signed it, with an asymmetric algorithm, for this
client, with the nonce of this sign-in.
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
"""The longest that one request takes, however slowly its answer arrives."""
MOST_ANSWER = 512 * 1024
CACHE_S = 3600.0
"""How long the provider's document and keys are cached."""
REFETCH_S = 30.0
"""The shortest time between two requests for unknown keys."""
RETRY_S = 5.0
"""How long a provider that failed is not asked again."""
LEEWAY_S = 60
"""How much the provider's clock may differ."""
MOST_AT_ONCE = 8
"""How many threads may wait for the provider; further requests are refused with 503."""
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""The asymmetric ones: `none` and algorithms with a shared secret are not accepted."""

_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Person(NamedTuple):
    """A person whom the provider authenticated: issuer, subject (its id of them), name, and all claims
    of the ID token."""

    issuer: str
    subject: str
    name: str
    claims: Mapping[str, Any]


class _ProviderFailure(Exception):
    """The provider gave no usable answer; the text says why."""


def sign_in_failed(detail: str) -> BadRequest:
    """The problem to raise where the provider's answer does not sign anybody in."""
    return BadRequest(f"{detail} Nothing was changed. Sign in again.", code="oidc_sign_in_failed")


class OpenIdProvider:
    """The provider of the settings."""

    def __init__(
        self, issuer: str, client_id: str, client_secret: str, hosts: tuple[str, ...]
    ) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._hosts = {urlsplit(issuer).netloc.lower(), *hosts}
        self._fetch_lock = threading.Lock()
        self._redeem_slots = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._document: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._document_until = self._keys_until = self._keys_again = self._retry_at = 0.0
        self._failure = ""

    # ── discovery and keys ───────────────────────────────────────────────────────────────────────

    def discover(self) -> Mapping[str, Any]:
        """Its discovery document. Raises Unavailable."""
        if time.monotonic() >= self._document_until:
            with self._one_at_a_time():
                if time.monotonic() >= self._document_until:
                    self._document = self._checked(self._request(self._discovery_address()))
                    self._document_until = time.monotonic() + CACHE_S
        return self._document

    def _discovery_address(self) -> str:
        return self.issuer.rstrip("/") + "/.well-known/openid-configuration"

    def _checked(self, document: Any) -> dict[str, Any]:
        if not isinstance(document, dict) or document.get("issuer") != self.issuer:
            raise _ProviderFailure("its discovery document names another issuer")
        for name in _ENDPOINTS:
            self._require_address(name, document.get(name))
        return document

    def _require_address(self, name: str, address: object) -> None:
        parts = urlsplit(address) if isinstance(address, str) else urlsplit("")
        schemes = {"https", urlsplit(self.issuer).scheme}
        if parts.scheme not in schemes or not parts.netloc:
            raise _ProviderFailure(f"its {name} is not a usable URL")
        # The browser goes to the authorization endpoint; this process requests the others.
        if name != "authorization_endpoint" and parts.netloc.lower() not in self._hosts:
            raise _ProviderFailure(
                f"its {name} is at {parts.netloc}, which is not the issuer's host; to allow it, add it "
                "to GOLDENROD_OIDC_HOSTS"
            )

    def _key_set(self, *, refetch: bool = False) -> KeySet:
        address = self.discover()["jwks_uri"]
        with self._one_at_a_time():
            now = time.monotonic()
            due = now >= self._keys_until or (refetch and now >= self._keys_again)
            if self._keys is None or due:
                self._keys_again = now + REFETCH_S
                try:
                    self._keys = KeySet.import_key_set(self._request(address))
                except (JoseError, ValueError, KeyError, TypeError):
                    raise _ProviderFailure("its keys are not valid") from None
                self._keys_until = now + CACHE_S
            return self._keys

    # ── signing in ───────────────────────────────────────────────────────────────────────────────

    def authorization_address(
        self, redirect_uri: str, scopes: str, *, state: str, nonce: str, verifier: str
    ) -> str:
        """The URL at the provider to redirect a browser to. Raises Unavailable."""
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
        """Exchange a code for the person who signed in. Raises BadRequest (`oidc_sign_in_failed`),
        Unavailable."""
        document = self.discover()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        with self._few_at_a_time():
            answer = self._request(document["token_endpoint"], self._with_client(form, document))
        token, access = (answer.get(name) for name in ("id_token", "access_token"))
        if not isinstance(token, str):
            raise sign_in_failed(
                f"The provider did not accept the sign-in ({_word(answer.get('error'))})."
            )
        return self._person(token, access, nonce, int(to_datetime(now).timestamp()))

    def _with_client(
        self, form: dict[str, str], document: Mapping[str, Any]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """The form and headers that authenticate this client in a way that the provider supports."""
        methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if not self._client_secret:
            return form | {"client_id": self._client_id}, {}
        if "client_secret_basic" in methods:
            # RFC 6749, 2.3.1: both are form-encoded before they are joined.
            name, secret = quote_plus(self._client_id), quote_plus(self._client_secret)
            basic = httpx.BasicAuth(name, secret)
            request = next(basic.auth_flow(httpx.Request("POST", self.issuer)))
            return form, {"Authorization": request.headers["Authorization"]}
        credentials = {"client_id": self._client_id, "client_secret": self._client_secret}
        return form | credentials, {}

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
        except (
            *(JoseError, AuthlibBaseError, ValueError, TypeError, KeyError),
            RecursionError,
        ) as problem:
            claim = _word(getattr(problem, "claim", None) or getattr(problem, "error", None))
            raise sign_in_failed(f"The provider's ID token is not valid ({claim}).") from None
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= 255 or "\x00" in subject:
            raise sign_in_failed("The provider's ID token has no valid subject.")
        given = (claims.get(name) for name in ("preferred_username", "nickname", "name"))
        name = next((text for text in given if isinstance(text, str) and text.strip()), "")
        return Person(self.issuer, subject, name, claims)

    def _read(self, token: str) -> jwt.Token:
        try:
            return jwt.decode(token, self._key_set(), algorithms=ALGORITHMS)
        except InvalidKeyIdError:
            # The provider may have changed its keys.
            return jwt.decode(token, self._key_set(refetch=True), algorithms=ALGORITHMS)

    # ── requests ─────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Fetch what is cached, one thread at a time. After a failure the provider is not asked for
        `RETRY_S`, so that nobody waits in vain."""
        with _waiting_for(self._fetch_lock):
            if time.monotonic() < self._retry_at:
                raise _unavailable(self._failure)
            try:
                yield
            except _ProviderFailure as failure:
                self._retry_at = time.monotonic() + RETRY_S
                self._failure = str(failure)
                raise _unavailable(self._failure) from None

    @contextmanager
    def _few_at_a_time(self) -> Iterator[None]:
        """Redeem a code, a few threads at a time. A failure does not delay others: anybody can send a
        wrong code."""
        with _waiting_for(self._redeem_slots):
            try:
                yield
            except _ProviderFailure as failure:
                raise _unavailable(str(failure)) from None

    def _request(
        self, address: str, sent: tuple[dict[str, str], dict[str, str]] | None = None
    ) -> Any:
        """The JSON object at a URL of the provider: by GET, or by POST of a form. A refusal of the form
        (400, 401) is returned too."""
        form, headers = sent or ({}, {})
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
        until = time.monotonic() + WHOLE_S
        try:
            with (
                httpx.Client(verify=_tls(), timeout=STEP_S, trust_env=False) as client,
                client.stream(
                    "POST" if sent else "GET", address, data=form or None, headers=headers
                ) as answer,
            ):
                if answer.status_code != 200 and not (sent and answer.status_code in (400, 401)):
                    raise _ProviderFailure(f"it answered {answer.status_code}")
                # A compressed body could be small and unpack to anything.
                if answer.headers.get("content-encoding", "identity").lower() != "identity":
                    raise _ProviderFailure("it answered with a compressed body unasked")
                body = bytearray()
                for part in answer.iter_raw():
                    body += part
                    if len(body) > MOST_ANSWER or time.monotonic() > until:
                        raise _ProviderFailure("its answer is too long, or comes too slowly")
            value = json.loads(body)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise _ProviderFailure(f"no connection: {type(error).__name__}") from None
        except (ValueError, RecursionError):
            raise _ProviderFailure("its answer is not JSON") from None
        if not isinstance(value, dict):
            raise _ProviderFailure("its answer is not a JSON object")
        return value


@contextmanager
def _waiting_for(gate: "threading.Lock | threading.BoundedSemaphore") -> Iterator[None]:
    """Enter a lock or semaphore for the block. Raises Unavailable after `STEP_S`."""
    if not gate.acquire(timeout=STEP_S):
        raise _unavailable("too many people sign in at once")
    try:
        yield
    finally:
        gate.release()


def _unavailable(why: str) -> Unavailable:
    detail = f"The OpenID Connect provider is not available: {why}."
    return Unavailable(detail, code="oidc_unavailable", retry_after=int(RETRY_S))


def _word(given: object) -> str:
    """An error code or claim name of the provider, if it is a plain word."""
    with suppress(AttributeError):
        text = str(given)[:40]
        if text.replace("_", "").isalnum():
            return text
    return "no reason given"


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


@cache
def _provider(
    issuer: str, client_id: str, client_secret: str, hosts: tuple[str, ...]
) -> OpenIdProvider:
    return OpenIdProvider(issuer, client_id, client_secret, hosts)


def provider_of(settings: Settings) -> OpenIdProvider | None:
    """The provider of the settings; None where none is configured."""
    if not settings.oidc_issuer:
        return None
    return _provider(
        settings.oidc_issuer,
        settings.oidc_client_id,
        settings.oidc_client_secret,
        settings.oidc_hosts,
    )
