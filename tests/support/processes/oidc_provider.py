"""A small OpenID Connect provider on this machine, as a separate process.

    with running() as provider:
        provider.set(person={"sub": "7", "preferred_username": "grace"})

It signs everyone in as the person that was set. It checks what a provider must check: the client,
the redirect URI, PKCE, and that a code is redeemed once. `set` can make it misbehave: `claims`
override those of the ID token; `sign` is how the token is signed ("good", "none", "secret",
"stranger": a key of another provider, "rotated": a new key of its own); `document` overrides its
discovery document; `deny` is an error instead of a code. `asked` lists the paths that were
requested.
"""

import base64
import hashlib
import hmac
import json
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT, SECRET = "goldenrod test", "s3cret/+with signs"
BEGINNING: dict[str, Any] = {
    "person": {"sub": "1001", "preferred_username": "grace"},
    "now": 0,
    "claims": {},
    "sign": "good",
    "document": {},
    "deny": "",
    "redirect_uri": "https://images.example.org/sign-in/oidc/callback",
}


class Oidc:
    """The state of the provider."""

    def __init__(self) -> None:
        self.told = dict(BEGINNING)
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.key = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
        self.stranger = RSAKey.generate_key(2048)
        self.shown = [self.key]
        self.issuer = ""

    def document(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            **self.told["document"],
        }

    def authorize(self, given: dict[str, str]) -> str:
        """The URL to which the browser is redirected."""
        assert given["client_id"] == CLIENT, "another client"
        assert given["redirect_uri"] == self.told["redirect_uri"], "another redirect URI"
        assert given["response_type"] == "code", "another flow"
        assert given["code_challenge_method"] == "S256", "no PKCE"
        assert "openid" in given["scope"].split(), "no OpenID Connect"
        answer = {"state": given["state"], "iss": self.issuer}
        if self.told["deny"]:
            answer["error"] = self.told["deny"]
        else:
            answer["code"] = secrets.token_urlsafe(16)
            self.codes[answer["code"]] = given
        return f"{given['redirect_uri']}?{urlencode(answer)}"

    def redeem(self, given: dict[str, str], client: str) -> dict[str, Any]:
        """The answer of the token endpoint."""
        asked = self.codes.pop(given.get("code", ""), None)
        verifier = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        if client != f"{CLIENT}:{SECRET}":
            return {"error": "invalid_client"}
        if asked is None or asked["redirect_uri"] != given["redirect_uri"]:
            return {"error": "invalid_grant"}
        if asked["code_challenge"] != challenge:
            return {"error": "invalid_grant"}
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": self.told["now"],
            "exp": self.told["now"] + 300,
            "nonce": asked["nonce"],
            **self.told["person"],
            **self.told["claims"],
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return {"access_token": "x", "token_type": "Bearer", "id_token": self.signed(kept)}

    def signed(self, claims: dict[str, Any]) -> str:
        way = self.told["sign"]
        if way == "none":
            return f"{_base64({'alg': 'none'})}.{_base64(claims)}."
        if way == "secret":
            # Signed with the public key as a shared secret, which everyone knows.
            told = f"{_base64({'alg': 'HS256', 'kid': self.key.kid})}.{_base64(claims)}"
            public = self.key.as_pem(private=False)
            return f"{told}.{_written(hmac.digest(public, told.encode(), 'sha256'))}"
        if way == "rotated":
            self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})
            self.shown = [self.key]
        # The stranger's key has the id of the provider's key.
        key = self.stranger if way == "stranger" else self.key
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, key)


def _base64(value: Any) -> str:
    return _written(json.dumps(value).encode())


def _written(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


class _Handler(BaseHTTPRequestHandler):
    oidc: Oidc

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.oidc.asked.append(parts.path)
        if parts.path == "/.well-known/openid-configuration":
            self.answer(self.oidc.document())
        elif parts.path == "/jwks":
            self.answer(KeySet(self.oidc.shown).as_dict(private=False))
        elif parts.path == "/authorize":
            to = self.oidc.authorize({k: v[0] for k, v in parse_qs(parts.query).items()})
            self.send_response(302)
            self.send_header("Location", to)
            self.end_headers()
        elif parts.path == "/asked":
            self.answer({"asked": self.oidc.asked[:-1]})
        else:
            self.answer({}, 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.oidc.asked.append(self.path)
        if self.path == "/tell":
            self.oidc.told.update(json.loads(body))
            if self.oidc.told["sign"] == "good":
                self.oidc.shown = [self.oidc.key]
            self.oidc.asked.clear()
            self.answer({})
            return
        given = {k: v[0] for k, v in parse_qs(body).items()}
        scheme, _, basic = self.headers.get("Authorization", "").partition(" ")
        client = base64.b64decode(basic).decode() if scheme == "Basic" else ""
        answer = self.oidc.redeem(given, ":".join(map(unquote_plus, client.split(":"))))
        self.answer(answer, 400 if "error" in answer else 200)

    def answer(self, value: Any, status: int = 200) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


def main() -> None:
    """Serve until stdin ends. The first line on stdout is the issuer."""
    oidc = Oidc()
    _Handler.oidc = oidc
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    oidc.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(oidc.issuer, flush=True)
    sys.stdin.read()


class Provider:
    """The provider's process, for tests."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        # Plain HTTP, so the machine's certificates, which are slow to read, are not needed.
        self._client = httpx.Client(trust_env=False, verify=False)

    def tell(self, **told: Any) -> None:
        """Change the provider's behaviour. Settings that are not given stay unchanged."""
        self._client.post(f"{self.issuer}/tell", json=told).raise_for_status()

    def lead(self, address: str) -> str:
        """Follow the redirect of a browser and sign in. Returns the URL to which the browser is
        redirected."""
        assert address.startswith(f"{self.issuer}/authorize?"), address
        answer = self._client.get(address)
        assert answer.status_code == 302
        return answer.headers["location"]

    @property
    def asked(self) -> list[str]:
        """The paths that were requested since the behaviour last changed."""
        found: list[str] = self._client.get(f"{self.issuer}/asked").json()["asked"]
        return found


@contextmanager
def running() -> Iterator[Provider]:
    """A provider, until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.processes.oidc_provider"],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield Provider(process.stdout.readline().strip())
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
