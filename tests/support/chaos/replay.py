"""Replays the audit: what it says must be what the tables have, and each entry must follow from the one
before it."""

import json
from typing import Any

from sqlalchemy import select

from goldenrod.store import schema
from goldenrod.store.db import Tx
from goldenrod.store.sql import Key, in_list, param

Subject = tuple[str, int]

REPLAYED = {"versions": "n", "images": "id", "machines": "id"}
"""The tables that are compared, and their keys."""
RENAMED = {"image": "image_id", "version": "version_n", "parent": "parent_n"}
"""Fields of the audit and the columns that have them, where their names differ."""
LISTS = {"licenses": ("version_licenses", "version_n", "license_id")}
"""Lists of the audit, and the tables that have them."""
STATES = ("create", "edit", "end", "restore")


class Replay:
    """The catalogue as the audit has it so far."""

    def __init__(self) -> None:
        self.sequence = 0
        self.things: dict[Subject, dict[str, Any]] = {}
        self.channels: dict[Subject, Any] = {}
        self.revocations: dict[int, list[bool]] = {}
        self.entries = 0

    def go_on(self, tx: Tx) -> tuple[set[Subject], list[str]]:
        """Replay what is new; the subjects of it, and what does not follow from before."""
        touched: set[Subject] = set()
        wrong: list[str] = []
        for row in tx.rows(_entries, since=self.sequence):
            self.sequence = row["sequence"]
            self.entries += 1
            subject = (row["subject"], row["subject_id"])
            changes, (kind, verb) = json.loads(row["changes"]), row["action"].split(":")
            touched.add(subject)
            if kind == "version" and verb == "revoke":
                self.revocations.setdefault(subject[1], []).append(False)
            elif kind == "version" and "revoked" in changes:
                self.revocations[subject[1]][-1] = True
            elif kind == "channel":
                for value in changes.values():
                    if isinstance(value["after"], int):
                        self.channels[subject] = value["after"]
            elif row["subject"] in REPLAYED and verb in STATES:
                wrong += self._apply(subject, changes, row["sequence"], new=verb == "create")
        return touched, wrong

    def _apply(
        self, subject: Subject, changes: dict[str, Any], sequence: int, *, new: bool
    ) -> list[str]:
        if new and subject in self.things:
            return [f"audit {sequence}: {subject} is created twice"]
        thing = self.things.setdefault(subject, {})
        wrong = []
        for name, value in changes.items():
            if name in thing and thing[name] != value["before"]:
                wrong.append(
                    f"audit {sequence}: {subject} {name} was {thing[name]!r} before, not "
                    f"{value['before']!r}"
                )
            thing[name] = value["after"]
        return wrong

    def compare(self, tx: Tx, subjects: set[Subject]) -> list[str]:
        """The differences between these subjects and the tables."""
        wrong = []
        for table in REPLAYED:
            keys = sorted(key for name, key in subjects if name == table)
            rows = {row[REPLAYED[table]]: row for row in tx.rows(_rows, table, keys=keys)}
            for key in keys:
                wrong += self._differences(tx, (table, key), rows.get(key))
        for subject, n in self.channels.items():
            if subject in subjects and (found := tx.value(_assigned, channel=subject[1])) != n:
                wrong.append(f"{subject} is assigned {found}, the audit has {n}")
        for n, restored in self.revocations.items():
            if ("versions", n) in subjects:
                found = [row["restored_at"] is not None for row in tx.rows(_revoked, version=n)]
                if found != restored:
                    wrong.append(f"revocations of {n}: {found}, the audit has {restored}")
        return wrong

    def _differences(self, tx: Tx, subject: Subject, row: dict[str, Any] | None) -> list[str]:
        thing = self.things.get(subject, {})
        if row is None:
            return [f"{subject} is in the audit, but not there"] if thing else []
        found = {
            name: row[RENAMED.get(name, name)] for name in thing if RENAMED.get(name, name) in row
        }
        for name in LISTS.keys() & thing.keys():
            found[name] = [one["item"] for one in tx.rows(_list, *LISTS[name], key=subject[1])]
        return [
            f"{subject} {name} is {value!r}, the audit has {thing[name]!r}"
            for name, value in found.items()
            if value != thing[name]
        ]


def _entries() -> Any:
    audit = schema.audit
    return select(*audit.c).where(audit.c.sequence > param("since", Key)).order_by(audit.c.sequence)


def _rows(table: str) -> Any:
    columns = schema.metadata.tables[table].c
    return select(*columns).where(in_list(columns[REPLAYED[table]], "keys"))


def _list(table: str, key: str, item: str) -> Any:
    columns = schema.metadata.tables[table].c
    return (
        select(columns[item].label("item"))
        .where(columns[key] == param("key", Key))
        .order_by(columns[item])
    )


def _assigned() -> Any:
    it = schema.assignments.c
    return (
        select(it.version_n)
        .where(it.channel_id == param("channel", Key))
        .order_by(it.sequence.desc())
        .limit(1)
    )


def _revoked() -> Any:
    it = schema.revocations.c
    return select(it.restored_at).where(it.version_n == param("version", Key)).order_by(it.id)
