"""The settings: every environment variable that Goldenrod reads, with its default and meaning.

Only this module reads the environment. An invalid value stops the start with an error
(`SettingError`).
"""

import ipaddress
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from goldenrod.base.errors import SettingError
from goldenrod.base.numbers import whole_number
from goldenrod.base.text import boolean

MOST_CLAIM_GROUPS = 500
"""How many values of a claim may be mapped to groups."""
LEAST_TOKEN = 16
"""Characters of the token for metrics."""
MOST_SECRET = 65_536
"""Bytes of a file that has the value of a setting."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Setting:
    """One environment variable: its name without prefix, default, reader and meaning. The value of a
    secret may also be in a file, which another variable names."""

    name: str
    default: str
    read: Callable[[str], Any]
    meaning: str
    secret: bool = False

    @property
    def variable(self) -> str:
        return f"GOLDENROD_{self.name.upper()}"

    @property
    def file_variable(self) -> str:
        """The variable that names the file of a secret."""
        return f"{self.variable}_FILE"


def _text(value: str) -> str:
    return value


def _database_url(value: str) -> str:
    if value.startswith(("sqlite:", "postgresql:", "postgres:")):
        return value
    raise ValueError("takes sqlite:///file.db or postgresql://user:password@host/name")


def _replica_url(value: str) -> str:
    if not value or value.startswith(("postgresql:", "postgres:")):
        return value
    raise ValueError("takes postgresql://user:password@host/name, the address of a standby")


def _public_url(value: str) -> str:
    if not value:
        return ""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("takes an address such as https://images.example.org")
    return value.rstrip("/")


def _endpoint(value: str) -> str:
    if not value:
        return ""
    parts = urlsplit(value)
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise ValueError("takes an address such as http://127.0.0.1:4318, without a user name")
    return value.rstrip("/")


def _metrics_token(value: str) -> str:
    written = value.isascii() and value.isprintable() and " " not in value
    if value and not (written and LEAST_TOKEN <= len(value) <= 512):
        raise ValueError(
            f"takes {LEAST_TOKEN} to 512 letters, digits and punctuation of ASCII, without spaces"
        )
    return value


def _issuer(value: str) -> str:
    if not value:
        return ""
    parts = urlsplit(value)
    here = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not (parts.scheme == "https" or here) or not parts.hostname or "#" in value or "?" in value:
        raise ValueError("takes an https address such as https://sso.example.org/realms/cloud")
    return value


def _hosts(value: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in value.split(",") if part.strip())


def _scopes(value: str) -> str:
    words = value.split()
    if "openid" not in words:
        raise ValueError("takes scopes with spaces between them, openid among them")
    return " ".join(words)


def _claim_groups(value: str) -> tuple[tuple[str, str], ...]:
    """A JSON object: a value of the claim → the name of a group."""
    wrong = ValueError('takes a JSON object such as {"/cloud/builders": "builders"}')
    try:
        pairs = json.loads(value, object_pairs_hook=list) if value.strip() else []
    except (ValueError, RecursionError):
        raise wrong from None
    named = isinstance(pairs, list) and not value.lstrip().startswith("[")
    if not named or not all(isinstance(group, str) and group.strip() for _, group in pairs):
        raise wrong
    if len(dict(pairs)) != len(pairs):
        raise ValueError("names a value of the claim twice")
    if len(pairs) > MOST_CLAIM_GROUPS:
        raise ValueError(f"takes at most {MOST_CLAIM_GROUPS} values")
    return tuple(pairs)


def _networks(value: str) -> tuple[Network, ...]:
    try:
        return tuple(
            ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip()
        )
    except ValueError:
        raise ValueError("takes addresses or networks, comma separated: 10.0.0.0/8,::1") from None


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        try:
            return whole_number(value, least, most)
        except ValueError:
            raise ValueError(f"takes a whole number from {least} to {most}") from None

    return read


def _ports(value: str) -> frozenset[int]:
    read = _whole(1, 65535)
    try:
        return frozenset(read(part.strip()) for part in value.split(",") if part.strip())
    except ValueError:
        raise ValueError("takes port numbers, comma separated: 25,587") from None


SETTINGS = (
    Setting(
        "database_url",
        "sqlite:///goldenrod.db",
        _database_url,
        "the catalogue's database: a SQLite file (the default, in the working directory) "
        "or a PostgreSQL database, of which it may name several hosts",
        secret=True,
    ),
    Setting(
        "replica_url",
        "",
        _replica_url,
        "a standby of that PostgreSQL database, or several, for reads. Without it, everything is read "
        "from the primary",
        secret=True,
    ),
    Setting(
        "replica_lag_seconds",
        "10",
        _whole(1, 3_600),
        "how many seconds a standby may lag behind the primary before nothing is read from it",
    ),
    Setting(
        "database_prepare",
        "true",
        boolean,
        "whether statements are prepared in PostgreSQL; false behind a pooler in transaction mode, "
        "such as pgbouncer",
    ),
    Setting(
        "public_url",
        "",
        _public_url,
        "the URL that people use; links then begin with it. Without it, links are paths without a host",
    ),
    Setting(
        "trusted_proxies",
        "",
        _networks,
        "addresses or networks of proxies whose X-Forwarded-For is trusted, comma separated",
    ),
    Setting(
        "database_pool",
        "8",
        _whole(1, 200),
        "the most connections to the database that one process opens",
    ),
    Setting(
        "database_cache_mb",
        "96",
        _whole(1, 1_000_000),
        "how much of a SQLite file the connections of one process keep in memory together, in MiB",
    ),
    Setting(
        "cache_mb",
        "64",
        _whole(0, 1_000_000),
        "the size of the response cache of one process, in MiB; 0: no cache",
    ),
    Setting(
        "body_seconds",
        "15",
        _whole(1, 15),
        "how many seconds the body of a request may take to arrive",
    ),
    Setting(
        "rate_limit",
        "100",
        _whole(0, 1_000_000),
        "how many requests a second each address and each token may send to one process, on average of "
        "four seconds; 0: as many as they like",
    ),
    Setting(
        "session_days",
        "30",
        _whole(1, 365),
        "after how many days a browser has to sign in again",
    ),
    Setting(
        "deliver",
        "true",
        boolean,
        "whether the server also delivers webhooks; otherwise run `goldenrod webhooks deliver`",
    ),
    Setting(
        "webhooks_private",
        "false",
        boolean,
        "whether webhooks may be sent to this machine and to private networks",
    ),
    Setting(
        "webhooks_ports",
        "",
        _ports,
        "further ports, comma separated, that webhooks may be sent to, besides 80, 443 and those from "
        "1024 on",
    ),
    Setting(
        "oidc_issuer",
        "",
        _issuer,
        "the OpenID Connect provider that people may sign in with, such as "
        "https://sso.example.org/realms/cloud. Without it, there is no such sign-in",
    ),
    Setting("oidc_client_id", "", _text, "the client id of this catalogue at that provider"),
    Setting(
        "oidc_client_secret",
        "",
        _text,
        "the client secret at that provider; none for a public client, which PKCE protects",
        secret=True,
    ),
    Setting(
        "oidc_name",
        "single sign-on",
        _text,
        "the text of its button after “Continue with”",
    ),
    Setting(
        "oidc_scopes", "openid profile", _scopes, "the scopes requested from it, openid among them"
    ),
    Setting(
        "oidc_hosts",
        "",
        _hosts,
        "further hosts, comma separated, of that provider's token and key endpoints, besides the "
        "issuer's",
    ),
    Setting(
        "oidc_create",
        "true",
        boolean,
        "whether the first sign-in through it creates a user; otherwise staff link accounts to users",
    ),
    Setting(
        "oidc_groups_claim",
        "",
        _text,
        "the claim of the ID token whose values put people into groups at each sign-in, such as groups "
        "or realm_access.roles. Without it, sign-ins change no group",
    ),
    Setting(
        "oidc_groups",
        "",
        _claim_groups,
        "which value of that claim puts people into which group: a JSON object such as "
        '{"/cloud/builders": "builders"}',
    ),
    Setting("oidc_staff", "", _text, "the value of that claim that makes people staff"),
    Setting(
        "url",
        "http://127.0.0.1:8000",
        _public_url,
        "the server that the command line uses",
    ),
    Setting("token", "", _text, "the token that the command line sends", secret=True),
    Setting(
        "metrics_token",
        "",
        _metrics_token,
        "the token that `GET /metrics` needs. Without it, only the port of `--metrics-port` answers "
        "metrics",
        secret=True,
    ),
    Setting(
        "slow_ms",
        "1000",
        _whole(0, 600_000),
        "a request that takes this many milliseconds or more is logged with the names of its "
        "statements; 0: none is",
    ),
    Setting(
        "otlp_endpoint",
        "",
        _endpoint,
        "the OpenTelemetry collector that traces are sent to (OTLP over HTTP), such as "
        "http://127.0.0.1:4318. It needs the extra `otel`",
    ),
)


@dataclass(frozen=True)
class Settings:
    """The settings, read and checked."""

    database_url: str = field(repr=False)
    replica_url: str = field(repr=False)
    replica_lag_seconds: int
    database_prepare: bool
    public_url: str
    trusted_proxies: tuple[Network, ...]
    database_pool: int
    database_cache_mb: int
    cache_mb: int
    body_seconds: int
    rate_limit: int
    session_days: int
    deliver: bool
    webhooks_private: bool
    webhooks_ports: frozenset[int]
    oidc_issuer: str
    oidc_client_id: str
    oidc_client_secret: str = field(repr=False)
    oidc_name: str
    oidc_scopes: str
    oidc_hosts: tuple[str, ...]
    oidc_create: bool
    oidc_groups_claim: str
    oidc_groups: tuple[tuple[str, str], ...]
    oidc_staff: str
    url: str
    token: str = field(repr=False)
    metrics_token: str = field(repr=False)
    slow_ms: int
    otlp_endpoint: str
    webhooks_receiver: tuple[str, int] | None = None
    """An address and port on this machine that webhooks may be sent to, whatever else is allowed: the
    demonstration's own receiver. No environment variable sets it."""

    @property
    def several_servers(self) -> bool:
        """Whether more than one database server may answer, so that browsers remember what they saw."""
        parts = urlsplit(self.database_url)
        hosts = [parts.netloc.rpartition("@")[2], *parse_qs(parts.query).get("host", ())]
        return bool(self.replica_url) or any("," in host for host in hosts)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings from the environment. Raises SettingError naming the variable."""
    source = os.environ if environ is None else environ
    values = {}
    for setting in SETTINGS:
        given, variable = _given(setting, source)
        try:
            values[setting.name] = setting.read(given)
        except ValueError as wrong:
            raise SettingError(f"{variable} {wrong}") from None
    settings = Settings(**values)
    _require_whole(settings)
    return settings


def _given(setting: Setting, source: Mapping[str, str]) -> tuple[str, str]:
    """The text of a setting, and the variable that gave it. Raises SettingError for a file that cannot
    be read."""
    file = source.get(setting.file_variable) if setting.secret else None
    if not file:
        return source.get(setting.variable, setting.default), setting.variable
    if setting.variable in source:
        raise SettingError(
            f"{setting.variable} and {setting.file_variable} are both set; set one of them"
        )
    return _content(setting.file_variable, file), setting.file_variable


def _content(variable: str, file: str) -> str:
    """The text of a file that has the value of a setting, without the line end at its end."""
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(MOST_SECRET + 1)
        text = content.decode("utf-8")
    except (OSError, ValueError) as wrong:
        reason = getattr(wrong, "strerror", None) or "it is not a text file"
        raise SettingError(
            f"{variable} names {file!r}, which cannot be read: {reason.lower()}"
        ) from None
    if len(content) > MOST_SECRET or "\0" in text:
        raise SettingError(f"{variable} names {file!r}, which is too long, or has NUL characters")
    return text.removesuffix("\n").removesuffix("\r")


def secret_files(environ: Mapping[str, str] | None = None) -> dict[str, Path]:
    """The files that have values of settings, by their variable."""
    source = os.environ if environ is None else environ
    named = [setting.file_variable for setting in SETTINGS if setting.secret]
    return {name: Path(source[name]) for name in named if source.get(name)}


def use_metrics_directory(directory: str) -> None:
    """Have the processes of this server count in files of this directory (prometheus-client)."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory


def _require_whole(settings: Settings) -> None:
    """OpenID Connect needs these settings too: the provider redirects to the public URL only."""
    needed = {
        "GOLDENROD_OIDC_CLIENT_ID": settings.oidc_client_id,
        "GOLDENROD_PUBLIC_URL": settings.public_url,
    }
    for variable, value in needed.items():
        if settings.oidc_issuer and not value:
            raise SettingError(f"{variable} must be set where GOLDENROD_OIDC_ISSUER is")
    if settings.replica_url and settings.database_url.startswith("sqlite:"):
        raise SettingError(
            "GOLDENROD_REPLICA_URL is for PostgreSQL: GOLDENROD_DATABASE_URL names a SQLite file"
        )
    if (settings.oidc_groups or settings.oidc_staff) and not settings.oidc_groups_claim:
        raise SettingError(
            "GOLDENROD_OIDC_GROUPS_CLAIM must be set where GOLDENROD_OIDC_GROUPS or "
            "GOLDENROD_OIDC_STAFF is"
        )


def forget_header_variables() -> None:
    """Delete `HTTP_…` variables: Granian copies the environment into each request's, where they
    would look like headers."""
    for name in [name for name in os.environ if name.startswith("HTTP_")]:
        del os.environ[name]
