"""`goldenrod version …`: commands for image versions on a server.

A version is named by its UUID, or by IMAGE/NAME, such as `ubuntu/24.04`.
"""

from pathlib import Path
from typing import Any

import typer

from goldenrod.cli import output, server_requests
from goldenrod.cli.server_requests import Body

LISTS = ("licenses", "scripts", "membership")
VALUES = ("parent", "identity", "end_date", "doc_object_id", "min_cpu", "min_mem")

VERSION = typer.Argument(metavar="VERSION", help="Its UUID, or IMAGE/NAME.")
PARENT = typer.Option(None, help="The version it was built from.")
CHANGE_LOG = typer.Option(None, help="What changed, in Markdown.")
CHANGE_LOG_FILE = typer.Option(None, help="A file with the change log; - is stdin.")
LICENSES = typer.Option([], "--license", help="A license it needs (id or uuid); may be repeated.")
SCRIPTS = typer.Option([], "--script", help="A boot script (id or uuid); may be repeated.")
GROUPS = typer.Option([], "--share", help="A group to share it with; may be repeated.")
IDENTITY = typer.Option(None, help="Your provider account that built it (id or uuid).")
IMAGING = typer.Option(
    None, "--imaging/--no-imaging", help="Whether others may build versions on it."
)
START = typer.Option(None, "--start", help="The instant at which it is released.")
END = typer.Option(None, "--end", help="The instant at which it ends.")
DOI = typer.Option(None, "--doi", help="Its DOI.")
MIN_CPU = typer.Option(None, "--min-cpu", min=0, help="The CPUs it needs.")
CLEAR = typer.Option([], help=f"Empty this field ({', '.join(LISTS + VALUES)}); may be repeated.")
MIN_MEM = typer.Option(None, "--min-mem", min=0, help="The memory it needs, in MiB.")

LATEST = typer.Option(
    None, "--for-latest/--not-for-latest", help="Whether the channel latest can offer it."
)
ON_REVOKED = typer.Option(None, "--allow-revoked-parent", help="Allow a revoked parent.")

MACHINES = typer.Option(
    [],
    "--machine",
    metavar="PROVIDER=IDENTIFIER",
    help="A provider and the image ID on it; may be repeated.",
)


def list_versions(
    image: str | None = typer.Option(None, help="Only of this image (slug, id or uuid)."),
    name: str | None = typer.Option(None, help="Only with this name."),
    search: str | None = typer.Option(None, help="Only with these words."),
    user: str | None = typer.Option(None, help="Only published by this user."),
    tag: str | None = typer.Option(None, help="Only of images with this tag."),
    provider: str | None = typer.Option(None, help="Only with a machine on this provider."),
    architecture: str | None = typer.Option(None, help="Only with a machine of this architecture."),
    license: str | None = typer.Option(None, help="Only with this license."),
    parent: str | None = typer.Option(None, help="Only children of this version."),
    state: str | None = typer.Option(
        None, help="Only in this state, such as current or deprecated."
    ),
    channel: str | None = typer.Option(
        None, help="Only current targets of a channel with this name."
    ),
    revoked: bool | None = typer.Option(
        None, "--revoked/--not-revoked", help="Only with, or without, a revocation in force."
    ),
    stale: bool | None = typer.Option(
        None, "--stale/--not-stale", help="Only if the parent has newer versions, or has none."
    ),
    current: bool | None = typer.Option(
        None, "--current/--not-current", help="Only current, or not current, by date."
    ),
    launchable: bool | None = typer.Option(
        None,
        "--launchable/--not-launchable",
        help="Only with, or without, a machine that you can launch.",
    ),
    ordering: str | None = server_requests.ORDERING,
    limit: int = server_requests.LIMIT,
    everything: bool = server_requests.ALL,
    as_json: bool = server_requests.JSON,
) -> None:
    """List image versions."""
    filters = server_requests.given(
        image_id=image,
        name=name,
        search=search,
        user=user,
        tag=tag,
        provider=provider,
        architecture=architecture,
        license=license,
        parent=parent,
        state=state,
        channel=channel,
        revoked=revoked,
        stale=stale,
        current=current,
        launchable=launchable,
        ordering=ordering,
    )
    columns = ("id", "image", "name", "state", "start_date", "end_date", "user", "machines")
    server_requests.show_list("image_versions", filters, columns, limit, everything, as_json)


def show_version(version: str = VERSION, as_json: bool = server_requests.JSON) -> None:
    """Show one image version."""
    with server_requests.asked() as server:
        server_requests.show_one(
            server.get(server_requests.version_address(server, version)), as_json
        )


def create_version(
    name: str = typer.Argument(help="Its name, such as 24.04 or 2026-05-01."),
    image: str = typer.Option(..., help="The image it is a version of (slug, id or uuid)."),
    parent: str | None = PARENT,
    change_log: str | None = CHANGE_LOG,
    change_log_file: Path | None = CHANGE_LOG_FILE,
    machines: list[str] = MACHINES,
    architecture: str | None = typer.Option(None, help="The architecture of these machines."),
    licenses: list[str] = LICENSES,
    scripts: list[str] = SCRIPTS,
    groups: list[str] = GROUPS,
    identity: str | None = IDENTITY,
    imaging: bool | None = IMAGING,
    start: str | None = START,
    end: str | None = END,
    doi: str | None = DOI,
    min_cpu: int | None = MIN_CPU,
    min_mem: int | None = MIN_MEM,
    for_latest: bool | None = LATEST,
    allow_revoked_parent: bool | None = ON_REVOKED,
    idempotency_key: str | None = server_requests.KEY,
    as_json: bool = server_requests.JSON,
) -> None:
    """Publish an image version."""
    body = server_requests.given(
        name=name,
        image=server_requests.reference(image),
        change_log=server_requests.text_of(change_log, change_log_file),
        machines=[_machine(machine, architecture) for machine in machines],
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
    )
    with server_requests.asked() as server:
        body |= server_requests.given(parent=parent and server_requests.version_id(server, parent))
        made = server.post("/image_versions", body, idempotency_key=idempotency_key)
    server_requests.show_one(made, as_json)


def edit_version(
    version: str = VERSION,
    name: str | None = typer.Option(None, help="Its name."),
    image: str | None = typer.Option(None, help="Move it to this image (slug, id or uuid)."),
    parent: str | None = PARENT,
    change_log: str | None = CHANGE_LOG,
    change_log_file: Path | None = CHANGE_LOG_FILE,
    licenses: list[str] = LICENSES,
    scripts: list[str] = SCRIPTS,
    groups: list[str] = GROUPS,
    identity: str | None = IDENTITY,
    imaging: bool | None = IMAGING,
    start: str | None = START,
    end: str | None = END,
    doi: str | None = DOI,
    min_cpu: int | None = MIN_CPU,
    min_mem: int | None = MIN_MEM,
    for_latest: bool | None = LATEST,
    allow_revoked_parent: bool | None = ON_REVOKED,
    clear: list[str] = CLEAR,
    as_json: bool = server_requests.JSON,
) -> None:
    """Change an image version; fields that are not given stay unchanged.

    The given licenses, scripts and groups replace the present ones. `--clear end_date` restores an
    ended version.
    """
    body = server_requests.given(
        name=name,
        image=image and server_requests.reference(image),
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
    )
    with server_requests.asked() as server:
        body |= server_requests.given(parent=parent and server_requests.version_id(server, parent))
        body = server_requests.cleared(body, clear, LISTS, VALUES)
        server_requests.show_one(
            server.patch(server_requests.version_address(server, version), body), as_json
        )


def end_version(version: str = VERSION) -> None:
    """End an image version now; nothing is deleted.

    `version edit VERSION --clear end_date` restores it.
    """
    with server_requests.asked() as server:
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
