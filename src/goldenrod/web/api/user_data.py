"""User data: the boot scripts of a version as one MIME multipart, which cloud-init takes at launch.

Each script is a part, in the version's order. Its type is found by how it begins, as cloud-init does.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from email.encoders import encode_base64
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from typing import Any

from goldenrod.base.errors import Conflict
from goldenrod.base.text import slug
from goldenrod.catalogue.versions import licenses_scripts
from goldenrod.web.api.handlers import TEXT, one
from goldenrod.web.request import Request, Response

MOST_USER_DATA = 1024 * 1024
"""The most bytes of boot scripts that are put together. No cloud takes as much; without a limit, one
request could cost seconds."""

_TYPES = {
    "#!": "x-shellscript",
    "#cloud-boothook": "cloud-boothook",
    "#cloud-config": "cloud-config",
    "#cloud-config-archive": "cloud-config-archive",
    "#cloud-config-jsonp": "cloud-config-jsonp",
    "#include": "x-include-url",
    "#include-once": "x-include-once-url",
    "#part-handler": "part-handler",
    "## template: jinja": "jinja2",
}
"""How a text begins, and its MIME subtype for cloud-init."""
_NOTHING = "#cloud-config\n{}\n"
"""What cloud-init takes and does nothing about, for a version without boot scripts."""
_PLAIN = re.compile(r"[\n\t -~]*", re.ASCII)


def get_user_data(request: Request, key: str) -> Response:
    """GET the boot scripts of a version as user data for cloud-init."""
    with request.read() as (tx, actor):
        scripts = licenses_scripts.list_scripts_of(tx, actor, key)
        request.no_arguments()
    if sum(len(str(script["text"]).encode()) for script in scripts) > MOST_USER_DATA:
        raise Conflict(
            f"This version has more than {MOST_USER_DATA // 2**20} MiB of boot scripts, which no cloud "
            "takes as user data. Read them one by one.",
            code="user_data_too_large",
        )
    return one(user_data(scripts), media_type=TEXT)


def user_data(scripts: Sequence[Mapping[str, Any]]) -> str:
    """The multipart of scripts, in the API's form. The same scripts give the same bytes."""
    parts = [_part(number, script) for number, script in enumerate(scripts, start=1)]
    if not parts:
        parts = [_encoded(MIMENonMultipart("text", "cloud-config"), _NOTHING)]
    texts = "\0".join(part.as_string() for part in parts)
    boundary = f"=={hashlib.sha256(texts.encode()).hexdigest()[:40]}=="
    whole = MIMEMultipart(boundary=boundary, _subparts=parts)
    return whole.as_string()


def _part(number: int, script: Mapping[str, Any]) -> MIMENonMultipart:
    text, kind = str(script["text"]), "x-include-url"
    if script["type"] == "URL":
        text = f"#include\n{text}\n"
    else:
        kind = _kind(text)
        if kind == "x-shellscript" and script["run_every_deploy"]:
            kind = "x-shellscript-per-boot"
    part = _encoded(MIMENonMultipart("text", kind, charset="utf-8"), text)
    # cloud-init runs shell scripts in the order of their file names.
    name = f"{number:03d}-{slug(script['title'], fallback='script')}"
    part.add_header("Content-Disposition", "attachment", filename=name)
    return part


def _kind(text: str) -> str:
    """The MIME subtype of a text. cloud-init passes over plain text."""
    begins = text.lstrip()[:40].lower()
    matching = [mark for mark in _TYPES if begins.startswith(mark)]
    return _TYPES[max(matching, key=len)] if matching else "plain"


def _encoded(part: MIMENonMultipart, text: str) -> MIMENonMultipart:
    """The part with its text: as it is if all of it is plain ASCII, so that it can be read and stays
    short; else in base64."""
    part.set_payload(text if _PLAIN.fullmatch(text) else text.encode())
    if not _PLAIN.fullmatch(text):
        encode_base64(part)
    return part
