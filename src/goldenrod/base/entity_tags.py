"""Entity tags (RFC 9110 §8.8.3): the tags that a request names, compared with an answer's tag.

An answer may be sent compressed. Each coded form of it has other bytes, and so a tag of its own:
`"abc-gzip"` is the gzip form of `"abc"`. All forms are of the same content: a condition of a change
accepts the tag of any of them.
"""

import re

CODINGS = ("zstd", "gzip")
"""The content codings that answers are sent in. If a request likes them equally, the first is used."""

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def of_form(etag: str, coding: str) -> str:
    """The tag of the form with this coding of an answer with this tag."""
    return f'{etag[:-1]}-{coding}"'


def forms(etag: str) -> set[str]:
    """The tags of all forms of an answer with this tag."""
    return {etag, *(of_form(etag, coding) for coding in CODINGS)}


def named(header: str) -> list[str]:
    """The tags that If-Match or If-None-Match names, or a `*`; none if it is malformed."""
    if header.strip() == "*":
        return ["*"]
    if _TAG.sub("", header).strip(" \t,"):
        return []
    return _TAG.findall(header)


def if_match_holds(header: str | None, etag: str | None) -> bool:
    """Whether the condition If-Match holds: strong comparison, so that a weak tag never matches.
    `etag`: that of what is there now; None for nothing."""
    if header is None:
        return True
    tags = named(header)
    return etag is not None and (tags == ["*"] or not forms(etag).isdisjoint(tags))


def if_none_match_holds(header: str | None, etag: str | None) -> bool:
    """Whether the condition If-None-Match holds, by weak comparison."""
    if header is None or etag is None:
        return True
    tags = [tag.removeprefix("W/") for tag in named(header)]
    return tags != ["*"] and forms(etag).isdisjoint(tags)
