"""What the figures must show, and whether they do: each a ratio or a time of one run."""

from collections.abc import Callable
from typing import Any, NamedTuple

from bench import cases
from bench.measure import COLD, WARM, WRITING
from bench.tables import mid, number, table, to_constant, to_raw

Rows = dict[tuple[str, int], dict[str, Any]]
"""One database's rows by case and size."""


class Goal(NamedTuple):
    """A figure, and what it must be on SQLite and on PostgreSQL: at least, or at most."""

    words: str
    figure: Callable[[Rows, list[int]], float | None]
    at_least: bool
    sqlite: float
    postgresql: float
    unit: str = ""

    def met(self, figure: float, target: float) -> bool:
        return figure >= target if self.at_least else figure <= target


def _constant(case: str, mode: str) -> Callable[[Rows, list[int]], float | None]:
    def figure(rows: Rows, sizes: list[int]) -> float | None:
        found = [to_constant(rows[case, n], mode) for n in sizes if (case, n) in rows]
        return min((ratio for ratio in found if ratio is not None), default=None)

    return figure


def _raw(case: str) -> Callable[[Rows, list[int]], float | None]:
    def figure(rows: Rows, sizes: list[int]) -> float | None:
        found = [to_raw(rows[case, n], COLD) for n in sizes if (case, n) in rows]
        return max((ratio for ratio in found if ratio is not None), default=None)

    return figure


def growth(rows: Rows, sizes: list[int], case: str, mode: str) -> float | None:
    """The time of a request alone in the largest catalogue ÷ that in the smallest, by round."""
    if len(sizes) < 2 or (case, sizes[0]) not in rows or (case, sizes[-1]) not in rows:
        return None
    few, many = (rows[case, n]["cells"].get(mode) for n in (sizes[0], sizes[-1]))
    if not few or not many:
        return None
    return mid([b / a for a, b in zip(few["alone"], many["alone"], strict=True)])


def _growth(case: str, mode: str) -> Callable[[Rows, list[int]], float | None]:
    return lambda rows, sizes: growth(rows, sizes, case, mode)


def _deep(rows: Rows, sizes: list[int]) -> float | None:
    row = rows.get((cases.DEEP_PAGE, sizes[-1]))
    cell = row and row["cells"].get(COLD)
    if not row or not cell:
        return None
    return mid([a / b for a, b in zip(cell["alone"], row["beside"], strict=True)])


def _alone(case: str, mode: str, which: str) -> Callable[[Rows, list[int]], float | None]:
    def figure(rows: Rows, sizes: list[int]) -> float | None:
        row = rows.get((case, sizes[-1]))
        cell = row and row["cells"].get(mode)
        return mid(cell[which]) if cell else None

    return figure


GOALS = (
    Goal("one version, warm ÷ constant body", _constant(cases.ONE, WARM), True, 0.75, 0.40),
    Goal("one version, cold ÷ constant body", _constant(cases.ONE, COLD), True, 0.30, 0.12),
    Goal("page of 100, warm ÷ constant body", _constant(cases.PAGE, WARM), True, 0.75, 0.40),
    Goal("page of 100, cold: time ÷ raw driver's time", _raw(cases.PAGE), False, 1.6, 1.6),
    Goal(
        "304 on a list, warm ÷ constant empty body",
        _constant(cases.UNCHANGED, WARM),
        True,
        0.7,
        0.40,
    ),
    *(
        Goal(
            f"{case}, {mode}: largest ÷ smallest catalogue, time",
            _growth(case, mode),
            False,
            1.3,
            1.3,
        )
        for case in cases.GROWTH
        for mode in (COLD, WARM)
    ),
    Goal("page 1,000 deep by next ÷ page 1, time", _deep, False, 1.2, 1.2),
    Goal(
        "page of 100, a reader who sees few, cold: p50",
        _alone(cases.FEW_PAGE, COLD, "alone_p50"),
        False,
        5,
        5,
        " ms",
    ),
    Goal(
        "count with 10 writes/s, anonymous, cold: p99",
        _alone(cases.COUNT, COLD + WRITING, "alone_p99"),
        False,
        5,
        5,
        " ms",
    ),
    Goal(
        "count with 10 writes/s, a user in 3 groups, cold: p99",
        _alone(cases.COUNT_SIGNED_IN, COLD + WRITING, "alone_p99"),
        False,
        25,
        25,
        " ms",
    ),
)


def checklist(found: dict[str, Any]) -> str:
    """The goals that the run has figures for, with target, figure, and whether it is met."""
    lines = []
    for goal in GOALS:
        for database, target in (("SQLite", goal.sqlite), ("PostgreSQL", goal.postgresql)):
            rows = {
                (row["case"], row["versions"]): row
                for row in found["rows"]
                if row["database"] == database
            }
            sizes = sorted({size for _, size in rows})
            figure = goal.figure(rows, sizes) if sizes else None
            if figure is not None:
                sign = "≥" if goal.at_least else "≤"
                verdict = "ok" if goal.met(figure, target) else "short"
                lines.append(
                    (
                        goal.words,
                        database,
                        f"{sign} {target:g}{goal.unit}",
                        f"{number(figure)}{goal.unit}",
                        verdict,
                    )
                )
    if not lines:
        return ""
    return "### What it must show\n\n" + table(
        ("what", "database", "target", "measured", ""), lines
    )
