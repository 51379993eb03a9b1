"""Boot checks: what is wrong with the settings and the database, each with an id and a hint.

An `E` stops or breaks the server and makes `check` end with 1; a `W` is worth a look. Each check
answers a `Finding` or None; those that need the database run once it answers.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import typer

from goldenrod.base import config
from goldenrod.base.config import Settings
from goldenrod.base.errors import Problem, SettingError, Unavailable
from goldenrod.catalogue.accounts import users
from goldenrod.cli import output
from goldenrod.cli.failures import failure
from goldenrod.cli.open_database import reach, unmigrated
from goldenrod.rules.access import CONSOLE
from goldenrod.store import migrate as migrations
from goldenrod.store.db import Database
from goldenrod.store.drivers import sqlite_path
from goldenrod.web import oidc_client

FOR_OTHERS = 0o077
"""The bits of a file's mode that are for anybody but its owner."""


class Finding(NamedTuple):
    """One thing that is wrong, and what to do about it."""

    id: str
    what: str
    hint: str

    @property
    def is_error(self) -> bool:
        return self.id.startswith("goldenrod.E")


def check(
    as_json: bool = typer.Option(False, "--json", help="Print JSON for programs."),
) -> None:
    """Look for what is wrong with the settings and the database.

    Ends with 1 where an error (E) was found; warnings (W) alone end with 0.
    """
    found = list(_findings())
    if as_json:
        output.show_json([finding._asdict() for finding in found])
    else:
        for finding in found:
            output.say(f"{finding.id}: {finding.what}\n    {finding.hint}")
        if not found:
            output.say("All is well.")
    raise typer.Exit(1 if any(finding.is_error for finding in found) else 0)


def _findings() -> Iterator[Finding]:
    try:
        settings = config.load()
    except SettingError as wrong:
        yield Finding("goldenrod.E003", f"{wrong}.", "Correct the environment variable.")
        return
    yield from filter(
        None, [_open_to_others(settings), _no_public_url(settings), _no_oidc(settings)]
    )
    try:
        if missing := _missing_file(settings):
            yield missing
            return
        with unmigrated(settings) as db:
            reach(db)
            yield from filter(None, [_other_tables(db) or _no_staff(db)])
    except (Problem, SettingError, OSError) as error:
        said = failure(error)
        yield Finding(
            "goldenrod.E001",
            said.sentence if said else str(error),
            "See that GOLDENROD_DATABASE_URL is right and the database runs.",
        )


def _sqlite_file(settings: Settings) -> Path | None:
    url = settings.database_url
    return Path(sqlite_path(url)) if url.startswith("sqlite:") else None


def _missing_file(settings: Settings) -> Finding | None:
    """E001 for SQLite: looking must not make the file."""
    file = _sqlite_file(settings)
    if file is None or file.exists():
        return None
    return Finding(
        "goldenrod.E001",
        f"There is no database at {file}.",
        "Run `goldenrod migrate` to make it, or set GOLDENROD_DATABASE_URL to where it is.",
    )


def _other_tables(db: Database) -> Finding | None:
    """E002: the tables are those of another version."""
    stored = migrations.stored_revision(db)
    if stored == migrations.HEAD:
        return None
    if stored is not None and stored > migrations.HEAD:
        return Finding(
            "goldenrod.E002",
            f"The tables are at {stored}, newer than this version's {migrations.HEAD}.",
            "Install the Goldenrod that wrote them, or a later one.",
        )
    return Finding(
        "goldenrod.E002",
        f"The tables are at {stored or 'nothing'}, older than this version's {migrations.HEAD}.",
        "Make a backup and run `goldenrod migrate` (`goldenrod serve` does it too).",
    )


def _open_to_others(settings: Settings) -> Finding | None:
    """W001: password hashes and sessions are in those files."""
    try:
        file = _sqlite_file(settings)
    except SettingError:
        return None  # E001 says so
    if file is None:
        return None
    places = (Path(f"{file}{suffix}") for suffix in ("", "-wal", "-shm"))
    exposed = [str(place) for place in places if _is_open_to_others(place)]
    if not exposed:
        return None
    return Finding(
        "goldenrod.W001",
        f"Others on this machine may open {' and '.join(exposed)}.",
        f"chmod 600 {shlex.join(exposed)}",
    )


def _is_open_to_others(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & FOR_OTHERS)
    except OSError:
        return False


def _no_public_url(settings: Settings) -> Finding | None:
    """W002: behind a proxy, people use another address than the one that is served."""
    if not settings.trusted_proxies or settings.public_url:
        return None
    return Finding(
        "goldenrod.W002",
        "GOLDENROD_TRUSTED_PROXIES is set, but GOLDENROD_PUBLIC_URL is not.",
        "Set GOLDENROD_PUBLIC_URL to the address that people use.",
    )


def _no_oidc(settings: Settings) -> Finding | None:
    """W004: nobody can sign in with the OpenID Connect provider. Asked at its issuer alone."""
    provider = oidc_client.provider_of(settings)
    try:
        if provider is not None:
            provider.discover()
    except Unavailable as away:
        return Finding(
            "goldenrod.W004",
            away.detail,
            "See that GOLDENROD_OIDC_ISSUER is right, to the last slash, and can be reached from here.",
        )
    return None


def _no_staff(db: Database) -> Finding | None:
    """W003: nobody can keep providers, users and identities through the API."""
    with db.read() as tx:
        if users.USERS.count(tx, CONSOLE, is_staff="true", active="true"):
            return None
    return Finding(
        "goldenrod.W003",
        "No active user is staff.",
        "Run `goldenrod user create NAME --staff`, then `goldenrod token create NAME`.",
    )


def migrate() -> None:
    """Bring the database's tables to what this version needs.

    `serve` and every other command on the database do the same when they start.
    """
    with unmigrated(config.load()) as db:
        reach(db)
        changed = migrations.migrate(db)
    state = "are now" if changed else "were already"
    output.say(f"The tables {state} at {migrations.HEAD}.")
