"""Snippets for a machine, to paste into Terraform, a cloud's command line, Packer or cloud-init.

If a channel was chosen, snippets that can call the catalogue resolve the channel (`/resolve/…`), so
that they follow it. The others name the machine. The provider's type decides which snippets there are.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from goldenrod.web.pages.launch.cloud_snippets import CLOUDS
from goldenrod.web.pages.launch.quoting import shell, yaml, yaml_block
from goldenrod.web.pages.launch.snippet_parts import (
    Launch,
    Snippet,
    curl_token,
    joined,
    look_up,
    option,
    resolve,
    shell_address,
)


def launch_snippets(
    launch: Launch, scripts: Sequence[Mapping[str, Any]] | None = ()
) -> tuple[Snippet, ...]:
    """The snippets for a machine. `scripts` are the version's boot scripts, in the API's form; None if
    they are too long to be shown, and fetched instead."""
    cloud_snippets = (make(launch) for make in CLOUDS.get(launch.provider_type.lower(), ()))
    at_boot = _user_data(launch) if scripts is None else _cloud_init(launch, scripts)
    return (*filter(None, cloud_snippets), at_boot, _curl(launch), _goldenrod(launch))


def _user_data(launch: Launch) -> Snippet:
    """Fetches the boot scripts of the version as user data."""
    address = shell_address(launch, f"/image_versions/{launch.version_id}/user-data")
    text = joined("curl -fsS", curl_token(launch), f"{address} > user-data")
    return Snippet("cloud-init", "cloud-init", "shell", text)


def _cloud_init(launch: Launch, scripts: Sequence[Mapping[str, Any]]) -> Snippet:
    """User data that records in the instance what it was launched from, and runs the boot scripts."""
    facts = {"GOLDENROD_IMAGE": launch.image}
    if launch.channel is None:
        facts |= {"GOLDENROD_VERSION": launch.version, "GOLDENROD_MACHINE": launch.identifier}
    else:
        # The version is not known yet: the channel is resolved at launch.
        facts |= {"GOLDENROD_CHANNEL": launch.channel, "GOLDENROD_PROVIDER": launch.provider}
    facts_text = "".join(f"{name}={shell(value)}\n" for name, value in facts.items())
    files = [_file("/etc/goldenrod-image", "0644", facts_text)]
    for number, script in enumerate(scripts, start=1):
        folder = "per-boot" if script["run_every_deploy"] else "per-instance"
        path = f"/var/lib/cloud/scripts/{folder}/{number:02d}-goldenrod"
        files.append(_file(path, "0755", _script_text(script), str(script["title"])))
    text = "\n".join(["#cloud-config", "write_files:", *files, ""])
    return Snippet("cloud-init", "cloud-init", "yaml", text)


def _file(path: str, permissions: str, content: str, title: str = "") -> str:
    about = f"  # {yaml(title)}\n" if title else ""
    return (
        f'{about}  - path: {path}\n    permissions: "{permissions}"\n'
        f"    content: {yaml_block(content, ' ' * 6)}"
    )


def _script_text(script: Mapping[str, Any]) -> str:
    """The text of a script. For a script given as a URL, one that fetches and runs it."""
    text = str(script["text"])
    if script["type"] != "URL":
        return text
    return (
        "#!/bin/sh\nset -e\nfetched=$(mktemp)\n"
        f'curl -fsSL -o "$fetched" -- {shell(text)}\nchmod 700 "$fetched"\nexec "$fetched"\n'
    )


def _curl(launch: Launch) -> Snippet:
    if launch.channel is None:
        text = joined("curl -fsS", curl_token(launch), shell_address(launch, look_up(launch)))
    else:
        accept = "curl -fsS -H 'Accept: text/plain'"
        text = joined(accept, curl_token(launch), shell_address(launch, resolve(launch)))
    return Snippet("curl", "curl", "shell", text)


def _goldenrod(launch: Launch) -> Snippet:
    if launch.channel is None:
        end_of_options = "-- " if launch.identifier.startswith("-") else ""
        provider = option("--provider", launch.provider)
        text = f"goldenrod whatis {provider} {end_of_options}{shell(launch.identifier)}"
    else:
        names = " ".join(map(shell, (launch.image, launch.channel, launch.provider)))
        architecture = (
            f" {option('--architecture', launch.architecture)}" if launch.architecture else ""
        )
        text = f"goldenrod resolve {names}{architecture}"
    if launch.needs_token:
        # The variable may be set without being exported.
        text = f'GOLDENROD_TOKEN="${{GOLDENROD_TOKEN:?}}" {text}'
    return Snippet("goldenrod", "goldenrod", "shell", text)
