"""Prints the output of commands: tables, JSON, sentences and progress.

Results go to stdout, everything else to stderr. On a terminal, a table is aligned. In a pipe or a file,
it has tab-separated columns below their names, and nothing is cut off. All commands print through this
module, which removes control characters that users or a server may have written.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import zip_longest
from typing import Any

from goldenrod.base.printing import printable, printable_json
from goldenrod.cli import streams

Row = Sequence[Any]
Columns = Mapping[str, Callable[[Any], Any]]
"""The columns of a list, and what each shows of a thing."""

WRAPPED = frozenset(
    {
        "name",
        "title",
        "reason",
        "last_error",
        "clause",
        "machines",
        "events",
        "channels",
        "instead",
        "change",
    }
)
"""Columns of texts and lists, which may be wrapped between words. All others are never wrapped."""

GAP = 2


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


def fields(*names: str) -> Columns:
    """Columns that show a thing's fields of these names."""
    return {name: partial(_field, name) for name in names}


def _field(name: str, thing: Any) -> Any:
    return thing.get(name)


def day(name: str) -> Callable[[Any], str]:
    """What a column shows of a field with an instant: its date."""
    return lambda thing: (thing[name] or "")[:10]


def show_things(columns: Columns, things: Iterable[Any]) -> None:
    """Print things in the columns of a list."""
    show_table([*columns], ([shown(thing) for shown in columns.values()] for thing in things))


def show_table(columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Print rows under their columns' names.

    On a terminal that is too narrow for a row, each value gets a line of its own, so that nothing is
    broken inside an id.
    """
    texts = [[cell(value).replace("\t", " ").replace("\n", " ") for value in row] for row in rows]
    if not sys.stdout.isatty():
        for row in [columns, *texts]:
            say("\t".join(row))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    widths = _widths(columns, texts, console.width)
    if widths is None:
        for number, row in enumerate(texts):
            if number:
                say("")
            show_fields(zip(columns, row, strict=True))
        return
    with naming_stdout():
        for style, row in [("bold", columns), *(("", row) for row in texts)]:
            for line in _lines(row, widths):
                console.print(Text(line, style=style), soft_wrap=True)


def _widths(columns: Sequence[str], rows: list[list[str]], room: int) -> list[int] | None:
    """The width of each column. None if the rows are too wide even with wrapped texts."""
    least, widths = [], []
    for column, cells in zip(columns, zip(columns, *rows, strict=True), strict=True):
        widths.append(max(map(cell_len, cells)))
        words = (word for text in cells for word in text.split() or [""])
        least.append(max(map(cell_len, words)) if column in WRAPPED else widths[-1])
    room -= GAP * (len(columns) - 1)
    if sum(least) > room:
        return None
    while (over := sum(widths) - room) > 0:
        spare = [width - minimum for width, minimum in zip(widths, least, strict=True)]
        widest = max(range(len(widths)), key=lambda at: (spare[at] > 0, widths[at]))
        widths[widest] -= min(spare[widest], max(1, over // len(widths)))
    return widths


def _lines(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """The lines of a row, each of its texts wrapped to its column."""
    wrapped = [_wrapped(text, width) for text, width in zip(row, widths, strict=True)]
    for parts in zip_longest(*wrapped, fillvalue=""):
        padded = (
            part + " " * (width - cell_len(part)) for part, width in zip(parts, widths, strict=True)
        )
        yield (" " * GAP).join(padded).rstrip()


def _wrapped(text: str, width: int) -> list[str]:
    if cell_len(text) <= width:
        return [text]
    lines: list[str] = []
    for word in text.split():
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def cell_len(text: str) -> int:
    """How many columns of a terminal a text takes."""
    from rich.cells import cell_len

    return cell_len(text)


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


def labels(given: dict[str, str]) -> str:
    """A version's labels as text, one a line."""
    return "\n".join(f"{key}={value}" for key, value in given.items())


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
