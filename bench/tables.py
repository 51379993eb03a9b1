"""The figures as Markdown tables, one for each database and size."""

from collections.abc import Sequence
from statistics import median
from typing import Any

HEAD = (
    *("what", "mode", "requests/s", "p50, ms", "p99, ms", "alone p50", "alone p99"),
    *("÷ constant", "÷ raw driver", "MB", "statements"),
)

ENOUGH = 9
"""From this many writes per second on, the intended ten count as reached."""


def tables(found: dict[str, Any]) -> str:
    """All tables of a run."""
    parts = []
    for database, versions, seed in _catalogues(found):
        rows = [
            line
            for row in found["rows"]
            if (row["database"], row["versions"], row["seed"]) == (database, versions, seed)
            for line in _lines(row)
        ]
        public = "90 %" if seed == "most" else "0.1 %"
        parts.append(
            f"### {database}, {versions:,} versions, {public} public\n\n{table(HEAD, rows)}"
        )
    return "\n".join(parts)


def others(found: dict[str, Any]) -> str:
    """The rows that are not requests: importing and starting."""
    lines = []
    for row in found["imports"]:
        words = f"import of {row['machines']:,} machines"
        memory = f"{number(mid(row['memory']))} at most, {number(row['memory_before'])} before"
        lines.append((words, row["database"], f"{number(mid(row['per_second']))}/s", memory))
    for row in found["starts"]:
        memory = number(mid(row["memory"]))
        ready, said = f"{number(mid(row['ready_s']))} s", f"{number(mid(row['help_ms']))} ms"
        lines.append(("the server is ready; at rest", row["database"], ready, memory))
        lines.append(("`goldenrod --help`", row["database"], said, ""))
    if not lines:
        return ""
    return f"### Importing, starting\n\n{table(('what', 'database', 'measured', 'MB'), lines)}"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    lines.insert(1, "|" + "---|" * len(head))
    return "\n".join(lines) + "\n"


def _catalogues(found: dict[str, Any]) -> list[tuple[str, int, str]]:
    seen = {(row["database"], row["versions"], row["seed"]): None for row in found["rows"]}
    return list(seen)


def _lines(row: dict[str, Any]) -> list[tuple[str, ...]]:
    said = [row["case"], row["note"], f"{row['bytes']:,} bytes"]
    name = ", ".join(filter(None, said))
    return [
        (
            name,
            f"{mode}{_few_writes(cell)}",
            number(mid(cell["per_second"])),
            number(mid(cell["p50"])),
            number(mid(cell["p99"])),
            number(mid(cell["alone_p50"])),
            number(mid(cell["alone_p99"])),
            number(to_constant(row, mode)),
            number(to_raw(row, mode)),
            number(cell["memory"]),
            str(row["statements"].get(mode, "")),
        )
        for mode, cell in row["cells"].items()
    ]


def _few_writes(cell: dict[str, Any]) -> str:
    """The writes per second, where they were clearly less than ten."""
    rate = mid(cell["written"])
    return "" if rate is None or rate > ENOUGH else f" ({rate:.0f}/s)"


def mid(values: list[float]) -> float | None:
    """The median; None without values."""
    return median(values) if values else None


def to_constant(row: dict[str, Any], mode: str) -> float | None:
    """Requests per second ÷ those of the constant answer: the median over the rounds."""
    cell = row["cells"].get(mode)
    if not cell or cell["slow"]:
        return None
    return mid([a / b for a, b in zip(cell["per_second"], row["constant"], strict=True)])


def to_raw(row: dict[str, Any], mode: str) -> float | None:
    """The time of a single request ÷ the raw driver's time for its statements."""
    cell = row["cells"].get(mode)
    if not cell or len(cell["alone_p50"]) != len(row["raw"]):
        return None
    return mid([a / b for a, b in zip(cell["alone_p50"], row["raw"], strict=True)])


def number(value: float | None) -> str:
    """The number with three significant digits."""
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
