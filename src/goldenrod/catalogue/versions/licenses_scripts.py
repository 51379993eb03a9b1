"""Licenses and boot scripts: texts that any user creates and attaches to versions.

Everyone can read every license. A script is visible to its creator and to everyone who may read a
version that uses it. Text and type cannot change once a version uses them.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, FromClause, Table, exists, select

from goldenrod.base import decode
from goldenrod.base.errors import Conflict, NotFound, field_problem
from goldenrod.base.faults import Faults
from goldenrod.base.text import is_uuid, name_key
from goldenrod.base.wire import LicensePatch, NewLicense, NewScript, ScriptPatch
from goldenrod.catalogue import search
from goldenrod.catalogue.versions import versions
from goldenrod.rules import access, filters, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, mutations, version_lists
from goldenrod.rules.changes.mutations import Created
from goldenrod.rules.changes.removal import require_unused
from goldenrod.rules.changes.version_lists import Pairing
from goldenrod.rules.resources import Resource
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Listing
from goldenrod.store.sql import Id, Key, json_list, json_object, json_text, param

_SPDX = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*", re.ASCII)


def license_shape(license: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A license as JSON."""
    return json_object(_members("licenses", license))


def script_shape(script: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A boot script as JSON."""
    return json_object(
        _members(
            "boot_scripts",
            script,
            run_every_deploy=script.c.run_every_deploy,
            wait_for_deploy=script.c.wait_for_deploy,
        )
    )


def _scripts_of(reader: ReaderKind) -> Any:
    version, script, used = (
        schema.versions.alias(),
        schema.boot_scripts.alias(),
        schema.version_scripts.alias(),
    )
    whole = {
        "title": script.c.title,
        "type": script.c.type,
        "text": script.c.text,
        "run_every_deploy": script.c.run_every_deploy,
    }
    scripts = (
        select(json_object(whole))
        .select_from(used.join(script, script.c.id == used.c.script_id))
        .where(used.c.version_n == version.c.n, access.readable(script, reader))
        .order_by(script.c.id)
    )
    return select(json_text(json_list(scripts, version))).where(
        version.c.id == param("version", Id), access.readable(version, reader)
    )


def list_scripts_of(tx: Tx, actor: Actor, version: str) -> list[Row]:
    """The boot scripts of a version, in its order, with their whole texts. Raises NotFound."""
    given = resources.params(tx, actor)
    found = is_uuid(version) and tx.value(
        _scripts_of, actor.reader, version=version.lower(), **given
    )
    if not found:
        raise NotFound()
    scripts: list[Row] = json.loads(found)
    return scripts


def _members(resource: str, thing: FromClause, **more: Any) -> Mapping[str, Any]:
    return {
        "id": thing.c.id,
        "uuid": thing.c.uuid,
        "url": summaries.url(resource, thing.c.id),
        "title": thing.c.title,
        "type": thing.c.type,
        "text": thing.c.text,
        **more,
        "created_by": summaries.user(thing.c.created_by_id),
        "start_date": thing.c.start_date,
    }


def _listing(pairing: Pairing, types: tuple[str, ...]) -> Listing:
    def of_version(thing: FromClause, reader: ReaderKind, is_it: Any) -> ColumnElement[bool]:
        link, version = pairing.table.alias(), schema.versions.alias()
        return exists().where(
            link.c[pairing.column] == thing.c.id,
            version.c.n == link.c.version_n,
            is_it(version),
        )

    return Listing(
        pairing.other,
        {
            "name": filters.by_key("name", "title_key"),
            "type": filters.one_of("type", types, lambda thing: thing.c.type),
            "created_by": filters.username("created_by", lambda thing: thing.c.created_by_id),
            "version_id": filters.refers_to_one("version_id", schema.versions, of_version),
            "search": search.WORDS,
        },
        ("start_date", "name"),
        {"name": "title_key"},
    )


def title_shape(thing: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A license or boot script as a choice of a form: without its text, which may be long."""
    members = _members("", thing)
    return json_object({name: members[name] for name in ("id", "title", "type", "created_by")})


LICENSES = Resource(
    schema.licenses, license_shape, _listing(version_lists.LICENSES, ("Full Text", "URL", "SPDX"))
)
SCRIPTS = Resource(
    schema.boot_scripts, script_shape, _listing(version_lists.SCRIPTS, ("Raw Text", "URL"))
)

VERSIONS = replace(versions.VERSIONS, shape=summaries.version_shape)
"""Versions as summaries: those that use a license or script are listed by its filter."""
LICENSE_TITLES = replace(LICENSES, shape=title_shape)
SCRIPT_TITLES = replace(SCRIPTS, shape=title_shape)


def attachable(tx: Tx, actor: Actor, scripts: list[Row]) -> list[Row]:
    """Those of these boot scripts (as JSON) that the actor may attach to versions."""

    def may(script: Row) -> bool:
        own = actor.has_staff_rights or script["created_by"]["id"] == actor.user_id
        return own or version_lists.attachable(tx, actor, SCRIPTS.row(tx, actor, str(script["id"])))

    return [script for script in scripts if may(script)]


def create_license(tx: Tx, actor: Actor, body: NewLicense) -> Created:
    """Create a license. Raises BadRequest."""
    actor.require_write()
    return _create(tx, actor, schema.licenses, "license", _text_values(body))


def create_script(tx: Tx, actor: Actor, body: NewScript) -> Created:
    """Create a boot script. Raises BadRequest."""
    actor.require_write()
    values = _text_values(body)
    values["run_every_deploy"] = body.run_every_deploy
    values["wait_for_deploy"] = body.wait_for_deploy
    return _create(tx, actor, schema.boot_scripts, "script", values)


def _text_values(body: NewLicense | NewScript) -> Row:
    faults = Faults()
    values = {
        "title": faults.of(decode.name, "title", body.title),
        "type": body.type,
        "text": faults.of(decode.text, "text", body.text),
    }
    faults.of(_check_text, {**values, "text": body.text})
    faults.report()
    return values


def _check_text(values: Row) -> None:
    """Raise BadRequest if the text is empty or does not fit its type."""
    if not values["text"].strip():
        raise field_problem("text", "must not be empty")
    if values["type"] == "URL" and not is_web_address(values["text"]):
        raise field_problem("text", "must be an http or https URL if the type is URL")
    if values["type"] == "SPDX" and not _SPDX.fullmatch(values["text"]):
        raise field_problem(
            "text", "must be an SPDX identifier such as Apache-2.0 if the type is SPDX"
        )


def is_web_address(text: str) -> bool:
    """Whether a text is an http or https URL with a host and without spaces."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and not any(character.isspace() for character in text)
    )


def _create(tx: Tx, actor: Actor, table: Table, kind: str, values: Row) -> Created:
    thing_id = tx.insert(
        table,
        uuid=mutations.new_uuid(),
        title_key=name_key(values["title"]),
        created_by_id=actor.user_id,
        start_date=tx.now,
        words=search.words_of(values["title"], values["text"]),
        **values,
    )
    audit.record(tx, actor, audit.action(kind, "create"), table, thing_id, audit.created(values))
    return Created(str(thing_id))


def edit_license(tx: Tx, actor: Actor, row: Row, patch: LicensePatch) -> None:
    """Change what the patch gives. Raises BadRequest, Conflict."""
    _edit(tx, actor, version_lists.LICENSES, "license", row, mutations.given(patch))


def edit_script(tx: Tx, actor: Actor, row: Row, patch: ScriptPatch) -> None:
    """Change what the patch gives. Raises BadRequest, Conflict."""
    _edit(tx, actor, version_lists.SCRIPTS, "script", row, mutations.given(patch))


def _is_used(pairing: Pairing) -> Any:
    link = pairing.table
    return select(exists().where(link.c[pairing.column] == param("id", Key)))


def is_used(tx: Tx, resource: Resource, thing_id: int) -> bool:
    """Whether a version uses this license or script, so that its text and type cannot change."""
    pairing = next(one for one in version_lists.PAIRINGS if one.other is resource.table)
    return bool(tx.value(_is_used, pairing, id=thing_id))


def _edit(tx: Tx, actor: Actor, pairing: Pairing, kind: str, row: Row, given: Row) -> None:
    after = dict(given)
    faults = Faults()
    if "title" in after:
        after["title"] = faults.of(decode.name, "title", after["title"], row["title"])
    if "text" in after:
        faults.of(decode.text, "text", after["text"])
    then = {**row, **after}
    changed = audit.changed(row, after)
    if {"type", "text"} & changed.keys():
        faults.of(_check_text, then)
    faults.report()
    if {"type", "text"} & changed.keys() and tx.value(_is_used, pairing, id=row["id"]):
        raise Conflict(
            f"A version uses this {kind}, so its text and type cannot change. "
            f"Create a new {kind} instead.",
            code=f"{kind}_in_use",
        )
    if not changed:
        return
    after["title_key"] = name_key(then["title"])
    after["words"] = search.words_of(then["title"], then["text"])
    tx.update(pairing.other, {"id": row["id"]}, **after)
    audit.record(tx, actor, audit.action(kind, "edit"), pairing.other, row["id"], changed)


def remove_license(tx: Tx, actor: Actor, row: Row) -> None:
    """Remove a license that no version uses. Raises Conflict (`license_in_use`)."""
    _remove(tx, actor, version_lists.LICENSES, "license", row)


def remove_script(tx: Tx, actor: Actor, row: Row) -> None:
    """Remove a boot script that no version uses. Raises Conflict (`script_in_use`)."""
    _remove(tx, actor, version_lists.SCRIPTS, "script", row)


def _remove(tx: Tx, actor: Actor, pairing: Pairing, kind: str, row: Row) -> None:
    require_unused(tx, row["id"], kind, (pairing.table, pairing.column))
    tx.delete(pairing.other, id=row["id"])
    removed = {"title": {"before": row["title"], "after": None}}
    audit.record(tx, actor, audit.action(kind, "remove"), pairing.other, row["id"], removed)
