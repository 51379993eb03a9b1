"""The fields of a version's form, and the choices that it offers."""

from typing import Any

from goldenrod.base.faults import Faults
from goldenrod.base.numbers import are_digits
from goldenrod.catalogue.accounts import identities
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import licenses_scripts, providers
from goldenrod.rules.access import Actor
from goldenrod.store.db import Tx
from goldenrod.web.pages.kit import address_targets, edit_conflict, fields
from goldenrod.web.pages.kit.fields import Field
from goldenrod.web.pages.kit.forms import Form

Thing = dict[str, Any]

MOST_OFFERED = 30
"""How many licenses and scripts a form offers besides the attached ones."""

PARENT = Field(
    "parent",
    "Built on",
    lambda version: [address_targets.written(version["parent"], version["image"])],
    lambda field, texts: texts[0],
)
IMAGE = Field(
    "image", "Image", lambda version: [version["image"]["slug"]], lambda field, texts: texts[0]
)
IDENTITY = Field(
    "identity",
    "Built with account",
    lambda version: [str(version["identity"]["id"]) if version["identity"] else ""],
    lambda field, texts: fields.reference(texts[0]) if texts[0] else None,
)
TEXTS = (fields.text("name", "Name"), fields.text("change_log", "Change log"), PARENT)
MORE = (
    fields.several("licenses", "Licenses"),
    fields.several("scripts", "Boot scripts"),
    IDENTITY,
    fields.box("allow_imaging", "Others may build on it"),
    fields.box("exclude_from_latest", "Exclude from latest"),
    fields.number("min_cpu", "CPUs"),
    fields.number("min_mem", "Memory (MiB)"),
    fields.text("doc_object_id", "DOI", optional=True),
    fields.pairs("labels", "Labels"),
)
MEMBERSHIP = fields.names("membership", "Shared with")
START, END = fields.date("start_date", "Released"), fields.date("end_date", "Ends")

NEW = (*TEXTS, MEMBERSHIP, *MORE, START, END)
EDITED = (
    *TEXTS,
    IMAGE,
    *MORE,
    fields.date("start_date", "Released", required=True),
    END,
)
"""Sharing and deprecation have pages of their own."""

MOST_ROWS = 400
"""A form has at most 2,000 fields (`visit.MOST_FIELDS`)."""
ROW = ("provider", "identifier", "architecture", "size_gb")


def labels(those: tuple[Field, ...]) -> dict[str, str]:
    """The labels of fields, by name."""
    return {field.name: field.label for field in those} | {"machines": "Machines"}


def resolved(
    faults: Faults, tx: Tx, actor: Actor, image: Thing, given: dict[str, Any]
) -> dict[str, Any]:
    """The request body with its parent named by id."""
    if "parent" in given:
        parent = given.pop("parent")
        with faults.noted():
            given["parent"] = address_targets.meant(tx, actor, image, "parent", parent)
    return given


# ── choices ─────────────────────────────────────────────────────────────────────


def choices(tx: Tx, actor: Actor, image: Thing, version: Thing | None) -> dict[str, Any]:
    """The form's choices: parents, licenses, scripts and provider accounts."""
    attached = version or {"licenses": [], "scripts": []}
    accounts = identities.IDENTITIES.read_list(tx, actor, user=actor.username, page_size=500)
    newest = {"ordering": "-start_date", "page_size": MOST_OFFERED}
    known = licenses_scripts.LICENSES.read_list(tx, actor, **newest)
    own = licenses_scripts.SCRIPTS.read_list(tx, actor, created_by=actor.username, **newest)
    return {
        "parents": images.IMAGES.read(tx, actor, str(image["id"]))["versions"],
        "licenses": _offered(attached["licenses"], known),
        "scripts": _offered(attached["scripts"], own),
        "identities": accounts,
    }


def _offered(attached: list[Thing], others: list[Thing]) -> list[Thing]:
    """The attached things, then the others."""
    known = {one["id"] for one in attached}
    return [*attached, *(one for one in others if one["id"] not in known)]


def provider_choices(tx: Tx, actor: Actor) -> list[Thing]:
    """The providers on which the visitor may add machines."""
    asked = {"active": "true", "current": "true", "ordering": "name", "page_size": 1000}
    return [
        provider
        for provider in providers.PROVIDERS.read_list(tx, actor, **asked)
        if actor.has_staff_rights or provider["id"] in actor.providers
    ]


def value_labels(choices: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The labels of values that are chosen, by the field's name."""
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


def machines(faults: Faults, form: Form) -> list[dict[str, Any]]:
    """The machines in a form's rows, for the request body; empty rows are left out."""
    found = []
    for row in range(rows_of(form)):
        cells = {name: form.get(f"m{row}_{name}").strip() for name in ROW}
        if any(cells[name] for name in ROW if name != "provider"):
            size = faults.of(fields.whole, f"machines[{row}].size_gb", cells.pop("size_gb"))
            found.append(cells | {"size_gb": size})
    return found
