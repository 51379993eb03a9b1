"""Look-up: from the ids of running machines to what they are, and what to use instead.

A machine matches if the reader is an editor of its version, or could read it at the last instant at
which machine, version, image and provider were all current. Its state is that of its version, or
`ended` if the machine or its provider has ended. Of ended ones the answer has only image, version
name, state and current offers. A machine hidden from the reader looks like an id that was never
catalogued. A thousand ids take as many statements as one.
"""

import json
from collections import defaultdict
from typing import Any

from msgspec import UnsetType, to_builtins
from sqlalchemy import ColumnElement, FromClause, String, and_, case, literal, or_, select

from goldenrod.base.errors import field_problem, unknown_reference
from goldenrod.base.faults import Faults
from goldenrod.base.numbers import id_or_text
from goldenrod.base.text import MOST_IDENTIFIER, identifier_key, is_uuid
from goldenrod.base.wire import Running
from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import references
from goldenrod.rules.lifecycle import machine_access, machine_choice, states
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import NULL_JSON, in_list, json_list, json_object, json_text

MOST_IDENTIFIERS = 1000
MOST_CHARACTERS = MOST_IDENTIFIER


def _match(
    machine: FromClause,
    version: FromClause,
    image: FromClause,
    provider: FromClause,
    reader: ReaderKind,
) -> ColumnElement[Any]:
    version_state = states.state(version)
    has_ended = machine_access.has_ended(machine, provider)
    state = case((has_ended, literal("ended", String)), else_=version_state)
    while_current = json_object(
        {
            "image": summaries.image_shape(image, reader),
            "owner": summaries.user(image.c.owner_id),
            "version": summaries.version_shape(version, reader),
            "machine": summaries.machine_shape(machine, reader),
            "state": state,
            "reason": case(
                (version_state == "revoked", summaries.revoked_reason(version, reader)),
                (version_state == "deprecated", version.c.deprecation_reason),
                else_=None,
            ),
            "replacement": summaries.version_of(version.c.replacement_n, reader),
            "behind": states.behind(version, reader),
        }
    )
    after_end = json_object(
        {
            "image": json_object({"id": image.c.id, "slug": image.c.slug, "name": image.c.name}),
            "owner": NULL_JSON,
            "version": json_object(
                {"id": version.c.id, "name": version.c.name, "state": version_state}
            ),
            "machine": NULL_JSON,
            "state": state,
            "reason": NULL_JSON,
            "replacement": NULL_JSON,
            "behind": NULL_JSON,
        }
    )
    is_current = and_(access.open_now(version), access.current(machine), access.current(provider))
    return case(
        (or_(is_current, access.edits_version(version, reader)), while_current), else_=after_end
    )


def _offers(reader: ReaderKind) -> Any:
    """What channels offer instead of each of these machines.

    A separate statement, because SQLite's parser does not allow it as deeply nested as in a match.
    """
    machine, version = schema.machines.alias(), schema.versions.alias()
    return (
        select(machine.c.id, json_text(_offered(machine, version, reader)).label("json"))
        .select_from(machine.join(version, version.c.n == machine.c.version_n))
        .where(in_list(machine.c.id, "machines"))
    )


def _offered(machine: FromClause, version: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """What each channel visible to the reader offers on the same provider and architecture."""
    channel, offered_machine, offered_version = (
        schema.channels.alias(),
        schema.machines.alias(),
        schema.versions.alias(),
    )

    def same_architecture(candidate: FromClause) -> ColumnElement[bool]:
        same: ColumnElement[bool] = candidate.c.architecture == machine.c.architecture
        return same

    machine_id = machine_choice.by_channel(
        channel, machine.c.provider_id, reader, same_architecture
    )
    shown = json_object(
        {
            "channel": channel.c.name,
            "version": summaries.version_shape(offered_version, reader),
            "machine": summaries.machine_shape(offered_machine, reader),
        }
    )
    query = (
        select(shown)
        .select_from(channel)
        .where(
            channel.c.image_id == version.c.image_id,
            access.readable(channel, reader),
            offered_machine.c.id == machine_id,
            offered_version.c.n == offered_machine.c.version_n,
        )
        .order_by(channel.c.name)
    )
    return json_list(query, machine, version)


def _matches(reader: ReaderKind) -> Any:
    machine, version, image, provider = (
        schema.machines.alias("machine"),
        schema.versions.alias("version"),
        schema.images.alias("image"),
        schema.providers.alias("provider"),
    )
    return (
        select(
            machine.c.id,
            machine.c.identifier_key,
            machine.c.provider_id,
            provider.c.uuid,
            access.readable(provider, reader).label("seen"),
            json_text(_match(machine, version, image, provider, reader)).label("json"),
        )
        .select_from(
            machine.join(version, version.c.n == machine.c.version_n)
            .join(image, image.c.id == machine.c.image_id)
            .join(provider, provider.c.id == machine.c.provider_id)
        )
        .where(
            in_list(machine.c.identifier_key, "identifiers", String()),
            machine_access.found_running(machine, version, provider, reader),
        )
        .order_by(machine.c.identifier_key, machine.c.id)
    )


def _slugs() -> Any:
    slugs = schema.provider_slugs
    return select(slugs.c.slug, slugs.c.provider_id).where(in_list(slugs.c.slug, "slugs", String()))


def look_up(tx: Tx, actor: Actor, items: list[str | Running]) -> dict[str, Any]:
    """The matches of each id: one result for each that was asked, in order. Raises BadRequest."""
    wanted: list[tuple[str, int | str | None]] = []
    faults = Faults()
    for position, item in enumerate(items):
        running = item if isinstance(item, Running) else Running(identifier=item)
        if len(running.identifier) > MOST_CHARACTERS:
            detail = f"must have at most {MOST_CHARACTERS} characters"
            faults.add(field_problem(f"identifiers[{position}]", detail))
        wanted.append((running.identifier.strip(), faults.of(_provider, running, position)))
    faults.report()
    slugs = sorted({key for _, key in wanted if isinstance(key, str) and not is_uuid(key)})
    by_slug = {row["slug"]: row["provider_id"] for row in tx.rows(_slugs, slugs=slugs)}
    given = resources.params(tx, actor)
    identifiers = sorted({identifier_key(identifier) for identifier, _ in wanted})
    rows = tx.rows(_matches, actor.reader, identifiers=identifiers, **given)
    machines = [row["id"] for row in rows]
    offers = {
        row["id"]: json.loads(row["json"])
        for row in tx.rows(_offers, actor.reader, machines=machines, **given)
    }
    shown = {row["id"]: json.loads(row["json"]) | {"offered": offers[row["id"]]} for row in rows}
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["identifier_key"]].append(row)
    results = []
    for asked, (identifier, provider) in zip(items, wanted, strict=True):
        matches = [
            shown[row["id"]]
            for row in found[identifier_key(identifier)]
            if provider is None or _is_on(row, provider, by_slug)
        ]
        echo = {"asked": to_builtins(asked), "identifier": identifier}
        results.append({**echo, "known": bool(matches), "matches": matches})
    return {"results": results}


def _provider(running: Running, position: int) -> int | str | None:
    if running.provider is None or isinstance(running.provider, UnsetType):
        return None
    key = references.plain(running.provider)
    if resources.key_form(schema.providers, str(key)) is None:
        raise unknown_reference(f"identifiers[{position}].provider", str(key)[:80])
    return id_or_text(key) if isinstance(key, str) else key


def _is_on(row: Row, provider: int | str, by_slug: dict[str, int]) -> bool:
    if not row["seen"]:
        return False
    if isinstance(provider, int):
        return bool(row["provider_id"] == provider)
    if is_uuid(provider):
        return bool(row["uuid"] == provider.lower())
    return bool(by_slug.get(provider) == row["provider_id"])
