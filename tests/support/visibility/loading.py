"""Stores worlds of the model (`model.py`) as rows of the catalogue, and creates actors for their
readers.

A world exists in one transaction, so that one database is used for hundreds of worlds. Ids are
those of the model; the id of version 7 is `version_id(7)`, the name of channel 7 `channel7`. The
catalogue itself computes what versions repeat of their image, and the reach of revocations
(`rules/visibility/denormalised.py`, `rules/lifecycle/revocation_reach.py`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Table

from goldenrod.catalogue.accounts import actors
from goldenrod.rules.access import ANONYMOUS, Actor
from goldenrod.rules.changes import version_lists
from goldenrod.rules.changes.version_lists import Pairing
from goldenrod.rules.lifecycle import revocation_reach
from goldenrod.rules.visibility import denormalised
from goldenrod.store import bulk, schema
from goldenrod.store.db import Database, Row, Tx
from tests.support.visibility import model
from tests.support.visibility.model import LONG_AGO, World


@contextmanager
def loaded(db: Database, world: World) -> Iterator[Tx]:
    """A transaction in which the empty catalogue contains exactly this world. It is undone at the
    end."""
    with db.write() as tx:
        fill(tx, world)
        yield tx
        # Not rolled back, because then psycopg would discard all its prepared statements.
        tx.sql("UPDATE versions SET parent_n = NULL, replacement_n = NULL")
        for table in reversed(schema.metadata.sorted_tables):
            if table is not schema.catalogue:
                tx.sql(f"DELETE FROM {table.name}")


def fill(
    tx: Tx, world: World, changed: Callable[[Table, Row], Row] = lambda table, row: row
) -> None:
    """Store the world in an empty catalogue. `changed`: what to store instead of a row."""
    for table, rows in _tables(world):
        if rows:
            bulk.load(tx, table, [changed(table, row) for row in rows])
    denormalised.refresh_all(tx)
    for version in world.versions.values():
        if version.revoked:
            revocation_reach.add(tx, version.id, version.id)


def keep_statements(db: Database) -> None:
    """Make a PostgreSQL connection keep all statements of lists prepared. Planning them again
    takes ten times as long as running them on such a small world."""
    if db.dialect == "postgresql":
        with db.connection() as connection:
            connection.prepared_max = 1000


def actor_of(tx: Tx, world: World, reader: model.Reader) -> Actor:
    """The actor that the catalogue creates for a reader."""
    if reader.user is None:
        return ANONYMOUS
    # A staff user without staff's rights has a token with a scope below admin. Tokens of others
    # may have any scope.
    lesser = world.users[reader.user].is_staff and not reader.staff
    return actors.of_user(tx, reader.user, "write" if lesser else "admin")


def version_id(number: int) -> str:
    """The public id of a version."""
    return _uuid(schema.versions, number)


def _uuid(table: Table, number: int) -> str:
    place = schema.metadata.sorted_tables.index(table)
    return f"{place:08x}-0000-7000-8000-{number:012x}"


def _thing(table: Table, number: int, **values: Any) -> Row:
    return {"id": number, "uuid": _uuid(table, number), **values}


def _dates(it: model.Dated) -> Row:
    return {"start_date": it.start, "end_date": it.end}


def _tables(world: World) -> Iterator[tuple[Table, list[Row]]]:
    """The rows of each table. Tables to which others refer come first."""
    yield from _people(world)
    yield from _texts(world)
    yield schema.images, [_image(it) for it in world.images.values()]
    slugs = [{"slug": f"image{image}", "image_id": image} for image in world.images]
    yield schema.image_slugs, slugs
    yield (
        schema.image_maintainers,
        [
            {"image_id": it.id, "group_id": group}
            for it in world.images.values()
            for group in sorted(it.maintainers)
        ],
    )
    yield (
        schema.image_tags,
        [
            {"image_id": it.id, "tag_id": tag}
            for it in world.images.values()
            for tag in sorted(it.tags)
        ],
    )
    yield schema.versions, [_version(it) for it in world.versions.values()]
    yield schema.machines, [_machine(world, it) for it in world.machines.values()]
    for pairing in version_lists.PAIRINGS:
        yield (
            pairing.table,
            [
                _thing(pairing.table, number, version_n=version, **{pairing.column: thing})
                for (version, thing), number in paired(world, pairing).items()
            ],
        )
    yield from _lifecycle(world)


def _people(world: World) -> Iterator[tuple[Table, list[Row]]]:
    yield (
        schema.users,
        [
            _thing(
                schema.users,
                it.id,
                username=it.username,
                name_key=it.username,
                is_staff=it.is_staff,
                staff_by_claims=False,
                active=it.active,
                password_hash=None,
                start_date=LONG_AGO,
            )
            for it in world.users.values()
        ],
    )
    yield (
        schema.groups,
        [
            _thing(
                schema.groups,
                it.id,
                name=it.name,
                name_key=it.name,
                personal_of=it.personal_of,
                start_date=LONG_AGO,
            )
            for it in world.groups.values()
        ],
    )
    yield (
        schema.group_users,
        [
            {
                "group_id": it.id,
                "user_id": user,
                "leader": user in it.leaders,
                "by_hand": True,
                "by_claims": False,
            }
            for it in world.groups.values()
            for user in sorted(it.users)
        ],
    )
    yield schema.providers, [_provider(it) for it in world.providers.values()]
    yield (
        schema.identities,
        [
            _thing(
                schema.identities,
                it.id,
                user_id=it.user,
                provider_id=it.provider,
                key=f"key{it.id}",
                start_date=LONG_AGO,
            )
            for it in world.identities.values()
        ],
    )
    yield (
        schema.tokens,
        [
            _thing(
                schema.tokens,
                it.id,
                user_id=it.user,
                name=f"token{it.id}",
                scope=it.scope,
                sha256=f"{it.id:064x}",
                created=LONG_AGO,
                expires=None,
                revoked_at=None,
                last_used=None,
            )
            for it in world.tokens.values()
        ],
    )


def _provider(it: model.Provider) -> Row:
    name = f"provider{it.id}"
    labels = {"description": "", "type": "openstack", "virtualization": ""}
    return _thing(
        schema.providers,
        it.id,
        slug=name,
        name=name,
        name_key=name,
        **labels,
        public=it.public,
        active=it.active,
        **_dates(it),
        words=" ",
    )


def _texts(world: World) -> Iterator[tuple[Table, list[Row]]]:
    """Licenses, boot scripts and tags."""
    flags = {"run_every_deploy": False, "wait_for_deploy": True}
    for table, things, more in (
        (schema.licenses, world.licenses, {"type": "SPDX"}),
        (schema.boot_scripts, world.scripts, {"type": "Raw Text", **flags}),
    ):
        yield (
            table,
            [
                _thing(
                    table,
                    it.id,
                    title=f"title{it.id}",
                    title_key=f"title{it.id}",
                    text="text",
                    created_by_id=it.creator,
                    start_date=LONG_AGO,
                    words=" ",
                    **more,
                )
                for it in things.values()
            ],
        )
    yield (
        schema.tags,
        [
            _thing(
                schema.tags,
                it.id,
                name=f"tag{it.id}",
                name_key=f"tag{it.id}",
                description="",
                start_date=LONG_AGO,
                words=" ",
            )
            for it in world.tags.values()
        ],
    )


def _image(it: model.Image) -> Row:
    name = f"image{it.id}"
    return _thing(
        schema.images,
        it.id,
        slug=name,
        name=name,
        name_key=name,
        description="",
        is_public=it.is_public,
        owner_id=it.owner,
        created_by_id=it.created_by,
        one_line=False,  # until all are found
        newest_release=None,
        **_dates(it),
    )


def _version(it: model.Version) -> Row:
    name = f"version{it.id}"
    return {
        "n": it.id,
        "id": version_id(it.id),
        "parent_n": it.parent,
        "name": name,
        "name_key": name,
        "change_log": "",
        "image_id": it.image,
        "allow_imaging": True,
        "user_id": it.user,
        "identity_id": it.identity,
        **_dates(it),
        **dict.fromkeys(("doc_object_id", "min_cpu", "min_mem")),
        "deprecated_at": it.replacement and LONG_AGO,
        "deprecation_reason": it.replacement and "old",
        "replacement_n": it.replacement,
        "exclude_from_latest": False,
        # Wrong on purpose: `rules/visibility/denormalised.py` computes the right values.
        "public": False,
        "owner_id": it.user,
        "created_by_id": it.user,
        "opens_at": it.start,
        "closes_at": it.start,
        "ends_at": it.start,
        "not_current_from": it.start,
        "ended_hint": True,
    }


def _machine(world: World, it: model.Machine) -> Row:
    architecture = "x86_64" if it.id % 3 else "arm64"
    return _thing(
        schema.machines,
        it.id,
        version_n=it.version,
        image_id=world.versions[it.version].image,
        provider_id=it.provider,
        identifier=f"machine{it.id}",
        size_gb=None,
        architecture=architecture,
        checksum="",
        identifier_key=f"machine{it.id}",
        architecture_given=architecture,
        created_by_id=world.versions[it.version].user,
        **_dates(it),
    )


def _lifecycle(world: World) -> Iterator[tuple[Table, list[Row]]]:
    """Revocations, channels and webhooks."""
    yield schema.revocations, [_revocation(it) for it in world.versions.values() if it.revoked]
    yield schema.channels, [_channel(it) for it in world.channels.values()]
    yield (
        schema.channel_groups,
        [
            {"channel_id": it.id, "group_id": group}
            for it in world.channels.values()
            for group in sorted(it.groups)
        ],
    )
    yield (
        schema.assignments,
        [
            {
                "sequence": it.id,
                "channel_id": it.id,
                "version_n": it.assigned,
                "at": LONG_AGO,
                "by_id": None,
                "reason": None,
                "override": False,
            }
            for it in world.channels.values()
        ],
    )
    yield schema.webhooks, [_webhook(it) for it in world.webhooks.values()]


def _revocation(it: model.Version) -> Row:
    return _thing(
        schema.revocations,
        it.id,
        version_n=it.id,
        at=LONG_AGO,
        reason=f"reason{it.id}",
        by_id=it.user,
        descendants=True,
        roll_back_channels=True,
        created_at=LONG_AGO,
        restored_at=None,
        restored_by_id=None,
    )


def _channel(it: model.Channel) -> Row:
    return _thing(
        schema.channels,
        it.id,
        image_id=it.image,
        name=f"channel{it.id}",
        restricted=it.restricted,
        hidden=it.hidden,
        requires_channel=None,
        requires_days=None,
        start_date=LONG_AGO,
    )


def _webhook(it: model.Webhook) -> Row:
    return _thing(
        schema.webhooks,
        it.id,
        image_id=it.image,
        target="https://hooks.example/",
        events="[]",
        active=True,
        secret="whsec_none",
        created_by_id=it.maker,
        as_staff=False,
        start_date=LONG_AGO,
    )


def paired(world: World, pairing: Pairing) -> dict[tuple[int, int], int]:
    """The ids of a pairing's rows, by version and thing."""
    pairs = (
        (it.id, thing)
        for it in world.versions.values()
        for thing in sorted(getattr(it, pairing.field))
    )
    return {pair: number for number, pair in enumerate(pairs, 1)}
