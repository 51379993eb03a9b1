"""Reads files of a mirror: below a directory, or over HTTP.

Paths are relative to the mirror's base. A path that leads out of it is refused, and so is a redirect to
another host, or from https to http. At most `MOST_BYTES` of a file are read, and an answer whose body
does not have its declared length is an error.
"""

import re
import time
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import quote, unquote

import httpx

from goldenrod import __version__
from goldenrod.sources.files.document import MOST_BYTES, Unreadable, read_file, shown, size_text

MOST_REDIRECTS = 5
STEP_SECONDS = 30.0
"""The longest wait for a connection, or for the next part of an answer."""
MOST_SECONDS = 600.0
"""The longest time that one file may take."""

_HEADERS = {"accept-encoding": "identity", "user-agent": f"Goldenrod/{__version__}"}
_NOT_KEPT = httpx.Limits(max_keepalive_connections=0)
_MISSING = (403, 404, 410)
"""Amazon's stores answer 403 for what they do not have."""
_REDIRECTS = (301, 302, 303, 307, 308)
_SAFE = "/:@!$&'()*+,;=~"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class NotThere(Unreadable):
    """The mirror does not have the file."""


class Mirror(Protocol):
    """Where the files of a tree are. `name` is how the mirror is called as a provider."""

    name: str

    def read(self, path: str) -> bytes:
        """The bytes of a file. Raises Unreadable, or NotThere."""


def mirror(base: str, directory: Path, source: str) -> Mirror:
    """The mirror with this base: a URL, or a directory relative to `directory`.

    A base that already leads into `streams/v1` is cut before it. Raises Unreadable.
    """
    base = base.split("streams/v1", 1)[0] if "/streams/v1" in f"/{base}" else base
    if re.match(r"https?://", base, re.IGNORECASE):
        return _HttpMirror(base)
    return _DirectoryMirror(directory / base.removeprefix("file://"), source)


def inner_path(path: str) -> str:
    """A path that stays below the base. Raises Unreadable for any other."""
    parts = PurePosixPath(unquote(path)).parts
    outside = path.startswith("/") or "://" in path or "\\" in path or ".." in parts
    if outside or not parts or _CONTROLS.search(path) or len(path) > 4096:
        raise Unreadable(f"the path {shown(path)!r} does not lead to a file of the mirror")
    return path


class _DirectoryMirror:
    def __init__(self, base: Path, name: str) -> None:
        self._base = base
        self.name = name

    def read(self, path: str) -> bytes:
        target = self._base / inner_path(path)
        try:
            if not target.resolve().is_relative_to(self._base.resolve()):
                raise Unreadable(f"{shown(path)}: is a link out of the directory")
            exists = target.exists()
        except (OSError, RuntimeError, ValueError):
            raise Unreadable(f"{shown(path)}: cannot be read") from None
        if not exists:
            raise NotThere(f"{shown(path)}: is not there")
        return read_file(target, shown(path))


class _HttpMirror:
    def __init__(self, base: str) -> None:
        try:
            self._base = httpx.URL(base if base.endswith("/") else f"{base}/")
        except httpx.InvalidURL:
            raise Unreadable("the base is not a valid URL") from None
        if self._base.userinfo:
            raise Unreadable("the base must not contain a name or password to sign in with")
        if not self._base.host or self._base.query or self._base.fragment:
            raise Unreadable("the base must be a URL such as https://images.example.org/releases/")
        self.name = f"{self._base.netloc.decode()}{self._base.path}".rstrip("/")
        self._client = httpx.Client(timeout=STEP_SECONDS, headers=_HEADERS, limits=_NOT_KEPT)

    def read(self, path: str) -> bytes:
        """The file, after at most MOST_REDIRECTS redirects on the same host."""
        url = self._base.join(quote(f"./{inner_path(path)}", safe=_SAFE))
        deadline = time.monotonic() + MOST_SECONDS
        try:
            for _ in range(MOST_REDIRECTS + 1):
                with self._client.stream("GET", url) as answer:
                    if answer.status_code not in _REDIRECTS:
                        return _body(answer, shown(path), deadline)
                    url = _redirected(url, answer.headers.get("location", ""), shown(path))
        except httpx.TimeoutException:
            raise Unreadable(
                f"{shown(path)}: there was no answer within {STEP_SECONDS:.0f} seconds"
            ) from None
        except httpx.RemoteProtocolError:
            raise Unreadable(f"{shown(path)}: the answer was cut, or is not valid HTTP") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as wrong:
            what = shown(str(wrong)) or type(wrong).__name__
            raise Unreadable(f"{shown(path)}: the connection failed: {what}") from None
        raise Unreadable(f"{shown(path)}: is redirected more than {MOST_REDIRECTS} times")


def _redirected(url: httpx.URL, location: str, path: str) -> httpx.URL:
    """The address that a redirect leads to. Raises Unreadable where it leaves the host, or https."""
    target = url.join(location)
    if target.scheme != url.scheme and (url.scheme, target.scheme) != ("http", "https"):
        raise Unreadable(f"{path}: is redirected from {url.scheme} to {shown(target.scheme)}")
    same_port = target.scheme != url.scheme or target.port == url.port
    if target.host != url.host or not same_port or target.userinfo:
        raise Unreadable(f"{path}: is redirected to another host, {shown(target.host)}")
    return target


def _body(answer: httpx.Response, path: str, deadline: float) -> bytes:
    if answer.status_code in _MISSING:
        raise NotThere(f"{path}: the mirror answered {answer.status_code}")
    if answer.status_code != 200:
        raise Unreadable(f"{path}: the mirror answered {answer.status_code}")
    # A compressed body could be small and unpack to anything.
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise Unreadable(f"{path}: the mirror answered with a compressed body unasked")
    parts = bytearray()
    for part in answer.iter_raw():
        parts += part
        if len(parts) > MOST_BYTES:
            raise Unreadable(f"{path}: is larger than {size_text(MOST_BYTES)}")
        if time.monotonic() > deadline:
            raise Unreadable(f"{path}: took longer than {MOST_SECONDS:.0f} seconds")
    return bytes(parts)
