"""The fields of forms: from a value to the text shown, and from the text typed back to a value.

A field that is sent back as it was shown is not changed. So a hidden reference, or the seconds of a
date, stay as they are. The patch made from a form has only what the visitor changed.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from goldenrod.base.errors import FieldError, Problem, field_problem
from goldenrod.base.faults import Faults
from goldenrod.base.numbers import are_digits, id_or_text
from goldenrod.rules.access import Actor
from goldenrod.rules.changes import idempotency
from goldenrod.rules.changes.mutations import Created
from goldenrod.store.db import Tx
from goldenrod.web.pages.kit.forms import Form
from goldenrod.web.pages.kit.visit import Visit

Thing = Mapping[str, Any]
Texts = Mapping[str, Sequence[str]]

DATES = ("start_date", "end_date")

LABELS = {
    "slug": "Slug",
    "parent": "Parent",
    "identity": "Account",
    "allow_imaging": "Others may build on it",
    "exclude_from_latest": "Exclude from latest",
    "min_cpu": "Minimum CPUs",
    "min_mem": "Minimum memory (MiB)",
    "doc_object_id": "DOI",
    "change_log": "Change log",
    "membership": "Shared with",
    "scripts": "Boot scripts",
    "start_date": "Released",
    "end_date": "End",
}
"""The one name that each of these fields has, in forms, tables, comparisons and histories."""


@dataclass(frozen=True)
class Field:
    """One field of a form.

    `shown`: from a thing to the texts that show its value. `meant`: from the texts of a form to the
    value in a body.
    """

    name: str
    label: str
    shown: Callable[[Thing], Sequence[str]]
    meant: Callable[[str, Sequence[str]], Any]


# ── kinds of fields ────────────────────────────────────────────────────────────────────────


def text(name: str, label: str, *, optional: bool = False) -> Field:
    """A text. With `optional`, an empty text is null."""

    def meant(field: str, texts: Sequence[str]) -> Any:
        return texts[0] if texts[0] or not optional else None

    return Field(name, label, lambda thing: [_lines(thing[name] or "")], meant)


def _lines(given: str) -> str:
    return given.replace("\r\n", "\n").replace("\r", "\n")


def box(name: str, label: str) -> Field:
    """A checkbox. Its form has a hidden empty field of the same name after it: without it, an
    unchecked box could not be distinguished from a form without the box."""
    return Field(
        name,
        label,
        lambda thing: ["on"] if thing[name] else [""],
        lambda field, texts: any(texts),
    )


def number(name: str, label: str) -> Field:
    """A whole number, or null."""
    return Field(
        name,
        label,
        lambda thing: ["" if thing[name] is None else str(thing[name])],
        lambda field, texts: whole(field, texts[0]),
    )


def whole(field: str, given: str) -> int | None:
    """The whole number that was typed; None for nothing. Raises BadRequest."""
    digits = given.strip().replace(",", "").replace("_", "")
    if not digits:
        return None
    if not are_digits(digits.removeprefix("-")):
        raise field_problem(field, "must be a whole number")
    return int(digits)


def date(name: str, label: str, *, required: bool = False) -> Field:
    """An instant: date and time in UTC, to the minute. With JavaScript the visitor types their own
    local time; the script converts it to UTC."""

    def meant(field: str, texts: Sequence[str]) -> Any:
        if required and not texts[0].strip():
            raise field_problem(field, "is required")
        return instant(texts[0])

    return Field(name, label, lambda thing: [minute(thing[name])], meant)


def minute(given: str | None) -> str:
    """An instant as the value of a `datetime-local` input: UTC, to the minute; empty for none."""
    return (given or "")[:16]


def instant(given: str) -> str | None:
    """The typed UTC time in the form of a body; None if empty. The catalogue validates it."""
    given = given.strip()
    if not given:
        return None
    if given[-1] in "Zz":
        return given
    return f"{given}:00Z" if len(given) <= 16 else f"{given}Z"


def spoken(at: str) -> str:
    """An instant in a sentence: `2026-03-14 09:20 UTC`."""
    return f"{at[:10]} {at[11:16]} UTC"


def scheduled(thing: Mapping[str, Any], now: str, changed: Iterable[str] = DATES) -> str:
    """What is still to come of the dates that a form has `changed`, in sentences: it is scheduled, not
    done."""
    name = thing.get("name") or thing.get("identifier")
    verbs = zip(DATES, ("starts", "ends"), strict=True)
    coming = [
        f"{name} {verb} {spoken(thing[date])}."
        for date, verb in verbs
        if date in set(changed) and thing[date] and thing[date] > now
    ]
    return " ".join(coming)


def names(name: str, label: str) -> Field:
    """A list of names, separated by commas or one a line."""
    return Field(
        name,
        label,
        lambda thing: [joined([one["name"] for one in thing[name]])],
        lambda field, texts: split(texts[0]),
    )


def joined(given: Sequence[str]) -> str:
    """Names as one text: separated by commas, or one a line if a name has a comma."""
    if any("," in name for name in given):
        return "".join(f"{name}\n" for name in given)
    return ", ".join(given)


def split(given: str) -> list[str]:
    """The names in a text: one a line if it has several lines, else separated by commas."""
    parts = given.split("\n" if "\n" in given else ",")
    return [part.strip() for part in parts if part.strip()]


def several(name: str, label: str) -> Field:
    """Things chosen by id, with one checkbox each; the last text has further ids or titles, which the
    form's own module resolves."""
    return Field(
        name,
        label,
        lambda thing: sorted((str(one["id"]) for one in thing[name]), key=int),
        lambda field, texts: list(texts),
    )


def pairs(name: str, label: str) -> Field:
    """Pairs of a key and a text, one `key: text` a line."""
    return Field(
        name,
        label,
        lambda thing: ["\n".join(f"{key}: {value}" for key, value in thing[name].items())],
        _pairs,
    )


def _pairs(field: str, texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for number_, line in enumerate(_lines(texts[0]).split("\n"), 1):
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not key and not colon:
            continue
        if not colon:
            raise field_problem(field, f"line {number_} must be key: value")
        if key in found:
            raise field_problem(field, f"line {number_} has the key {key[:80]} again")
        found[key] = value
    return found


def reference(given: str) -> int | str:
    """An id as a number; a UUID or name as text."""
    return id_or_text(given)


# ── from a form to a patch ───────────────────────────────────────────────────────────────────────


def shown(fields: Iterable[Field], thing: Thing) -> dict[str, list[str]]:
    """The texts that show a thing's fields."""
    return {field.name: list(field.shown(thing)) for field in fields}


def typed(fields: Iterable[Field], form: Form) -> dict[str, list[str]]:
    """The texts that a form sent, of the fields that it has."""
    found = {}
    for field in fields:
        if form.has(field.name):
            texts = form.all(field.name)
            ids = all(map(are_digits, texts))
            found[field.name] = (sorted(texts, key=int) if ids else texts) or [""]
    return found


def same(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two fields have the same texts, empty ones aside."""
    return [text_ for text_ in one if text_] == [text_ for text_ in other if text_]


def given(faults: Faults, fields: Iterable[Field], form: Form, before: Texts) -> dict[str, Any]:
    """The body made from a form: the fields that differ from the texts `before`. What cannot be meant
    is left out, and collected in `faults`."""
    now = typed(fields, form)
    found: dict[str, Any] = {}
    for field in fields:
        if field.name in now and not same(now[field.name], before.get(field.name, [""])):
            with faults.noted():
                found[field.name] = field.meant(field.name, now[field.name])
    return found


def marks(texts: Texts) -> str:
    """A hash of each field's texts, as JSON for a hidden field of the form. They show later which
    fields somebody else has changed meanwhile."""
    return json.dumps({name: _mark(values) for name, values in texts.items()})


def _mark(values: Sequence[str]) -> str:
    content = "\0".join(text_ for text_ in values if text_)
    return hashlib.blake2b(content.encode(), digest_size=6).hexdigest()


def unlike(texts: Texts, marked: str) -> set[str]:
    """The fields whose texts differ from those that were marked; all fields if there are no marks."""
    try:
        was = json.loads(marked)
    except ValueError:
        was = {}
    was = was if isinstance(was, dict) else {}
    return {name for name, values in texts.items() if was.get(name) != _mark(values)}


# ── errors, and forms sent twice ───────────────────────────────────────────────────────

PLACES = {
    "version_name_taken": "name",
    "slug_unavailable": "slug",
    "parent_cycle": "parent",
    "parent_revoked": "parent",
    "imaging_not_allowed": "parent",
    "replacement_cycle": "replacement",
    "version_in_channel": "image",
    "machine_taken": "machines",
    "identity_required": "machines",
    "script_not_yours": "scripts",
    "license_in_use": "text",
    "script_in_use": "text",
    "owner_required": "owner",
}
"""The form field that an error belongs to, by the error's code."""


def placed(problem: Problem) -> Problem:
    """The problem, with its errors assigned to fields of the form."""
    if not problem.errors and problem.code in PLACES:
        problem.errors = (FieldError(PLACES[problem.code], problem.detail),)
    problem.errors = tuple(FieldError(*_form_field(error)) for error in problem.errors)
    return problem


def _form_field(error: FieldError) -> tuple[str, str]:
    name, _, row = error.field.partition("[")
    if name == "machines" and row:
        number_, _, column = row.partition("].")
        return name, f"row {int(number_) + 1}, {column or 'machine'}: {error.detail}"
    if name == "labels" and row:
        return name, f"{row[1:-2]}: {error.detail}"
    return name.removeprefix("deprecation.").removeprefix("requires."), error.detail


def once(visit: Visit, tx: Tx, actor: Actor, create: Callable[[], Created]) -> Created:
    """Create what a form asks for. The same form sent again returns what the first one created."""
    key = visit.form.get("key")
    if not key:
        return create()
    fingerprint = idempotency.fingerprint(visit.req.path, visit.form.written("token"))
    # A form with other content is another request, even with the same key.
    key = idempotency.checked(f"{key[:64]} {fingerprint}")
    found = idempotency.find_stored(tx, actor, key, fingerprint)
    created = found or create()
    if not found:
        idempotency.store(tx, actor, key, fingerprint, created)
    return created
