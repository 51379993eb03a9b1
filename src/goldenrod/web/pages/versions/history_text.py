"""A version's history in words: actions, and the fields that they changed."""

from dataclasses import dataclass
from typing import Any

from goldenrod.store.db import Row
from goldenrod.web.pages.kit.fields import LABELS

LONGEST = 80
ACTIONS = {
    "version:create": "Published",
    "version:edit": "Edited",
    "version:end": "Ended",
    "version:revoke": "Revoked",
    "version:restore": "Restored",
}
TEXTS = ("change_log", "description", "text")
"""Fields whose values are too long to show."""


@dataclass(frozen=True)
class Change:
    """One changed field: its name in words, and the values before and after."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Entry:
    """One entry of the history."""

    at: str
    by: str
    action: str
    changes: tuple[Change, ...]


def entries(history: list[Row]) -> list[Entry]:
    """The API's entries in the form that a page shows."""
    return [_entry(row) for row in history]


def _entry(row: Row) -> Entry:
    return Entry(
        row["at"],
        " ".join(filter(None, (_by(row), in_sync(row)))),
        str(ACTIONS.get(row["action"], row["action"])),
        changes_of(row),
    )


def _by(row: Row) -> str:
    return str(row["by"]["username"]) if row["by"] else "the console"


def in_sync(row: Row) -> str:
    """Which source was synced, in words; empty for every other change."""
    return f"in a sync of {row['source']}" if row["source"] else ""


def changes_of(row: Row) -> tuple[Change, ...]:
    """The fields that an entry of the audit changed. Of a new thing, and of one that was removed, none:
    the page of the new thing shows its values."""
    if row["action"].endswith((":create", ":remove")):
        return ()
    changes = {n: it for n, it in row["changes"].items() if isinstance(it, dict)}
    return tuple(_change(name, it) for name, it in changes.items())


def _change(name: str, change: Row) -> Change:
    if name == "labels":
        return _labels(change["before"] or {}, change["after"] or {})
    if name in TEXTS:
        return Change(_label(name), "", "")
    return Change(_label(name), _before(change["before"]), _words(change["after"]))


def _label(name: str) -> str:
    """The name of a field, or of a part of one such as `reason`."""
    return LABELS.get(name, name.removesuffix("_id").replace("_", " ").capitalize())


def _labels(before: Row, after: Row) -> Change:
    """The labels that were changed or removed, and what is there now instead of them."""
    gone, come = (
        ", ".join(f"{key}: {value}" for key, value in one.items() if other.get(key) != value)
        for one, other in ((before, after), (after, before))
    )
    return Change(_label("labels"), _words(gone), _words(come) if come else "removed")


def _before(value: Any) -> str:
    """The previous value in words; empty if there was none."""
    return "" if value is None else _words(value)


def _words(value: Any) -> str:
    if isinstance(value, list):
        text = ", ".join(map(_words, value)) or "none"
    elif isinstance(value, dict):
        named = (value.get(key) for key in ("name", "title", "username", "slug", "id"))
        text = str(next((it for it in named if it is not None), ""))
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    else:
        text = "none" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()}…"
