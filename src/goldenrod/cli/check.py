"""The commands `check` and `migrate`: problems of the settings and the database, with ids and hints.

An error (E) stops or breaks the server and makes `check` exit with 1; a warning (W) does not. Each
check returns a `Finding` or None. Checks that need the database run only if it can be reached.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path

import typer

from goldenrod.base import config
from goldenrod.base.config import Settings
from goldenrod.base.errors import SettingError, Unavailable
from goldenrod.catalogue.accounts import oidc_claims, users
from goldenrod.cli import output
from goldenrod.cli.deploy_check import FOR_OTHERS, Deployment, Finding, sqlite_file
from goldenrod.cli.failures import failure
from goldenrod.cli.open_database import prepare, reach, unmigrated
from goldenrod.cli.options import JSON
from goldenrod.rules.access import CONSOLE
from goldenrod.store import migrate as migrations
from goldenrod.store.db import Database
from goldenrod.web import oidc_client, server


def check(
    deploy: bool = typer.Option(
        False, "--deploy", help="Also report what would be wrong in production."
    ),
    workers: int = typer.Option(
        1, min=1, max=256, help="With --deploy: the workers of all servers."
    ),
    threads: int = typer.Option(
        server.BLOCKING_THREADS, min=1, max=1024, help="With --deploy: the threads of each."
    ),
    metrics_host: str = typer.Option(
        "127.0.0.1", help="With --deploy: the address of the port for metrics."
    ),
    as_json: bool = JSON,
) -> None:
    """Check the settings and the database for problems.

    Exits with 1 if an error (E) was found; warnings (W) alone exit with 0.
    """
    found = list(_findings(Deployment(workers, threads, metrics_host) if deploy else None))
    if as_json:
        output.show_json([finding._asdict() for finding in found])
    else:
        for finding in found:
            output.say(f"{finding.id}: {finding.what}\n    {finding.hint}")
        if not found:
            output.say("No problems found.")
    raise typer.Exit(1 if any(finding.is_error for finding in found) else 0)


def _findings(deployment: Deployment | None) -> Iterator[Finding]:
    try:
        settings = config.load()
    except SettingError as wrong:
        yield Finding("goldenrod.E003", f"{wrong}.", "Correct the environment variable.")
        return
    yield from filter(
        None, [_open_to_others(settings), _no_public_url(settings), _no_oidc(settings)]
    )
    if deployment is not None:
        yield from deployment.of_settings(settings)
    try:
        if missing := _missing_file(settings):
            yield missing
            return
        with unmigrated(settings) as db:
            reach(db)
            other = _other_tables(db)
            yield from filter(None, [other] if other else [_no_staff(db), _no_groups(db, settings)])
            if deployment is not None:
                yield from deployment.of_database(db, settings, current=other is None)
    except Exception as error:
        expected = failure(error)
        if expected is None:
            raise
        check = "Check that GOLDENROD_DATABASE_URL is right and that the database is running."
        if settings.database_prepare and not settings.database_url.startswith("sqlite:"):
            check += (
                " Behind a pooler in transaction mode, set GOLDENROD_DATABASE_PREPARE to false."
            )
        yield Finding("goldenrod.E001", expected.sentence, check)


def _missing_file(settings: Settings) -> Finding | None:
    """E001 for SQLite: a check must not create the file."""
    file = sqlite_file(settings)
    if file is None or file.exists():
        return None
    return Finding(
        "goldenrod.E001",
        f"There is no database at {file}.",
        "Run `goldenrod migrate` to create it, or correct GOLDENROD_DATABASE_URL.",
    )


def _other_tables(db: Database) -> Finding | None:
    """E002: the tables are those of another release."""
    stored = migrations.stored_revision(db)
    if stored == migrations.HEAD:
        return None
    if stored is not None and stored > migrations.HEAD:
        return Finding(
            "goldenrod.E002",
            f"The tables are at {stored}, which is newer than this release's {migrations.HEAD}.",
            "Install the release of Goldenrod that wrote them, or a later one.",
        )
    return Finding(
        "goldenrod.E002",
        f"The tables are at {stored or 'none'}, which is older than this release's {migrations.HEAD}.",
        "Make a backup, then run `goldenrod migrate` (`goldenrod serve` does so too).",
    )


def _open_to_others(settings: Settings) -> Finding | None:
    """W001: others can read the database files, which contain password hashes and sessions."""
    try:
        file = sqlite_file(settings)
    except SettingError:
        return None  # E001 reports it
    if file is None:
        return None
    files = (Path(f"{file}{suffix}") for suffix in ("", "-wal", "-shm"))
    exposed = [str(path) for path in files if _is_open_to_others(path)]
    if not exposed:
        return None
    return Finding(
        "goldenrod.W001",
        f"Other users of this machine can access {' and '.join(exposed)}.",
        f"chmod 600 {shlex.join(exposed)}",
    )


def _is_open_to_others(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & FOR_OTHERS)
    except OSError:
        return False


def _no_public_url(settings: Settings) -> Finding | None:
    """W002: behind a proxy, users have another address than the server's."""
    if not settings.trusted_proxies or settings.public_url:
        return None
    return Finding(
        "goldenrod.W002",
        "GOLDENROD_TRUSTED_PROXIES is set, but GOLDENROD_PUBLIC_URL is not.",
        "Set GOLDENROD_PUBLIC_URL to the address that users have.",
    )


def _no_oidc(settings: Settings) -> Finding | None:
    """W004: the issuer of OpenID Connect does not answer, so nobody can sign in with it."""
    provider = oidc_client.provider_of(settings)
    try:
        if provider is not None:
            provider.discover()
    except Unavailable as problem:
        return Finding(
            "goldenrod.W004",
            problem.detail,
            "Check that GOLDENROD_OIDC_ISSUER is right, including the last slash, and can be reached.",
        )
    return None


def _no_staff(db: Database) -> Finding | None:
    """W003: nobody can manage providers, users and identities through the API."""
    with db.read() as tx:
        if users.USERS.count(tx, CONSOLE, is_staff="true", active="true"):
            return None
    return Finding(
        "goldenrod.W003",
        "No active user is staff.",
        "Run `goldenrod user create NAME --staff`, then `goldenrod token create NAME`.",
    )


def _no_groups(db: Database, settings: Settings) -> Finding | None:
    """W005: claims of sign-ins put nobody into a group that does not exist."""
    with db.read() as tx:
        missing = oidc_claims.missing_groups(tx, settings)
    if not missing:
        return None
    return Finding(
        "goldenrod.W005",
        f"GOLDENROD_OIDC_GROUPS names no group that people can be put into: {', '.join(missing)}.",
        "Create the group, or correct its name. A personal group does not count.",
    )


def migrate() -> None:
    """Create or upgrade the database's tables for this release.

    `serve` and all other commands that use the database do the same when they start.
    """
    with unmigrated(config.load()) as db:
        changed = prepare(db)
    state = "are now" if changed else "were already"
    output.say(f"The tables {state} at {migrations.HEAD}.")
