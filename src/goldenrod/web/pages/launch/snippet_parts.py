"""A machine to launch, a snippet for it, and the parts that all snippets use.

All values are quoted (`quoting.py`), and the parts of an address are percent-encoded. A value that
looks like an option is joined to its own option with `=`.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from goldenrod.web.pages.launch.quoting import hcl, shell


@dataclass(frozen=True, slots=True)
class Launch:
    """A machine to launch, with the facts that snippets use."""

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
    """The channel that offers it, if one was chosen."""
    base: str = ""
    """The URL of this catalogue. If empty, snippets use a variable instead."""
    needs_token: bool = False
    """The catalogue answers for it only to somebody who is known, so snippets send a token."""
    version_id: str = ""
    """The version's id."""
    region: str = ""
    """The cloud's own name of the region, if known; see `aws_region`."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A text to paste."""

    key: str
    title: str
    language: str
    text: str


_REGION = re.compile(
    r"(?<![a-z0-9])(?:af|ap|ca|cn|eu|il|me|mx|sa|us)(?:-gov|-iso[a-z]?)?"
    r"-(?:central|(?:north|south)(?:east|west)?|east|west)-\d(?![a-z0-9])"
)


def aws_region(*names: str) -> str:
    """The AWS region in a provider's slug or name (`aws-eu-central-1`), or an empty text."""
    found = [match[0] for name in names if (match := _REGION.search(name.lower()))]
    return found[0] if found else ""


def resolve(launch: Launch) -> str:
    """The path that resolves the channel."""
    keys = (launch.image, launch.channel or "", launch.provider)
    path = "/resolve/" + "/".join(quote(key, safe="") for key in keys)
    query = urlencode({"architecture": launch.architecture}) if launch.architecture else ""
    return f"{path}?{query}" if query else path


def look_up(launch: Launch) -> str:
    """The path that looks the machine up."""
    query = {"identifier": launch.identifier, "provider": launch.provider}
    return f"/lookup?{urlencode(query)}"


def shell_address(launch: Launch, path: str) -> str:
    # If the variable is unset, the shell stops with a message that names it.
    return shell(launch.base + path) if launch.base else f'"${{GOLDENROD_URL:?}}"{shell(path)}'


def curl_token(launch: Launch) -> str:
    """The option of curl that sends the token of the variable GOLDENROD_TOKEN, where one is needed."""
    return '-H "Authorization: Token ${GOLDENROD_TOKEN:?}"' if launch.needs_token else ""


def hcl_address(launch: Launch, path: str) -> str:
    return hcl(launch.base + path) if launch.base else f'"${{var.goldenrod_url}}{hcl(path)[1:]}'


def option(name: str, value: str) -> str:
    """An option with its value. A value that looks like an option is joined with `=`."""
    return f"{name}={shell(value)}" if value.startswith("-") else f"{name} {shell(value)}"


def joined(*parts: str) -> str:
    """A command on several lines."""
    return " \\\n  ".join(part for part in parts if part)
