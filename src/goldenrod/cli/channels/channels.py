"""`goldenrod channel …`: the channels of an image, such as `stable`, on a server.

`goldenrod resolve` (`resolve.py`) prints the machine that a channel offers on a provider.
"""

from typing import Any

import typer

from goldenrod.base.text import is_uuid
from goldenrod.cli import not_found, output, server_requests
from goldenrod.cli.options import JSON, with_options
from goldenrod.cli.server_requests import Body, ListOptions
from goldenrod.client import Client, ClientError

IMAGE = typer.Argument(metavar="IMAGE", help="The image's slug, id or uuid.")
NAME = typer.Argument(metavar="NAME", help="The channel's name, such as stable.")
AT = typer.Option(None, help="Only the assignment in force at this instant.")
GROUPS = typer.Option(
    [], "--group", help="A group that sees the channel while it is restricted; may be repeated."
)
PROVIDERS = typer.Option([], "--on", help="Require a machine on this provider; may be repeated.")
CLEAR = typer.Option([], help="Empty this field (groups, requires); may be repeated.")


@with_options(options=server_requests.list_options)
def list_channels(image: str = IMAGE, *, options: ListOptions) -> None:
    """List the channels of an image and what they offer."""
    columns = output.fields("name", "target", "assigned", "restricted")
    more = output.fields("groups", "requires")
    server_requests.show_list(_address(image), {}, columns, more, options, image=image)


def show_channel(image: str = IMAGE, name: str = NAME, as_json: bool = JSON) -> None:
    """Show one channel."""
    with server_requests.asked(image=image, channel=name) as server:
        _show(server.get(_address(image, name)), as_json)


def set_channel(
    image: str = IMAGE,
    name: str = NAME,
    version: str | None = typer.Argument(
        None, metavar="VERSION", help="The version: NAME, IMAGE/NAME or UUID."
    ),
    none: bool = typer.Option(False, "--none", help="Unassign: the channel then offers nothing."),
    reason: str | None = typer.Option(None, help="The reason, recorded in the history."),
    override: bool = typer.Option(
        False, "--override", help="Override the channel's requirements; needs --reason."
    ),
    as_json: bool = JSON,
) -> None:
    """Assign a version to a channel, or unassign it.

    A channel that does not exist yet is created.
    """
    if (version is None) != none:
        raise typer.BadParameter("Give either a VERSION or --none.")
    if override and not reason:
        raise typer.BadParameter("--override needs a --reason.")
    with server_requests.asked(image=image) as server:
        body: Body = {"version": version and _version(server, image, version)}
        body |= server_requests.given(reason=reason, override=override or None)
        try:
            _show(server.put(_address(image, name), body), as_json)
        except ClientError as refused:
            raise with_what_is_missing(refused) from None


def edit_channel(
    image: str = IMAGE,
    name: str = NAME,
    restricted: bool | None = typer.Option(
        None,
        "--restricted/--open",
        help="Whether only editors, staff and its groups see the channel.",
    ),
    groups: list[str] = GROUPS,
    providers: list[str] = PROVIDERS,
    after: str | None = typer.Option(
        None, help="Require that the version was assigned to this channel before."
    ),
    days: int | None = typer.Option(
        None, min=0, help="Require this many days since then; needs --after."
    ),
    clear: list[str] = CLEAR,
    as_json: bool = JSON,
) -> None:
    """Change who sees a channel and what it requires. Fields that are not given stay as they are.

    Given groups and providers replace the current ones.
    """
    requires = server_requests.given(
        providers=server_requests.references(providers),
        channel=after,
        days=days,
    )
    body = server_requests.given(
        restricted=restricted,
        groups=server_requests.references(groups),
        requires=requires or None,
    )
    body = server_requests.cleared(body, clear, ("groups",), ("requires",))
    path = _address(image, name)
    with server_requests.asked(image=image, channel=name) as server:
        channel, tag = server.get_tagged(path)
        if requires:
            # Requirements are one value, so those that are not given are sent unchanged.
            body["requires"] = (channel["requires"] or {}) | requires
        _show(server.patch(path, body, if_match=tag), as_json)


def delete_channel(image: str = IMAGE, name: str = NAME) -> None:
    """Remove a channel: hide it until it is assigned again. Its history is not deleted."""
    with server_requests.asked(image=image, channel=name) as server:
        server.delete(_address(image, name))
    output.say(f"Channel {name} of {image} was removed.")


@with_options(options=server_requests.list_options)
def channel_history(
    image: str = IMAGE, name: str = NAME, *, at: str | None = AT, options: ListOptions
) -> None:
    """List the assignments of a channel, newest first."""
    columns = output.fields("sequence", "at", "by", "version", "override", "reason")
    filters = server_requests.given(at=at, ordering="-sequence")
    address = _address(image, name, "history")
    server_requests.show_list(address, filters, columns, {}, options, image=image, channel=name)


def _address(image: str, *name: str) -> str:
    return not_found.path("images", image, "channels", *name)


def _version(server: Client, image: str, typed: str) -> str:
    """The UUID of a version of this image, also by its name alone, which may contain slashes."""
    if is_uuid(typed):
        return typed
    if "/" not in typed:
        return not_found.find_named_version(server, image, typed)
    try:
        return server_requests.version_id(server, typed)
    except ClientError as refused:
        if refused.status != 404:
            raise
        return not_found.find_named_version(server, image, typed)


def with_what_is_missing(
    refused: ClientError, override: str = "use --override with a --reason"
) -> ClientError:
    """The same error, with the unmet requirements in its detail."""
    missing = refused.problem.get("missing")
    if refused.code != "channel_requirement_unmet" or not missing:
        return refused
    unmet = []
    if providers := missing.get("providers"):
        unmet.append(f"a current machine on {output.cell(providers)}")
    if "not_before" in missing:
        first = missing["not_before"]
        unmet.append(f"to wait until {first}" if first else "to have been in the other channel")
    detail = (
        f"The version does not meet the requirements of the channel {refused.problem.get('channel')}. "
        f"It needs {' and '.join(unmet)}. To assign it anyway, {override}."
    )
    return ClientError(refused.status, refused.code, detail, refused.problem)


def _show(channel: Body, as_json: bool) -> None:
    if as_json:
        output.show_json(channel)
        return
    stopped = channel["stopped"]
    fields: Body = {
        "image": channel["image"],
        "name": channel["name"],
        "assigned": channel["assigned"],
        "target": channel["target"],
        "stopped": stopped and f"{output.cell(stopped['version'])}: {stopped['reason']}",
        "restricted": channel["restricted"],
        "groups": channel["groups"],
        "requires": _requires(channel["requires"]),
    }
    output.show_fields(fields.items())


def _requires(asked: dict[str, Any] | None) -> str:
    """The requirements in words."""
    if not asked:
        return ""
    requirements = []
    if asked["providers"]:
        requirements.append(f"a machine on {output.cell(asked['providers'])}")
    if asked["channel"] or asked["days"] is not None or not asked["providers"]:
        days = f", {asked['days']} days ago" if asked["days"] else ""
        requirements.append(f"to have been in {asked['channel'] or 'a hidden channel'}{days}")
    return "; ".join(requirements)
