"""Why a reader may or may not read something: the clauses of the access rule, one by one.

The rule is in `access.py`. Only operators may use this, because the answer reveals that a row exists.
"""

import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import Table, select

from goldenrod.base.errors import BadRequest, NotFound
from goldenrod.rules import access, resources
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.store import schema
from goldenrod.store.db import Tx

TABLES_BY_WORD = {
    "version": schema.versions,
    "image": schema.images,
    "machine": schema.machines,
    "provider": schema.providers,
    "license": schema.licenses,
    "script": schema.boot_scripts,
    "group": schema.groups,
    "user": schema.users,
    "identity": schema.identities,
    "tag": schema.tags,
    "token": schema.tokens,
    "webhook": schema.webhooks,
}
"""The table of each word before the colon in `image:7`."""

TABLES_BY_RESOURCE = {
    "image_versions": schema.versions,
    "images": schema.images,
    "provider_machines": schema.machines,
    "providers": schema.providers,
    "licenses": schema.licenses,
    "boot_scripts": schema.boot_scripts,
    "groups": schema.groups,
    "users": schema.users,
    "identities": schema.identities,
    "tags": schema.tags,
    "tokens": schema.tokens,
    "image_version_licenses": schema.version_licenses,
    "image_version_memberships": schema.version_memberships,
    "image_version_boot_scripts": schema.version_scripts,
    "webhooks": schema.webhooks,
}
"""The table of each part of a URL before the id."""

_WORD_AND_KEY = re.compile(r"(?P<word>[a-z]+):(?P<key>[^/:]+)", re.ASCII)


class Reason(NamedTuple):
    """One clause of the rule in words, and whether it applies to this reader."""

    words: str
    grants: bool


def explain(tx: Tx, actor: Actor, thing: str) -> list[Reason]:
    """The clauses by which the actor could read `thing` (`image:7`, or a URL), and which apply.

    Raises BadRequest if the name has an unknown form, and NotFound if there is no such row.
    """
    table, key = _table_and_key(thing)
    form = resources.key_form(table, key)
    row = form and tx.first(
        _clauses,
        table,
        actor.reader,
        form,
        key=resources.key_value(form, key),
        **resources.params(tx, actor),
    )
    if not row:
        raise NotFound(f"{thing!r} does not exist, for any reader.")
    clauses = access.clauses(table.alias("thing"), actor.reader)
    return [
        Reason(clause.words, bool(grants))
        for clause, grants in zip(clauses, row.values(), strict=True)
    ]


def _clauses(table: Table, reader: ReaderKind, form: str) -> Any:
    thing = table.alias("thing")
    columns = [
        clause.holds.label(f"clause_{index}")
        for index, clause in enumerate(access.clauses(thing, reader))
    ]
    return select(*columns).select_from(thing).where(resources.named(thing, table, form))


def _table_and_key(thing: str) -> tuple[Table, str]:
    if (found := _WORD_AND_KEY.fullmatch(thing)) and found["word"] in TABLES_BY_WORD:
        return TABLES_BY_WORD[found["word"]], found["key"]
    *_, resource, key = ["", "", *urlsplit(thing).path.rstrip("/").split("/")]
    if resource in TABLES_BY_RESOURCE:
        return TABLES_BY_RESOURCE[resource], key
    raise BadRequest(
        f"{thing!r} is not a known name. Write image:7, version:UUID, "
        f"a URL such as /api/v2/images/7, or another of: {', '.join(TABLES_BY_WORD)}.",
        code="thing_unknown",
    )
