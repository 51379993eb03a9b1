"""Diff: what changed from one version to another, limited to what the reader may read.

A diff compares fields, attachments, machines and providers. If one version is an ancestor of the
other, it also has the change logs on the path between them, oldest first.
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
    "labels",
)
LISTS = ("licenses", "scripts", "membership", "machines")
_SUMMARY = ("id", "url", "name", "state", "start_date", "end_date")


def get_diff(tx: Tx, actor: Actor, key: str, against: str | None) -> dict[str, Any]:
    """What changed from `against` (by default the parent) to a version.

    Raises NotFound, and BadRequest if the reader may read no parent of the version.
    """
    to = version_page.get_by_id(tx, actor, key)
    if against is None:
        parent = to["version"]["parent"]
        if parent is None or "url" not in parent:
            raise BadRequest(
                "This version has no parent that you can read. "
                "Name the version to compare with in `against`.",
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
            if _comparable(name, before[name]) != _comparable(name, to[name])
        },
        **{
            name: _list_difference(before[name], to[name], lambda thing: thing["id"])
            for name in LISTS
        },
        "providers": _list_difference(
            _providers(before), _providers(to), lambda provider: provider["id"]
        ),
        # The log of the older end describes what came before it.
        "change_logs": [
            {"version": json.loads(row["json"]), "change_log": row["change_log"]}
            for row in path[1:]
        ],
    }


def _summary(version: Row) -> dict[str, Any]:
    image = {name: version["image"][name] for name in ("id", "url", "slug")}
    return {name: version[name] for name in _SUMMARY} | {"image": image}


def _comparable(name: str, value: Any) -> Any:
    """The value to compare: of a resource, only the id. A label may have the key `id`."""
    is_resource = name != "labels" and isinstance(value, dict) and "id" in value
    return value["id"] if is_resource else value


def _providers(version: Row) -> list[Row]:
    found = {machine["provider"]["id"]: machine["provider"] for machine in version["machines"]}
    return [found[key] for key in sorted(found)]


def _list_difference(
    before: list[Row], after: list[Row], key: Callable[[Row], Any]
) -> dict[str, list[Row]]:
    before_keys, after_keys = {key(thing) for thing in before}, {key(thing) for thing in after}
    return {
        "added": [thing for thing in after if key(thing) not in before_keys],
        "removed": [thing for thing in before if key(thing) not in after_keys],
    }
