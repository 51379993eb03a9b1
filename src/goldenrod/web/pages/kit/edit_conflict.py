"""Edit conflicts: somebody else saved the thing while the visitor was editing it.

Fields that only the other person changed are merged into the form. For fields that both changed, the
form keeps the visitor's text and shows both, to choose from. Nothing is saved until the visitor saves.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from goldenrod.base.errors import PreconditionFailed, Problem
from goldenrod.web.pages.kit.fields import Field, Texts, marks, same, typed, unlike
from goldenrod.web.pages.kit.forms import Form

TAKE = "take:"
"""The button "Take theirs" sends this prefix and the field's name."""


YES_OR_NO = {"on": "yes", "": "no"}
"""How the state of a checkbox is described."""


class Contested(NamedTuple):
    """A field that both changed."""

    name: str
    label: str
    theirs: str
    yours: str


class Meeting(NamedTuple):
    """The form to show again, the fields that both changed, and the labels of the merged fields."""

    form: Form
    contested: list[Contested]
    taken: list[str]
    lost: bool
    """This request failed because somebody else saved first."""


def meet(
    fields: Iterable[Field],
    form: Form,
    now: Texts,
    etag: str,
    problem: Problem | None,
    words: Mapping[str, Mapping[str, str]],
) -> Meeting:
    """Merge the other person's changes into the form.

    `now`: the texts of the thing as it is now; `etag`: its ETag. `words`: by field, how to describe
    values that are not shown as they are.
    """
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
    described = [words.get(value, value) for value in values if value]
    return "\n".join(described) or words.get("", "")
