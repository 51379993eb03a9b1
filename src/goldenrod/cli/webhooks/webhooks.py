"""Webhooks from the console: delivering, what was delivered, and delivering again.

Hooks are made through the API, by whom they are to speak as.
"""

import json
import signal
import threading
from types import FrameType

import typer

from goldenrod.base import config
from goldenrod.catalogue.webhooks import webhooks
from goldenrod.catalogue.webhooks.worker import CONNECTIONS, Deliverer
from goldenrod.cli import output
from goldenrod.cli.open_database import every, opened
from goldenrod.rules.access import CONSOLE
from goldenrod.store import paging

JSON = typer.Option(False, "--json", help="Print JSON for programs.")
HOOK = typer.Argument(metavar="WEBHOOK", help="Its id or uuid, as `webhooks list` shows it.")
ONCE = typer.Option(False, "--once", help="Deliver what is due now, and end.")


def list_webhooks(as_json: bool = JSON) -> None:
    """List webhooks, without their secrets."""
    with opened() as db, db.read() as tx:
        found = list(every(tx, webhooks.WEBHOOKS.page, webhooks.WEBHOOKS.listing))
    if as_json:
        output.show_json(found)
        return
    columns = ("id", "image", "target", "events", "active", "created_by")
    output.show_table(columns, ([hook[name] for name in columns] for hook in found))


def deliver(once: bool = ONCE) -> None:
    """Tell webhooks what happened, until told to end.

    The server does so by itself, unless GOLDENROD_DELIVER is false. One process at a time delivers;
    others wait for their turn.
    """
    settings = config.load()
    with opened(CONNECTIONS) as db:
        deliverer = Deliverer(db, private=settings.webhooks_private, ports=settings.webhooks_ports)
        if once:
            alone = deliverer.deliver_due()
            counts = deliverer.counts
            output.say(
                f"{counts['delivered']} delivered, {counts['failed']} attempts failed, "
                f"{counts['dropped']} dropped."
            )
            if not alone:
                output.note("Another process is delivering: the rest is its.")
            return
        deliverer.run(_until_told())


def _until_told() -> threading.Event:
    """Set by SIGTERM and Ctrl-C."""
    told = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        told.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    return told


def list_deliveries(
    webhook: str = HOOK,
    state: str = typer.Option("", help="Only these: waiting, delivered, failed or dropped."),
    limit: int = typer.Option(100, min=1, max=paging.MOST_PER_PAGE, help="How many, the newest."),
    as_json: bool = JSON,
) -> None:
    """List what was and will be sent to a webhook.

    The newest comes first.
    """
    asked = {
        "page_size": [str(limit)],
        "ordering": ["-id"],
        **({"state": [state]} if state else {}),
    }
    query = paging.parse(webhooks.DELIVERIES, asked)
    with opened() as db, db.read() as tx:
        page = webhooks.list_deliveries(tx, CONSOLE, webhook, query)
    found = [json.loads(text) for text in page.results]
    if as_json:
        output.show_json(found)
        return
    columns = (
        "id",
        "event",
        "state",
        "attempts",
        "next_at",
        "last_at",
        "last_status",
        "last_error",
    )
    shown = ({**one, "event": one["event"]["type"]} for one in found)
    output.show_table(columns, ([one[name] for name in columns] for one in shown))


def redeliver(
    webhook: str = HOOK,
    delivery: str = typer.Argument(metavar="DELIVERY", help="Its id or uuid."),
) -> None:
    """Send a delivery again: anew, under the same id.

    Whatever became of it; the deliverer takes it up.
    """
    with opened() as db, db.write_unversioned() as tx:
        webhooks.redeliver(tx, CONSOLE, webhook, delivery)
    output.say(f"Delivery {delivery} of webhook {webhook} waits to be sent.")
