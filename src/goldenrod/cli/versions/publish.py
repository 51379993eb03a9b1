"""`goldenrod publish`: publish the versions that Packer built, from the manifest that it wrote.

A version is published with its machines and channels by one request. The manifest is read as for
`goldenrod sync` (`sources/packer/`).
"""

from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import typer

from goldenrod.base import clock
from goldenrod.base.errors import BadRequest
from goldenrod.base.numbers import are_digits
from goldenrod.base.text import is_uuid, slug
from goldenrod.cli import not_found, output, server_requests
from goldenrod.cli.channels.channels import with_what_is_missing
from goldenrod.cli.not_found import path
from goldenrod.cli.options import JSON, with_options
from goldenrod.cli.server_requests import Body, given
from goldenrod.cli.versions.versions import CHANNELS, fields, post_version
from goldenrod.client import Client, ClientError
from goldenrod.sources.declarations import InvalidDeclaration, rules_of_file
from goldenrod.sources.found import Found, FoundMachine, Listed, Skipped
from goldenrod.sources.name_rules import NameRules
from goldenrod.sources.packer.manifest import InvalidManifest, Options
from goldenrod.sources.packer.source import read_file
from goldenrod.sources.releases import releases

PROVIDERS = typer.Option(
    [],
    "--provider",
    metavar="PROVIDER|REGION=PROVIDER",
    help="The provider of ids that do not name one, or of those of a region; may be repeated.",
)
MANIFEST = typer.Argument(help="The manifest, such as packer-manifest.json.")
RULES = typer.Option(None, help="A TOML file of rules that read image and version from names.")
_RECENT_MINUTES = 10
"""A build as young as this starts when it is published: its clock may be ahead of the server's."""


class IfExists(StrEnum):
    """What to do with a version that the image has already."""

    fail = "fail"
    skip = "skip"
    update = "update"


IF_EXISTS = typer.Option(IfExists.fail, help="What to do if the image has such a version already.")


class Outcome(NamedTuple):
    """What became of a version: created, updated, unchanged or skipped; and what was changed."""

    outcome: str
    version: Body
    changes: list[str]


@with_options(body=fields)
def publish(
    manifest: Path = MANIFEST,
    *,
    image: str | None = typer.Option(
        None, help="The image (slug, id or uuid); else custom_data's image, or the build's name."
    ),
    version: str | None = typer.Option(
        None, help="The version; else custom_data's version or git_tag, or the time of the build."
    ),
    channels: list[str] = CHANNELS,
    if_exists: IfExists = IF_EXISTS,
    expect: str | None = typer.Option(
        None, help="How many builds there must be, or on which providers (a,b,c) machines."
    ),
    providers: list[str] = PROVIDERS,
    architecture: str = typer.Option("", help="The architecture, where the manifest has none."),
    base_url: str | None = typer.Option(None, help="Where the files that were built will be."),
    run: str = typer.Option("last", help="The run of Packer: last, all, or its UUID."),
    rules: Path | None = RULES,
    allow_skipped: bool = typer.Option(
        False, "--allow-skipped", help="Publish although some builds have no machine."
    ),
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Print what would be published; send nothing."
    ),
    body: Body,
    as_json: bool = JSON,
) -> None:
    """Publish what Packer built, from its manifest.

    Each version is published with its machines and channels by one request, or not at all. With
    `--if-exists update`, a version that exists gets what it lacks; repeat the command if that fails.
    """
    places = _places(providers)
    wanted = int(expect) if expect and are_digits(expect) else None
    read = _read(
        manifest,
        Options(
            image=image,
            version=version,
            provider=places.get(""),
            base_url=base_url,
            architecture=architecture,
            run=run,
            expect=wanted,
            rules=_rules(rules),
        ),
        allow_skipped,
    )
    named = [] if wanted is not None or not expect else expect.split(",")
    bodies = [_body(found, image, body, channels, places) for found in read]
    for one in bodies:
        _require_providers(one, named)
    if dry_run:
        _show_plan(bodies, as_json)
        return
    outcomes: list[Outcome] = []
    with server_requests.asked() as server:
        try:
            for one, found in zip(bodies, read, strict=True):
                _find_parent(server, one, found)
                outcomes.append(_publish(server, one, if_exists, [*body]))
                if not as_json:
                    output.say(_sentence(outcomes[-1], one))
        finally:
            if as_json and outcomes:
                output.show_json([outcome._asdict() for outcome in outcomes])


def _places(given: list[str]) -> dict[str, str]:
    """Providers by region; the one for ids that name none is at the empty text."""
    places: dict[str, str] = {}
    for text in given:
        region, equals, provider = text.partition("=")
        region, provider = (region, provider) if equals else ("", region)
        if not provider or (equals and not region) or region in places:
            raise typer.BadParameter(f"{text!r} is not one PROVIDER, or REGION=PROVIDER.")
        places[region] = provider
    return places


def _rules(file: Path | None) -> NameRules | None:
    if file is None:
        return None
    try:
        return NameRules(rules_of_file(file))
    except InvalidDeclaration as wrong:
        raise BadRequest(str(wrong)) from None


def _read(manifest: Path, options: Options, allow_skipped: bool) -> list[Found]:
    """The versions of a manifest. Raises BadRequest, also where builds are skipped."""
    try:
        rows = read_file(manifest, options).rows
    except InvalidManifest as wrong:
        raise BadRequest(f"{manifest}: {wrong}") from None
    skipped = [row for row in rows if isinstance(row, Skipped)]
    found: list[Found] = []
    for release in releases(row for row in rows if isinstance(row, Listed)):
        if isinstance(release, Skipped):
            skipped.append(release)
        else:
            found.append(release)
    for one in skipped:
        output.note(f"{manifest}: {one.where}: {one.reason}")
    if not found:
        raise BadRequest(f"{manifest}: no build has a machine that can be published.")
    if skipped and not allow_skipped:
        raise BadRequest(
            f"{manifest}: {len(skipped)} of the builds cannot be published, so nothing was. To "
            "publish the others, use --allow-skipped."
        )
    return found


def _body(
    found: Found, image: str | None, options: Body, channels: list[str], places: dict[str, str]
) -> Body:
    """The body of the request that publishes a version."""
    body: Body = {
        "name": found.version,
        "image": server_requests.reference(image) if image else slug(found.image),
        **given(change_log=found.change_log or None, start_date=_start(found)),
        **options,
        "machines": [_machine(machine, places) for machine in found.machines],
    }
    return body | given(channels=channels)


def _machine(machine: FoundMachine, places: dict[str, str]) -> Body:
    place = places.get(machine.provider, machine.provider)
    # A provider that is called gcp/base has the slug gcp-base.
    provider = slug(place, fallback=place) if "/" in place else server_requests.reference(place)
    # An id that comes back is another build: the machine of the version that had it ends.
    return {
        "provider": provider,
        "identifier": machine.identifier,
        "take_identifier": True,
    } | given(
        architecture=machine.architecture or None,
        size_gb=machine.size_gb,
        checksum=machine.checksum,
    )


def _start(found: Found) -> str | None:
    times = [machine.created_at for machine in found.machines if machine.created_at]
    recent = clock.later(clock.now(), minutes=-_RECENT_MINUTES)
    return min(times) if times and min(times) < recent else None


def _require_providers(body: Body, expected: list[str]) -> None:
    """Raise BadRequest unless the version has a machine on each of these providers."""
    there = {str(machine["provider"]) for machine in body["machines"]}
    if missing := [name for name in expected if name not in there]:
        raise BadRequest(
            f"{body['image']}/{body['name']} has no machine on {', '.join(missing)}, but on "
            f"{', '.join(sorted(there))}. Nothing was published."
        )


def _find_parent(server: Client, body: Body, found: Found) -> None:
    """Name the parent by its UUID. What custom_data names may be a version of the same image."""
    parent = body.get("parent") or found.parent
    if parent:
        own = "/" not in parent and not is_uuid(parent)
        whole = f"{body['image']}/{parent}" if own and not body.get("parent") else parent
        body["parent"] = server_requests.version_id(server, whole)


def _publish(server: Client, body: Body, if_exists: IfExists, options: list[str]) -> Outcome:
    """Publish a version by one request. If it exists, what `if_exists` says is done."""
    try:
        return Outcome("created", post_version(server, body, None), [])
    except ClientError as refused:
        if refused.code != "version_name_taken" or if_exists is IfExists.fail:
            raise
        listed = server.pages(
            "/image_versions", image_id=body["image"], name=body["name"], page_size=1
        )
        existing = next(listed, None)
        if existing is None:  # a version had this name before it was renamed
            raise
    if if_exists is IfExists.skip:
        return Outcome("skipped", existing, [])
    changes = _update(server, existing, body, options)
    version = server.get(path("image_versions", existing["id"]))
    return Outcome("updated" if changes else "unchanged", version, changes)


def _update(server: Client, version: Body, body: Body, options: list[str]) -> list[str]:
    """Give a version the machines and channels that it lacks, and the fields that options or the
    manifest give. Returns the changes, in words."""
    key = version["id"]
    changes = _update_machines(server, key, body["machines"])
    address = path("image_versions", key)
    before, tag = server.get_tagged(address)
    patch = {name: body[name] for name in {*options, "change_log", "parent"} if name in body}
    if patch:
        after = server.patch(address, patch, if_match=tag)
        changes += sorted(field for field in patch if after.get(field) != before.get(field))
    for name in body.get("channels", ()):
        changes += _assign(server, str(version["image"]["id"]), name, key)
    return changes


def _update_machines(server: Client, key: str, machines: list[Body]) -> list[str]:
    """Add the machines that a version lacks, and correct facts about those that it has."""
    changes: list[str] = []
    known = {
        (place, there["identifier"]): there
        for there in server.pages("/provider_machines", version_id=key)
        for place in (there["provider"].get("slug"), there["provider"]["id"])
    }
    for machine in machines:
        shown = f"{machine['provider']}={machine['identifier']}"
        there = known.get((machine["provider"], machine["identifier"]))
        if there is None:
            server.post("/provider_machines", machine | {"version": key})
            changes.append(f"machine {shown}")
            continue
        facts = {
            field: value
            for field, value in machine.items()
            if field not in ("provider", "identifier", "take_identifier") and there[field] != value
        }
        if facts:
            server.patch(path("provider_machines", str(there["id"])), facts)
            changes.append(f"{', '.join(facts)} of {shown}")
    return changes


def _assign(server: Client, image: str, name: str, key: str) -> list[str]:
    """Assign a version to a channel, unless it is assigned already."""
    address = path("images", image, "channels", name)
    try:
        assigned = server.get(address)["assigned"]
    except ClientError as refused:
        if refused.status != 404:
            raise
        assigned = None
    if assigned and assigned["id"] == key:
        return []
    try:
        server.put(address, {"version": key})
    except ClientError as refused:
        override = "use `goldenrod channel set … --override`"
        raise with_what_is_missing(refused, override) from None
    return [f"channel {name}"]


def _sentence(outcome: Outcome, body: Body) -> str:
    """What became of a version."""
    whole = not_found.whole_name(outcome.version)
    if outcome.outcome == "created":
        count = len(body["machines"])
        places = ", ".join(dict.fromkeys(str(machine["provider"]) for machine in body["machines"]))
        on = f"{count} machine{'s' if count != 1 else ''} ({places})"
        assigned = (
            f" and assigned it to {', '.join(body['channels'])}" if "channels" in body else ""
        )
        return f"Published {whole} with {on}{assigned}."
    if outcome.outcome == "updated":
        return f"Updated {whole}: {', '.join(outcome.changes)}."
    reason = "has it all already" if outcome.outcome == "unchanged" else "exists already"
    return f"{whole} {reason}; nothing was changed."


def _show_plan(bodies: list[Body], as_json: bool) -> None:
    if as_json:
        output.show_json(bodies)
        return
    for number, body in enumerate(bodies):
        if number:
            output.say("")
        machines = [f"{it['provider']}={it['identifier']}" for it in body["machines"]]
        output.show_fields({**body, "machines": machines}.items())
