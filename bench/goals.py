"""Goals: ratios and times that a run must reach."""

from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

from bench import cases
from bench.measure import COLD, WARM, WRITING
from bench.tables import mid, number, table, to_constant, to_raw

DATABASES = ("SQLite", "PostgreSQL")


class Found:
    """The part of a run on one database: rows by case and size, imports, starts."""

    def __init__(self, run: dict[str, Any], database: str) -> None:
        mine = {
            name: [row for row in run[name] if row["database"] == database]
            for name in ("rows", "imports", "starts")
        }
        self.rows = {(row["case"], row["versions"]): row for row in mine["rows"]}
        self.sizes = sorted({size for _, size in self.rows})
        self.imports = mine["imports"]
        self.starts = mine["starts"]

    def of(self, case: str) -> list[dict[str, Any]]:
        """The rows of a case, ordered by the size of the catalogue."""
        return [self.rows[case, size] for size in self.sizes if (case, size) in self.rows]


Figure = Callable[[Found], float | None]


class Goal(NamedTuple):
    """A figure and its target on each database: at least (≥) or at most (≤)."""

    words: str
    figure: Figure
    sign: str
    targets: dict[str, float]
    unit: str = ""

    def met(self, figure: float, target: float) -> bool:
        return figure >= target if self.sign == "≥" else figure <= target


def _on(sqlite: float, postgresql: float) -> dict[str, float]:
    return dict(zip(DATABASES, (sqlite, postgresql), strict=True))


def _constant(case: str, mode: str) -> Figure:
    """The worst ratio to the constant answer, over all sizes."""

    def figure(found: Found) -> float | None:
        ratios = [to_constant(row, mode) for row in found.of(case)]
        return min((ratio for ratio in ratios if ratio is not None), default=None)

    return figure


def _raw(case: str) -> Figure:
    def figure(found: Found) -> float | None:
        ratios = [to_raw(row, COLD) for row in found.of(case)]
        return max((ratio for ratio in ratios if ratio is not None), default=None)

    return figure


def growth(found: Found, case: str, mode: str) -> float | None:
    """The time of a single request in the largest catalogue ÷ that in the smallest."""
    cells = [row["cells"].get(mode) for row in found.of(case)]
    if len(cells) < 2 or not cells[0] or not cells[-1]:
        return None
    return mid([b / a for a, b in zip(cells[0]["alone_p50"], cells[-1]["alone_p50"], strict=True)])


def _growth(case: str, mode: str) -> Figure:
    return lambda found: growth(found, case, mode)


def _deep(found: Found) -> float | None:
    rows = found.of(cases.DEEP_PAGE)
    cell = rows[-1]["cells"].get(COLD) if rows else None
    if not cell:
        return None
    return mid([a / b for a, b in zip(cell["alone_p50"], rows[-1]["beside"], strict=True)])


def _alone(case: str, mode: str, which: str) -> Figure:
    """A percentile of single requests in the largest catalogue."""

    def figure(found: Found) -> float | None:
        rows = found.of(case)
        cell = rows[-1]["cells"].get(mode) if rows else None
        return mid(cell[which]) if cell else None

    return figure


def _busy_to_alone(case: str) -> Figure:
    """Requests a second over all connections ÷ those over one, without the cache; the worst size."""

    def figure(found: Found) -> float | None:
        cells = [row["cells"].get(COLD) for row in found.of(case)]
        ratios = [
            mid([a * b / 1000 for a, b in zip(cell["per_second"], cell["alone_p50"], strict=True)])
            for cell in cells
            if cell
        ]
        return min((ratio for ratio in ratios if ratio is not None), default=None)

    return figure


def _memory(found: Found) -> float | None:
    """The most memory of a worker after a row, in MB."""
    cells = [cell for row in found.rows.values() for cell in row["cells"].values() if cell]
    return max((cell["memory"] for cell in cells if cell["memory"]), default=None)


def _imported(found: Found) -> float | None:
    return median(found.imports[0]["per_second"]) if found.imports else None


def _started(which: str) -> Figure:
    return lambda found: median(found.starts[0][which]) if found.starts else None


_ONE, _PAGE, _UNCHANGED = cases.ONE, cases.PAGE, cases.UNCHANGED
_WRITES = WARM + WRITING
_COUNTED = _alone(cases.COUNT, COLD + WRITING, "alone_p99")
_COUNTED_SIGNED_IN = _alone(cases.COUNT_SIGNED_IN, COLD + WRITING, "alone_p99")

GOALS = (
    Goal("one version, warm ÷ constant body", _constant(_ONE, WARM), "≥", _on(0.9, 0.6)),
    Goal("one version, cold ÷ constant body", _constant(_ONE, COLD), "≥", _on(0.25, 0.1)),
    Goal("one version, cold: 8 connections ÷ 1", _busy_to_alone(_ONE), "≥", _on(1, 1)),
    Goal("page of 100, warm ÷ constant body", _constant(_PAGE, WARM), "≥", _on(0.75, 0.40)),
    Goal("page of 100, cold: time ÷ raw driver's", _raw(_PAGE), "≤", _on(1.6, 1.6)),
    *(
        Goal(
            f"{case}, warm, 10 writes/s ÷ constant body", _constant(case, _WRITES), "≥", _on(*aims)
        )
        for case, aims in (
            (_PAGE, (0.5, 0.4)),
            (_ONE, (0.75, 0.5)),
            (cases.MANY, (0.75, 0.5)),
            (cases.RESOLVE, (0.75, 0.5)),
            (cases.SIGNED_IN, (0.4, 0.3)),
        )
    ),
    Goal("304, warm ÷ constant empty body", _constant(_UNCHANGED, WARM), "≥", _on(0.7, 0.6)),
    *(
        Goal(f"{case}, {mode}: time in largest ÷ smallest", _growth(case, mode), "≤", _on(1.3, 1.3))
        for case in cases.GROWTH
        for mode in (COLD, WARM)
    ),
    Goal("page 1,000 deep by next, cold: time ÷ page 1's", _deep, "≤", _on(1.2, 1.2)),
    *(
        Goal(f"{case}, cold: p50 in the largest", _alone(case, COLD, "alone_p50"), "≤", aims, " ms")
        for case, aims in (
            (cases.SEARCH, _on(30, 60)),
            (cases.SIGNED_IN, _on(15, 30)),
            (cases.COUNT_SIGNED_IN, _on(10, 20)),
            (cases.ON_PROVIDER, _on(50, 100)),
            (cases.OF_ARCHITECTURE, _on(50, 100)),
            (cases.FEW_PAGE, _on(6, 12)),
        )
    ),
    Goal("memory of a worker, the most after any row", _memory, "≤", _on(300, 300), " MB"),
    Goal("count, cold, 10 writes/s: p99", _COUNTED, "≤", _on(5, 5), " ms"),
    Goal("the same, a user in 3 groups: p99", _COUNTED_SIGNED_IN, "≤", _on(25, 25), " ms"),
    Goal("import", _imported, "≥", {"SQLite": 5000}, " machines/s"),
    Goal("goldenrod --help", _started("help_ms"), "≤", {"SQLite": 300}, " ms"),
    Goal("server ready", _started("ready_s"), "≤", _on(1.5, 1.5), " s"),
)


def checklist(run: dict[str, Any]) -> str:
    """The goals for which the run has figures: target, figure, and whether it was met."""
    lines = []
    parts = {database: Found(run, database) for database in DATABASES}
    for goal in GOALS:
        for database, target in goal.targets.items():
            figure = goal.figure(parts[database])
            if figure is not None:
                verdict = "ok" if goal.met(figure, target) else "short"
                aim, shown = f"{goal.sign} {target:,g}{goal.unit}", f"{number(figure)}{goal.unit}"
                lines.append((goal.words, database, aim, shown, verdict))
    head = ("what", "database", "target", "measured", "")
    return f"### Goals\n\n{table(head, lines)}" if lines else ""
