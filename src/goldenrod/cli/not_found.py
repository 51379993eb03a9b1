"""Names what a server did not find, and what it has that is close to it.

Everything here is asked of the server as the same reader, so nothing is named that they may not see.
"""

import re
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any
from urllib.parse import quote

import typer

from goldenrod.base.text import has_slug_form
from goldenrod.cli.suggestions import suggestion
from goldenrod.client import Client, ClientError

MOST_COMPARED = 5000
"""How many names are compared, newest first where they have a date."""

ANONYMOUS_HINT = "Without a token, only public things are found: set GOLDENROD_TOKEN."

Named = dict[str, str]
"""What a command names: the text by the kind of thing, or by kind_2. A channel follows its image."""


def path(*parts: str) -> str:
    """The path of these parts, which are escaped. Raises BadParameter for an empty one."""
    if "" in parts:
        raise typer.BadParameter("An empty text names nothing.")
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def not_found(kind: str, typed: str, known: Iterable[str] = ()) -> ClientError:
    """The error for a thing that is not there for this reader."""
    sentence = f"There is no {kind} {typed!r} that you may see."
    return ClientError(404, "not_found", sentence + suggestion(typed, known))


def find_image(server: Client, typed: str) -> None:
    """Raise ClientError if the reader sees no such image."""
    _find(server, "image", typed, ("images",), "slug", ordering="-start_date")


def find_version(server: Client, typed: str) -> None:
    """Raise ClientError if the reader sees no version of this UUID, or says where the name is."""
    try:
        server.get(path("image_versions", typed))
    except ClientError as refused:
        if refused.status != 404:
            raise
        same = islice(server.pages("/image_versions", name=typed, page_size=3), 3)
        known = [whole_name(found) for found in same]
        sentence = f" Did you mean {' or '.join(known)}?" if known else ""
        missing = not_found("version", typed)
        raise ClientError(404, missing.code, missing.detail + sentence) from None


def find_named_version(server: Client, image: str, name: str) -> str:
    """The UUID of a version by its image and name. Raises ClientError."""
    if has_slug_form(image.lower()):  # as ids have
        for found in server.pages("/image_versions", image_id=image, name=name, page_size=1):
            return str(found["id"])
    find_image(server, image)
    there = server.pages("/image_versions", image_id=image, ordering="-start_date", page_size=1000)
    known = (whole_name(found) for found in islice(there, MOST_COMPARED))
    raise not_found("version", f"{image}/{name}", known)


def find_channel(server: Client, image: str, typed: str) -> None:
    """Raise ClientError if the reader sees no such channel of the image."""
    _find(server, f"channel of {image}", typed, ("images", image, "channels"), "name")


def find_provider(server: Client, typed: str) -> None:
    """Raise ClientError if the reader sees no such provider."""
    _find(server, "provider", typed, ("providers",), "slug")


def find_license(server: Client, typed: str) -> None:
    """Raise ClientError if there is no such license."""
    _find(server, "license", typed, ("licenses",), "title")


def find_script(server: Client, typed: str) -> None:
    """Raise ClientError if the reader sees no such boot script."""
    _find(server, "boot script", typed, ("boot_scripts",), "title")


def find_tag(server: Client, typed: str) -> None:
    """Raise ClientError if the reader sees no such tag."""
    if not server.get("/tags", name=typed, page_size=1)["results"]:
        raise not_found("tag", typed, _names(server, ("tags",), "name"))


def _find(
    server: Client, kind: str, typed: str, at: tuple[str, ...], field: str, **more: str
) -> None:
    try:
        server.get(path(*at, typed))
    except ClientError as refused:
        if refused.status != 404:
            raise
        raise not_found(kind, typed, _names(server, at, field, **more)) from None


def _names(server: Client, at: tuple[str, ...], field: str, **more: str) -> Iterable[str]:
    found = server.pages(path(*at), page_size=1000, **more)
    return (str(thing[field]) for thing in islice(found, MOST_COMPARED))


def whole_name(version: dict[str, Any]) -> str:
    """IMAGE/NAME of a version."""
    return f"{version['image'].get('slug', version['image']['id'])}/{version['name']}"


_BY_KIND: dict[str, Callable[[Client, str], object]] = {
    "image": find_image,
    "provider": find_provider,
    "version": find_version,
    "license": find_license,
    "script": find_script,
}
_REFERENCE = re.compile(r"(?P<field>\w+)(?:\[\d+\])?: there is no [a-z ]+ '(?P<typed>.*)' that")
_BY_FIELD = {
    "image": ("images", "slug"),
    "provider": ("providers", "slug"),
    "providers": ("providers", "slug"),
    "membership": ("groups", "name"),
    "maintainers": ("groups", "name"),
    "groups": ("groups", "name"),
    "licenses": ("licenses", "title"),
    "scripts": ("boot_scripts", "title"),
}


def explained(server: Client, refused: ClientError, named: Named) -> ClientError:
    """The same refusal, with what was not found in what a command named, and what to do about it."""
    # What this module raised has no problem document, and names what is missing already.
    if refused.problem and refused.code in ("not_found", "channel_not_found"):
        refused = _first_missing(server, named) or refused
    elif refused.code == "reference_unknown" and (found := _REFERENCE.search(refused.detail)):
        resource, field = _BY_FIELD.get(found["field"], ("", ""))
        known = _names(server, (resource,), field) if resource else ()
        detail = f"{refused.detail.rstrip('.')}.{suggestion(found['typed'], known)}"
        refused = ClientError(refused.status, refused.code, detail, refused.problem)
    hint = ""
    if refused.status == 401:
        hint = "Check GOLDENROD_TOKEN." if server.has_token else "Set GOLDENROD_TOKEN."
    elif not server.has_token and (refused.status == 404 or refused.code == "reference_unknown"):
        hint = ANONYMOUS_HINT
    if not hint:
        return refused
    return ClientError(refused.status, refused.code, f"{refused.detail} {hint}", refused.problem)


def _first_missing(server: Client, named: Named) -> ClientError | None:
    try:
        for kind, typed in named.items():
            if kind == "channel":
                find_channel(server, named["image"], typed)
            else:
                _BY_KIND[kind.removesuffix("_2")](server, typed)
    except ClientError as missing:
        return missing
    return None
