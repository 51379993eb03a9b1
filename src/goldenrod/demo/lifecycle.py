"""Adds channels, a deprecated version and a revoked one to the demonstration.

The channel `stable` of one image was assigned two releases in turn, so that it can fall back to the
first, and `candidate` a newer one. A release of the same image for arm64 is deprecated in favour of a
newer one. A release of an older system is revoked with everything built on it.
"""

from typing import Any, NamedTuple

from goldenrod.base import wire
from goldenrod.catalogue.channels import assign
from goldenrod.catalogue.versions import publish, revocations, versions
from goldenrod.rules.access import Actor
from goldenrod.store.db import Tx

IMAGE = "al2023-ami-ecs-hvm-kernel-6-1-x86-64"
OLDER = "amzn2-ami-ecs-kernel-5-10-hvm-arm64-ebs"
TWIN = "al2023-ami-ecs-hvm-kernel-6-1-arm64"
PROVIDER = "us-east-1"


class Created(NamedTuple):
    """The names of the versions that stable and candidate offer, and ids of machines to look up: of an
    older release, the deprecated one, the revoked one, and an unknown id."""

    stable: str
    candidate: str
    running: tuple[str, ...]


def load(tx: Tx, alice: Actor) -> Created:
    """Create all of it."""
    newest, stable, before = _releases(tx, alice, IMAGE)
    _assign(tx, alice, "candidate", newest, "Out for a week of trials.")
    _assign(tx, alice, "stable", before, "Ran as candidate for two weeks.")
    _assign(tx, alice, "stable", stable, "Ran as candidate for two weeks.")

    better, _, old = _releases(tx, alice, TWIN)
    deprecation = wire.NewDeprecation(
        reason="Slow to stop tasks; fixed in a later release.", replacement=better["id"]
    )
    row = versions.VERSIONS.row_for_change(tx, alice, old["id"])
    publish.edit_version(tx, alice, row, wire.VersionPatch(deprecation=deprecation))

    bad = _releases(tx, alice, OLDER)[1]
    reason = "Its container runtime leaks memory under load."
    row = versions.VERSIONS.row_for_change(tx, alice, bad["id"])
    revocations.revoke(tx, alice, row, wire.Revocation(reason=reason, descendants=True))

    running = (*map(_identifier, (before, old, bad)), "ami-00000000000000000")
    return Created(stable["name"], newest["name"], running)


def _releases(tx: Tx, alice: Actor, image: str) -> list[dict[str, Any]]:
    """The newest releases of an image that have a machine on the provider, newest first."""
    asked = {"image_id": image, "provider": PROVIDER, "state": "current"}
    return versions.VERSIONS.read_list(tx, alice, **asked, ordering="-start_date", page_size=3)


def _identifier(version: dict[str, Any]) -> str:
    """The id of the version's machine on the provider."""
    machines = version["machines"]
    return next(str(m["identifier"]) for m in machines if m["provider"]["slug"] == PROVIDER)


def _assign(tx: Tx, alice: Actor, name: str, version: dict[str, Any], reason: str) -> None:
    image, channel = assign.channel_for_assigning(tx, alice, IMAGE, name)
    body = wire.NewAssignment(version=version["id"], reason=reason)
    assign.assign(tx, alice, image, channel, name, body)
