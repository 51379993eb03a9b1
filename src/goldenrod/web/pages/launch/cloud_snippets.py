"""Snippets for each kind of cloud: Terraform, the cloud's own command line, Packer."""

import re
from collections.abc import Callable

from goldenrod.web.pages.launch.quoting import hcl
from goldenrod.web.pages.launch.snippet_parts import (
    Launch,
    Snippet,
    hcl_address,
    joined,
    option,
    resolve,
)

# ── Terraform ──────────────────────────────────────────────────────────────────────────────


def _terraform(resource: Callable[[str], str]) -> Callable[[Launch], Snippet]:
    """A Terraform snippet; `resource` renders a resource from an expression for the machine's id."""

    def make(launch: Launch) -> Snippet:
        if launch.channel is None:
            text = resource(hcl(launch.identifier))
        else:
            headers = 'Accept = "text/plain"'
            if launch.needs_token:
                headers += ', Authorization = "Token ${var.goldenrod_token}"'
            url = hcl_address(launch, resolve(launch))
            request = _TERRAFORM_REQUEST.format(url=url, headers=headers)
            text = request + resource("trimspace(data.http.image.response_body)")
        if launch.channel is not None and not launch.base:
            text = 'variable "goldenrod_url" {\n  type = string\n}\n\n' + text
        if launch.channel is not None and launch.needs_token:
            text = _TERRAFORM_VARIABLE + text
        return Snippet("terraform", "Terraform", "hcl", text)

    return make


# Terraform reads it from the environment variable TF_VAR_goldenrod_token.
_TERRAFORM_VARIABLE = """\
variable "goldenrod_token" {
  type      = string
  sensitive = true
}

"""

# The provider `http` accepts any status. Without this check an error text would become the id.
_TERRAFORM_REQUEST = """\
data "http" "image" {{
  url             = {url}
  request_headers = {{ {headers} }}

  lifecycle {{
    postcondition {{
      condition     = self.status_code == 200
      error_message = "The catalogue offers no image: ${{self.response_body}}"
    }}
  }}
}}

"""


def _module(resource: Callable[[str], str]) -> Callable[[Launch], Snippet | None]:
    """A Terraform snippet that takes the machine from the channel's module, whose registry is the
    catalogue. None where Terraform could not take its address: it asks by HTTPS, a host with a dot, and
    names without dots."""

    def make(launch: Launch) -> Snippet | None:
        host = _MODULE_HOST.fullmatch(launch.base)
        if not host or not _MODULE_NAME.fullmatch(launch.channel or ""):
            return None
        keys = f"[{hcl(launch.provider)}][{hcl(launch.architecture)}]"
        source = hcl(f"{host[1]}/{launch.image}/{launch.channel}/channel")
        text = _MODULE_ACCESS.format(host=hcl(host[1])) if launch.needs_token else ""
        text += f'module "image" {{\n  source = {source}\n}}\n\n'
        return Snippet("module", "Module", "hcl", text + resource(f"module.image.machines{keys}"))

    return make


_MODULE_HOST = re.compile(r"https://([a-z0-9-]+(?:\.[a-z0-9-]+)+(?::[0-9]+)?)", re.ASCII)
_MODULE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?", re.ASCII)
_MODULE_ACCESS = """\
# Terraform reads the token from its settings: credentials {host} {{ token = "…" }},
# and for the archive from the netrc file, as the password.
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
  # and the other arguments that this resource requires
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
    return "m7g.large" if launch.architecture == "arm64" else "m7i.large"


def _aws(launch: Launch) -> Snippet:
    text = joined(
        "aws ec2 run-instances"
        + (f" {option('--region', launch.region)}" if launch.region else ""),
        f"{option('--image-id', launch.identifier)} --instance-type {_aws_type(launch)}",
    )
    return Snippet("aws", "AWS CLI", "shell", text)


def _openstack(launch: Launch) -> Snippet:
    text = joined(
        f"openstack server create {option('--image', launch.identifier)}",
        '--flavor "${FLAVOR:?}" --network "${NETWORK:?}" "${NAME:?}"',
    )
    return Snippet("openstack", "OpenStack CLI", "shell", text)


def _azure(launch: Launch) -> Snippet:
    text = joined(
        f"az vm create {option('--image', launch.identifier)}",
        '--resource-group "${GROUP:?}" --name "${NAME:?}"',
    )
    return Snippet("azure", "Azure CLI", "shell", text)


def _google(launch: Launch) -> Snippet:
    text = joined(
        'gcloud compute instances create "${NAME:?}"', option("--image", launch.identifier)
    )
    return Snippet("gcloud", "gcloud", "shell", text)


# ── Packer ─────────────────────────────────────────────────────────────────────────────────


def _packer(source: str, *lines: str) -> Callable[[Launch], Snippet]:
    """A Packer snippet that builds on the machine. `lines` may have `{id}`, `{region}`, `{type}`."""

    def make(launch: Launch) -> Snippet:
        given = {
            "id": hcl(launch.identifier),
            "region": hcl(launch.region),
            "type": _aws_type(launch),
        }
        shown = [line for line in lines if launch.region or "{region}" not in line]
        body = "\n".join(f"  {line.format(**given)}" for line in shown)
        return Snippet("packer", "Packer", "hcl", f'source "{source}" "child" {{\n{body}\n}}')

    return make


CLOUDS: dict[str, tuple[Callable[[Launch], Snippet | None], ...]] = {
    "aws": (
        _terraform(_aws_instance),
        _module(_aws_instance),
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
        _module(_openstack_instance),
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
        _module(_azure_instance),
        _azure,
    ),
    "gcp": (
        _terraform(_google_instance),
        _module(_google_instance),
        _google,
    ),
}
