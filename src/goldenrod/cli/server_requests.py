"""Shared by commands that send requests to a server: the client, lists, bodies, references.

The server is at GOLDENROD_URL. Requests carry GOLDENROD_TOKEN; without it, they are anonymous.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

import typer

from goldenrod.base import config
from goldenrod.base.numbers import id_or_text
from goldenrod.base.text import channel_of, is_uuid
from goldenrod.cli import not_found, output, streams
from goldenrod.cli.not_found import path
from goldenrod.cli.options import JSON, WIDE
from goldenrod.cli.output import Columns
from goldenrod.client import Client, ClientError

Body = dict[str, Any]
P = ParamSpec("P")
R = TypeVar("R")

KEY = typer.Option(
    None,
    "--idempotency-key",
    help="With the same key, a command can be repeated safely within 24 hours.",
)


class ListOptions(NamedTuple):
    """How much of a list to print, and how."""

    limit: int
    everything: bool
    wide: bool
    as_json: bool


def list_options(
    limit: int = typer.Option(100, min=1, max=99_999_999, help="The most to print."),
    everything: bool = typer.Option(False, "--all", help="Print all."),
    wide: bool = WIDE,
    as_json: bool = JSON,
) -> ListOptions:
    """The options of every list."""
    return ListOptions(limit, everything, wide, as_json)


def common_filters(
    name: str | None = typer.Option(None, help="Only with this name."),
    search: str | None = typer.Option(None, help="Only with these words."),
    tag: str | None = typer.Option(None, help="Only with this tag; a version has its image's."),
    provider: str | None = typer.Option(None, help="Only with a machine on this provider."),
    architecture: str | None = typer.Option(None, help="Only with a machine of this architecture."),
    current: bool | None = typer.Option(
        None, "--current/--not-current", help="Only current, or not current, by date."
    ),
    ordering: str = typer.Option(
        "-start_date",
        help="start_date, end_date or name; a leading - reverses it: --ordering=-name.",
    ),
) -> Body:
    """The filters of images and versions, and their order: newest first."""
    return given(
        name=name,
        search=search,
        tag=tag,
        provider=provider,
        architecture=architecture,
        current=current,
        ordering=ordering,
    )


@contextmanager
def asked(**named: str) -> Iterator[Client]:
    """A client for the server of the settings. What the command names is what is not found, if
    anything is."""
    settings = config.load()
    with Client(settings.url, settings.token) as server:
        try:
            yield server
        except ClientError as refused:
            raise not_found.explained(server, refused, named) from None


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


def version_address(server: Client, version: str, *further: str) -> str:
    """The path of a version, given as its UUID or as IMAGE/NAME, or a path below it."""
    return path("image_versions", version_id(server, version), *further)


def version_id(server: Client, version: str) -> str:
    """The UUID of a version, given as its UUID or as IMAGE/NAME. Raises ClientError.

    A name may contain slashes, the slug of an image cannot.
    """
    if not version:
        raise typer.BadParameter("A version is named by its UUID, or by IMAGE/NAME.")
    image, slash, name = version.partition("/")
    if slash and not (image and name):
        raise typer.BadParameter(f"{version!r} is not IMAGE/NAME.")
    if slash:
        return not_found.find_named_version(server, image, name)
    if not is_uuid(version):
        not_found.find_version(server, version)
    return version


def compared_id(server: Client, given: str) -> str:
    """The UUID of a version that is compared: as `version_id` takes it, or IMAGE/channel:NAME for the
    version that a channel offers. Raises ClientError."""
    image, _, name = given.partition("/")
    channel = channel_of(name)
    if not image or not channel:
        return version_id(server, given)
    try:
        target = server.get(path("images", image, "channels", channel))["target"]
    except ClientError as refused:
        if refused.status == 404:
            not_found.find_image(server, image)
            not_found.find_channel(server, image, channel)
        raise
    if target is None:
        detail = f"The channel {channel} of {image} offers nothing that you may see."
        raise ClientError(404, "not_found", detail)
    return str(target["id"])


def show_list(
    resource: str,
    filters: Body,
    columns: Columns,
    more_columns: Columns,
    options: ListOptions,
    prepare: Callable[[Client, list[Body]], object] | None = None,
    **named: str,
) -> None:
    """Print the things of a list that match the filters, with --wide in more columns. `prepare` adds
    to the things what columns show.

    If nothing matches, a filter that names nothing is an error.
    """
    size = 1000 if options.everything else min(options.limit, 1000)
    with asked(**named) as server:
        found = server.pages(resource, page_size=size, **filters)
        try:
            shown = list(found if options.everything else islice(found, options.limit))
            more = not options.everything and next(found, None) is not None
        except ClientError as refused:
            if refused.status == 400:  # perhaps for a text that cannot name anything
                _require_named(server, resource, filters)
            raise
        if not shown:
            _require_named(server, resource, filters)
        if prepare and not options.as_json:
            prepare(server, shown)
    if options.as_json:
        output.show_json(shown)
    else:
        output.show_things({**columns, **more_columns} if options.wide else columns, shown)
    if more:
        output.note(
            f"There are more than {options.limit}. Use --limit to print more, or --all to print all."
        )


_NAMING: dict[str, Callable[[Client, str], object]] = {
    "image_id": not_found.find_image,
    "provider": not_found.find_provider,
    "license": not_found.find_license,
    "script": not_found.find_script,
    "tag": not_found.find_tag,
    "parent": not_found.find_version,
}
_NAMES = ("name", "user", "owner", "created_by", "channel", "architecture")
"""Filters that name something which only the list itself can tell whether there is."""


def _require_named(server: Client, resource: str, filters: Body) -> None:
    """Raise ClientError for the first filter that names nothing the reader may see."""
    for filter_, typed in filters.items():
        if filter_ in _NAMING:
            for name in typed.split(","):
                _NAMING[filter_](server, name.strip())
        elif (
            filter_ in _NAMES
            and not server.get(resource, **{filter_: typed}, page_size=1)["results"]
        ):
            kind = filter_.replace("_", " ")
            raise ClientError(
                404, "not_found", f"Nothing that you may see has the {kind} {typed!r}."
            )


def show_one(thing: Body, json: bool) -> None:
    """Print one thing with all its fields."""
    if json:
        output.show_json(thing)
    elif thing:
        if "labels" in thing:
            thing = thing | {"labels": output.labels(thing["labels"])}
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
