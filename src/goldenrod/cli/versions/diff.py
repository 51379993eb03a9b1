"""`goldenrod diff`: asks a server what changed between two versions; coloured on a terminal."""

import sys
from collections.abc import Iterator
from typing import Any

import typer

from goldenrod.base.printing import printable
from goldenrod.cli import output, server_requests
from goldenrod.cli.options import JSON
from goldenrod.client import ClientError

VERSION = "UUID, IMAGE/NAME, or IMAGE/channel:NAME"
LISTS = ("licenses", "scripts", "membership", "providers", "machines")

Line = tuple[str, str]
"""A style and a text."""
HEAD, GONE, CAME, PLAIN = "bold", "red", "green", ""


def diff(
    a: str = typer.Argument(metavar="A", help=f"The version to start from: {VERSION}."),
    b: str | None = typer.Argument(
        None, metavar="B", help="The version to compare; by default A is compared with its parent."
    ),
    as_json: bool = JSON,
) -> None:
    """Show what changed from one image version to another.

    With one version only, compares it with its parent. IMAGE/channel:stable is the version that the
    channel offers now.
    """
    with server_requests.asked() as server:
        against = None if b is None else server_requests.compared_id(server, a)
        version = server_requests.compared_id(server, b or a)
    with server_requests.asked(version=against or version, version_2=version) as server:
        address = server_requests.version_address(server, version, "diff")
        try:
            found = server.get(address, against=against)
        except ClientError as refused:
            if refused.code != "parameter_required":
                raise
            detail = f"{a} has no parent that you can see. Name two versions."
            raise ClientError(refused.status, refused.code, detail) from None
    if as_json:
        output.show_json(found)
        return
    _print(_lines(found))
    if found["path"] is None:
        output.note(
            "As far as you can see, neither builds on the other, so no change logs are shown."
        )


def _lines(found: dict[str, Any]) -> Iterator[Line]:
    yield GONE, f"--- {output.cell(found['from'])}"
    yield CAME, f"+++ {output.cell(found['to'])}"
    logs = found["change_logs"]
    for name, sides in found["fields"].items():
        if name == "labels":
            sides = {side: output.labels(labels) for side, labels in sides.items()}
        if name == "change_log" and logs:
            continue  # printed in full below
        yield HEAD, name
        yield from _marked(GONE, "-", output.cell(sides["from"]))
        yield from _marked(CAME, "+", output.cell(sides["to"]))
    for name in LISTS:
        sides = found[name]
        if not (sides["added"] or sides["removed"]):
            continue
        yield HEAD, name
        for thing in sides["removed"]:
            yield from _marked(GONE, "-", output.cell(thing))
        for thing in sides["added"]:
            yield from _marked(CAME, "+", output.cell(thing))
    for log in logs:
        yield HEAD, f"change log of {output.cell(log['version'])}"
        yield from _marked(PLAIN, " ", printable(log["change_log"]))


def _marked(style: str, mark: str, text: str) -> Iterator[Line]:
    for line in text.splitlines():
        yield style, f"  {mark} {line}"


def _print(lines: Iterator[Line]) -> None:
    if not sys.stdout.isatty():
        for _, text in lines:
            output.say(text)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    with output.naming_stdout():
        for style, text in lines:
            console.print(Text(text, style=style), soft_wrap=True)
