"""What differs between two texts, for people: lines and words of change logs.

The result is data for a template, which escapes it. The work is bounded: if two texts differ too
much to compare line by line, all of one is removed and all of the other added.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Literal

MOST_LINES = 300
"""How many lines may differ for two texts to be compared line by line."""
MOST_WORDS = 60
"""The same for the words of two lines."""
MOST_CHANGED = 100
"""How many successive changed lines are compared word by word."""
MOST_ROWS = 500
MOST_COMPARED = 6_000
"""How many lines two texts may have together to be compared line by line."""
LONGEST = 1_000
"""How many characters a line may have to be compared word by word."""
MOST_STEPS = 60_000
"""How many steps comparing two texts may take in all, lines and words together."""
AROUND = 3
"""How many unchanged lines are shown before and after a changed one."""
ALIKE = 0.4
"""The share of two lines that must be equal to show one as a change of the other."""

Kind = Literal["same", "removed", "added"]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of text that is in both texts or in one only."""

    kind: Kind
    text: str


Parts = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A line before and after. `left out` stands for unchanged lines that are not shown."""

    kind: Literal["same", "changed", "removed", "added", "left out"]
    before: Parts = ()
    after: Parts = ()
    count: int = 1
    """How many lines the row stands for."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two texts side by side, and how many lines were removed and added."""

    rows: tuple[Row, ...]
    removed: int
    added: int
    complete: bool
    """Whether all rows are included."""
    marked: bool = True
    """Whether the texts were compared. False if they are too long or too different; then all of one
    is removed and all of the other added."""


class Steps:
    """How many more steps a comparison may take."""

    def __init__(self) -> None:
        self.left = MOST_STEPS


def compared_texts(before: str, after: str) -> Comparison:
    """Two change logs, line by line; of a line that was changed, the words."""
    steps, a, b = Steps(), _lines(before), _lines(after)
    most = MOST_LINES if len(a) + len(b) <= MOST_COMPARED else 0
    lines, marked = _differing(a, b, most, steps)
    kinds = Counter(kind for kind, _ in lines)
    rows = tuple(islice(_rows(lines, steps), MOST_ROWS + 1))
    complete = len(rows) <= MOST_ROWS
    return Comparison(rows[:MOST_ROWS], kinds["removed"], kinds["added"], complete, marked)


def _lines(text: str) -> list[str]:
    """The lines of a text. A missing last line break is no difference."""
    lines = text.replace("\r\n", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def _rows(lines: list[tuple[Kind, str]], steps: Steps) -> Iterable[Row]:
    """The lines as rows, without most of the unchanged ones."""
    near = bytearray(len(lines))
    for at, (kind, _) in enumerate(lines):
        if kind != "same":
            begin, end = max(at - AROUND, 0), min(at + AROUND + 1, len(lines))
            near[begin:end] = b"\1" * (end - begin)
    for shown, group in groupby(enumerate(lines), key=lambda it: near[it[0]]):
        stretch = [line for _, line in group]
        # A note that one line is left out would take a line itself.
        if shown or len(stretch) == 1:
            yield from _stretch(stretch, steps)
        else:
            yield Row("left out", count=len(stretch))


def _stretch(lines: list[tuple[Kind, str]], steps: Steps) -> Iterable[Row]:
    for same, group in groupby(lines, key=lambda it: it[0] == "same"):
        if same:
            both = ((Part("same", line),) for _, line in group)
            yield from (Row("same", line, line) for line in both)
            continue
        run = list(group)
        gone, new = ([line for it, line in run if it == kind] for kind in ("removed", "added"))
        yield from _changed(gone, new, steps)


def _changed(gone: list[str], new: list[str], steps: Steps) -> Iterable[Row]:
    """Replaced lines, paired in order; similar pairs are shown side by side."""
    both = [_words(*pair, steps) for pair in zip(gone[:MOST_CHANGED], new, strict=False)]
    for at, pair in enumerate(both):
        if pair:
            yield Row("changed", *pair)
        else:
            yield Row("removed", (Part("removed", gone[at]),))
            yield Row("added", (), (Part("added", new[at]),))
    yield from (Row("removed", (Part("removed", line),)) for line in gone[len(both) :])
    yield from (Row("added", (), (Part("added", line),)) for line in new[len(both) :])


_WORD = re.compile(r"\w+|\s+|[^\w\s]")


def _words(before: str, after: str, steps: Steps) -> tuple[Parts, Parts] | None:
    """Two lines word by word; None if they are too different."""
    if steps.left <= 0 or max(len(before), len(after)) > LONGEST:
        return None
    a, b = _WORD.findall(before), _WORD.findall(after)
    steps.left -= len(a) + len(b)
    words, _ = _differing(a, b, MOST_WORDS, steps)
    same = sum(len(word) for kind, word in words if kind == "same" and not word.isspace())
    longer = max(len("".join(line.split())) for line in (before, after))
    if same < ALIKE * longer:
        return None
    return _merged(words, "removed"), _merged(words, "added")


def _merged(words: list[tuple[Kind, str]], own: Kind) -> Parts:
    """The words of one side, merged into as few parts as possible."""
    side = [it for it in words if it[0] in ("same", own)]
    return tuple(
        Part(kind, "".join(word for _, word in group))
        for kind, group in groupby(side, key=lambda it: it[0])
    )


# ── the shortest difference ──────────────────────────────────────────────────────────────


def _differing(
    a: Sequence[str], b: Sequence[str], most: int, steps: Steps
) -> tuple[list[tuple[Kind, str]], bool]:
    """The shortest edits from one list to the other, and whether they were found.

    If there are more than `most`, or finding them takes too many steps, everything is replaced.
    difflib does not find the shortest edits, and its work is not bounded.
    """
    begin = 0
    while begin < min(len(a), len(b)) and a[begin] == b[begin]:
        begin += 1
    end = 0
    while end < min(len(a), len(b)) - begin and a[-1 - end] == b[-1 - end]:
        end += 1
    inner_a, inner_b = a[begin : len(a) - end], b[begin : len(b) - end]
    # If one list is empty, all of the other was added or removed.
    both = bool(inner_a and inner_b)
    inner = _shortest(inner_a, inner_b, most, steps) if both else None
    same: Kind = "same"
    lines = [
        *((same, it) for it in a[:begin]),
        *(inner or _plain(inner_a, inner_b)),
        *((same, it) for it in a[len(a) - end :]),
    ]
    return lines, inner is not None or not both


def _plain(a: Sequence[str], b: Sequence[str]) -> list[tuple[Kind, str]]:
    return [*(("removed", it) for it in a), *(("added", it) for it in b)]


def _shortest(
    a: Sequence[str], b: Sequence[str], most: int, budget: Steps
) -> list[tuple[Kind, str]] | None:
    """E. Myers, An O(ND) Difference Algorithm (1986).

    For a growing number of edits it records how far each diagonal reaches, then walks back. None if
    more steps are needed than the budget has.
    """
    reach = {1: 0}
    trace: list[dict[int, int]] = []
    for steps in range(most + 1):
        budget.left -= 2 * steps + 1
        if budget.left <= 0:
            return None
        trace.append(dict(reach))
        for diagonal in range(-steps, steps + 1, 2):
            down = diagonal == -steps or (
                diagonal != steps and reach[diagonal - 1] < reach[diagonal + 1]
            )
            x = reach[diagonal + 1] if down else reach[diagonal - 1] + 1
            y = x - diagonal
            begun = x
            while x < len(a) and y < len(b) and a[x] == b[y]:
                x, y = x + 1, y + 1
            budget.left -= x - begun
            reach[diagonal] = x
            if x >= len(a) and y >= len(b):
                return _back(a, b, trace)
    return None


def _back(
    a: Sequence[str], b: Sequence[str], trace: list[dict[int, int]]
) -> list[tuple[Kind, str]]:
    x, y = len(a), len(b)
    found: list[tuple[Kind, str]] = []
    for steps in range(len(trace) - 1, -1, -1):
        reach, diagonal = trace[steps], x - y
        down = diagonal == -steps or (
            diagonal != steps and reach[diagonal - 1] < reach[diagonal + 1]
        )
        before = diagonal + 1 if down else diagonal - 1
        from_x = reach[before] if steps else 0
        from_y = from_x - before if steps else 0
        while x > from_x and y > from_y:
            x, y = x - 1, y - 1
            found.append(("same", a[x]))
        if steps:
            found.append(("added", b[y - 1]) if down else ("removed", a[x - 1]))
            x, y = from_x, from_y
    return found[::-1]
