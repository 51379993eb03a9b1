"""`goldenrod lineage`: asks a server for a version's ancestors and descendants; prints a tree.

A chain of versions with one child each is printed on successive lines. The tree branches only below a
version with several children.
"""

from collections import defaultdict
from enum import StrEnum
from typing import Any

import typer

from goldenrod.base import clock
from goldenrod.cli import output, server_requests
from goldenrod.cli.options import JSON

Node = dict[str, Any]

MOST_BRANCHES = 100
"""How deep branches are nested; chains may have any length."""

UNCUT = 10_000
"""Wider than a line of a tree can be."""

COLOURS = {
    "current": "green",
    "deprecated": "yellow",
    "revoked": "red",
    "ended": "dim",
    "scheduled": "cyan",
}


class Direction(StrEnum):
    """Which relatives to show."""

    ANCESTORS = "ancestors"
    DESCENDANTS = "descendants"
    BOTH = "both"


DIRECTION = typer.Option(Direction.BOTH, help="Which relatives to show.")


def lineage(
    version: str = typer.Argument(metavar="VERSION", help="Its UUID, or IMAGE/NAME."),
    direction: Direction = DIRECTION,
    depth: int | None = typer.Option(
        None, min=0, max=99_999_999, help="The maximum distance from the version."
    ),
    as_json: bool = JSON,
) -> None:
    """Show an image version's ancestors and descendants.

    The oldest is first. A single child follows on the next line; several children are branches.
    """
    with server_requests.asked(version=version) as server:
        address = server_requests.version_address(server, version, "lineage")
        found = server.get(address, direction=direction.value, depth=depth)
    if as_json:
        output.show_json(found)
        return
    _print(found)
    if found["truncated"]:
        output.note(f"Only the nearest {len(found['nodes']):,} are shown.")


def _print(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    nodes = {node["id"]: node for node in found["nodes"]}
    below: dict[str, list[str]] = defaultdict(list)
    for edge in found["edges"]:
        below[edge["parent"]].append(edge["child"])
    children = {edge["child"] for edge in found["edges"]}

    def label(chain: list[str]) -> Text:
        return Text("\n").join(
            Text.assemble(
                (output.cell(nodes[key]), "bold" if key == found["root"] else ""),
                "  ",
                (_words(nodes[key]), COLOURS.get(nodes[key]["state"], "")),
                "  (this one)" if key == found["root"] else "",
            )
            for key in chain
        )

    # A terminal wraps what is longer than its lines, so that an id can be copied whole.
    console = Console(highlight=False, width=UNCUT)
    left_out = 0
    for top in (key for key in nodes if key not in children):
        chain = _chain(top, below)
        tree = Tree(label(chain))
        waiting = [(tree, chain[-1], 0)]
        while waiting:
            branch, last, deep = waiting.pop()
            if deep == MOST_BRANCHES:
                left_out += bool(below[last])
                continue
            for child in below[last]:
                chain = _chain(child, below)
                waiting.append((branch.add(label(chain)), chain[-1], deep + 1))
        with output.naming_stdout():
            console.print(tree)
    if left_out:
        output.note(f"Branches nested deeper than {MOST_BRANCHES} are left out; --json has all.")


def _chain(first: str, below: dict[str, list[str]]) -> list[str]:
    """A version and its chain of single children, until the tree branches or ends."""
    chain = [first]
    while len(below[chain[-1]]) == 1:
        chain.append(below[chain[-1]][0])
    return chain


def _words(node: Node) -> str:
    words = [node["state"]]
    if revoked := node["revoked"]:
        if revoked["at"] > clock.now():
            words.append(f"to be revoked at {revoked['at']}")
        elif node["state"] != "revoked":
            words.append("also revoked")
        if revoked["inherited_from"]:
            words.append(f"through {output.cell(revoked['inherited_from'])}")
    if node["stale"]:
        words.append("outdated")
    return ", ".join(words)
