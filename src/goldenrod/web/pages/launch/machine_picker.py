"""The machine picker ("Use it"): choose channel, provider and architecture; get the machine's id.

The choice is in the address (`?channel=stable&provider=us-east-1&architecture=arm64&as=packer`), so
that links to it can be shared. The picker shows the machine that `/resolve/…` answers for the choice.
If there is none, it says why. It never shows another machine than the one that was asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from goldenrod.base.architectures import normal_architecture
from goldenrod.catalogue.versions import instead, version_page
from goldenrod.rules.access import Actor
from goldenrod.rules.lifecycle.channel_targets import LATEST
from goldenrod.store.db import Row, Tx
from goldenrod.web.pages.kit.visit import Visit
from goldenrod.web.pages.launch.snippet_parts import Launch, Snippet, aws_region
from goldenrod.web.pages.launch.snippets import launch_snippets

DEFAULT_ARCHITECTURE = "x86_64"
"""The architecture shown first when the visitor has not chosen one."""
MOST_SCRIPT_TEXT = 6000
"""Boot scripts longer than this together are fetched as user data instead of shown."""


@dataclass(frozen=True)
class Box:
    """What the picker shows."""

    channels: list[str]
    """The names to choose from; empty on the page of a version."""
    channel: str
    providers: list[tuple[str, str]]
    """The slug and name of each provider to choose from."""
    provider: str
    architectures: list[str]
    architecture: str
    machine: Row | None = None
    version: Row | None = None
    """The summary of the machine's version."""
    reason: str = ""
    """Why there is no machine."""
    better: instead.Instead | None = None
    """What to use instead of the revoked version at which the channel stopped."""
    snippets: Sequence[Snippet] = field(default_factory=tuple)
    tab: str = ""
    """The key of the snippet that is shown."""


def of_image(
    tx: Tx, actor: Actor, visit: Visit, image: Row, channels: list[Row], cells: list[Row]
) -> Box:
    """The picker of an image: what a channel offers. `cells` names further providers for `latest`,
    which may offer an older version there."""
    asked = visit.asked("channel")
    with_target = [it for it in channels if it["target"]]
    channel = next((it for it in channels if it["name"] == asked), None)
    if not asked:
        channel = next(iter(with_target or channels), None)
    name = asked or (channel["name"] if channel else "")
    target = channel and channel["target"]
    machines = (
        _on_readable_providers(version_page.list_machines(tx, actor, target["id"]))
        if target
        else []
    )
    providers = {row["provider"]: row["provider_name"] for row in machines}
    if name == LATEST:
        providers |= {
            row["provider"]: row["provider_name"] for row in _on_readable_providers(cells)
        }
    box = _chosen(visit, machines, providers, [it["name"] for it in channels], name)
    if box.machine is None and name == LATEST and channel and box.architecture:
        target, machines = _latest_there(tx, actor, image, box)
        box = _chosen(visit, machines, providers, box.channels, name)
    if box.machine is None or target is None:
        return _without_machine(tx, actor, image, box, channel)
    scripts = version_page.get_texts(tx, actor, target["id"])["scripts"]
    is_open = image["is_public"] and not (channel and channel["restricted"])
    return _with_snippets(visit, box, image["slug"], target, scripts, is_open=is_open)


def _without_machine(tx: Tx, actor: Actor, image: Row, box: Box, channel: Row | None) -> Box:
    """The picker with the reason why there is no machine, and what to use instead."""
    better, all_revoked = instead.of_channel(tx, actor, image["id"], channel)
    reason = _reason(box, channel)
    if all_revoked:
        reason = f"{box.channel} offers nothing: all versions of the image are revoked."
    return replace(box, reason=reason, better=better)


def of_version(visit: Visit, version: Row, machines: list[Row], scripts: list[Row]) -> Box:
    """The picker of one version."""
    machines = _on_readable_providers(machines)
    providers = {row["provider"]: row["provider_name"] for row in machines}
    box = _chosen(visit, machines, providers, [], "")
    if box.machine is None:
        return replace(box, reason=_reason(box, None))
    image = version["image"]
    is_open = image["is_public"] and version["state"] not in ("scheduled", "ended")
    return _with_snippets(visit, box, image["slug"], version, scripts, is_open=is_open)


def _on_readable_providers(rows: list[Row]) -> list[Row]:
    """The rows on providers that the visitor may read. The others cannot be chosen."""
    return [row for row in rows if row["provider"] is not None]


def _chosen(
    visit: Visit, machines: list[Row], providers: dict[str, str], channels: list[str], channel: str
) -> Box:
    provider = visit.asked("provider") or (machines[0]["provider"] if machines else "")
    on_provider = [row["architecture"] for row in machines if row["provider"] == provider]
    all_architectures = {row["architecture"] for row in machines}
    preferred = [
        it
        for it in (DEFAULT_ARCHITECTURE, *on_provider, *sorted(all_architectures))
        if it in (on_provider or all_architectures)
    ]
    asked = normal_architecture(visit.asked("architecture"))
    architecture = asked or next(iter(preferred), "")
    choices = all_architectures | ({architecture} - {""})
    found = next((r for r in machines if _is(r, provider, architecture)), None)
    return Box(
        channels=channels,
        channel=channel,
        providers=sorted({**({provider: provider} if provider else {}), **providers}.items()),
        provider=provider,
        architectures=sorted(choices),
        architecture=architecture,
        machine=found,
    )


def _is(machine: Row, provider: str, architecture: str) -> bool:
    return bool(machine["provider"] == provider and machine["architecture"] == architecture)


def _latest_there(tx: Tx, actor: Actor, image: Row, box: Box) -> tuple[Row | None, list[Row]]:
    """The older version that `latest` offers if the newest has no such machine, and its machines."""
    found = version_page.find_latest_on_provider(
        tx, actor, image["id"], box.provider, box.architecture
    )
    return found, _on_readable_providers(
        version_page.list_machines(tx, actor, found["id"])
    ) if found else []


def _reason(box: Box, channel: Row | None) -> str:
    """Why there is no machine, in a sentence."""
    if box.channel and channel is None:
        return f"This image has no channel {box.channel} visible to you."
    if channel and channel["stopped"]:
        reason = channel["stopped"]["reason"]
        name = channel["stopped"]["version"]["name"]
        return (
            f"{box.channel} stopped at {name}, which is revoked{f': {reason}' if reason else '.'}"
        )
    if channel and not channel["target"]:
        return f"{box.channel} offers nothing visible to you now."
    subject = box.channel or "This version"
    if not box.provider:
        return f"{subject} has no machine visible to you."
    architecture = f" {box.architecture}" if box.architecture else ""
    return f"{subject} has no{architecture} machine on {box.provider} visible to you."


def _with_snippets(
    visit: Visit, box: Box, image: str, version: Row, scripts: list[Row], *, is_open: bool
) -> Box:
    """The picker with its snippets. `is_open`: everybody may read the version, by this channel."""
    machine = box.machine
    assert machine is not None
    launch = Launch(
        identifier=machine["identifier"],
        architecture=machine["architecture"],
        provider=machine["provider"],
        provider_type=machine["provider_type"],
        image=image,
        version=version["name"],
        version_id=version["id"],
        channel=box.channel or None,
        base=visit.settings.public_url,
        needs_token=not (is_open and machine["provider_public"]),
        region=aws_region(machine["provider"], machine["provider_name"]),
    )
    # A truncated script would be wrong.
    short = sum(script["length"] for script in scripts) <= MOST_SCRIPT_TEXT
    snippets = launch_snippets(launch, scripts if short else None)
    asked = visit.asked("as")
    tab = asked if asked in [snippet.key for snippet in snippets] else snippets[0].key
    return replace(box, version=version, snippets=snippets, tab=tab)
