"""Much at once: taking in what a source found, a whole catalogue out and in, a backup."""

import sys
from pathlib import Path

import msgspec
import typer

from goldenrod.catalogue.accounts import security_events
from goldenrod.catalogue.transfer import backup as keeping
from goldenrod.catalogue.transfer import export_import
from goldenrod.catalogue.transfer.source_import import OWNER
from goldenrod.cli import output
from goldenrod.cli.open_database import opened
from goldenrod.sources import aws
from goldenrod.sources.reconcile import KINDS, OUTCOMES, import_found

AMI_LINES = typer.Option(..., help="Lines of JSON, one AMI in one region each; may be gzipped.")
EXPORTED = typer.Argument(metavar="FILE", help="What `goldenrod export` wrote; - is stdin.")
EXPORT_TO = typer.Argument(
    None, metavar="[FILE]", dir_okay=False, help="Where to; without it, or with -, stdout."
)
COPY = typer.Argument(metavar="FILE", help="The copy to make; it must not exist.")


def import_aws(
    file: Path = AMI_LINES,
    owner: str = typer.Option(OWNER, help="Whose the new images are."),
    private: bool = typer.Option(False, "--private", help="New images are not public."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON for programs."),
) -> None:
    """Take in Amazon's machine images from a file.

    Taking in the same file again changes nothing. What could not be taken is said on stderr.
    """
    found = aws.parse(aws.open_lines(file))
    with opened() as db, output.progress("machines") as progress:
        report = import_found(db, found, owner=owner, private=private, progress=progress)
    counts = {kind: {what: report.of(kind, what) for what in OUTCOMES} for kind in KINDS}
    if as_json:
        skipped = [msgspec.to_builtins(skip) for skip in report.skipped]
        output.show_json({"counts": counts, "skipped": skipped})
        return
    output.show_table(("", *OUTCOMES), ((kind, *counts[kind].values()) for kind in KINDS))
    for skip in report.skipped:
        output.note(f"skipped {skip.where} ({skip.machines}): {skip.reason}")
    if report.skipped:
        output.note(f"{report.machines_skipped:,} machines were skipped.")


def import_catalogue(
    file: Path = EXPORTED,
) -> None:
    """Take in a catalogue that was exported.

    It goes into an empty catalogue, all of it or nothing.
    """
    with opened() as db, output.progress("rows") as progress:
        if str(file) == "-":
            done = export_import.import_catalogue(db, sys.stdin.buffer, progress)
        else:
            with file.open("rb") as lines:
                done = export_import.import_catalogue(db, lines, progress)
    output.note(f"{done:,} rows are taken in.")


def export(
    file: Path | None = EXPORT_TO,
    credentials: bool = typer.Option(
        True,
        "--credentials/--no-credentials",
        help="With password hashes and tokens, or so that nobody can sign in from it.",
    ),
) -> None:
    """Write the whole catalogue as lines of JSON.

    A file takes its name once it is complete, and is readable by its owner alone.
    """
    with opened() as db, output.progress("rows") as progress:
        security_events.record_export(db, credentials=credentials)
        if file is None or str(file) == "-":
            out = sys.stdout.buffer
            done = export_import.export_catalogue(
                db, out, credentials=credentials, progress=progress
            )
            out.flush()
        else:
            done = keeping.export_to_file(db, file, credentials=credentials, progress=progress)
    output.note(f"{done:,} rows are written.")


def backup(
    file: Path = COPY,
) -> None:
    """Copy the SQLite database while it is in use.

    The copy is the catalogue as it is at one moment; others go on reading and writing.
    """
    with opened() as db:
        security_events.record_backup(db)
        keeping.backup(db, file)
    output.say(f"The database is copied to {file}.")
