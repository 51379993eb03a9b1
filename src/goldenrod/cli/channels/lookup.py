"""`goldenrod whatis`: what running machine images are, and what to use instead.

For any fleet that can list its image ids. Asks a server, up to a thousand ids a call. With
`--fail-on` it is a check for CI.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import typer

from goldenrod.cli import not_found, output, server_requests, streams
from goldenrod.cli.failures import REFUSED
from goldenrod.cli.options import JSON
from goldenrod.cli.versions.withdraw import USABLE

MOST_PER_CALL = 1000
MOST_CHARACTERS = 512
_SEPARATORS = re.compile(r"[\t\r\n]")
REASONS = ("revoked", "deprecated", "ended", "unknown", "behind")
COLUMNS = ("id", "image", "version", "state", "behind", "instead", "reason")

Match = dict[str, Any]

IDS = typer.Argument(
    None,
    metavar="ID",
    help="Ids such as ami-0123456789abcdef0. Without any, reads stdin: one per line, or several with "
    "tabs between them.",
)
FAIL_ON = typer.Option(
    [],
    "--fail-on",
    metavar="STATE,...",
    help=f"Exit with 1 if any id is in one of these states: {', '.join(REASONS)}.",
)


def whatis(
    ids: list[str] | None = IDS,
    provider: str | None = typer.Option(None, help="The provider they run on (slug, id or uuid)."),
    fail_on: list[str] = FAIL_ON,
    as_json: bool = JSON,
) -> None:
    """Show what running machine images are, how far behind, and what to use instead.

    Prints a line for each match, then a summary on stderr. Repeated ids are looked up once.
    """
    failing = {word.strip() for words in fail_on for word in words.split(",") if word.strip()}
    if unknown := failing - set(REASONS):
        raise typer.BadParameter(f"--fail-on takes {', '.join(REASONS)}; not {sorted(unknown)[0]}.")
    identifiers = list(dict.fromkeys(_given(ids)))
    found = list(_look_up(identifiers, provider)) if identifiers else []
    if provider is not None and not any(one["known"] for one in found):
        _require(provider)
    if as_json:
        output.show_json(found)
    else:
        output.show_table(COLUMNS, (row for one in found for row in _rows(one)))
    counted = Counter(word for one in found for word in _statuses(one))
    output.note(_summary(len(identifiers), counted))
    if any(counted[word] for word in failing):
        raise typer.Exit(REFUSED)


def _given(ids: list[str] | None) -> Iterator[str]:
    """The ids of the command line, or of stdin if there are none; empty ones are skipped."""
    if not ids and sys.stdin.isatty():
        raise typer.BadParameter("Give ids as arguments, or pipe them in.")
    for typed in ids or [streams.read_stdin()]:
        for part in _SEPARATORS.split(typed.removeprefix("\ufeff")):
            found = part.strip()
            if len(found) > MOST_CHARACTERS:
                raise typer.BadParameter(
                    f"An id has at most {MOST_CHARACTERS} characters; {found[:40]!r}… has "
                    f"{len(found):,}."
                )
            if found:
                yield found


def _look_up(ids: list[str], provider: str | None) -> Iterator[dict[str, Any]]:
    where = {} if provider is None else {"provider": server_requests.reference(provider)}
    with server_requests.asked() as server:
        for start in range(0, len(ids), MOST_PER_CALL):
            part = [{"identifier": one, **where} for one in ids[start : start + MOST_PER_CALL]]
            yield from server.post("/lookup", {"identifiers": part})["results"]


def _require(provider: str) -> None:
    """Raise ClientError if there is no such provider that the reader may see."""
    with server_requests.asked() as server:
        not_found.find_provider(server, provider)


def _rows(found: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    if not found["known"]:
        yield found["identifier"], "", "", "unknown", "", "", ""
    for match in found["matches"]:
        image, version = match["image"]["slug"], match["version"]["name"]
        state, behind = ", ".join(_states(match)), match["behind"]
        reason = (match["reason"] or "").splitlines()
        instead = "; ".join(_instead(match))
        yield found["identifier"], image, version, state, behind, instead, " ".join(reason)


def _states(match: Match) -> list[str]:
    """The state of the match, and its version's where the machine has ended and that is bad too."""
    state, version_state = match["state"], match["version"]["state"]
    return [
        state,
        *([version_state] if state != version_state and version_state in REASONS else []),
    ]


def _instead(match: Match) -> Iterator[str]:
    """What replaces a match: its replacement, and what channels offer on its provider.

    A replacement that cannot be used is named as such; one that is hidden may have ended.
    """
    if (replacement := match["replacement"]) and "state" in replacement:
        unusable = replacement["state"] not in USABLE
        is_what = f" is {replacement['state']}" if unusable else ""
        yield f"replacement {output.cell(replacement)}{is_what}"
    for offer in match["offered"]:
        if match["machine"] is None or offer["machine"]["id"] != match["machine"]["id"]:
            identifier, name = offer["machine"]["identifier"], offer["version"]["name"]
            yield f"{offer['channel']} {identifier} ({name})"


def _statuses(found: dict[str, Any]) -> Iterable[str]:
    """The distinct statuses of an id: the states of its matches, `unknown` and `behind`."""
    if not found["known"]:
        return {"unknown"}
    statuses = {state for match in found["matches"] for state in _states(match)}
    return statuses | {"behind"} if any(match["behind"] for match in found["matches"]) else statuses


def _summary(count: int, counted: Counter[str]) -> str:
    words = ("current", "scheduled", *REASONS)
    counts = [f"{counted[word]:,} {word}" for word in words if counted[word]]
    return f"{count:,} id{'' if count == 1 else 's'}{': ' if counts else ''}{', '.join(counts)}."
