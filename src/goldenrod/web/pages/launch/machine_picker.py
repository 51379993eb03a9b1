"""The Use it box: a channel, a provider and an architecture are chosen, the identifier is told.

The choice is in the address (`?channel=stable&provider=us-east-1&architecture=arm64&as=packer`), so
it can be sent to a colleague. What the box tells is what `/resolve/…` answers for that choice; where
that is nothing, it says why, and never another machine than the one that was asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from goldenrod.catalogue.versions import version_page
from goldenrod.rules.access import Actor
from goldenrod.rules.lifecycle.states import LATEST
from goldenrod.store.db import Row, Tx
from goldenrod.web.pages.kit.visit import Visit
from goldenrod.web.pages.launch.snippet import Launch, Ready, aws_region
from goldenrod.web.pages.launch.snippets import launch_lines

USUAL = "x86_64"
"""The architecture that is shown first where there is a choice and none was made."""
MOST_TEXT = 6000
"""Of how many characters boot scripts are written out in the ready lines of cloud-init."""


@dataclass(frozen=True)
class Box:
    """What the box shows."""

    channels: list[str]
    """The names to choose from; empty where a version was chosen already."""
    channel: str
    providers: list[tuple[str, str]]
    """Slug and name of each to choose from."""
    provider: str
    architectures: list[str]
    architecture: str
    machine: Row | None = None
    version: Row | None = None
    """The version that the machine is of, as a summary."""
    said: str = ""
    """Why there is no machine."""
    lines: Sequence[Ready] = field(default_factory=tuple)
    tab: str = ""
    """The key of the ready lines that are shown."""


def of_image(
    tx: Tx, actor: Actor, visit: Visit, image: Row, channels: list[Row], cells: list[Row]
) -> Box:
    """The box of an image: what a channel offers. `cells` tell where else its newest releases run,
    which `latest` may be asked for."""
    asked = visit.asked("channel")
    offering = [it for it in channels if it["target"]]
    channel = next((it for it in channels if it["name"] == asked), None)
    if not asked:
        channel = next(iter(offering or channels), None)
    name = asked or (channel["name"] if channel else "")
    target = channel and channel["target"]
    machines = _shown(version_page.list_machines(tx, actor, target["id"])) if target else []
    places = {row["provider"]: row["provider_name"] for row in machines}
    if name == LATEST:
        places |= {row["provider"]: row["provider_name"] for row in _shown(cells)}
    box = _chosen(visit, machines, places, [it["name"] for it in channels], name)
    if box.machine is None and name == LATEST and channel and box.architecture:
        target, machines = _older(tx, actor, image, box)
        box = _chosen(visit, machines, places, box.channels, name)
    if box.machine is None or target is None:
        return replace(box, said=_reason(box, channel))
    scripts = version_page.get_texts(tx, actor, target["id"])["scripts"]
    return _with_lines(visit, box, image["slug"], target, scripts)


def of_version(visit: Visit, version: Row, machines: list[Row], scripts: list[Row]) -> Box:
    """The box of one version."""
    machines = _shown(machines)
    places = {row["provider"]: row["provider_name"] for row in machines}
    box = _chosen(visit, machines, places, [], "")
    if box.machine is None:
        return replace(box, said=_reason(box, None))
    return _with_lines(visit, box, version["image"]["slug"], version, scripts)


def _shown(rows: list[Row]) -> list[Row]:
    """Those on providers that the visitor may read: of the others there is nothing to choose."""
    return [row for row in rows if row["provider"] is not None]


def _chosen(
    visit: Visit, machines: list[Row], places: dict[str, str], channels: list[str], channel: str
) -> Box:
    provider = visit.asked("provider") or (machines[0]["provider"] if machines else "")
    there = [row["architecture"] for row in machines if row["provider"] == provider]
    kinds = {row["architecture"] for row in machines}
    usual = [it for it in (USUAL, *there, *sorted(kinds)) if it in (there or kinds)]
    architecture = visit.asked("architecture") or next(iter(usual), "")
    known = kinds | ({architecture} - {""})
    found = next((r for r in machines if _is(r, provider, architecture)), None)
    return Box(
        channels=channels,
        channel=channel,
        providers=sorted({**({provider: provider} if provider else {}), **places}.items()),
        provider=provider,
        architectures=sorted(known),
        architecture=architecture,
        machine=found,
    )


def _is(machine: Row, provider: str, architecture: str) -> bool:
    return bool(machine["provider"] == provider and machine["architecture"] == architecture)


def _older(tx: Tx, actor: Actor, image: Row, box: Box) -> tuple[Row | None, list[Row]]:
    """The older version that `latest` offers where the newest has no such machine."""
    found = version_page.find_latest_on_provider(
        tx, actor, image["id"], box.provider, box.architecture
    )
    return found, _shown(version_page.list_machines(tx, actor, found["id"])) if found else []


def _reason(box: Box, channel: Row | None) -> str:
    """Why there is nothing to tell, in a sentence."""
    if box.channel and channel is None:
        return f"This image has no channel {box.channel} that you may see."
    if channel and channel["stopped"]:
        reason = channel["stopped"]["reason"]
        name = channel["stopped"]["version"]["name"]
        return (
            f"{box.channel} stopped at {name}, which is revoked{f': {reason}' if reason else '.'}"
        )
    if channel and not channel["target"]:
        return f"{box.channel} offers nothing that you may read now."
    who = box.channel or "This version"
    if not box.provider:
        return f"{who} has no machine that you may see."
    kind = f" {box.architecture}" if box.architecture else ""
    return f"{who} has no{kind} machine on {box.provider} that you may see."


def _with_lines(visit: Visit, box: Box, image: str, version: Row, scripts: list[Row]) -> Box:
    machine = box.machine
    assert machine is not None
    launch = Launch(
        identifier=machine["identifier"],
        architecture=machine["architecture"],
        provider=machine["provider"],
        provider_type=machine["provider_type"],
        image=image,
        version=version["name"],
        channel=box.channel or None,
        base=visit.settings.public_url,
        region=aws_region(machine["provider"], machine["provider_name"]),
    )
    # Scripts that would fill the page are read on the version's own; a part of one would be wrong.
    short = sum(script["length"] for script in scripts) <= MOST_TEXT
    lines = launch_lines(launch, scripts if short else ())
    lines = tuple(line for line in lines if short or line.key != "cloud-init")
    asked = visit.asked("as")
    tab = asked if asked in [line.key for line in lines] else lines[0].key
    return replace(box, version=version, lines=lines, tab=tab)
