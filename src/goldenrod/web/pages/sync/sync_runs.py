"""Pages of the runs of `goldenrod sync`: all of them, and the report of one.

Staff see everything. Editors see the entries about their images, and the runs that have such entries.
"""

from goldenrod.catalogue.sync import reports
from goldenrod.web.pages.kit.listing import listed
from goldenrod.web.pages.kit.visit import Page, Visit

STATES = {
    "running": "running",
    "done": "done",
    "partly": "partly done",
    "braked": "stopped by the brake",
    "failed": "failed",
}
COUNTS = {
    "images": "new images",
    "versions": "new versions",
    "created": "machines created",
    "updated": "updated",
    "ended": "ended",
    "restored": "restored",
    "deprecations": "deprecations",
    "unchanged": "unchanged",
    "kept": "kept",
    "skipped": "skipped",
    "failed": "failed",
}
"""The counts of a run, in the order in which they are shown."""


def show_runs(visit: Visit) -> Page:
    """GET /syncs."""
    visit.require_user()
    with visit.read() as (tx, actor):
        found = listed(visit, tx, actor, reports.list_runs, reports.RUNS, "source", "state")
    return visit.page("sync/sync_runs.html", list=found, states=STATES)


def show_run(visit: Visit, key: str) -> Page:
    """GET /syncs/{key}."""
    visit.require_user()
    with visit.read() as (tx, actor):
        run = reports.read_run(tx, actor, key)
        found = listed(
            visit,
            tx,
            actor,
            lambda tx, actor, query: reports.list_entries(tx, actor, run["id"], query),
            reports.ENTRIES,
            "kind",
        )
    told = run["counts"] or {}
    counts = [(words, told[name]) for name, words in COUNTS.items() if name in told]
    return visit.page(
        "sync/sync_run.html",
        run=run,
        counts=counts,
        list=found,
        kinds=reports.KINDS,
        states=STATES,
    )
