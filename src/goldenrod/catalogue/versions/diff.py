"""Diff: what changed from one version to another, as far as the reader sees both.

Fields, what is attached, where it runs; and, where one is an ancestor of the other, the change logs
on the path between, oldest first.
"""

import json
from collections.abc import Callable
from typing import Any

from goldenrod.base.errors import BadRequest
from goldenrod.catalogue.versions import version_page
from goldenrod.catalogue.versions.lineage import lineage
from goldenrod.rules.access import Actor
from goldenrod.store.db import Row, Tx

FIELDS = (
    "name",
    "change_log",
    "image",
    "parent",
    "allow_imaging",
    "user",
    "identity",
    "start_date",
    "end_date",
    "doc_object_id",
    "min_cpu",
    "min_mem",
    "state",
    "deprecation",
    "revoked",
    "exclude_from_latest",
)
LISTS = ("licenses", "scripts", "membership", "machines")
_SUMMARY = ("id", "url", "name", "state", "start_date", "end_date")


def get_diff(tx: Tx, actor: Actor, key: str, against: str | None) -> dict[str, Any]:
    """What changed from `against` (the parent, if not said) to a version.

    Raises NotFound, and BadRequest where there is no parent that the reader may read.
    """
    to = version_page.get_by_id(tx, actor, key)
    if against is None:
        parent = to["version"]["parent"]
        if parent is None or "url" not in parent:
            raise BadRequest(
                "This version has no parent that you may read: say against which to compare.",
                code="parameter_required",
            )
        against = parent["id"]
    return compare(tx, actor, version_page.get_by_id(tx, actor, against), to)


def compare(tx: Tx, actor: Actor, older: Row, newer: Row) -> dict[str, Any]:
    """What changed between two versions that `version_page` found."""
    path = lineage.path(tx, actor, older, newer) or lineage.path(tx, actor, newer, older)
    before, to = older["version"], newer["version"]
    return {
        "from": _summary(before),
        "to": _summary(to),
        "path": [row["id"] for row in path] or None,
        "fields": {
            name: {"from": before[name], "to": to[name]}
            for name in FIELDS
            if _plain(before[name]) != _plain(to[name])
        },
        **{name: _gained(before[name], to[name], lambda thing: thing["id"]) for name in LISTS},
        "providers": _gained(_providers(before), _providers(to), lambda provider: provider["id"]),
        # The log of the older end describes what came before it.
        "change_logs": [
            {"version": json.loads(row["json"]), "change_log": row["change_log"]}
            for row in path[1:]
        ],
    }


def _summary(version: Row) -> dict[str, Any]:
    image = {name: version["image"][name] for name in ("id", "url", "slug")}
    return {name: version[name] for name in _SUMMARY} | {"image": image}


def _plain(value: Any) -> Any:
    """A value as it is compared: a thing by its id alone."""
    return value["id"] if isinstance(value, dict) and "id" in value else value


def _providers(version: Row) -> list[Row]:
    found = {machine["provider"]["id"]: machine["provider"] for machine in version["machines"]}
    return [found[key] for key in sorted(found)]


def _gained(before: list[Row], after: list[Row], key: Callable[[Row], Any]) -> dict[str, list[Row]]:
    had, has = {key(thing) for thing in before}, {key(thing) for thing in after}
    return {
        "added": [thing for thing in after if key(thing) not in had],
        "removed": [thing for thing in before if key(thing) not in has],
    }
