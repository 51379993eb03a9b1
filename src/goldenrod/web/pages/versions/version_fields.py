"""The fields of a version's form, and the choices that it offers."""

from contextlib import suppress
from typing import Any

from goldenrod.base.errors import BadRequest, NotFound, field_problem, unknown_reference
from goldenrod.base.faults import Faults
from goldenrod.base.numbers import are_digits
from goldenrod.base.text import is_uuid
from goldenrod.catalogue.accounts import identities
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import licenses_scripts, providers
from goldenrod.rules.access import Actor
from goldenrod.rules.resources import Resource
from goldenrod.store.db import Tx
from goldenrod.web.pages.kit import address_targets, edit_conflict, fields
from goldenrod.web.pages.kit.fields import Field
from goldenrod.web.pages.kit.forms import Form

Thing = dict[str, Any]

MOST_OFFERED = 30
"""How many licenses and scripts a form offers besides the attached ones."""
MOST_NAMED = 500
"""How many licenses or scripts a version has at most, as in the API."""
MOST_COMPLETED = 200
"""How many of their titles a browser completes."""

PARENT = Field(
    "parent",
    fields.LABELS["parent"],
    lambda version: [address_targets.written(version["parent"], version["image"])],
    lambda field, texts: texts[0],
)
IMAGE = Field(
    "image", "Image", lambda version: [version["image"]["slug"]], lambda field, texts: texts[0]
)
IDENTITY = Field(
    "identity",
    fields.LABELS["identity"],
    lambda version: [str(version["identity"]["id"]) if version["identity"] else ""],
    lambda field, texts: fields.reference(texts[0]) if texts[0] else None,
)
TEXTS = (
    fields.text("name", "Name"),
    fields.text("change_log", fields.LABELS["change_log"]),
    PARENT,
)
MORE = (
    fields.several("licenses", "Licenses"),
    fields.several("scripts", fields.LABELS["scripts"]),
    IDENTITY,
    fields.box("allow_imaging", fields.LABELS["allow_imaging"]),
    fields.box("exclude_from_latest", fields.LABELS["exclude_from_latest"]),
    fields.number("min_cpu", fields.LABELS["min_cpu"]),
    fields.number("min_mem", fields.LABELS["min_mem"]),
    fields.text("doc_object_id", fields.LABELS["doc_object_id"], optional=True),
    fields.pairs("labels", "Labels"),
)
TITLED = {
    "licenses": licenses_scripts.LICENSE_TITLES,
    "scripts": licenses_scripts.SCRIPT_TITLES,
}
"""The fields that name things by title or id."""
MEMBERSHIP = fields.names("membership", fields.LABELS["membership"])
START = fields.date("start_date", fields.LABELS["start_date"])
END = fields.date("end_date", fields.LABELS["end_date"])

NEW = (*TEXTS, MEMBERSHIP, *MORE, START, END)
EDITED = (
    *TEXTS,
    IMAGE,
    *MORE,
    fields.date("start_date", fields.LABELS["start_date"], required=True),
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
    """The request body with its parent, licenses and boot scripts named by id."""
    for name, resource in TITLED.items():
        if name in given:
            texts = given.pop(name)
            with faults.noted():
                given[name] = _ids(tx, actor, resource, name, texts)
    if "parent" in given:
        parent = given.pop("parent")
        with faults.noted():
            given["parent"] = address_targets.meant(tx, actor, image, "parent", parent)
    return given


def _ids(tx: Tx, actor: Actor, resource: Resource, field: str, texts: list[str]) -> list[int | str]:
    """The ids of licenses or boot scripts that a field names by id, UUID or title."""
    named: dict[str, None] = {}
    for text in filter(None, map(str.strip, texts)):
        # A title may have commas.
        whole = _is_id(text) or resource.count(tx, actor, name=text) > 0
        named |= dict.fromkeys([text] if whole else fields.split(text))
    if len(named) > MOST_NAMED:
        raise field_problem(field, f"has at most {MOST_NAMED} entries")
    return [_id(tx, actor, resource, field, text) for text in named]


def _is_id(text: str) -> bool:
    return are_digits(text) or is_uuid(text)


def _id(tx: Tx, actor: Actor, resource: Resource, field: str, text: str) -> int | str:
    if _is_id(text):
        return fields.reference(text)
    same = resource.read_list(tx, actor, name=text, page_size=5)
    if not same:
        raise unknown_reference(field, text[:80])
    if len(same) > 1:
        ids = ", ".join(str(one["id"]) for one in same)
        raise field_problem(field, f"several have the title {text[:80]!r}; write an ID: {ids}")
    return int(same[0]["id"])


# ── choices ─────────────────────────────────────────────────────────────────────


def choices(
    tx: Tx, actor: Actor, image: Thing, version: Thing | None, form: Form | None
) -> dict[str, Any]:
    """The form's choices: parents, licenses, scripts and provider accounts. The buttons "Find" of a
    form add the licenses or scripts that match words."""
    attached = version or {"licenses": [], "scripts": []}
    accounts = identities.IDENTITIES.read_list(tx, actor, user=actor.username, page_size=500)
    newest = {"ordering": "-start_date", "page_size": MOST_COMPLETED}
    known = licenses_scripts.LICENSE_TITLES.read_list(tx, actor, **newest)
    own = licenses_scripts.SCRIPT_TITLES.read_list(tx, actor, created_by=actor.username, **newest)
    found = {name: _found(tx, actor, form, name) for name in TITLED}
    first = {"licenses": known[:MOST_OFFERED], "scripts": own[:MOST_OFFERED]}
    return {
        "parents": images.IMAGES.read(tx, actor, str(image["id"]))["versions"],
        **{
            name: _offered(
                _chosen(tx, actor, form, name, [*attached[name], *found[name], *first[name]]),
                attached[name],
                found[name],
                first[name],
            )
            for name in TITLED
        },
        "titles": {
            "licenses": [one["title"] for one in known[MOST_OFFERED:]],
            "scripts": [one["title"] for one in own[MOST_OFFERED:]],
        },
        "sought": {name: _sought(form, name) and f"{len(found[name])} found" for name in TITLED},
        "identities": accounts,
    }


def _offered(*lists: list[Thing]) -> list[Thing]:
    """The things of all lists, in order, each once."""
    return list({one["id"]: one for things in lists for one in things}.values())


def _sought(form: Form | None, name: str) -> str:
    """The words in the field `name` if its button "Find" was pressed."""
    if form is None or form.get("do") != f"find:{name}":
        return ""
    return " ".join(text for text in form.all(name) if not _is_id(text)).strip()


def without_words(form: Form) -> Form:
    """The form without the words of a search, whose results the page shows as checkboxes."""
    for name in TITLED:
        if _sought(form, name):
            form = form.but(**{name: [text for text in form.all(name) if _is_id(text)]})
    return form


def _found(tx: Tx, actor: Actor, form: Form | None, name: str) -> list[Thing]:
    """The things that match the words of a search."""
    words = _sought(form, name)
    if not words or form is None:
        return []
    resource = TITLED[name]
    asked = {"search": words, "ordering": "name", "page_size": MOST_OFFERED}
    try:
        found = resource.read_list(tx, actor, **asked)
    except BadRequest:
        # Too many words match nothing; what was typed in the form stays.
        return []
    if resource is licenses_scripts.SCRIPT_TITLES:
        found = licenses_scripts.attachable(tx, actor, found)
    return found


def _chosen(
    tx: Tx, actor: Actor, form: Form | None, name: str, offered: list[Thing]
) -> list[Thing]:
    """The things that the form has chosen by id, besides those offered anyway."""
    known = {str(one["id"]) for one in offered}
    ids = [key for key in form.all(name) if are_digits(key) and key not in known] if form else []
    chosen = []
    for key in dict.fromkeys(ids[:MOST_OFFERED]):
        with suppress(NotFound):
            chosen.append(TITLED[name].read(tx, actor, key))
    return chosen


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
