"""A machine to be launched, a text to paste for it, and what those texts have in common.

Every text in them is quoted (`quoting.py`), an address by its parts, and a value that looks like an
option is tied to its own.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from goldenrod.web.pages.launch.quoting import hcl, shell


@dataclass(frozen=True, slots=True)
class Launch:
    """A machine, with what the lines say of it."""

    identifier: str
    architecture: str
    provider: str
    """The provider's slug."""
    provider_type: str
    image: str
    """The image's slug."""
    version: str
    """The version's name."""
    channel: str | None = None
    """The channel that offers it, where one was chosen."""
    base: str = ""
    """Where the catalogue is reached; without it, the lines leave that open."""
    region: str = ""
    """The cloud's own name of the place, where it has one: see `aws_region`."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """One text to paste."""

    key: str
    title: str
    language: str
    text: str


_REGION = re.compile(
    r"(?<![a-z0-9])(?:af|ap|ca|cn|eu|il|me|mx|sa|us)(?:-gov|-iso[a-z]?)?"
    r"-(?:central|(?:north|south)(?:east|west)?|east|west)-\d(?![a-z0-9])"
)


def aws_region(*names: str) -> str:
    """The region that a provider's slug or name speaks of (`aws-eu-central-1`), else nothing."""
    found = [match[0] for name in names if (match := _REGION.search(name.lower()))]
    return found[0] if found else ""


def resolve(launch: Launch) -> str:
    """The path that leads to what the channel offers."""
    keys = (launch.image, launch.channel or "", launch.provider)
    path = "/resolve/" + "/".join(quote(key, safe="") for key in keys)
    query = urlencode({"architecture": launch.architecture}) if launch.architecture else ""
    return f"{path}?{query}" if query else path


def look_up(launch: Launch) -> str:
    query = {"identifier": launch.identifier, "provider": launch.provider}
    return f"/lookup?{urlencode(query)}"


def shell_address(launch: Launch, path: str) -> str:
    # Unset, it stops with a message that names it.
    return shell(launch.base + path) if launch.base else f'"${{GOLDENROD_URL:?}}"{shell(path)}'


def hcl_address(launch: Launch, path: str) -> str:
    return hcl(launch.base + path) if launch.base else f'"${{var.goldenrod_url}}{hcl(path)[1:]}'


def option(name: str, value: str) -> str:
    """An option with its value; one that looks like an option itself is tied to it."""
    return f"{name}={shell(value)}" if value.startswith("-") else f"{name} {shell(value)}"


def joined(*parts: str) -> str:
    """A command over several lines."""
    return " \\\n  ".join(part for part in parts if part)
