"""The files that pages load: styles, scripts, the logo, the documents' pictures. All come from this
server.

Each address has a hash of all files, so that browsers can cache a file for good and still load those of
a new release. The style sheets are joined from `static/styles/` in the order below.
"""

import hashlib
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

STATIC = Path(str(files("goldenrod.web") / "static"))
DOCUMENTS = Path(str(files("goldenrod.web") / "documents"))
"""The documents, `docs/*.md`, with their pictures."""
STYLES = {
    "style.css": ("base", "parts", "tables", "use", "picture", "home", "media"),
    "forms.css": ("forms", "account", "edit", "admin", "compare"),
    "help.css": ("help",),
}
"""The style sheets, each joined from files of `static/styles/`. Home and the pages of images and
versions load only the first one."""
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


class Asset(NamedTuple):
    """One file: its bytes, media type and ETag."""

    content: bytes
    media_type: str
    etag: str


@cache
def assets() -> dict[str, Asset]:
    """All files, by name."""
    found = {
        sheet: lean(
            "\n".join((STATIC / "styles" / f"{name}.css").read_text() for name in names)
        ).encode()
        for sheet, names in STYLES.items()
    }
    pictures = (*DOCUMENTS.glob("*.svg"), *DOCUMENTS.glob("screenshots/*.png"))
    for path in sorted((*STATIC.glob("*.js"), *STATIC.glob("*.svg"), *pictures)):
        found[path.name] = path.read_bytes()
    return {
        name: Asset(content, TYPES[Path(name).suffix], f'"{_hash(content)}"')
        for name, content in found.items()
    }


def lean(style: str) -> str:
    """A style sheet without comments, superfluous spaces and zeros."""
    bare = re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)
    bare = re.sub(r"(?<=[ (,:])0(?=\.\d)", "", bare)
    return re.sub(r"\s*([{};])\s*", r"\1", bare).strip()


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


@cache
def edition() -> str:
    """The hash in the addresses of all files. It changes when any file changes."""
    return _hash("".join(asset.etag for asset in assets().values()).encode())


def address(name: str) -> str:
    """The address of a file."""
    assert name in assets(), name
    return f"/static/{edition()}/{name}"
