"""The labels of versions: free `key: value` pairs.

A key is of small letters, digits and `.`, `_`, `/`, `-`. A value is a short text, which may be empty;
its case counts. A child does not inherit labels: they say something about one build, such as that it
was tested.
"""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, FromClause, String, and_, select

from goldenrod.base import decode
from goldenrod.base.errors import field_problem
from goldenrod.base.faults import Faults
from goldenrod.rules.access import ReaderKind
from goldenrod.store import schema
from goldenrod.store.db import Tx
from goldenrod.store.paging import Filter, Wanted
from goldenrod.store.sql import Key, Sortable, among, param

Labels = dict[str, str]

MOST_LABELS = 64
"""The labels of one version."""
MOST_ASKED = 8
"""The labels that one list is asked for."""
KEY = re.compile(r"[a-z0-9][a-z0-9._/-]{0,62}", re.ASCII)


def _labels() -> Any:
    label = schema.version_labels
    return (
        select(label.c.key, label.c.value)
        .where(label.c.version_n == param("n", Key))
        .order_by(label.c.key)
    )


def read(tx: Tx, n: int) -> Labels:
    """The labels of a version, sorted by key."""
    return {row["key"]: row["value"] for row in tx.rows(_labels, n=n)}


def merged(before: Labels, given: Mapping[str, str | None] | None) -> Labels:
    """The labels after a merge patch: null removes a label; null in place of all removes all.

    Raises BadRequest, with everything that is wrong.
    """
    if given is None:
        return {}
    faults = Faults()
    after = dict(before)
    for key, value in given.items():
        if value is None:
            after.pop(key, None)
        else:
            field = f'labels["{key[:80]}"]'
            faults.of(_require_key, field, key)
            after[key] = faults.of(decode.label, field, value, before.get(key))
    if len(after) > MOST_LABELS:
        faults.add(field_problem("labels", f"has at most {MOST_LABELS} labels"))
    faults.report()
    return dict(sorted(after.items()))


def _require_key(field: str, key: str) -> None:
    if not KEY.fullmatch(key):
        raise field_problem(
            field,
            "has a key of 1 to 63 of a-z, 0-9, '.', '_', '/', '-', with a letter or digit first",
        )


def write(tx: Tx, n: int, before: Labels, after: Labels) -> None:
    """Give a version these labels instead of those before."""
    for key in before.keys() - after.keys():
        tx.delete(schema.version_labels, version_n=n, key=key)
    for key, value in after.items():
        if key not in before:
            tx.insert(schema.version_labels, version_n=n, key=key, value=value)
        elif before[key] != value:
            tx.update(schema.version_labels, {"version_n": n, "key": key}, value=value)


# ── the filter ─────────────────────────────────────────────────────────────────────────────


def _read_filter(given: list[str]) -> Wanted:
    asked = list(dict.fromkeys(given))
    if len(asked) > MOST_ASKED:
        raise ValueError(f"takes at most {MOST_ASKED} labels.")
    params: dict[str, str] = {}
    for index, text in enumerate(asked):
        key, colon, value = text.partition(":")
        if not colon or not KEY.fullmatch(key):
            raise ValueError("takes key:value, such as team:web.")
        params |= {f"f_label_key_{index}": key, f"f_label_value_{index}": value.strip()}
    return Wanted(str(len(asked)), params)


def _has_all(version: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
    return and_(*(_has(version, index) for index in range(int(form))))


def _has(version: FromClause, index: int) -> Any:
    label = schema.version_labels.alias()
    having = select(label.c.version_n).where(
        label.c.key == param(f"f_label_key_{index}", Sortable),
        label.c.value == param(f"f_label_value_{index}", String),
    )
    return among(version.c.n, having)


FILTER = Filter(
    f"key:value; given up to {MOST_ASKED} times, all must hold",
    lambda given: _read_filter([given]),
    _has_all,
    {
        "type": "array",
        "items": {"type": "string", "pattern": rf"^{KEY.pattern}:[^\u0000]*$"},
        "maxItems": MOST_ASKED,
    },
    read_all=_read_filter,
)
"""The versions that have all these labels."""
