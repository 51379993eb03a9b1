"""Finds the image or version that an address or a form field names, if the visitor may see it."""

import json
from typing import Any

from goldenrod.base.errors import NotFound, unknown_reference
from goldenrod.base.text import is_uuid
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import version_page, versions
from goldenrod.rules.access import Actor
from goldenrod.store.db import Row, Tx

Thing = dict[str, Any]


def version_text(tx: Tx, actor: Actor, slug: str, key: str) -> str:
    """The JSON of an image's version, by its name or UUID. Raises NotFound."""
    return str(version_page.find_version(tx, actor, slug, key)["json"])


def find_named(tx: Tx, actor: Actor, slug: str, name: str) -> str | None:
    """The id of an image's version of this name; None if there is none that the visitor may see."""
    try:
        return str(version_page.find_version(tx, actor, slug, name)["id"])
    except NotFound:
        return None


def version_for_change(tx: Tx, actor: Actor, slug: str, key: str) -> tuple[Row, Thing]:
    """An image's version that the visitor may change: its row, and the API's answer for it.

    Raises NotFound, Forbidden.
    """
    version = json.loads(version_text(tx, actor, slug, key))
    return versions.VERSIONS.row_for_change(tx, actor, version["id"]), version


def image_for_change(tx: Tx, actor: Actor, slug: str) -> tuple[Row, Thing]:
    """An image that the visitor may change: its row, and the API's answer for it."""
    image = images.IMAGES.read(tx, actor, slug)
    return images.IMAGES.row_for_change(tx, actor, slug), image


def written(version: Thing | None, image: Thing) -> str:
    """A version as a form field shows it: its name, `image/name` if it is of another image, or its id
    if it is hidden from the visitor or its name would be read as an id."""
    if version is None:
        return ""
    if "name" not in version or is_uuid(version["name"]):
        return str(version["id"])
    own = version["image"]["id"] == image["id"]
    return str(version["name"]) if own else f"{version['image']['slug']}/{version['name']}"


def meant(tx: Tx, actor: Actor, image: Thing, field: str, given: str) -> str | None:
    """The id of the version that a form field names; None if the field is empty.

    The text is `1.2` for this image, `base-linux/1.2` for another, or the id. Raises BadRequest.
    """
    given = given.strip()
    if not given:
        return None
    if is_uuid(given):
        return given
    found = find_named(tx, actor, image["slug"], given)
    slug, _, name = given.partition("/")
    if found is None and name:
        found = find_named(tx, actor, slug, name)
    if found is None:
        raise unknown_reference(field, given[:80])
    return found
