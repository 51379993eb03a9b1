"""`goldenrod drift`: machines that differ from their cloud, as a check for scripts. Asks a server.

The exit code says what was found. It tells drift apart from what could not be checked:

    0  nothing differs                        4  no such image or provider
    1  drift (with --fail-on: of these kinds) 6  the server cannot be reached
    2  the command line or a setting is wrong
    3  not everything could be checked: a scope could not be read, or the credentials are refused
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args

import typer

from goldenrod.base.wire import DriftKind
from goldenrod.cli import not_found, output, server_requests
from goldenrod.cli.failures import CREDENTIALS, REFUSED
from goldenrod.cli.options import JSON
from goldenrod.client import Client, ClientError

KINDS: tuple[str, ...] = get_args(DriftKind)
UNCHECKED = "unchecked"
NOT_CHECKED = CREDENTIALS
"""Credentials that are refused, too, mean that nothing could be checked."""
COLUMNS = ("drift", "version", "provider", "id", "change")

FAIL_ON = typer.Option(
    [],
    "--fail-on",
    metavar="KIND,...",
    help=f"Exit with 1 only for these kinds: {', '.join(KINDS[:-1])}. By default, for any of them.",
)

Item = dict[str, Any]


def drift(
    kind: str | None = typer.Option(None, help="Only machines with this kind of drift."),
    provider: str | None = typer.Option(None, help="Only on this provider (slug, id or uuid)."),
    image: str | None = typer.Option(None, help="Only of this image (slug, id or uuid)."),
    fail_on: list[str] = FAIL_ON,
    as_json: bool = JSON,
) -> None:
    """List machines that differ from their cloud, those that too many people see first.

    Shows the machines of versions that you can edit; to staff all, and those that are not in the
    catalogue. Prints a line for each, then a summary on stderr.

    Exit codes: 0 nothing differs, 1 drift, 2 the command line or a setting is wrong, 3 not everything
    could be checked (a cloud could not be read, or your credentials are refused).
    """
    failing = {word.strip() for words in fail_on for word in words.split(",") if word.strip()}
    if unknown := failing - set(KINDS[:-1]):
        known = ", ".join(KINDS[:-1])
        raise typer.BadParameter(f"--fail-on takes {known}; not {sorted(unknown)[0]}.")
    if kind is not None and kind not in KINDS:
        raise typer.BadParameter(f"--kind takes one of {', '.join(KINDS)}.")
    found, unread = _asked(kind, provider, image)
    if as_json:
        output.show_json(found)
    else:
        output.show_table(COLUMNS, map(_row, found))
    counted = Counter(word for item in found for word in item["kinds"])
    output.note(_summary(found, counted))
    for scope in unread:
        since, name = scope["unchecked_since"], f"{scope['source']}, {scope['scope']}"
        output.note(f"Not read since {since}: {name}: {scope['reason']}")
    if counted[UNCHECKED] or unread:
        raise typer.Exit(NOT_CHECKED)
    if any(counted[word] for word in failing or KINDS):
        raise typer.Exit(REFUSED)


def _asked(
    kind: str | None, provider: str | None, image: str | None
) -> tuple[list[Item], list[Item]]:
    """The machines that differ; and, for staff that ask about everything, the scopes that could not be
    read, which may have machines that are not here."""
    asked = server_requests.given(kind=kind, provider=provider, image=image)
    with server_requests.asked() as server:
        _require_named(server, provider, image)
        found = list(server.pages("/drift", page_size=1000, **asked))
        unread: list[Item] = []
        if not asked:
            try:
                unread += server.pages("/unread_scopes", page_size=1000)
            except ClientError as refused:
                if refused.status != 403:  # only staff may know
                    raise
    return found, unread


def _require_named(server: Client, provider: str | None, image: str | None) -> None:
    """Raise ClientError for a filter that names nothing: a typing error must not pass as no drift."""
    if provider is not None:
        not_found.find_provider(server, provider)
    if image is not None:
        not_found.find_image(server, image)


def _row(item: Item) -> tuple[Any, ...]:
    kinds, version = ", ".join(item["kinds"]), item["version"]
    place = output.cell(item["provider"])
    return kinds, version, place, item["identifier"], "; ".join(_changes(item))


def _changes(item: Item) -> Iterator[str]:
    """What differs, for each kind about which there is more to say."""
    here, there = item["here"], item["there"]
    for kind in item["kinds"]:
        match kind:
            case "wider" | "narrower":
                yield f"{here['visibility']} here, {there['visibility']} there"
            case "missing":
                looks = "look" if item["missed"] == 1 else "looks"
                gone = ", gone" if item["gone"] else ""
                yield f"{item['missed']} {looks} since {item['missing_since']}{gone}"
            case "changed":
                for fact in item["changed"]:
                    yield f"{fact} {here[fact]} here, {there[fact]} there"
            case "not_launchable":
                yield f"{there['status']} there"
            case "deprecated":
                yield f"deprecated there on {there['deprecated_at']}"
            case "current":
                yield f"deprecated here on {here['deprecated_at']}"
            case "unknown":
                yield there["name"]
            case "unchecked":
                reason = f": {item['reason']}" if item["reason"] else ""
                yield f"not checked since {item['unchecked_since']}{reason}"


def _summary(found: list[Item], counted: Counter[str]) -> str:
    if not found:
        return "Nothing differs."
    counts = ", ".join(f"{counted[kind]:,} {kind}" for kind in KINDS if counted[kind])
    return f"{len(found):,} machine{'' if len(found) == 1 else 's'}: {counts}."
