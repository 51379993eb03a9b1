"""Handlers of channels and of resolving them."""

import json
from collections.abc import Callable
from typing import Any

from msgspec import convert

from goldenrod.base import wire
from goldenrod.base.faults import Faults
from goldenrod.catalogue.channels import assign, channels
from goldenrod.catalogue.channels import resolve as resolving
from goldenrod.web.api.handlers import TEXT, one, parameter_problem
from goldenrod.web.api.versions import Deprecation, VersionFacts, warnings
from goldenrod.web.request import Request, Response, written


def get_channel(request: Request, key: str, name: str) -> Response:
    """GET one channel, its target computed."""
    with request.read() as (tx, actor):
        body = channels.get_channel(tx, actor, key, name)
        request.no_arguments()
    return one(body)


def put_channel(request: Request, key: str, name: str) -> Response:
    """PUT assigns a version, or none: 201 where the channel is new."""
    with request.change() as (tx, actor):
        image, channel = assign.channel_for_assigning(tx, actor, key, name)
        there = channel is not None and not channel["hidden"]
        request.expect(channels.get_channel(tx, actor, key, name) if there else None)
        faults = Faults()
        body = request.body(wire.NewAssignment, faults)
        request.no_arguments()
        new = faults.then(assign.assign, tx, actor, image, channel, name, body)
        return one(channels.get_channel(tx, actor, key, name), 201 if new else 200)


def patch_channel(request: Request, key: str, name: str) -> Response:
    """PATCH says who sees a channel and what it requires."""
    with request.change() as (tx, actor):
        row = channels.channel_for_change(tx, actor, key, name)
        current = channels.get_channel(tx, actor, key, name)
        request.expect(current)
        faults = Faults()
        patch = request.patch(wire.ChannelPatch, json.loads(current), faults)
        request.no_arguments()
        faults.then(assign.edit_channel, tx, actor, row, patch)
        return one(channels.get_channel(tx, actor, key, name))


def delete_channel(request: Request, key: str, name: str) -> Response:
    """DELETE unassigns and hides a channel."""
    with request.change() as (tx, actor):
        row = channels.channel_for_change(tx, actor, key, name)
        request.expect(channels.get_channel(tx, actor, key, name))
        request.no_arguments()
        assign.hide_channel(tx, actor, row)
    return Response(204)


def channel_history(request: Request, key: str, name: str) -> Response:
    """GET a page of a channel's assignments."""
    with request.read() as (tx, actor):
        query = request.query(channels.HISTORY)
        page = channels.list_assignments(tx, actor, key, name, query)
    return one(page.envelope(request.base()))


def resolve(request: Request, image: str, channel: str, provider: str) -> Response:
    """GET the machine that a channel offers on a provider; as text/plain its identifier alone."""
    return _resolved(request, resolving.resolve, image, channel, provider)


def resolve_version(request: Request, image: str, version: str, provider: str) -> Response:
    """GET the machine of a version on a provider, as `resolve` does.

    The version's name may hold `@` and `/`, which image and provider do not: the name begins at the
    first `@` and ends at the last `/`.
    """
    image, _, rest = f"{image}@{version}/{provider}".partition("@")
    version, _, provider = rest.rpartition("/")
    return _resolved(request, resolving.resolve_version, image, version, provider)


def _resolved(request: Request, ask: Callable[..., dict[str, Any]], *names: str) -> Response:
    with request.read() as (tx, actor):
        given = request.options("architecture", "allow_revoked")
        found = ask(
            tx,
            actor,
            *names,
            architecture=given.get("architecture"),
            allow_revoked=_boolean("allow_revoked", given.get("allow_revoked", "false")),
        )
    deprecation = convert(found["deprecation"], Deprecation | None)
    headers = warnings(deprecation, convert(found["version"], VersionFacts), [])
    if request.req.get_header("Accept", default="").split(";")[0].strip().lower() == TEXT:
        return one(f"{found['machine']['identifier']}\n", headers=headers, media_type=TEXT)
    return one(written(found), headers=headers)


def resolve_everywhere(request: Request, image: str, channel: str) -> Response:
    """GET what a channel offers, one machine for each provider."""
    with request.read() as (tx, actor):
        request.no_arguments()
        return one(written(resolving.resolve_everywhere(tx, actor, image, channel)))


def _boolean(name: str, given: str) -> bool:
    if given.lower() not in ("true", "false", "1", "0"):
        raise parameter_problem(name, "takes true or false.")
    return given.lower() in ("true", "1")
