"""Users, groups, providers and other small tables of a measured catalogue, created by Goldenrod."""

from dataclasses import dataclass
from typing import Any

from bench import plan
from goldenrod.base import wire
from goldenrod.catalogue.accounts import actors, groups, identities, tokens
from goldenrod.catalogue.accounts import users as people
from goldenrod.catalogue.versions import licenses_scripts, providers
from goldenrod.rules.access import CONSOLE
from goldenrod.store.db import Database, Tx

READER, GUEST, WRITER = "reader", "guest", "writer"


@dataclass(frozen=True)
class Cast:
    """Their keys, and the secrets of the tokens for requests."""

    owners: tuple[int, ...]
    reader: int
    groups: dict[str, int]
    others: tuple[int, ...]
    regions: tuple[int, ...]
    campus: int
    identities: dict[int, int]
    licenses: tuple[int, ...]
    scripts: tuple[int, ...]
    secrets: dict[str, str]


def build(db: Database, count: int) -> Cast:
    """Create them in an empty catalogue, with `count` owners of images."""
    with db.write() as tx:
        owners = tuple(_user(tx, f"owner-{number}") for number in range(count))
        reader, guest = _user(tx, READER), _user(tx, GUEST)
        writer = int(
            people.create_user(tx, CONSOLE, wire.NewUser(username=WRITER, is_staff=True)).key
        )
        secrets = {
            READER: _token(tx, reader, "read"),
            GUEST: _token(tx, guest, "read"),
            WRITER: _token(tx, writer, "admin"),
        }
        regions = tuple(_provider(tx, name, public=True) for name in plan.REGIONS)
        campus = _provider(tx, plan.CAMPUS, public=False)
        with_identity = (reader, *owners[::5])
        return Cast(
            owners,
            reader,
            {
                **{name: _group(tx, name, [READER, "owner-1"]) for name in plan.GROUPS},
                plan.FEW_GROUP: _group(tx, plan.FEW_GROUP, [GUEST, "owner-2"]),
            },
            tuple(
                _group(tx, f"team-{number}", [owners[number % count], owners[(number + 1) % count]])
                for number in range(plan.OTHER_GROUPS)
            ),
            regions,
            campus,
            {user: _identity(tx, user) for user in with_identity},
            tuple(_license(tx, owners[k % count], k) for k in range(plan.LICENSES)),
            tuple(_script(tx, owners[k % count], k) for k in range(plan.SCRIPTS)),
            secrets,
        )


def _user(tx: Tx, name: str) -> int:
    return int(people.create_user(tx, CONSOLE, wire.NewUser(username=name)).key)


def _token(tx: Tx, user: int, scope: Any) -> str:
    _, secret = tokens.insert_token(tx, CONSOLE, user, wire.NewToken(name="bench", scope=scope))
    return secret


def _provider(tx: Tx, name: str, *, public: bool) -> int:
    kind = "aws" if public else "openstack"
    body = wire.NewProvider(name=name, type=kind, virtualization="hvm", public=public)
    return int(providers.create_provider(tx, CONSOLE, body).key)


def _group(tx: Tx, name: str, users: list[Any]) -> int:
    return int(groups.create_group(tx, CONSOLE, wire.NewGroup(name=name, users=users)).key)


def _identity(tx: Tx, user: int) -> int:
    body = wire.NewIdentity(user=user, provider=plan.CAMPUS, key=f"project-{user}")
    return int(identities.create_identity(tx, CONSOLE, body).key)


def _license(tx: Tx, user: int, number: int) -> int:
    actor = actors.of_user(tx, user, "write")
    body = wire.NewLicense(title=f"License {number}", type="SPDX", text=f"LicenseRef-{number}")
    return int(licenses_scripts.create_license(tx, actor, body).key)


def _script(tx: Tx, user: int, number: int) -> int:
    actor = actors.of_user(tx, user, "write")
    text = f"#!/bin/sh\nset -eu\nmount -a\nlogger 'prepared by script {number}'\n"
    body = wire.NewScript(title=f"Prepare disks {number}", type="Raw Text", text=text)
    return int(licenses_scripts.create_script(tx, actor, body).key)
