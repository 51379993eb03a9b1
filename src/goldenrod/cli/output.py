"""Prints the output of commands: tables, JSON, sentences and progress.

Results go to stdout, everything else to stderr. On a terminal, a table is aligned. In a pipe or a file,
it has tab-separated columns below their names, and nothing is cut off. All commands print through this
module, which removes control characters that users or a server may have written.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from goldenrod.base.printing import printable, printable_json
from goldenrod.cli import streams

Columns = Sequence[str]
Rows = Iterable[Sequence[Any]]


def show_json(value: Any) -> None:
    """Print a value as JSON for programs."""
    text = json.dumps(value, ensure_ascii=not streams.is_utf8(sys.stdout), indent=2)
    _write(printable_json(text))


def say(sentence: str) -> None:
    """Print a result as a sentence."""
    _write(printable(sentence))


def _write(text: str) -> None:
    with naming_stdout():
        print(text, flush=True)


@contextmanager
def naming_stdout() -> Iterator[None]:
    """An error in the block names stdout as the file that cannot be written."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "stdout") from None


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
    """Print one thing, one field per line, without empty fields."""
    filled = [(name, cell(value)) for name, value in fields]
    filled = [(name, text) for name, text in filled if text]
    width = max((len(name) for name, _ in filled), default=0)
    for name, text in filled:
        say(f"{name:{width}}  {text}".replace("\n", f"\n{'':{width}}  "))


def cell(value: Any) -> str:
    """A value of an answer as short text: things by their name, booleans as yes and no."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(cell, value))
        case dict():
            return printable(_name(value))
    return printable(str(value))


def _name(thing: dict[str, Any]) -> str:
    """The name by which commands know a thing; for a thing without a name, its content."""
    match thing:
        case {"image": {"slug": image}, "name": name}:
            return f"{image}/{name}"
        case {"provider": provider, "identifier": identifier}:
            return f"{_name(provider)}={identifier}"
        case {"at": at, "reason": reason}:  # a deprecation, a revocation
            other = thing.get("replacement") or thing.get("inherited_from")
            return "; ".join(filter(None, (at, reason, other and _name(other))))
    known = ("slug", "name", "username", "title", "id")
    return str(next((thing[name] for name in known if name in thing), ""))


def note(sentence: str) -> None:
    """Print a remark on stderr, if it can be written there."""
    try:
        print(printable(sentence), file=sys.stderr, flush=True)
    except OSError:
        streams.discard(sys.stderr)


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """On a terminal, a progress bar: the function to call with the number done and the total."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
