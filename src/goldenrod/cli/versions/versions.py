"""`goldenrod version …`: commands for image versions on a server.

A version is named by its UUID, or by IMAGE/NAME, such as `ubuntu/24.04`; its name may contain slashes.
"""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import typer

from goldenrod.cli import not_found, output, server_requests
from goldenrod.cli.channels.channels import with_what_is_missing
from goldenrod.cli.options import JSON, with_options
from goldenrod.cli.server_requests import Body, ListOptions, given
from goldenrod.client import Client, ClientError

LISTS = ("licenses", "scripts", "membership")
VALUES = ("parent", "identity", "end_date", "doc_object_id", "min_cpu", "min_mem", "labels")

VERSION = typer.Argument(metavar="VERSION", help="Its UUID, or IMAGE/NAME.")
CHANGE_LOG_FILE = typer.Option(None, help="A file with the change log; - is stdin.")
LICENSES = typer.Option([], "--license", help="A license it needs (id or uuid); may be repeated.")
SCRIPTS = typer.Option([], "--script", help="A boot script (id or uuid); may be repeated.")
GROUPS = typer.Option([], "--share", help="A group to share it with; may be repeated.")
LABELS = typer.Option(
    [], "--label", metavar="KEY=VALUE", help="A label to give it; may be repeated."
)
REMOVED_LABELS = typer.Option(
    [], "--remove-label", metavar="KEY", help="A label to remove; may be repeated."
)
LABELLED = typer.Option(
    [], "--label", metavar="KEY=VALUE", help="Only with this label; may be repeated: all must hold."
)
CLEAR = typer.Option([], help=f"Empty this field ({', '.join(LISTS + VALUES)}); may be repeated.")
CHANNELS = typer.Option([], "--channel", help="A channel to assign it to at once; may be repeated.")
MACHINES = typer.Option(
    [],
    "--machine",
    metavar="PROVIDER=IDENTIFIER",
    help="A provider and the image ID on it; may be repeated.",
)


def fields(
    parent: str | None = typer.Option(None, help="Its parent: the version it was built on."),
    change_log: str | None = typer.Option(None, help="What changed, in Markdown."),
    change_log_file: Path | None = CHANGE_LOG_FILE,
    licenses: list[str] = LICENSES,
    scripts: list[str] = SCRIPTS,
    groups: list[str] = GROUPS,
    identity: str | None = typer.Option(
        None, help="Your provider account that built it (id or uuid)."
    ),
    imaging: bool | None = typer.Option(
        None, "--imaging/--no-imaging", help="Whether others may build versions on it."
    ),
    start: str | None = typer.Option(None, help="When it is released."),
    end: str | None = typer.Option(None, help="When it ends."),
    doi: str | None = typer.Option(None, help="Its DOI."),
    min_cpu: int | None = typer.Option(None, min=0, help="The minimum CPUs."),
    min_mem: int | None = typer.Option(None, min=0, help="The minimum memory, in MiB."),
    for_latest: bool | None = typer.Option(
        None, "--for-latest/--not-for-latest", help="Whether the channel latest can offer it."
    ),
    allow_revoked_parent: bool | None = typer.Option(
        None, "--allow-revoked-parent", help="Allow a revoked parent."
    ),
    labels: list[str] = LABELS,
) -> Body:
    """The fields that are given when a version is published or changed. The parent is as typed."""
    return given(
        parent=parent,
        change_log=server_requests.text_of(change_log, change_log_file),
        licenses=server_requests.references(licenses),
        scripts=server_requests.references(scripts),
        membership=server_requests.references(groups),
        identity=identity and server_requests.reference(identity),
        allow_imaging=imaging,
        start_date=start,
        end_date=end,
        doc_object_id=doi,
        min_cpu=min_cpu,
        min_mem=min_mem,
        exclude_from_latest=None if for_latest is None else not for_latest,
        allow_revoked_parent=allow_revoked_parent,
        labels=dict(map(_label, labels)) or None,
    )


def _label(text: str) -> tuple[str, str]:
    """The key and the value of a label. A key has neither `=` nor `:`."""
    found = re.fullmatch("([^=:]+)[=:](.*)", text, re.DOTALL)
    if not found:
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE.")
    return found[1], found[2]


@with_options(filters=server_requests.common_filters, options=server_requests.list_options)
def list_versions(
    *,
    image: str | None = typer.Option(None, help="Only of this image (slug, id or uuid)."),
    user: str | None = typer.Option(None, help="Only published by this user."),
    license: str | None = typer.Option(None, help="Only with this license (id or uuid)."),
    script: str | None = typer.Option(None, help="Only with this boot script (id or uuid)."),
    parent: str | None = typer.Option(
        None, help="Only children of this version (UUID, or IMAGE/NAME)."
    ),
    state: str | None = typer.Option(
        None, help="Only in this state, or one of several: current,deprecated."
    ),
    labels: list[str] = LABELLED,
    channel: str | None = typer.Option(
        None, help="Only current targets of a channel with this name."
    ),
    revoked: bool | None = typer.Option(
        None, "--revoked/--not-revoked", help="Only with, or without, a revocation in force."
    ),
    stale: bool | None = typer.Option(
        None, "--stale/--not-stale", help="Only if the parent has newer versions, or has none."
    ),
    launchable: bool | None = typer.Option(
        None,
        "--launchable/--not-launchable",
        help="Only with, or without, a machine that you can launch.",
    ),
    filters: Body,
    options: ListOptions,
) -> None:
    """List image versions, newest first.

    --wide also prints their ids, exact dates and more.
    """
    if parent:
        with server_requests.asked() as server:
            parent = server_requests.version_id(server, parent)
    filters |= given(
        image_id=image,
        user=user,
        license=license,
        script=script,
        parent=parent,
        state=state,
        label=[f"{key}:{value}" for key, value in map(_label, labels)],
        channel=channel,
        revoked=revoked,
        stale=stale,
        launchable=launchable,
    )
    columns = {
        "version": not_found.whole_name,
        **output.fields("state", "channels"),
        "providers": _providers,
        "released": output.day("start_date"),
    }
    more = output.fields("id", "start_date", "end_date", "user", "parent", "stale", "machines")
    server_requests.show_list("/image_versions", filters, columns, more, options, _add_channels)


def _add_channels(server: Client, versions: list[Body]) -> None:
    """Give each version the names of the channels that point at it."""
    offered = defaultdict(list)
    for image in {version["image"]["id"] for version in versions}:
        for channel in server.pages(not_found.path("images", str(image), "channels")):
            if target := channel["target"]:
                offered[target["id"]].append(channel["name"])
    for version in versions:
        version["channels"] = offered[version["id"]]


def _providers(version: Body) -> int:
    return len({machine["provider"]["id"] for machine in version["machines"]})


def show_version(version: str = VERSION, as_json: bool = JSON) -> None:
    """Show one image version."""
    with server_requests.asked(version=version) as server:
        server_requests.show_one(
            server.get(server_requests.version_address(server, version)), as_json
        )


@with_options(body=fields)
def create_version(
    name: str = typer.Argument(help="Its name, such as 24.04 or 2026-05-01."),
    *,
    image: str = typer.Option(..., help="The image it is a version of (slug, id or uuid)."),
    machines: list[str] = MACHINES,
    architecture: str | None = typer.Option(None, help="The architecture of these machines."),
    channels: list[str] = CHANNELS,
    body: Body,
    idempotency_key: str | None = server_requests.KEY,
    as_json: bool = JSON,
) -> None:
    """Publish an image version."""
    body |= {"name": name, "image": server_requests.reference(image)}
    body |= given(machines=[_machine(machine, architecture) for machine in machines])
    body |= given(channels=channels)
    with server_requests.asked() as server:
        _find_parent(server, body)
        made = post_version(server, body, idempotency_key)
    server_requests.show_one(made, as_json)


def post_version(server: Client, body: Body, idempotency_key: str | None) -> Any:
    """Publish a version. Raises ClientError, which says what a channel requires."""
    try:
        return server.post("/image_versions", body, idempotency_key=idempotency_key)
    except ClientError as refused:
        override = "publish it without that channel, then `goldenrod channel set … --override`"
        raise with_what_is_missing(refused, override) from None


@with_options(body=fields)
def edit_version(
    version: str = VERSION,
    *,
    name: str | None = typer.Option(None, help="Its name."),
    image: str | None = typer.Option(None, help="Move it to this image (slug, id or uuid)."),
    body: Body,
    remove_labels: list[str] = REMOVED_LABELS,
    clear: list[str] = CLEAR,
    as_json: bool = JSON,
) -> None:
    """Change an image version; fields that are not given stay unchanged.

    The given licenses, scripts and groups replace the present ones. Labels that are not named stay.
    `--clear end_date` restores an ended version.
    """
    body |= given(name=name, image=image and server_requests.reference(image))
    if remove_labels:
        body["labels"] = dict.fromkeys(remove_labels) | body.get("labels", {})
    body = server_requests.cleared(body, clear, LISTS, VALUES)
    with server_requests.asked(version=version) as server:
        _find_parent(server, body)
        changed = server.patch(server_requests.version_address(server, version), body)
    server_requests.show_one(changed, as_json)


def _find_parent(server: Client, body: Body) -> None:
    """Name the parent in a body by its UUID."""
    if parent := body.get("parent"):
        body["parent"] = server_requests.version_id(server, parent)


def end_version(version: str = VERSION) -> None:
    """End an image version now; nothing is deleted.

    `version edit VERSION --clear end_date` restores it.
    """
    with server_requests.asked(version=version) as server:
        server.delete(server_requests.version_address(server, version))
    output.say(f"{version} has ended.")


def _machine(text: str, architecture: str | None) -> Body:
    provider, equals, identifier = text.partition("=")
    if not (provider and equals and identifier):
        raise typer.BadParameter(f"{text!r} is not PROVIDER=IDENTIFIER.")
    machine: dict[str, Any] = {
        "provider": server_requests.reference(provider),
        "identifier": identifier,
    }
    return machine | server_requests.given(architecture=architecture)
