"""`goldenrod activity`: who changed what, who signed in, who was refused. Asks a server, for staff."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from typing import Any

import typer

from goldenrod.base.csv_text import csv_text
from goldenrod.cli import not_found, output, server_requests
from goldenrod.cli.options import JSON

COLUMNS = ("at", "who", "action", "what", "change", "address", "count", "source")
MOST_PER_PAGE = 1000
FORMER_NAMES = ("name", "title", "username", "key", "target", "identifier")
"""The fields of an entry that have the name of what was removed."""

RESULT = typer.Option(None, help="One of: changes, sign_ins, refusals, exports.")
LIMIT = typer.Option(100, min=1, help="At most this many entries, the newest.")
CSV = typer.Option(False, "--csv", help="Print a CSV file for spreadsheets.")

Entry = dict[str, Any]


def activity(
    result: str | None = RESULT,
    resource: str | None = typer.Option(None, help="Changes of this kind, such as version."),
    action: str | None = typer.Option(None, help="Such as version:revoke or sign_in:failure."),
    user: str | None = typer.Option(None, help="Only what this user did (the username)."),
    image: str | None = typer.Option(None, help="Only changes of this image (slug, id or uuid)."),
    address: str | None = typer.Option(None, help="Only from this client's address."),
    since: str | None = typer.Option(None, metavar="DAY", help="From this day on, in UTC."),
    until: str | None = typer.Option(None, metavar="DAY", help="Up to this day, in UTC."),
    limit: int = LIMIT,
    as_csv: bool = CSV,
    as_json: bool = JSON,
) -> None:
    """List who changed what, who signed in and who was refused, newest first.

    For staff, with a token of the scope admin.
    """
    if as_csv and as_json:
        raise typer.BadParameter("--csv and --json cannot be given together.")
    asked = server_requests.given(
        result=result,
        resource=resource,
        action=action,
        user=user,
        image=image,
        address=address,
        at__gte=_instant("--since", since, 0),
        at__lt=_instant("--until", until, 1),
    )
    found = list(_entries(asked, image, limit))
    if as_json:
        output.show_json(found)
    elif as_csv:
        output.say(csv_text(COLUMNS, map(_row, found)).replace("\r\n", "\n").rstrip("\n"))
    else:
        output.show_table(COLUMNS, map(_row, found))


def _instant(option: str, day: str | None, later: int) -> str | None:
    """The beginning of a day, or of one so many days later."""
    if day is None:
        return None
    try:
        return f"{date.fromisoformat(day) + timedelta(days=later)}T00:00:00Z"
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{option} takes a day, such as 2026-03-14.") from None


def _entries(asked: Entry, image: str | None, limit: int) -> Iterator[Entry]:
    with server_requests.asked() as server:
        if image is not None:
            # A typing error must not pass as an image that nobody changed.
            not_found.find_image(server, image)
        pages = server.pages("/activity", page_size=min(limit, MOST_PER_PAGE), **asked)
        yield from islice(pages, limit)


def _row(entry: Entry) -> tuple[Any, ...]:
    by = entry["by"]["username"] if entry["by"] else entry["via"]
    changes = "; ".join(_changes(entry["changes"] or {}))
    what = (entry["at"], by, entry["action"], _what(entry), changes)
    return *what, entry["address"] or "", entry["count"], entry["source"] or ""


def _what(entry: Entry) -> str:
    """The name of what was changed; of a refused request its method and address."""
    subject, changes = entry["subject"], entry["changes"]
    if changes is None:
        detail = entry["detail"]
        parts = (detail.get(name) for name in ("method", "route", "by", "operator"))
        return " ".join(str(part) for part in parts if part)
    if subject is None:
        before = (changes.get(field, {}).get("before") for field in FORMER_NAMES)
        return str(next((it for it in before if it), ""))
    name = subject["name"] or ""
    if version := subject["version"]:
        return f"{output.cell(version)} {name}"
    image = subject["image"]
    return f"{image['slug']}/{name}" if image and image["name"] != name else name


def _changes(changes: Entry) -> Iterator[str]:
    for field, change in changes.items():
        before, after = output.cell(change.get("before")), output.cell(change.get("after"))
        yield f"{field}: {before} → {after}" if before or after else field
