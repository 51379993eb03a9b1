"""What commands print: tables for people, JSON for programs, progress for the patient.

Results go to stdout, all else to stderr. On a terminal a table is drawn; into a pipe or file it is
lines of tab-separated columns under their names, nothing cut off. All that commands print goes
through here (a test holds that), so that what others wrote, or a server answered, reaches a terminal
without its control characters.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from goldenrod.base.printing import printable, printable_json

Columns = Sequence[str]
Rows = Iterable[Sequence[Any]]


def show_json(value: Any) -> None:
    """Print a value as JSON for programs."""
    print(printable_json(json.dumps(value, ensure_ascii=False, indent=2)))


def say(sentence: str) -> None:
    """Print a result in words."""
    print(printable(sentence), flush=True)


def show_table(columns: Columns, rows: Rows) -> None:
    """Print rows under their columns' names."""
    if not sys.stdout.isatty():
        for row in [columns, *rows]:
            say("\t".join(cell(value).replace("\t", " ").replace("\n", " ") for value in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    Console().print(table)


def show_fields(fields: Iterable[tuple[str, Any]]) -> None:
    """Print one thing, a field a line; fields that hold nothing are left out."""
    filled = [(name, cell(value)) for name, value in fields]
    filled = [(name, text) for name, text in filled if text]
    width = max((len(name) for name, _ in filled), default=0)
    for name, text in filled:
        say(f"{name:{width}}  {text}".replace("\n", f"\n{'':{width}}  "))


def cell(value: Any) -> str:
    """A value of an answer in a few words: things by their name, booleans as yes and no."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(cell, value))
        case dict():
            return printable(_called(value))
    return printable(str(value))


def _called(thing: dict[str, Any]) -> str:
    """The name by which a command takes the thing, or what it says, where it has none."""
    match thing:
        case {"image": {"slug": image}, "name": name}:
            return f"{image}/{name}"
        case {"provider": provider, "identifier": identifier}:
            return f"{_called(provider)}={identifier}"
        case {"at": at, "reason": reason}:  # a deprecation, a revocation
            other = thing.get("replacement") or thing.get("inherited_from")
            return "; ".join(filter(None, (at, reason, other and _called(other))))
    known = ("slug", "name", "username", "title", "id")
    return str(next((thing[name] for name in known if name in thing), ""))


def note(sentence: str) -> None:
    """Say something beside the result, on stderr."""
    print(printable(sentence), file=sys.stderr)


@contextmanager
def progress(words: str) -> Iterator[Callable[[int, int], None] | None]:
    """On a terminal a bar; what it gives is told how many are done, and of how many."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(words), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(words, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
