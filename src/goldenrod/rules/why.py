"""Why a reader may see a thing, or may not: each clause of the rule, asked of that one row.

The rule itself is in `access.py`; here its clauses are not joined by OR but answered one by one, in
one statement. For operators only: it says of any row that it exists.
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

NOUNS = {
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
"""What stands before the colon in `image:7`."""

RESOURCES = {
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
"""What stands before the id in an address."""

_NOUN = re.compile(r"(?P<noun>[a-z]+):(?P<key>[^/:]+)", re.ASCII)


class Way(NamedTuple):
    """One way of seeing a thing, in words, and whether it is this reader's."""

    words: str
    grants: bool


def explain(tx: Tx, actor: Actor, thing: str) -> list[Way]:
    """The ways in which the actor could see `thing` (`image:7`, or an address), and which do.

    Raises BadRequest where it is no name of a thing, NotFound where there is no such row.
    """
    table, key = _table_and_key(thing)
    form = resources.key_form(table, key)
    row = form and tx.first(
        _ways,
        table,
        actor.reader,
        form,
        key=resources.key_value(form, key),
        **resources.params(tx, actor),
    )
    if not row:
        raise NotFound(f"There is no {thing!r}, for nobody.")
    clauses = access.clauses(table.alias("thing"), actor.reader)
    return [
        Way(clause.words, bool(grants))
        for clause, grants in zip(clauses, row.values(), strict=True)
    ]


def _ways(table: Table, reader: ReaderKind, form: str) -> Any:
    thing = table.alias("thing")
    asked = [
        clause.holds.label(f"way_{place}")
        for place, clause in enumerate(access.clauses(thing, reader))
    ]
    return select(*asked).select_from(thing).where(resources.named(thing, table, form))


def _table_and_key(thing: str) -> tuple[Table, str]:
    if (found := _NOUN.fullmatch(thing)) and found["noun"] in NOUNS:
        return NOUNS[found["noun"]], found["key"]
    *_, resource, key = ["", "", *urlsplit(thing).path.rstrip("/").split("/")]
    if resource in RESOURCES:
        return RESOURCES[resource], key
    raise BadRequest(
        f"{thing!r} names no thing. Write image:7, version:UUID, "
        f"an address such as /api/v2/images/7, or another of: {', '.join(NOUNS)}.",
        code="thing_unknown",
    )
