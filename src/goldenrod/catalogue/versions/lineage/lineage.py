"""Lineage: the ancestors and descendants of a version.

One recursive statement finds them, in long chains and wide trees alike. It follows lineage only
through versions that the reader may read.
"""

import json
from typing import Any, Literal, get_args

from sqlalchemy import Integer, and_, select

from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.lifecycle import lineage_walk, states
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, json_object, json_text, param

Direction = Literal["ancestors", "descendants", "both"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
MOST_NODES = 10_000
MOST_DEPTH = 99_999_999


def _line(reader: ReaderKind, *, up: bool) -> Any:
    """The versions above or below the root, with their distance from it."""
    return lineage_walk.line(
        "root",
        up=up,
        condition=lambda version, line: and_(
            line.c.distance < param("depth", Integer), access.readable(version, reader)
        ),
    )


def _nodes(direction: Direction, reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    lines = [_line(reader, up=up) for up in (True, False) if direction in _WANTS[up]]
    both = [select(line.c.n, line.c.distance) for line in lines]
    # The root is in both parts; UNION keeps it once.
    found = (both[0].union(*both[1:]) if len(both) > 1 else both[0]).subquery()
    node = json_object(
        {
            "id": version.c.id,
            "url": summaries.url("image_versions", version.c.id),
            "name": version.c.name,
            "state": states.state(version),
            "start_date": version.c.start_date,
            "end_date": version.c.end_date,
            "image": summaries.image(version.c.image_id, ReaderKind.STAFF),
            "revoked": summaries.revoked(version, reader),
            "stale": states.stale(version, reader),
        }
    )
    return (
        select(
            version.c.n,
            version.c.id,
            version.c.parent_n,
            summaries.image_of(version.c.parent_n).label("parent_image"),
            json_text(node).label("json"),
        )
        .select_from(found.join(version, version.c.n == found.c.n))
        .order_by(found.c.distance, version.c.start_date, version.c.id)
        .limit(MOST_NODES + 1)
    )


_WANTS = {True: ("ancestors", "both"), False: ("descendants", "both")}


def get_lineage(
    tx: Tx, actor: Actor, key: str, direction: Direction = "both", depth: int | None = None
) -> dict[str, Any]:
    """A version's lineage: nodes, nearest first, and edges. Raises NotFound."""
    root = resources.get_row(tx, actor, schema.versions, key)
    rows = tx.rows(
        _nodes,
        direction,
        actor.reader,
        root=root["n"],
        depth=MOST_DEPTH if depth is None else depth,
        **resources.params(tx, actor),
    )
    shown = rows[:MOST_NODES]
    ids = {row["n"]: row["id"] for row in shown}
    nodes = [json.loads(row["json"]) for row in shown]
    truncated = len(rows) > MOST_NODES
    if not truncated:
        own = (node["image"]["id"] for node in nodes)
        # A node is stale by its parent's image, which may lie beyond the depth.
        parents = (row["parent_image"] for row in shown)
        origins = summaries.images_in([node["revoked"] for node in nodes])
        tx.depends_on([*own, *parents, *origins])
    return {
        "root": root["id"],
        "direction": direction,
        "depth": depth,
        "truncated": truncated,
        "nodes": nodes,
        "edges": [
            {"parent": ids[row["parent_n"]], "child": row["id"]}
            for row in shown
            if row["parent_n"] in ids
        ],
    }


def _path(reader: ReaderKind) -> Any:
    """The path from `root` up to its ancestor `end`, through readable versions only; oldest first."""
    line = _line(reader, up=True)
    version, goal = schema.versions.alias(), line.alias()
    distance = select(goal.c.distance).where(goal.c.n == param("end", Key)).scalar_subquery()
    return (
        select(
            version.c.id,
            version.c.change_log,
            json_text(summaries.version_shape(version, reader)).label("json"),
        )
        .select_from(line.join(version, version.c.n == line.c.n))
        .where(line.c.distance <= distance)
        .order_by(line.c.distance.desc())
    )


def path(tx: Tx, actor: Actor, older: Row, newer: Row) -> list[Row]:
    """The versions from an ancestor down to its descendant, both included, oldest first: id,
    change_log, json. Empty if there is no such path of readable versions."""
    return tx.rows(
        _path,
        actor.reader,
        root=newer["n"],
        end=older["n"],
        depth=MOST_DEPTH,
        **resources.params(tx, actor),
    )
