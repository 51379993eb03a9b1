"""Content codings: which one a request accepts, and the bytes of an answer in it.

Only texts are compressed, and only from `FEWEST_BYTES` on. That is fewer bytes than compressing saves
any: but a proxy that compresses would compress such an answer too and weaken its tag, and with a
weak tag nobody can change what was read. Both libraries let other threads run meanwhile.

Never compressed are answers for the session of a browser, and answers with a new secret. Whoever can
put text into a page beside a secret, and can see how long the answer is, could guess the secret
letter by letter (BREACH).
"""

import gzip
import re
import sys
from functools import lru_cache

from goldenrod.base.entity_tags import CODINGS

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

IDENTITY = "identity"
FEWEST_BYTES = 64

UNCOMPRESSED = "goldenrod.uncompressed"
"""The name under which a request's environment says that its answer must not be compressed."""
UNCHANGING = "goldenrod.unchanging"
"""The same for an answer that never changes: its coded forms are cached for good."""

_TYPES = frozenset(
    {"application/json", "application/problem+json", "application/atom+xml", "image/svg+xml"}
)
_ITEM = re.compile(
    r"([!#$%&'*+.^_`|~\w-]+)(?:\s*;\s*q=([01](?:\.\d{0,3})?))?", re.ASCII | re.IGNORECASE
)
_GZIP_LEVEL = 5
_MOST_FILES = 100


@lru_cache(1_000)
def _weights(accepted: str) -> dict[str, float]:
    """The weight of each coding that an Accept-Encoding names; malformed parts are left out."""
    found = (_ITEM.fullmatch(part.strip()) for part in accepted.split(","))
    named = {match[1].lower(): float(match[2] or 1) for match in found if match}
    if "x-gzip" in named:
        named.setdefault("gzip", named["x-gzip"])
    return named


def accepts(accepted: str | None, coding: str) -> bool:
    """Whether a request with this Accept-Encoding accepts the coding. Without one it accepts all."""
    if accepted is None:
        return True
    named = _weights(accepted)
    return named.get(coding, named.get("*", coding == IDENTITY)) > 0


def choose(accepted: str | None) -> str:
    """The coding for a request with this Accept-Encoding: the one that it likes best, of those that it
    likes equally a compressed one. Where it accepts none, the answer is not compressed."""
    if not accepted:
        return IDENTITY
    named = _weights(accepted)
    best, weight = IDENTITY, named.get(IDENTITY, 0.0)
    for coding in reversed(CODINGS):
        given = named.get(coding, named.get("*", 0.0))
        if given and given >= weight:
            best, weight = coding, given
    return best


def is_text(media_type: str, size: int) -> bool:
    """Whether an answer of this type and size is compressed."""
    kind = media_type.partition(";")[0].strip().lower()
    return size >= FEWEST_BYTES and (kind in _TYPES or kind.startswith("text/"))


def compress(body: bytes, coding: str) -> bytes:
    """The body in this coding."""
    return zstd.compress(body) if coding == "zstd" else gzip.compress(body, _GZIP_LEVEL, mtime=0)


compress_file = lru_cache(_MOST_FILES)(compress)
"""The same for the files of the server, each compressed once."""
