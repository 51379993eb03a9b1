"""`goldenrod channel …`: named pointers of an image, such as `stable`, asked of a server.

`goldenrod resolve` (`resolve.py`) says what a channel offers on a provider.
"""

import re
from typing import Any

import typer

from goldenrod.cli import output, server_requests
from goldenrod.cli.server_requests import Body
from goldenrod.client import Client, ClientError

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)

IMAGE = typer.Argument(metavar="IMAGE", help="The image's slug, id or uuid.")
NAME = typer.Argument(metavar="NAME", help="The channel's name, such as stable.")
AT = typer.Option(None, help="Only the assignment that was in force at this instant.")
GROUPS = typer.Option(
    [], "--group", help="A group that sees it while it is restricted; may be repeated."
)
PROVIDERS = typer.Option(
    [], "--on", help="Assigning needs a machine on this provider; may be repeated."
)
CLEAR = typer.Option([], help="Empty this field (groups, requires); may be repeated.")


def list_channels(
    image: str = IMAGE,
    limit: int = server_requests.LIMIT,
    everything: bool = server_requests.ALL,
    as_json: bool = server_requests.JSON,
) -> None:
    """List an image's channels and what they offer."""
    columns = ("name", "target", "assigned", "restricted")
    server_requests.show_list(_address(image)[1:], {}, columns, limit, everything, as_json)


def show_channel(
    image: str = IMAGE, name: str = NAME, as_json: bool = server_requests.JSON
) -> None:
    """Show one channel."""
    with server_requests.asked() as server:
        _show(server.get(_address(image, name)), as_json)


def set_channel(
    image: str = IMAGE,
    name: str = NAME,
    version: str | None = typer.Argument(
        None, metavar="VERSION", help="Its name, IMAGE/NAME, or UUID."
    ),
    none: bool = typer.Option(False, "--none", help="Assign no version: it offers nothing then."),
    reason: str | None = typer.Option(None, help="Why; the history keeps it."),
    override: bool = typer.Option(
        False, "--override", help="Pass over what the channel requires; takes a reason."
    ),
    as_json: bool = server_requests.JSON,
) -> None:
    """Assign a version to a channel, or none.

    A channel that is new is made.
    """
    if (version is None) != none:
        raise typer.BadParameter("Name the version, or say --none.")
    if override and not reason:
        raise typer.BadParameter("--override takes a --reason.")
    with server_requests.asked() as server:
        body: Body = {"version": version and _version(server, image, version)}
        body |= server_requests.given(reason=reason, override=override or None)
        try:
            _show(server.put(_address(image, name), body), as_json)
        except ClientError as refused:
            raise _with_what_is_missing(refused) from None


def edit_channel(
    image: str = IMAGE,
    name: str = NAME,
    restricted: bool | None = typer.Option(
        None, "--restricted/--open", help="Seen by keepers, staff and its groups only, or not."
    ),
    groups: list[str] = GROUPS,
    providers: list[str] = PROVIDERS,
    after: str | None = typer.Option(None, help="Assigning needs that it was in this channel."),
    days: int | None = typer.Option(None, min=0, help="So many days ago; goes with --after."),
    clear: list[str] = CLEAR,
    as_json: bool = server_requests.JSON,
) -> None:
    """Say who sees a channel and what it requires: what is not named stays.

    Groups and providers are replaced by the ones given.
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
    with server_requests.asked() as server:
        answer = server.request("GET", path)
        if requires:
            # Requirements are one value: what is not named is sent as it is.
            body["requires"] = (answer.json()["requires"] or {}) | requires
        _show(server.patch(path, body, if_match=answer.headers.get("ETag")), as_json)


def delete_channel(image: str = IMAGE, name: str = NAME) -> None:
    """Hide a channel until it is assigned again; its history stays."""
    with server_requests.asked() as server:
        server.delete(_address(image, name))
    output.say(f"{image} {name} is hidden.")


def channel_history(
    image: str = IMAGE,
    name: str = NAME,
    at: str | None = AT,
    limit: int = server_requests.LIMIT,
    everything: bool = server_requests.ALL,
    as_json: bool = server_requests.JSON,
) -> None:
    """List what a channel was assigned, when, by whom and why."""
    columns = ("sequence", "at", "by", "version", "override", "reason")
    resource = _address(image, name, "history")[1:]
    server_requests.show_list(
        resource, server_requests.given(at=at), columns, limit, everything, as_json
    )


def _address(image: str, *name: str) -> str:
    return server_requests.path("images", image, "channels", *name)


def _version(server: Client, image: str, typed: str) -> str:
    """The UUID of a version: here its name alone says enough."""
    if "/" not in typed and not UUID.fullmatch(typed):
        typed = f"{image}/{typed}"
    return server_requests.version_id(server, typed)


def _with_what_is_missing(refused: ClientError) -> ClientError:
    """The refusal, with what the channel requires and the version lacks in its sentence."""
    missing = refused.problem.get("missing")
    if refused.code != "channel_requirement_unmet" or not missing:
        return refused
    unmet = []
    if providers := missing.get("providers"):
        unmet.append(f"a current machine on {output.cell(providers)}")
    if "not_before" in missing:
        first = missing["not_before"]
        unmet.append(f"to wait until {first}" if first else "to have been in the other channel")
    detail = f"The version lacks what the channel requires: {' and '.join(unmet)}."
    detail += " --override with a --reason passes."
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
    """What assigning needs, in words."""
    if not asked:
        return ""
    requirements = []
    if asked["providers"]:
        requirements.append(f"a machine on {output.cell(asked['providers'])}")
    if asked["channel"] or asked["days"] is not None or not asked["providers"]:
        days = f", {asked['days']} days ago" if asked["days"] else ""
        requirements.append(f"to have been in {asked['channel'] or 'a hidden channel'}{days}")
    return "; ".join(requirements)
