"""Commands for webhooks: list and test them, deliver, list and show deliveries, send one again.

Webhooks are created through the API or on pages, because each sends what its creator may read.
"""

import json
import signal
import threading
from operator import itemgetter
from types import FrameType

import typer

from goldenrod.base import config
from goldenrod.catalogue.webhooks import webhooks
from goldenrod.catalogue.webhooks.worker import CONNECTIONS, Deliverer
from goldenrod.cli import output
from goldenrod.cli.open_database import every, naming, opened
from goldenrod.cli.options import JSON, WIDE
from goldenrod.rules.access import CONSOLE
from goldenrod.store import paging

WEBHOOK = typer.Argument(metavar="WEBHOOK", help="Its id or uuid, as `webhooks list` prints it.")
DELIVERY = typer.Argument(
    metavar="DELIVERY", help="Its id or uuid, as `webhooks deliveries` prints it."
)
ONCE = typer.Option(False, "--once", help="Deliver what is due now, then end.")


def list_webhooks(as_json: bool = JSON) -> None:
    """List webhooks, newest first, without their secrets."""
    with opened() as db, db.read() as tx:
        found = list(
            every(tx, webhooks.WEBHOOKS.page, webhooks.WEBHOOKS.listing, ordering="-start_date")
        )
    if as_json:
        output.show_json(found)
        return
    output.show_things(
        output.fields("id", "image", "target", "events", "active", "created_by"), found
    )


def deliver(once: bool = ONCE) -> None:
    """Notify webhooks until stopped.

    The server does this itself, unless GOLDENROD_DELIVER is false. One process at a time delivers; the
    others wait.
    """
    settings = config.load()
    with opened(CONNECTIONS) as db:
        deliverer = Deliverer(db, private=settings.webhooks_private, ports=settings.webhooks_ports)
        if once:
            finished = deliverer.deliver_due()
            counts = deliverer.counts
            output.say(
                f"{counts['delivered']} delivered, {counts['failed']} attempts failed, "
                f"{counts['dropped']} dropped."
            )
            if not finished:
                output.note("Another process is delivering. It delivers the rest.")
            return
        deliverer.run(_until_stopped())


def _until_stopped() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set."""
    stopped = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    return stopped


def list_deliveries(
    webhook: str = WEBHOOK,
    state: str = typer.Option(
        "", help="Only deliveries in this state: waiting, delivered, failed or dropped."
    ),
    limit: int = typer.Option(
        100, min=1, max=paging.MOST_PER_PAGE, help="How many of the newest to list."
    ),
    wide: bool = WIDE,
    as_json: bool = JSON,
) -> None:
    """List a webhook's deliveries, newest first."""
    filters = {
        "page_size": [str(limit)],
        "ordering": ["-id"],
        **({"state": [state]} if state else {}),
    }
    query = paging.parse(webhooks.DELIVERIES, filters)
    with opened() as db, db.read() as tx, naming("webhook", webhook):
        page = webhooks.list_deliveries(tx, CONSOLE, webhook, query)
    found = [json.loads(text) for text in page.results]
    if as_json:
        output.show_json(found)
        return
    columns: output.Columns = {
        "id": itemgetter("id"),
        "event": lambda one: one["event"] and one["event"]["type"],
        **output.fields("state", "attempts", "last_status", "last_error"),
    }
    more = output.fields("uuid", "next_at", "last_at")
    output.show_things({**columns, **more} if wide else columns, found)


def show_delivery(webhook: str = WEBHOOK, delivery: str = DELIVERY, as_json: bool = JSON) -> None:
    """Show a delivery with its attempts, the newest first: what was sent and answered."""
    with opened() as db, db.read() as tx:
        with naming("webhook", webhook):
            webhooks.WEBHOOKS.read(tx, CONSOLE, webhook)
        with naming("delivery", delivery):
            found = webhooks.get_delivery(tx, CONSOLE, webhook, delivery)
    if as_json:
        output.show_json(found)
        return
    attempts = found.pop("stored_attempts")
    output.show_fields((found | {"event": found["event"]["type"]}).items())
    for one in attempts:
        answer = one.pop("answer") or {}
        headers = {f"answered {name}": text for name, text in answer.get("headers", {}).items()}
        output.say("")
        output.show_fields([*one.items(), *headers.items(), ("answer", answer.get("body"))])


def send_test(webhook: str = WEBHOOK) -> None:
    """Send a test event to a webhook, and to no other.

    It is sent by the server, or by `goldenrod webhooks deliver`.
    """
    with opened() as db, db.write_unversioned() as tx, naming("webhook", webhook):
        delivery = webhooks.send_test(tx, CONSOLE, webhook)
    output.say(f"Delivery {delivery} of webhook {webhook} will be sent.")


def redeliver(
    webhook: str = WEBHOOK,
    delivery: str = DELIVERY,
) -> None:
    """Send a delivery again, under the same id.

    Its state does not matter. Its payload is built again.
    """
    with opened() as db, db.write_unversioned() as tx:
        with naming("webhook", webhook):
            webhooks.WEBHOOKS.read(tx, CONSOLE, webhook)
        with naming("delivery", delivery):
            webhooks.redeliver(tx, CONSOLE, webhook, delivery)
    output.say(f"Delivery {delivery} of webhook {webhook} will be sent again.")
