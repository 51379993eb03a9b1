"""Commands that import from a source, export and import a whole catalogue, and back it up."""

import sys
from pathlib import Path

import msgspec
import typer

from goldenrod.catalogue.accounts import security_events, users
from goldenrod.catalogue.sync.source_actor import OWNER
from goldenrod.catalogue.transfer import backup as backups
from goldenrod.catalogue.transfer import export_import
from goldenrod.cli import output
from goldenrod.cli.failures import REFUSED
from goldenrod.cli.open_database import named, opened
from goldenrod.cli.options import JSON
from goldenrod.sources import aws_ecs_file
from goldenrod.sources.files.json_lines import MarkedLines
from goldenrod.sources.sync.import_releases import KINDS, OUTCOMES, import_found

AMI_LINES = typer.Option(..., help="Lines of JSON, each one AMI in one region; may be gzipped.")
EXPORTED = typer.Argument(metavar="FILE", help="A file that `goldenrod export` wrote; - is stdin.")
EXPORT_TO = typer.Argument(
    None, metavar="[FILE]", dir_okay=False, help="The file to write; stdout if left out or -."
)
COPY = typer.Argument(
    metavar="FILE", help="The copy to write; the file must not exist. With --keep: a folder."
)
KEEP = typer.Option(
    None,
    "--keep",
    min=1,
    max=10_000,
    help="Write a copy named by the time into this folder, and delete all but the newest N copies.",
)


def import_aws(
    file: Path = AMI_LINES,
    owner: str = typer.Option(OWNER, help="The owner of new images."),
    private: bool = typer.Option(False, "--private", help="New images are not public."),
    as_json: bool = JSON,
) -> None:
    """Import Amazon's machine images from a file.

    Importing the same file again changes nothing. What could not be imported is listed on stderr.
    Exits with 1 if nothing of the file could be imported.
    """
    found = aws_ecs_file.parse(MarkedLines(aws_ecs_file.open_lines(file), str(file)))
    with opened() as db, output.progress("machines") as progress:
        if owner != OWNER:
            with db.read() as tx:
                named(tx, users.USERS.page, users.USERS.listing, "user", username=owner)
        report = import_found(db, found, owner=owner, private=private, progress=progress)
    counts = {kind: {what: report.of(kind, what) for what in OUTCOMES} for kind in KINDS}
    if as_json:
        skipped = [msgspec.to_builtins(skip) for skip in report.skipped]
        output.show_json({"counts": counts, "skipped": skipped})
    else:
        output.show_table(("", *OUTCOMES), ((kind, *counts[kind].values()) for kind in KINDS))
        for skip in report.skipped:
            output.note(f"skipped {skip.where} ({skip.machines}): {skip.reason}")
    if not any(counts["version"].values()):
        skipped_all = f": all {report.machines_skipped:,} machines were skipped"
        output.note(
            f"Nothing was imported{skipped_all if report.skipped else ', the file is empty'}."
        )
        raise typer.Exit(REFUSED)
    if report.skipped and not as_json:
        output.note(f"{report.machines_skipped:,} machines were skipped.")


def import_catalogue(
    file: Path = EXPORTED,
) -> None:
    """Import a catalogue that was exported.

    The database must have an empty catalogue. If anything is wrong, nothing is imported.
    """
    with opened() as db, output.progress("rows") as progress:
        if str(file) == "-":
            done = export_import.import_catalogue(db, sys.stdin.buffer, progress)
        else:
            with file.open("rb") as lines:
                done = export_import.import_catalogue(db, lines, progress)
    output.note(f"{done:,} rows imported.")


def export(
    file: Path | None = EXPORT_TO,
    credentials: bool = typer.Option(
        True,
        "--credentials/--no-credentials",
        help="Include password hashes, tokens and webhooks, or omit them.",
    ),
) -> None:
    """Write the whole catalogue as lines of JSON.

    A file gets its name once it is complete, and only its owner may read it.
    """
    with opened() as db, output.progress("rows") as progress:
        security_events.record_export(db, credentials=credentials)
        if file is None or str(file) == "-":
            out = sys.stdout.buffer
            with output.naming_stdout():
                done = export_import.export_catalogue(
                    db, out, credentials=credentials, progress=progress
                )
                out.flush()
        else:
            done = backups.export_to_file(db, file, credentials=credentials, progress=progress)
    output.note(f"{done:,} rows written.")


def backup(
    file: Path = COPY,
    keep: int | None = KEEP,
) -> None:
    """Copy the SQLite database while it is in use.

    The copy is the catalogue as of one moment, and is checked. Others can read and write meanwhile.
    PostgreSQL has its own tools: pg_dump, and pg_basebackup with an archive.
    """
    if keep is not None and not file.is_dir():
        raise typer.BadParameter(f"{file} is not a folder.", param_hint="FILE")
    with opened() as db:
        security_events.record_backup(db)
        if keep is None:
            backups.backup(db, file)
        else:
            file = backups.backup_into(db, file, keep)
    output.say(f"Database copied to {file}.")
