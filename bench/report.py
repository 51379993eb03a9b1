"""Writes the figures of a run into `docs/performance.md`, and draws its plots.

    python -m bench.report bench/out/FILE.json [MORE.json …]

Rows of a later file replace the same rows of an earlier one. Only the text between the two marks in the
document is replaced.
"""

import json
import sys
from pathlib import Path
from typing import Any

from bench import svg
from bench.cases import CASES, LINEAR, PATCH
from bench.goals import DATABASES, Found, checklist
from bench.measure import COLD, WARM
from bench.tables import mid, number, others, table, tables, to_constant

DOCS = Path(__file__).parent.parent / "docs"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"


def main(files: list[str], docs: Path = DOCS) -> None:
    """Write the document and the plots."""
    run = merged([json.loads(Path(file).read_text()) for file in files])
    (docs / "performance-shares.svg").write_text(_shares(run))
    (docs / "performance-sizes.svg").write_text(_sizes(run))
    page = docs / "performance.md"
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}{figures(run)}{END}{after}", "utf-8")


def merged(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Combine several runs into one."""
    whole = runs[0]
    for run in runs[1:]:
        for part in ("rows", "imports", "starts"):
            rows = {_key(row): row for row in (*whole[part], *run[part])}
            whole[part] = list(rows.values())
        whole["machine"] |= run["machine"]
    places = {case.name: place for place, case in enumerate(CASES)}
    whole["rows"].sort(key=lambda row: places[row["case"]])
    return whole


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("database", "versions", "seed", "case"))


def figures(run: dict[str, Any]) -> str:
    """The text between the marks."""
    return "\n".join(
        [
            f"{_measured_on(run)}\n",
            checklist(run),
            "![Requests a second as a share of the constant body's](performance-shares.svg)\n",
            "![Milliseconds for one request, by size](performance-sizes.svg)\n",
            others(run),
            _linear(run),
            f"<details>\n<summary>All figures</summary>\n\n{tables(run)}\n</details>\n",
        ]
    )


def _measured_on(run: dict[str, Any]) -> str:
    on = run["machine"]
    versions = ", ".join(
        f"{shown} {on[name]}"
        for name, shown in (
            ("python", "Python"),
            ("granian", "Granian"),
            ("falcon", "Falcon"),
            ("sqlite", "SQLite"),
            ("postgresql", "PostgreSQL"),
            ("psycopg", "psycopg"),
        )
        if name in on
    )
    return (
        f"Measured on {run['at'][:10]}: {on['cores']} cores ({on['processor']}), {versions}; "
        f"one worker with {on['threads']} threads, driven by {on['driver']} over "
        f"{on['connections']} connections; medians of {run['rounds']} rounds of "
        f"{run['seconds']:g} s."
    )


def _linear(run: dict[str, Any]) -> str:
    """Filters whose exact count takes longer the more they match."""
    lines = [
        (
            row["case"],
            row["database"],
            f"{row['versions']:,}",
            f"{number(mid(cell['alone_p50']))} ms",
        )
        for row in run["rows"]
        if row["case"] in LINEAR and (cell := row["cells"].get(COLD))
    ]
    if not lines:
        return ""
    head = ("filter", "database", "versions", "one request, cold, p50")
    return f"### Filters that take longer the more they match\n\n{table(head, lines)}"


def _shares(run: dict[str, Any]) -> str:
    parts = {database: Found(run, database) for database in DATABASES}
    lines = []
    for case in dict.fromkeys(row["case"] for row in run["rows"] if row["case"] != PATCH):
        values = {}
        for database, found in parts.items():
            if rows := found.of(case):
                values[database] = to_constant(rows[-1], COLD), to_constant(rows[-1], WARM)
        lines.append(svg.Line(case, values))
    title = "Requests a second ÷ those of a constant body of the same size"
    return svg.shares(title, ("without the answer cache", "with it"), lines)


def _sizes(run: dict[str, Any]) -> str:
    parts = {database: Found(run, database) for database in DATABASES}
    sizes = sorted({row["versions"] for row in run["rows"]})
    lines = []
    for case in dict.fromkeys(row["case"] for row in run["rows"]):
        values: dict[str, tuple[float | None, float | None]] = {}
        for database, found in parts.items():
            cells = [row["cells"].get(COLD) for row in found.of(case)]
            alone = [mid(cell["alone_p50"]) if cell else None for cell in cells]
            if alone:
                values[database] = alone[0], alone[-1] if len(alone) > 1 else None
        lines.append(svg.Line(case, values))
    few, many = (f"{size:,} versions" for size in (sizes[0], sizes[-1]))
    return svg.times(
        "Milliseconds for one request alone, without the answer cache", (few, many), lines
    )


if __name__ == "__main__":
    main(sys.argv[1:])
