"""When somebody else saved first: what they changed, beside what one typed, field by field.

What only they changed is taken over into the form; where both did, the form keeps what was typed, and
either can be chosen. Nothing is saved before one says so.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from goldenrod.base.errors import PreconditionFailed, Problem
from goldenrod.web.pages.kit.fields import Field, Texts, marks, same, typed, unlike
from goldenrod.web.pages.kit.forms import Form

TAKE = "take:"
"""What the button that takes theirs of a field says before the field's name."""


YES_OR_NO = {"on": "yes", "": "no"}
"""How a box is told."""


class Contested(NamedTuple):
    """A field that both changed."""

    name: str
    label: str
    theirs: str
    yours: str


class Meeting(NamedTuple):
    """The form to show again, and what it met with: fields that both changed, and the labels of
    those that only they did."""

    form: Form
    contested: list[Contested]
    taken: list[str]
    lost: bool
    """Somebody else saved first, just now."""


def meet(
    fields: Iterable[Field],
    form: Form,
    now: Texts,
    etag: str,
    problem: Problem | None,
    words: Mapping[str, Mapping[str, str]],
) -> Meeting:
    """The form to show again, where `now` are the texts of the thing as it is, with its `etag`.
    `words` tell, by field, what values mean that are not told as they are."""
    fields = list(fields)
    lost = isinstance(problem, PreconditionFailed)
    contested = set(form.all("contested"))
    taken: set[str] = set()
    if lost:
        mine = typed(fields, form)
        theirs = unlike({name: now[name] for name in mine}, form.get("seen"))
        touched = unlike(mine, form.get("seen"))
        unequal = {name for name in theirs if not same(now[name], mine[name])}
        contested |= unequal & touched
        taken = unequal - touched
    chosen = form.get("do").removeprefix(TAKE) if form.get("do").startswith(TAKE) else ""
    replaced = {name: now[name] for name in taken | ({chosen} & contested)}
    contested -= {chosen}
    again = form.but(**replaced)
    if lost:
        again = again.but(etag=etag, seen=marks(now))
    left = [
        Contested(
            field.name,
            field.label,
            _text(now[field.name], words.get(field.name, {})),
            _text(again.all(field.name), words.get(field.name, {})),
        )
        for field in fields
        if field.name in contested and field.name in now
    ]
    labels = [field.label for field in fields if field.name in taken]
    return Meeting(again.but(contested=[one.name for one in left]), left, labels, lost)


def _text(values: Iterable[str], words: Mapping[str, str]) -> str:
    told = [words.get(value, value) for value in values if value]
    return "\n".join(told) or words.get("", "")
