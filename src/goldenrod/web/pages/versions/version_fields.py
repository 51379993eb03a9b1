"""The fields of a version's form, and what can be chosen in it."""

from typing import Any

from goldenrod.base.numbers import are_digits
from goldenrod.catalogue.accounts import identities
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import licenses_scripts, providers
from goldenrod.rules.access import Actor
from goldenrod.store.db import Tx
from goldenrod.web.pages.kit import edit_conflict, fields, references
from goldenrod.web.pages.kit.fields import Field
from goldenrod.web.pages.kit.forms import Form

Thing = dict[str, Any]

MOST_OFFERED = 30
"""Licenses and scripts that a form offers besides those that are attached; others by their id."""

PARENT = Field(
    "parent",
    "Built on",
    lambda version: [references.written(version["parent"], version["image"])],
    lambda field, texts: texts[0],
)
IMAGE = Field(
    "image", "Image", lambda version: [version["image"]["slug"]], lambda field, texts: texts[0]
)
IDENTITY = Field(
    "identity",
    "Made with the account",
    lambda version: [str(version["identity"]["id"]) if version["identity"] else ""],
    lambda field, texts: fields.reference(texts[0]) if texts[0] else None,
)
TEXTS = (fields.text("name", "Name"), fields.text("change_log", "Change log"), PARENT)
MORE = (
    fields.several("licenses", "Licenses"),
    fields.several("scripts", "Boot scripts"),
    IDENTITY,
    fields.box("allow_imaging", "Others may build on it"),
    fields.box("exclude_from_latest", "latest passes over it"),
    fields.number("min_cpu", "CPUs needed"),
    fields.number("min_mem", "Memory needed (MiB)"),
    fields.text("doc_object_id", "DOI", optional=True),
)
MEMBERSHIP = fields.names("membership", "Shared with")
START, END = fields.date("start_date", "From"), fields.date("end_date", "Until")

NEW = (*TEXTS, MEMBERSHIP, *MORE, START, END)
EDITED = (
    *TEXTS,
    IMAGE,
    *MORE,
    fields.date("start_date", "From", required=True),
    END,
)
"""Whom a version is shared with, and its deprecation, have pages of their own."""

MOST_ROWS = 400
"""A form has at most 2,000 fields (`visit.MOST_FIELDS`)."""
ROW = ("provider", "identifier", "architecture", "size_gb")


def labels(those: tuple[Field, ...]) -> dict[str, str]:
    """The labels of fields, by name."""
    return {field.name: field.label for field in those} | {"machines": "Machines"}


def resolved(tx: Tx, actor: Actor, image: Thing, given: dict[str, Any]) -> dict[str, Any]:
    """What a body holds, its parent named by id. Raises BadRequest."""
    if "parent" in given:
        given["parent"] = references.meant(tx, actor, image, "parent", given["parent"])
    return given


# ── what can be chosen ─────────────────────────────────────────────────────────────────────


def choices(tx: Tx, actor: Actor, image: Thing, version: Thing | None) -> dict[str, Any]:
    """What the form offers: versions to build on, licenses, scripts, accounts, providers."""
    held = version or {"licenses": [], "scripts": []}
    accounts = identities.IDENTITIES.read_list(tx, actor, user=actor.username, page_size=500)
    newest = {"ordering": "-start_date", "page_size": MOST_OFFERED}
    known = licenses_scripts.LICENSES.read_list(tx, actor, **newest)
    own = licenses_scripts.SCRIPTS.read_list(tx, actor, created_by=actor.username, **newest)
    return {
        "parents": images.IMAGES.read(tx, actor, str(image["id"]))["versions"],
        "licenses": _offered(held["licenses"], known),
        "scripts": _offered(held["scripts"], own),
        "identities": accounts,
    }


def _offered(held: list[Thing], others: list[Thing]) -> list[Thing]:
    """Those that are attached, then others."""
    known = {one["id"] for one in held}
    return [*held, *(one for one in others if one["id"] not in known)]


def places(tx: Tx, actor: Actor) -> list[Thing]:
    """The providers on which the visitor may place machines."""
    asked = {"active": "true", "current": "true", "ordering": "name", "page_size": 1000}
    return [
        provider
        for provider in providers.PROVIDERS.read_list(tx, actor, **asked)
        if actor.has_staff_rights or provider["id"] in actor.providers
    ]


def words(choices: dict[str, Any]) -> dict[str, dict[str, str]]:
    """How the values of fields that are chosen are told, by the field's name."""
    accounts = {str(one["id"]): str(one["key"]) for one in choices["identities"]}
    titles = {
        name: {str(one["id"]): str(one["title"]) for one in choices[name]}
        for name in ("licenses", "scripts")
    }
    boxes = dict.fromkeys(("allow_imaging", "exclude_from_latest"), edit_conflict.YES_OR_NO)
    return {**titles, **boxes, "identity": accounts}


# ── rows of machines ───────────────────────────────────────────────────────────────────────


def rows_of(form: Form) -> int:
    """How many rows for machines a form shows."""
    count = form.get("rows")
    return min(int(count), MOST_ROWS) if are_digits(count) else 0


def machines(form: Form) -> list[dict[str, Any]]:
    """The machines in a form's rows, as a body takes them; rows with nothing typed are left out.
    Raises BadRequest."""
    found = []
    for row in range(rows_of(form)):
        cells = {name: form.get(f"m{row}_{name}").strip() for name in ROW}
        if any(cells[name] for name in ROW if name != "provider"):
            size = fields.whole(f"machines[{row}].size_gb", cells.pop("size_gb"))
            found.append(cells | {"size_gb": size})
    return found
