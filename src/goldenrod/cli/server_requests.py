"""Shared by commands that send requests to a server: the client, lists, bodies, references.

The server is at GOLDENROD_URL. Requests carry GOLDENROD_TOKEN; without it, they are anonymous.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote

import typer

from goldenrod.base import config
from goldenrod.base.numbers import id_or_text
from goldenrod.cli import output, streams
from goldenrod.client import Client, ClientError

Body = dict[str, Any]
P = ParamSpec("P")
R = TypeVar("R")

JSON = typer.Option(False, "--json", help="Print JSON for programs.")
LIMIT = typer.Option(100, min=1, max=99_999_999, help="The most to print.")
ALL = typer.Option(False, "--all", help="Print all.")
ORDERING = typer.Option(
    None, help="start_date, end_date or name; a leading - reverses it: --ordering=-start_date."
)
KEY = typer.Option(
    None,
    "--idempotency-key",
    help="With the same key, a command can be repeated safely within 24 hours.",
)


@contextmanager
def asked() -> Iterator[Client]:
    """A client for the server of the settings."""
    settings = config.load()
    with Client(settings.url, settings.token) as server:
        yield server


def understanding(command: Callable[P, R]) -> Callable[P, R]:
    """A command that asks a server, which may not be a Goldenrod server, or of another release."""

    @wraps(command)
    def asking(*given: P.args, **more: P.kwargs) -> R:
        try:
            return command(*given, **more)
        except UnicodeEncodeError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            detail = f"The server at {config.load().url} does not answer as this release expects"
            what = f"{type(error).__name__}: {error}"
            raise ClientError(502, "answer_malformed", f"{detail} ({what}).") from error

    return asking


def address(resource: str, key: str) -> str:
    """The path of one thing; its key is escaped."""
    return path(resource, key)


def path(*parts: str) -> str:
    """The path of these parts, which are escaped."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def version_address(server: Client, version: str, *further: str) -> str:
    """The path of a version, given as its UUID or as IMAGE/NAME, or a path below it."""
    return path("image_versions", version_id(server, version), *further)


def version_id(server: Client, version: str) -> str:
    """The UUID of a version, given as its UUID or as IMAGE/NAME. Raises ClientError."""
    image, slash, name = version.partition("/")
    if not slash:
        return version
    for found in server.pages("/image_versions", image_id=image, name=name, page_size=1):
        return str(found["id"])
    raise ClientError(404, "not_found", f"There is no version {version} that you may see.")


def show_list(
    resource: str, filters: Body, columns: Sequence[str], limit: int, everything: bool, json: bool
) -> None:
    """Print the things of a list that match the filters: all of them, or at most `limit`."""
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
        output.note(
            f"There are more than {limit}. Use --limit to print more, or --all to print all."
        )


def show_one(thing: Body, json: bool) -> None:
    """Print one thing with all its fields."""
    if json:
        output.show_json(thing)
    elif thing:
        output.show_fields(thing.items())
    else:
        output.note("It was changed, and you may not read it any more.")


def given(**values: Any) -> Body:
    """The fields of a body that options set: those that are neither None nor an empty list."""
    return {name: value for name, value in values.items() if value is not None and value != []}


def cleared(body: Body, names: Iterable[str], lists: Iterable[str], values: Iterable[str]) -> Body:
    """The body with these fields cleared: lists are empty, values are null."""
    lists, values = tuple(lists), tuple(values)
    for name in names:
        if name not in (*lists, *values):
            known = ", ".join((*lists, *values))
            raise typer.BadParameter(f"{name!r} cannot be cleared; these can: {known}.")
        if name in body:
            raise typer.BadParameter(f"{name} is both given and cleared.")
        body[name] = [] if name in lists else None
    if not body:
        raise typer.BadParameter("Name at least one field to change.")
    return body


def references(names: list[str]) -> list[int | str]:
    """References as typed: a number is an id, anything else a uuid or a name."""
    return [reference(name) for name in names]


def reference(name: str) -> int | str:
    """A reference as typed: a number is an id, anything else a uuid, slug or name."""
    return id_or_text(name)


def text_of(text: str | None, file: Path | None) -> str | None:
    """A long text: as typed, or the content of a file (`-` is stdin)."""
    if text is not None and file is not None:
        raise typer.BadParameter("Give the text or its file, not both.")
    return text if file is None else streams.read_file(file)
