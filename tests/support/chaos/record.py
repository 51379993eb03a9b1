"""What writers were told, and what the catalogue may therefore have."""

import threading
from dataclasses import dataclass, field
from typing import Any

Cell = tuple[str, str]
"""One value that one writer changes: what it is, and the id of the thing that has it."""


@dataclass
class Value:
    """The value that was acknowledged last, and those that were sent since without an answer."""

    known: Any
    maybe: list[Any] = field(default_factory=list)
    turns: int = 0
    """How often it was acknowledged. Values of a change log are numbers that grow."""

    def allows(self, found: Any) -> bool:
        return found == self.known or found in self.maybe


@dataclass
class Published:
    """A version, or an image, whose creation was acknowledged."""

    key: str
    name: str


class Record:
    """What was acknowledged, by all writers; and what was found wrong."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.cells: dict[Cell, Value] = {}
        self.touched: set[Cell] = set()
        """The cells that were changed since they were checked."""
        self.versions: list[Published] = []
        self.images: list[Published] = []
        self.acknowledged = 0
        self.unanswered = 0
        self.unavailable = 0
        self.reads = 0
        self.stale = 0
        self.wrong: list[str] = []

    def fail(self, what: str) -> None:
        """Record something that must not be."""
        with self.lock:
            self.wrong.append(what)

    def begin(self, cell: Cell, value: Any) -> None:
        """A change is being sent."""
        with self.lock:
            self.cells.setdefault(cell, _at_first(cell)).maybe.append(value)
            self.touched.add(cell)

    def acknowledge(self, cell: Cell, value: Any) -> None:
        """The change was acknowledged. Changes follow one another, so earlier ones without an answer
        were made before it, or never will be."""
        with self.lock:
            it = self.cells.setdefault(cell, _at_first(cell))
            it.known, it.maybe, it.turns = value, [], it.turns + 1
            self.touched.add(cell)
            self.acknowledged += 1

    def refuse(self, cell: Cell, value: Any) -> None:
        """The change was refused, so it was not made."""
        with self.lock:
            self.cells[cell].maybe.remove(value)

    def least(self, cell: Cell) -> Any:
        """What a read that begins now must find at least."""
        with self.lock:
            it = self.cells.get(cell)
            return None if it is None else it.known

    def take_touched(self) -> dict[Cell, Value]:
        """The cells to check."""
        with self.lock:
            taken = {cell: self.cells[cell] for cell in self.touched}
            self.touched.clear()
            return taken


def _at_first(cell: Cell) -> Value:
    """Nothing has ended or is revoked; anything else is not there."""
    return Value(False if cell[0] in ("ended", "revoked") else None)
