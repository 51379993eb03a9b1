"""Ready lines for a machine: what to paste into Terraform, a cloud's command line, Packer, cloud-init.

Where a channel was chosen, what can ask the catalogue again does (`/resolve/…`), so that it follows
the channel; the rest names the machine. Which lines there are depends on the provider's type; every
text in them is quoted (`quoting.py`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from goldenrod.web.pages.quoting import hcl, shell, yaml, yaml_block


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
class Ready:
    """One text to paste."""

    key: str
    title: str
    language: str
    text: str


def launch_lines(launch: Launch, scripts: Sequence[Mapping[str, Any]] = ()) -> tuple[Ready, ...]:
    """The lines for a machine. `scripts` are the version's boot scripts, as the API shows one."""
    cloud = _CLOUDS.get(launch.provider_type.lower())
    lines = [] if cloud is None else [make(launch) for make in cloud]
    return (*lines, _cloud_init(launch, scripts), _curl(launch), _goldenrod(launch))


_REGION = re.compile(
    r"(?<![a-z0-9])(?:af|ap|ca|cn|eu|il|me|mx|sa|us)(?:-gov|-iso[a-z]?)?"
    r"-(?:central|(?:north|south)(?:east|west)?|east|west)-\d(?![a-z0-9])"
)


def aws_region(*names: str) -> str:
    """The region that a provider's slug or name speaks of (`aws-eu-central-1`), else nothing."""
    found = [match[0] for name in names if (match := _REGION.search(name.lower()))]
    return found[0] if found else ""


# ── addresses ──────────────────────────────────────────────────────────────────────────────


def _resolve(launch: Launch) -> str:
    """The path that leads to what the channel offers."""
    keys = (launch.image, launch.channel or "", launch.provider)
    path = "/resolve/" + "/".join(quote(key, safe="") for key in keys)
    asked = urlencode({"architecture": launch.architecture}) if launch.architecture else ""
    return f"{path}?{asked}" if asked else path


def _look_up(launch: Launch) -> str:
    asked = {"identifier": launch.identifier, "provider": launch.provider}
    return f"/lookup?{urlencode(asked)}"


def _shell_address(launch: Launch, path: str) -> str:
    # Unset, it stops with a message that names it.
    return shell(launch.base + path) if launch.base else f'"${{GOLDENROD_URL:?}}"{shell(path)}'


def _hcl_address(launch: Launch, path: str) -> str:
    return hcl(launch.base + path) if launch.base else f'"${{var.goldenrod_url}}{hcl(path)[1:]}'


def _option(name: str, value: str) -> str:
    """An option with its value; one that looks like an option itself is tied to it."""
    return f"{name}={shell(value)}" if value.startswith("-") else f"{name} {shell(value)}"


def _joined(*parts: str) -> str:
    """A command over several lines."""
    return " \\\n  ".join(part for part in parts if part)


# ── Terraform ──────────────────────────────────────────────────────────────────────────────


def _terraform(resource: Callable[[str], str]) -> Callable[[Launch], Ready]:
    """Terraform, with the resource that uses an expression for the machine's id."""

    def make(launch: Launch) -> Ready:
        if launch.channel is None:
            text = resource(hcl(launch.identifier))
        else:
            asked = _TERRAFORM_ASKS.format(url=_hcl_address(launch, _resolve(launch)))
            text = asked + resource("trimspace(data.http.image.response_body)")
        if launch.channel is not None and not launch.base:
            text = 'variable "goldenrod_url" {\n  type = string\n}\n\n' + text
        return Ready("terraform", "Terraform", "hcl", text)

    return make


# The provider `http` takes any status for an answer: without this the id would be a problem's text.
_TERRAFORM_ASKS = """\
data "http" "image" {{
  url             = {url}
  request_headers = {{ Accept = "text/plain" }}

  lifecycle {{
    postcondition {{
      condition     = self.status_code == 200
      error_message = "The catalogue offers no image: ${{self.response_body}}"
    }}
  }}
}}

"""


def _aws_instance(expression: str) -> str:
    return f"""\
resource "aws_instance" "this" {{
  ami           = {expression}
  instance_type = var.instance_type
}}"""


def _openstack_instance(expression: str) -> str:
    return f"""\
resource "openstack_compute_instance_v2" "this" {{
  name        = var.name
  image_id    = {expression}
  flavor_name = var.flavor_name

  network {{
    name = var.network_name
  }}
}}"""


def _azure_instance(expression: str) -> str:
    return f"""\
resource "azurerm_linux_virtual_machine" "this" {{
  source_image_id = {expression}
  # and what else this resource requires
}}"""


def _google_instance(expression: str) -> str:
    return f"""\
resource "google_compute_instance" "this" {{
  name         = var.name
  machine_type = var.machine_type

  boot_disk {{
    initialize_params {{
      image = {expression}
    }}
  }}

  network_interface {{
    network = "default"
  }}
}}"""


# ── the clouds' command lines ──────────────────────────────────────────────────────────────


def _aws_type(launch: Launch) -> str:
    return "m7g.large" if launch.architecture in ("arm64", "aarch64") else "m7i.large"


def _aws(launch: Launch) -> Ready:
    text = _joined(
        "aws ec2 run-instances"
        + (f" {_option('--region', launch.region)}" if launch.region else ""),
        f"{_option('--image-id', launch.identifier)} --instance-type {_aws_type(launch)}",
    )
    return Ready("aws", "AWS CLI", "shell", text)


def _openstack(launch: Launch) -> Ready:
    text = _joined(
        f"openstack server create {_option('--image', launch.identifier)}",
        '--flavor "${FLAVOR:?}" --network "${NETWORK:?}" "${NAME:?}"',
    )
    return Ready("openstack", "OpenStack CLI", "shell", text)


def _azure(launch: Launch) -> Ready:
    text = _joined(
        f"az vm create {_option('--image', launch.identifier)}",
        '--resource-group "${GROUP:?}" --name "${NAME:?}"',
    )
    return Ready("azure", "Azure CLI", "shell", text)


def _google(launch: Launch) -> Ready:
    text = _joined(
        'gcloud compute instances create "${NAME:?}"', _option("--image", launch.identifier)
    )
    return Ready("gcloud", "gcloud", "shell", text)


# ── Packer ─────────────────────────────────────────────────────────────────────────────────


def _packer(source: str, *lines: str) -> Callable[[Launch], Ready]:
    """Packer, for what is built on the machine; `{id}` and `{region}` stand in the lines."""

    def make(launch: Launch) -> Ready:
        given = {
            "id": hcl(launch.identifier),
            "region": hcl(launch.region),
            "type": _aws_type(launch),
        }
        kept = [line for line in lines if launch.region or "{region}" not in line]
        body = "\n".join(f"  {line.format(**given)}" for line in kept)
        return Ready("packer", "Packer", "hcl", f'source "{source}" "child" {{\n{body}\n}}')

    return make


_CLOUDS: dict[str, tuple[Callable[[Launch], Ready], ...]] = {
    "aws": (
        _terraform(_aws_instance),
        _aws,
        _packer(
            "amazon-ebs",
            "region        = {region}",
            "source_ami    = {id}",
            'instance_type = "{type}"',
            "ssh_username  = var.ssh_username",
            "ami_name      = var.ami_name",
        ),
    ),
    "openstack": (
        _terraform(_openstack_instance),
        _openstack,
        _packer(
            "openstack",
            "source_image = {id}",
            "flavor       = var.flavor",
            "ssh_username = var.ssh_username",
            "image_name   = var.image_name",
        ),
    ),
    "azure": (
        _terraform(_azure_instance),
        _azure,
    ),
    "gcp": (
        _terraform(_google_instance),
        _google,
    ),
}


# ── everywhere ─────────────────────────────────────────────────────────────────────────────


def _cloud_init(launch: Launch, scripts: Sequence[Mapping[str, Any]]) -> Ready:
    """User data that leaves in the instance what it was made from, and runs the boot scripts."""
    facts = {"GOLDENROD_IMAGE": launch.image}
    if launch.channel is None:
        facts |= {"GOLDENROD_VERSION": launch.version, "GOLDENROD_MACHINE": launch.identifier}
    else:
        # Which version the channel offers when it is launched is not known yet.
        facts |= {"GOLDENROD_CHANNEL": launch.channel, "GOLDENROD_PROVIDER": launch.provider}
    told = "".join(f"{name}={shell(value)}\n" for name, value in facts.items())
    files = [_file("/etc/goldenrod-image", "0644", told)]
    for number, script in enumerate(scripts, start=1):
        often = "per-boot" if script["run_every_deploy"] else "per-instance"
        path = f"/var/lib/cloud/scripts/{often}/{number:02d}-goldenrod"
        files.append(_file(path, "0755", _script_text(script), str(script["title"])))
    text = "\n".join(["#cloud-config", "write_files:", *files, ""])
    return Ready("cloud-init", "cloud-init", "yaml", text)


def _file(path: str, permissions: str, content: str, title: str = "") -> str:
    about = f"  # {yaml(title)}\n" if title else ""
    return (
        f'{about}  - path: {path}\n    permissions: "{permissions}"\n'
        f"    content: {yaml_block(content, ' ' * 6)}"
    )


def _script_text(script: Mapping[str, Any]) -> str:
    """A script's text; of one that is an address, a script that fetches and runs it."""
    text = str(script["text"])
    if script["type"] != "URL":
        return text
    return (
        "#!/bin/sh\nset -e\nfetched=$(mktemp)\n"
        f'curl -fsSL -o "$fetched" -- {shell(text)}\nchmod 700 "$fetched"\nexec "$fetched"\n'
    )


def _curl(launch: Launch) -> Ready:
    if launch.channel is None:
        text = _joined("curl -fsS", _shell_address(launch, _look_up(launch)))
    else:
        accept = "curl -fsS -H 'Accept: text/plain'"
        text = _joined(accept, _shell_address(launch, _resolve(launch)))
    return Ready("curl", "curl", "shell", text)


def _goldenrod(launch: Launch) -> Ready:
    if launch.channel is None:
        end = "-- " if launch.identifier.startswith("-") else ""
        provider = _option("--provider", launch.provider)
        text = f"goldenrod whatis {provider} {end}{shell(launch.identifier)}"
    else:
        where = " ".join(map(shell, (launch.image, launch.channel, launch.provider)))
        one = f" {_option('--architecture', launch.architecture)}" if launch.architecture else ""
        text = f"goldenrod resolve {where}{one}"
    return Ready("goldenrod", "goldenrod", "shell", text)
