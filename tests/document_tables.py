"""The tables of documents that are generated from the code (`python -m tests.test_docs`)."""

from goldenrod.base.config import SETTINGS
from goldenrod.web.docs.error_codes import CODES
from goldenrod.web.monitoring.metrics import METRICS


def setting_table() -> str:
    """The table of settings in docs/operating.md."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for setting in SETTINGS:
        default = f"`{setting.default}`" if setting.default else "none"
        lines.append(f"| `{setting.variable}` | {default} | {setting.meaning} |")
        if setting.secret:
            of = f"the file that has the value of `{setting.variable}`"
            lines.append(f"| `{setting.file_variable}` | none | {of} |")
    return "\n".join(lines) + "\n"


def error_table() -> str:
    """The table of codes in docs/api.md."""
    lines = ["| code | status | when |", "|---|---|---|"]
    lines += [f"| `{code}` | {status} | {meaning} |" for code, (status, meaning) in CODES.items()]
    return "\n".join(lines) + "\n"


def metric_table() -> str:
    """The table of metrics in docs/monitoring.md."""
    lines = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |")
    return "\n".join(lines) + "\n"


GENERATED_TABLES = {
    "docs/operating.md": setting_table,
    "docs/api.md": error_table,
    "docs/monitoring.md": metric_table,
}
