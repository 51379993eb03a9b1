"""What pages load besides themselves: styles, scripts, the mark. Nothing comes from elsewhere.

An address carries a hash of all of them, so that browsers keep each for good and a new release is
seen at once. The style sheet is one file made of the parts in `static/styles/`, in the order below.
"""

import hashlib
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

STATIC = Path(str(files("goldenrod.web") / "static"))
STYLES = ("base", "parts", "tables", "use", "picture", "forms", "home", "account", "edit", "admin")
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """One file: its bytes and their type."""

    content: bytes
    media_type: str
    etag: str


@cache
def assets() -> dict[str, Asset]:
    """All of them, by name."""
    style = "\n".join((STATIC / "styles" / f"{name}.css").read_text() for name in STYLES)
    found = {"style.css": lean(style).encode()}
    for path in sorted((*STATIC.glob("*.js"), *STATIC.glob("*.svg"))):
        found[path.name] = path.read_bytes()
    return {
        name: Asset(content, TYPES[Path(name).suffix], f'"{_hash(content)}"')
        for name, content in found.items()
    }


def lean(style: str) -> str:
    """A style sheet without comments, and without spaces that say nothing."""
    bare = re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)
    return re.sub(r"\s*([{};])\s*", r"\1", bare).strip()


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


@cache
def edition() -> str:
    """What the addresses of all assets carry: it changes when any of them does."""
    return _hash("".join(asset.etag for asset in assets().values()).encode())


def address(name: str) -> str:
    """Where an asset is loaded from."""
    assert name in assets(), name
    return f"/static/{edition()}/{name}"
