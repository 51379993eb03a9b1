"""The command `sync log`: the runs of `sync`, and the report of one."""

import json
from typing import Any

import typer

from goldenrod.catalogue.sync import reports
from goldenrod.cli import output
from goldenrod.cli.open_database import naming, opened
from goldenrod.cli.options import JSON
from goldenrod.rules.access import CONSOLE
from goldenrod.store import paging

RUN = typer.Argument(None, metavar="[RUN]", help="The id of a run; shows what it did.")
SOURCE = typer.Option("", "--source", metavar="NAME", help="Only runs of this source.")
LIMIT = typer.Option(20, "--limit", min=1, max=1000, help="The most rows to print.")


def sync_log(
    run: str | None = RUN, source: str = SOURCE, limit: int = LIMIT, as_json: bool = JSON
) -> None:
    """List the runs of sync, or the report of one.

    The newest run comes first. A report says what the run changed, what it left as it is and why, and
    which parts of the source could not be read.
    """
    asked = {"page_size": [str(limit)]}
    with opened() as db, db.read() as tx:
        if run is None:
            asked |= {"source": [source]} if source else {}
            page = reports.list_runs(tx, CONSOLE, paging.parse(reports.RUNS, asked))
            found: list[Any] = [json.loads(text) for text in page.results]
        else:
            with naming("run", run):
                one = reports.read_run(tx, CONSOLE, run)
            page = reports.list_entries(
                tx, CONSOLE, one["id"], paging.parse(reports.ENTRIES, asked)
            )
            found = [json.loads(text) for text in page.results]
    if as_json:
        output.show_json(found if run is None else {**one, "entries": found})
        return
    if run is None:
        columns = ("id", "source", "start_date", "end_date", "state", "changed", "left", "failed")
        output.show_things(output.fields(*columns), found)
        return
    output.show_fields(
        [(name, one[name]) for name in ("source", "start_date", "end_date", "state")]
    )
    output.show_things(output.fields("kind", "image", "subject", "reason"), found)
    if page.count > len(found):
        output.note(f"{page.count - len(found):,} more; see --limit.")
