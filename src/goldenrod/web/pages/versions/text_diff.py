"""What differs between two texts, for people: lines and words of change logs.

Data for a template, which escapes it. The work is bounded whatever the texts hold: where they differ
in too much to be told apart line by line, all of one is removed and all of the other added.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Literal

MOST_LINES = 300
"""How many lines may be removed and added for two texts to be compared line by line."""
MOST_WORDS = 60
"""The same for the words of two lines."""
MOST_CHANGED = 100
"""How many changed lines in a row are compared word by word."""
MOST_ROWS = 500
MOST_COMPARED = 6_000
"""How many lines two texts may have together to be compared line by line."""
LONGEST = 1_000
"""How many characters a line may have to be compared word by word."""
MOST_STEPS = 60_000
"""How many steps comparing two texts may take in all, lines and words together."""
AROUND = 3
"""How many lines that are the same are shown before and after one that is not."""
ALIKE = 0.4
"""How much of two lines must be the same for one to be the other, changed."""

Kind = Literal["same", "removed", "added"]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of text that is the same in both, or in one only."""

    kind: Kind
    text: str


Parts = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A line: as it was, as it is. `left out` are lines that are the same, not shown."""

    kind: Literal["same", "changed", "removed", "added", "left out"]
    before: Parts = ()
    after: Parts = ()
    count: int = 1
    """How many lines it stands for."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two texts beside each other, and how many lines of each are not in the other."""

    rows: tuple[Row, ...]
    removed: int
    added: int
    complete: bool
    """There are no more rows than are given."""
    marked: bool = True
    """What differs was found. False where the texts are too long or differ in too much: all of one is
    removed, all of the other added."""


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
    """The lines of a text; whether the last one ends is no difference."""
    lines = text.replace("\r\n", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def _rows(lines: list[tuple[Kind, str]], steps: Steps) -> Iterable[Row]:
    """The lines as rows, without most of those that are the same."""
    near = bytearray(len(lines))
    for at, (kind, _) in enumerate(lines):
        if kind != "same":
            begin, end = max(at - AROUND, 0), min(at + AROUND + 1, len(lines))
            near[begin:end] = b"\1" * (end - begin)
    for shown, group in groupby(enumerate(lines), key=lambda it: near[it[0]]):
        stretch = [line for _, line in group]
        # To say that one line is left out takes a line.
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
    """Lines that took the place of others: those that are alike side by side, by their order."""
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
    """Two lines word by word; None where too little of them is the same."""
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
    """The words of one side, in as few parts as there are."""
    side = [it for it in words if it[0] in ("same", own)]
    return tuple(
        Part(kind, "".join(word for _, word in group))
        for kind, group in groupby(side, key=lambda it: it[0])
    )


# ── what to remove and to add ──────────────────────────────────────────────────────────────


def _differing(
    a: Sequence[str], b: Sequence[str], most: int, steps: Steps
) -> tuple[list[tuple[Kind, str]], bool]:
    """The shortest way from one list to the other, and whether it was found; where it is longer than
    `most`, or takes too many steps to find, the plain one."""
    begin = 0
    while begin < min(len(a), len(b)) and a[begin] == b[begin]:
        begin += 1
    end = 0
    while end < min(len(a), len(b)) - begin and a[-1 - end] == b[-1 - end]:
        end += 1
    inner_a, inner_b = a[begin : len(a) - end], b[begin : len(b) - end]
    # One that is empty is no search: all of the other was added, or removed.
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
    """E. Myers, An O(ND) Difference Algorithm (1986): for ever more steps, how far one gets on each
    diagonal; then back along what was gone. None where more steps were needed."""
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
