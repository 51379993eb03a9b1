"""What commands that ask a server have in common: the client, a list, the body of a change.

The server is the one at GOLDENROD_URL, asked with GOLDENROD_TOKEN; without a token, as anybody.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import typer

from goldenrod.base import config
from goldenrod.base.numbers import id_or_text
from goldenrod.cli import output
from goldenrod.client import Client, ClientError

Body = dict[str, Any]

JSON = typer.Option(False, "--json", help="Print JSON for programs.")
LIMIT = typer.Option(100, min=1, help="Print at most so many.")
ALL = typer.Option(False, "--all", help="Print all, however many.")
ORDERING = typer.Option(
    None, help="start_date, end_date or name; with - before it, descending: --ordering=-start_date."
)
KEY = typer.Option(
    None, "--idempotency-key", help="Makes repeating the same command within 24 hours safe."
)
STDIN = "-"


@contextmanager
def asked() -> Iterator[Client]:
    """The server that the settings name."""
    settings = config.load()
    with Client(settings.url, settings.token) as server:
        yield server


def address(resource: str, key: str) -> str:
    """The path of one thing, whatever was typed for its key."""
    return path(resource, key)


def path(*parts: str) -> str:
    """The path of these parts, whatever was typed for them."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def version_address(server: Client, version: str, *further: str) -> str:
    """The path of a version that was typed as its UUID or as IMAGE/NAME, or of what is below it."""
    return path("image_versions", version_id(server, version), *further)


def version_id(server: Client, version: str) -> str:
    """The UUID of a version that was typed as one, or as IMAGE/NAME. Raises ClientError."""
    image, slash, name = version.partition("/")
    if not slash:
        return version
    for found in server.pages("/image_versions", image_id=image, name=name, page_size=1):
        return str(found["id"])
    raise ClientError(404, "not_found", f"There is no version {version} that you may see.")


def show_list(
    resource: str, filters: Body, columns: Sequence[str], limit: int, everything: bool, json: bool
) -> None:
    """Print the things of a list that the filters leave, at most `limit` unless `everything`."""
    size = 1000 if everything else min(limit, 1000)
    with asked() as server:
        found = server.pages(f"/{resource}", page_size=size, **filters)
        shown = list(found if everything else islice(found, limit))
        more = not everything and next(found, None) is not None
    if json:
        output.show_json(shown)
    else:
        output.show_table(columns, ([thing.get(name) for name in columns] for thing in shown))
    if more:
        output.note(f"There are more than these {limit}: --all prints all, --limit how many.")


def show_one(thing: Body, json: bool) -> None:
    """Print one thing with all its fields."""
    if json:
        output.show_json(thing)
    elif thing:
        output.show_fields(thing.items())
    else:
        output.note("It is changed, and no longer to be seen by you.")


def given(**values: Any) -> Body:
    """The fields of a body that options gave: those that are neither None nor an empty list."""
    return {name: value for name, value in values.items() if value is not None and value != []}


def cleared(body: Body, names: Iterable[str], lists: Iterable[str], values: Iterable[str]) -> Body:
    """The body with these fields emptied: lists have nothing in them then, values are null."""
    lists, values = tuple(lists), tuple(values)
    for name in names:
        if name not in (*lists, *values):
            known = ", ".join((*lists, *values))
            raise typer.BadParameter(f"{name!r} cannot be cleared; these can: {known}.")
        if name in body:
            raise typer.BadParameter(f"{name} is both given and cleared.")
        body[name] = [] if name in lists else None
    if not body:
        raise typer.BadParameter("Name what to change.")
    return body


def references(names: list[str]) -> list[int | str]:
    """Things as they were typed: a number is an id, all else a uuid or a name."""
    return [reference(name) for name in names]


def reference(name: str) -> int | str:
    """A thing as it was typed: a number is an id, all else a uuid, slug or name."""
    return id_or_text(name)


def text_of(text: str | None, file: Path | None) -> str | None:
    """A longer text: as it was typed, or what a file (`-`: stdin) holds."""
    if text is not None and file is not None:
        raise typer.BadParameter("Give the text or its file, not both.")
    if file is None:
        return text
    try:
        if str(file) == STDIN:
            return typer.get_text_stream("stdin").read()
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file} is not UTF-8 text.") from None
