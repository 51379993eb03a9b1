"""What Terraform reads without a provider of ours: a state with outputs, and modules with outputs.

`…/channels/{name}/tfstate` is for `terraform_remote_state` with the backend `http`. The other handlers
are the module registry protocol: `HOST/IMAGE/CHANNEL/channel` is a module whose outputs are what the
channel offers, `HOST/images/IMAGE/version` one of what a version offers.
"""

import io
import json
import re
import zipfile
from collections import defaultdict
from typing import Any

import falcon

from goldenrod.base.errors import NotFound
from goldenrod.catalogue.channels import offers
from goldenrod.catalogue.channels.offers import Offers
from goldenrod.rules import resources
from goldenrod.rules.access import Actor
from goldenrod.store.db import Row, Tx
from goldenrod.web.api.handlers import one
from goldenrod.web.pages.launch.quoting import hcl
from goldenrod.web.request import JSON, Request, Response, written

DISCOVERY = "/.well-known/terraform.json"
"""Where Terraform asks a host which services it has."""
ZIP = "application/zip"
ARCHIVE = "./machines.zip"

_NUMBERS = re.compile(r"v?([0-9]{1,18}(?:[.-][0-9]{1,18})*)", re.ASCII)
_PRERELEASE = re.compile(
    r"v?([0-9]{1,18}(?:\.[0-9]{1,18})*)-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)", re.ASCII
)


class Discovery:
    """The document that names the services of this host for Terraform."""

    def __init__(self, api: str) -> None:
        self._body = written({"modules.v1": f"{api}/terraform/"})

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = JSON
        resp.set_header("Cache-Control", "public, no-cache")
        resp.set_header("ETag", resources.etag(self._body))
        resp.text = self._body


# ── a state ────────────────────────────────────────────────────────────────────────────────────


def get_state(request: Request, key: str, name: str) -> Response:
    """GET what a channel offers as a Terraform state, which has outputs and no resources."""
    with request.read() as (tx, actor):
        found = offers.channel_offers(tx, actor, key, name)
        request.no_arguments()
    by_kind = ["map", ["map", "string"]]
    types = {"machines": by_kind, "versions": by_kind, "warnings": ["list", "string"]}
    outputs = {
        name: {"value": value, "type": types.get(name, "string")}
        for name, value in _outputs(found).items()
    }
    state = {
        "version": 4,
        "terraform_version": "1.0.0",
        "serial": 1,
        "lineage": found.image["uuid"],
        "outputs": outputs,
        "resources": [],
        "check_results": None,
    }
    return one(written(state))


def _outputs(found: Offers) -> dict[str, Any]:
    """The outputs of a state or a module, by name."""
    warned = {row["id"]: _warning(found, row) for row in found.rows if row["deprecated"]}
    return {
        "image": found.image["slug"],
        "channel": found.channel or "",
        "machines": _by_kind(found, "identifier"),
        "versions": _by_kind(found, "name"),
        "warnings": list(warned.values()),
    }


def _by_kind(found: Offers, column: str) -> dict[str, dict[str, str]]:
    """One column of the machines, by provider and architecture."""
    values: dict[str, dict[str, str]] = defaultdict(dict)
    for row in found.rows:
        values[row["provider"]][row["architecture"]] = row[column]
    return dict(values)


def _warning(found: Offers, row: Row) -> str:
    reason = f": {row['deprecation_reason']}" if row["deprecation_reason"] else "."
    return f"{found.image['slug']}/{row['name']} is deprecated{reason}"


# ── modules ────────────────────────────────────────────────────────────────────────────────────


def list_versions(request: Request, namespace: str, name: str, system: str) -> Response:
    """GET the versions of a module."""
    with request.read() as (tx, actor):
        if system == "channel":
            found = [_number_of(offers.channel_offers(tx, actor, namespace, name))]
        else:
            found = list(_numbered(tx, actor, namespace, name, system)[1])
        request.no_arguments()
    versions = [{"version": number} for number in found]
    return one(written({"modules": [{"versions": versions}]}))


def get_download(request: Request, namespace: str, name: str, system: str, number: str) -> Response:
    """GET where the archive of a module is, relative to this address: in a header, as Terraform reads
    it, and in the body."""
    with request.read() as (tx, actor):
        _find(tx, actor, namespace, name, system, number)
        request.no_arguments()
    return one(written({"location": ARCHIVE}), headers={"X-Terraform-Get": ARCHIVE})


def get_archive(request: Request, namespace: str, name: str, system: str, number: str) -> Response:
    """GET the archive of a module. The same machines give the same bytes."""
    with request.read() as (tx, actor):
        found = _find(tx, actor, namespace, name, system, number)
        request.no_arguments()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("main.tf"), _module(found))
    data = packed.getvalue()
    return Response(etag=resources.etag(data), media_type=ZIP, archive=data)


def _find(tx: Tx, actor: Actor, namespace: str, name: str, system: str, number: str) -> Offers:
    """What a module of this number offers. Raises NotFound."""
    if system == "channel":
        found = offers.channel_offers(tx, actor, namespace, name)
        if _number_of(found) != number:
            raise NotFound("The channel offers another version now. Run terraform init -upgrade.")
        return found
    image, numbered = _numbered(tx, actor, namespace, name, system)
    if number not in numbered:
        raise NotFound()
    return offers.version_offers(tx, actor, image, numbered[number])


def _numbered(
    tx: Tx, actor: Actor, namespace: str, name: str, system: str
) -> tuple[Row, dict[str, int]]:
    """An image, and the keys of its versions by number, newest first. Of names that give the same
    number, the oldest version has it, so that a number never comes to mean another build."""
    if (namespace, system) != ("images", "version"):
        raise NotFound()
    image, rows = offers.list_launchable(tx, actor, name)
    numbers = {number: row["n"] for row in rows if (number := number_of(row["name"]))}
    return image, numbers


def number_of(name: str) -> str | None:
    """A version's name as Terraform writes versions: 2024.1 is 2024.1.0, and 20240523-2 is
    20240523.2.0. None for a name that is no such number."""
    if match := _NUMBERS.fullmatch(name):
        return _padded(re.split("[.-]", match[1]))
    if match := _PRERELEASE.fullmatch(name):
        return f"{_padded(match[1].split('.'))}-{match[2]}"
    return None


def _padded(pieces: list[str]) -> str:
    plain = [piece.lstrip("0") or "0" for piece in pieces]
    return ".".join(plain + ["0"] * (3 - len(plain)))


def _number_of(found: Offers) -> str:
    """The number of a channel's module: that of the newest version that it offers. A name that is no
    number, or only a pre-release, which Terraform passes over, is numbered by its date."""
    newest = max(found.rows, key=lambda row: (row["start_date"], row["id"]))
    number = number_of(newest["name"])
    if number and "-" not in number:
        return number
    date, time = re.sub("[-:]", "", newest["start_date"][:19]).split("T")
    return _padded(["0", date, time])


def _module(found: Offers) -> str:
    """The text of a module: its outputs, and nothing else."""
    outputs = (
        f"output {json.dumps(name)} {{\n  value = {_literal(value, '  ')}\n}}\n"
        for name, value in _outputs(found).items()
    )
    return "# Written by Goldenrod. Machines are by provider, then architecture.\n\n" + "\n".join(
        outputs
    )


def _literal(value: Any, indent: str) -> str:
    """A value in Terraform's language."""
    if isinstance(value, str):
        return hcl(value)
    deeper = indent + "  "
    if isinstance(value, list):
        return f"[{', '.join(_literal(it, deeper) for it in value)}]"
    lines = "".join(f"{deeper}{hcl(name)} = {_literal(it, deeper)}\n" for name, it in value.items())
    return f"tomap({{\n{lines}{indent}}})"
