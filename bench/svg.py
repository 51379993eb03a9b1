"""Draws two plots as SVG: speed relative to the constant answer, and growth with the size."""

from collections.abc import Iterable
from math import log10
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, LEFT, GAP, RIGHT, TOP, ROW = 1000, 270, 40, 30, 84, 30
INK, FAINT, BARS = "#222", "#d8d8d8", ("#9db7e4", "#3a66b7")
PANEL = (WIDTH - LEFT - GAP - RIGHT) / 2


class Line(NamedTuple):
    """A row of a plot: its name, and two values for each database, if there are any."""

    name: str
    values: dict[str, tuple[float | None, float | None]]


class _Drawing:
    """Elements in sequence."""

    def __init__(self, title: str, described: str, rows: int) -> None:
        height = TOP + rows * ROW + 34
        self.bottom = height - 34
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            'aria-labelledby="t d"\n     font-family="system-ui, sans-serif" font-size="13">',
            f'<title id="t">{escape(title)}</title>\n<desc id="d">{escape(described)}</desc>',
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        ]
        self.text(14, 24, title, size=16, weight=600)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        anchor: str = "start",
        size: int = 13,
        weight: int = 400,
    ) -> None:
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'font-weight="{weight}" fill="{INK}">{escape(words)}</text>'
        )

    def bar(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'fill="{colour}"/>'
        )

    def line(
        self, x: float, y: float, to_x: float, to_y: float, colour: str, wide: int = 1
    ) -> None:
        self._parts.append(
            f'<path d="M{x:.1f} {y:.1f} L{to_x:.1f} {to_y:.1f}" stroke="{colour}" '
            f'stroke-width="{wide}"/>'
        )

    def dot(self, x: float, y: float, colour: str) -> None:
        self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>')

    def legend(self, names: tuple[str, str]) -> None:
        for place, name in enumerate(names):
            x = LEFT + place * 220
            self.bar(x, 40, 12, 12, BARS[place])
            self.text(x + 18, 51, name)

    def written(self) -> str:
        return "\n".join([*self._parts, "</svg>\n"])


def shares(title: str, names: tuple[str, str], lines: list[Line]) -> str:
    """Two bars per row, from 0 to 100 % of the baseline."""
    drawing = _Drawing(title, "Bars; the same figures stand in the tables.", len(lines))
    drawing.legend(names)
    for left, database in _panels(lines):
        drawing.text(left, TOP - 10, database, weight=600)
        for tenth in range(0, 11, 2):
            x = left + PANEL * tenth / 10
            drawing.line(x, TOP, x, drawing.bottom, FAINT)
            drawing.text(x, drawing.bottom + 18, f"{tenth / 10:g}", anchor="middle")
        for place, line in enumerate(lines):
            for which, value in enumerate(line.values.get(database, (None, None))):
                if value is not None:
                    y = TOP + place * ROW + 4 + which * 11
                    drawing.bar(left, y, max(1.0, PANEL * min(value, 1.05)), 10, BARS[which])
    _names(drawing, lines)
    return drawing.written()


def times(title: str, names: tuple[str, str], lines: list[Line]) -> str:
    """Two dots per row, at milliseconds on a logarithmic scale."""
    drawing = _Drawing(title, "Dots; the same figures stand in the tables.", len(lines))
    drawing.legend(names)
    known = [v for line in lines for pair in line.values.values() for v in pair if v]
    low, high = _decades(known)
    for left, database in _panels(lines):
        drawing.text(left, TOP - 10, database, weight=600)

        def at(value: float, left: float = left) -> float:
            return left + PANEL * (log10(value) - low) / (high - low)

        for decade in range(low, high + 1):
            drawing.line(at(10**decade), TOP, at(10**decade), drawing.bottom, FAINT)
            drawing.text(at(10**decade), drawing.bottom + 18, f"{10**decade:g}", anchor="middle")
        for place, line in enumerate(lines):
            y = TOP + place * ROW + ROW / 2
            few, many = line.values.get(database, (None, None))
            if few and many:
                drawing.line(at(few), y, at(many), y, BARS[0], 3)
            for which, value in enumerate((few, many)):
                if value:
                    drawing.dot(at(value), y, BARS[which])
    _names(drawing, lines)
    return drawing.written()


def _decades(values: Iterable[float]) -> tuple[int, int]:
    found = [log10(value) for value in values] or [0.0]
    low, high = int(min(found) // 1), int(-(-max(found) // 1))
    return low, max(high, low + 1)


def _panels(lines: list[Line]) -> list[tuple[float, str]]:
    databases = dict.fromkeys(name for line in lines for name in line.values)
    return [(LEFT + place * (PANEL + GAP), name) for place, name in enumerate(databases)]


def _names(drawing: _Drawing, lines: list[Line]) -> None:
    for place, line in enumerate(lines):
        drawing.text(LEFT - 12, TOP + place * ROW + ROW / 2 + 5, line.name, anchor="end")
