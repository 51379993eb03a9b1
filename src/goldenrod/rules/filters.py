"""The filters that lists share: how a parameter's text is read, and its predicate.

If a value names a resource that the reader may not read, the list is empty, exactly as if the
resource did not exist: predicates use the access rule wherever a reader could learn something. Each
factory takes the parameter's name; its values are bound as `f_<name>`. Most filters of a field that
has one value take several values with commas between them, and select what has any of these.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, String, Table, and_, or_, select, true

from goldenrod.base.architectures import normal_architecture
from goldenrod.base.clock import parse_instant
from goldenrod.base.text import MOST_NAME, filter_key, identifier_key
from goldenrod.base.text import boolean as parse_boolean
from goldenrod.rules import access, resources
from goldenrod.rules.access import ReaderKind
from goldenrod.rules.lifecycle import machine_access
from goldenrod.store import schema
from goldenrod.store.paging import Filter, Wanted
from goldenrod.store.sql import Moment, Sortable, among, has_row, param

Where = Callable[[FromClause, ReaderKind], ColumnElement[bool]]
IsIt = Callable[[FromClause], ColumnElement[bool]]
"""Whether a row is what was asked for."""
Referring = Callable[[FromClause, ReaderKind, IsIt], ColumnElement[bool]]
"""Which rows refer to what was asked for."""

MOST_VALUES = 10
"""The values of one filter. A list costs at most as much as a list for each of them."""


def several(name: str, make: Callable[[str], Filter], *, whole: bool = False) -> Filter:
    """A filter of one value or of several with commas between them, any of which must hold. `make`
    makes the filter of one value, with the name of its parameter. `whole`: values may have commas
    themselves, so the text as a whole is a value too."""
    slots = [make(f"{name}_{slot}" if slot else name) for slot in range(MOST_VALUES + 1)]
    one = slots[0]

    def read(text: str) -> Wanted:
        if "," not in text:
            return one.read(text)
        values = {part.strip() for part in text.split(",")}
        if len(values) > MOST_VALUES:
            raise ValueError(f"takes at most {MOST_VALUES} values.")
        if whole and len(text) <= MOST_NAME:
            values.add(text)
        # Ordered by form, so that few different statements are compiled.
        ordered = sorted((one.read(value).form, value) for value in values)
        wanted = [slot.read(value) for slot, (_, value) in zip(slots, ordered, strict=False)]
        params = {key: value for each in wanted for key, value in each.params.items()}
        return Wanted(",".join(each.form for each in wanted), params)

    def asked(
        checked: bool, thing: FromClause, reader: ReaderKind, form: str
    ) -> ColumnElement[bool]:
        forms = zip(slots, form.split(","), strict=False)
        of_slots = (((checked and slot.checked) or slot.where, each) for slot, each in forms)
        return or_(*(holds(thing, reader, each) for holds, each in of_slots))

    return replace(
        one,
        takes=f"{one.takes}, or several, comma-separated",
        read=read,
        where=partial(asked, False),
        checked=one.checked and partial(asked, True),
        single=one,
    )


def text(name: str, column: str, takes: str = "the exact text") -> Filter:
    """A column equals the text exactly."""
    return exact(name, takes, lambda thing, reader, given: thing.c[column] == given)


def exact(
    name: str,
    takes: str,
    where: Callable[[FromClause, ReaderKind, Any], ColumnElement[bool]],
) -> Filter:
    """A text, for which `where(thing, reader, text)` is true."""
    return Filter(
        takes,
        lambda given: Wanted("", {f"f_{name}": given}),
        lambda thing, reader, form: where(thing, reader, param(f"f_{name}", String)),
    )


def texts(
    name: str,
    takes: str,
    where: Callable[[FromClause, ReaderKind, Any], ColumnElement[bool]],
) -> Filter:
    """A text, or one of several."""
    return several(name, lambda slot: exact(slot, takes, where), whole=True)


def identifier(name: str) -> Filter:
    """A machine's id on its provider. UUIDs and Azure's ids compare without case."""
    return Filter(
        "a whole identifier",
        lambda given: Wanted("", {f"f_{name}": identifier_key(given)}),
        lambda thing, reader, form: thing.c.identifier_key == param(f"f_{name}", Sortable),
    )


def architecture(where: Referring, checked: Referring | None = None) -> Filter:
    """An architecture in any of its spellings, or several. `where(thing, reader, is_it)` is the
    predicate, and `is_it(machine)` is true if the machine is of it. `checked`: the predicate in a form
    that checks one row at a time."""

    def make(slot: str) -> Filter:
        def is_it(machine: FromClause) -> ColumnElement[bool]:
            wanted: ColumnElement[bool] = machine.c.architecture == param(f"f_{slot}", String)
            return wanted

        return Filter(
            "an architecture, such as x86_64 or amd64",
            lambda given: Wanted("", {f"f_{slot}": normal_architecture(given)}),
            lambda thing, reader, form: where(thing, reader, is_it),
            checked=checked and (lambda thing, reader, form: checked(thing, reader, is_it)),
        )

    return several("architecture", make, whole=True)


def by_key(name: str, column: str = "name_key") -> Filter:
    """A name equals the text, compared by its key."""
    return Filter(
        "a whole name",
        lambda given: Wanted("", {f"f_{name}": filter_key(given)}),
        lambda thing, reader, form: thing.c[column] == param(f"f_{name}", Sortable),
    )


Begins = Callable[[ColumnElement[Any]], ColumnElement[bool]]
"""A predicate of a column of names: they begin with a text. It is a range of the column's index."""


def begins(name: str) -> Begins:
    """The predicate with the parameters of `beginning`."""

    def holds(column: ColumnElement[Any]) -> ColumnElement[bool]:
        least, end = param(f"f_{name}", Sortable), param(f"f_{name}_end", Sortable)
        return and_(column >= least, column < end)

    return holds


def beginning(name: str, given: str) -> dict[str, Any]:
    """The parameters of `begins` for a text. Raises ValueError where no name can begin so."""
    key = filter_key(given)
    if not key:
        raise ValueError("takes the beginning of a name.")
    return {f"f_{name}": key, f"f_{name}_end": key + LAST}


def prefix(name: str, where: Callable[[FromClause, Begins], ColumnElement[bool]]) -> Filter:
    """A name begins with the text, compared by its key: `where(thing, begins)`."""
    return Filter(
        "the beginning of a name",
        lambda given: Wanted("", beginning(name, given)),
        lambda thing, reader, form: where(thing, begins(name)),
        {"type": "string", "maxLength": MOST_NAME, "pattern": r"^[^\u0000]*[^\u0000\s][^\u0000]*$"},
    )


LAST = "\U0010ffff"
"""The character that no name has, and that sorts after all others."""


def boolean(where: Where, holds: Where | None = None) -> Filter:
    """The predicate, or its opposite. `holds` is the predicate in a form that finds rows first."""

    def read(given: str) -> Wanted:
        return Wanted(str(parse_boolean(given)).lower(), {})

    def asked(thing: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
        if form == "true":
            return (holds or where)(thing, reader)
        return ~where(thing, reader)

    return Filter("true or false", read, asked, {"type": "boolean"})


def since(name: str, column: str, *, before: bool = False) -> Filter:
    """An instant column is at or after the given instant (or before it)."""

    def read(given: str) -> Wanted:
        # An unescaped plus sign in a URL arrives as a space.
        return Wanted("", {f"f_{name}": parse_instant(_plus(given))})

    def asked(thing: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
        mark = param(f"f_{name}", Moment)
        value: ColumnElement[Any] = thing.c[column]
        holds: ColumnElement[bool] = value < mark if before else value >= mark
        return holds

    return Filter("an instant with a zone", read, asked, {"type": "string", "format": "date-time"})


def _plus(given: str) -> str:
    return f"{given[:-6]}+{given[-5:]}" if len(given) > 16 and given[-6] == " " else given


def refers(
    name: str,
    table: Table,
    where: Referring,
    *,
    narrow: bool = False,
    checked: Referring | None = None,
) -> Filter:
    """One of some resources of `table`, by id, uuid or slug. `where(thing, reader, is_it)` is the
    predicate. `is_it(alias)` is true if the alias is the resource and the reader may read it.
    `checked`: the predicate in a form that checks one row at a time."""
    return several(
        name, lambda slot: refers_to_one(slot, table, where, narrow=narrow, checked=checked)
    )


def refers_to_one(
    name: str,
    table: Table,
    where: Referring,
    *,
    narrow: bool = False,
    checked: Referring | None = None,
) -> Filter:
    """The same for exactly one resource."""
    slugs = table.name in resources.SLUGS
    takes = "a uuid" if table is schema.versions else "an id or uuid" + (" or slug" * slugs)

    def read(given: str) -> Wanted:
        form = resources.key_form(table, given)
        if form is None:
            raise ValueError(f"takes {takes}.")
        return Wanted(form, {f"f_{name}": resources.key_value(form, given)})

    def asked(
        by: Referring, thing: FromClause, reader: ReaderKind, form: str
    ) -> ColumnElement[bool]:
        def is_it(alias: FromClause) -> ColumnElement[bool]:
            named = resources.named(alias, table, form, f"f_{name}")
            return named & access.readable(alias, reader)

        return by(thing, reader, is_it)

    return Filter(
        takes,
        read,
        partial(asked, where),
        narrow=narrow,
        checked=checked and partial(asked, checked),
    )


def username(name: str, column: Callable[[FromClause], ColumnElement[int]]) -> Filter:
    """A user column is one of the users with these exact names."""
    return several(name, lambda slot: _username(slot, column), whole=True)


def _username(name: str, column: Callable[[FromClause], ColumnElement[int]]) -> Filter:
    def asked(thing: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
        group = schema.groups.alias()
        user = select(group.c.personal_of).where(group.c.name_key == param(f"f_{name}", Sortable))
        return column(thing) == user.scalar_subquery()

    return Filter(
        "a username",
        lambda given: Wanted("", {f"f_{name}": filter_key(given)}),
        asked,
    )


def one_of(name: str, values: tuple[str, ...], column: Callable[[FromClause], Any]) -> Filter:
    """An expression equals one of a few words."""
    return word(name, values, lambda thing, reader, given: column(thing) == given)


def word(
    name: str,
    values: tuple[str, ...],
    where: Callable[[FromClause, ReaderKind, Any], ColumnElement[bool]],
) -> Filter:
    """Some of a few words, for one of which `where(thing, reader, word)` is true."""
    return several(name, lambda slot: _word(slot, values, where))


def _word(
    name: str,
    values: tuple[str, ...],
    where: Callable[[FromClause, ReaderKind, Any], ColumnElement[bool]],
) -> Filter:
    asked = _words(values)
    return Filter(
        asked.takes,
        lambda given: Wanted("", {f"f_{name}": asked.read(given).form}),
        lambda thing, reader, form: where(thing, reader, param(f"f_{name}", String)),
        asked.schema,
    )


def what_is(values: tuple[str, ...], where: Callable[[FromClause, str], Any]) -> Filter:
    """Some of a few words, each with a predicate of its own: `where(thing, word)`."""
    one = replace(_words(values), where=lambda thing, reader, form: where(thing, form))
    return several("", lambda slot: one)


def _words(values: tuple[str, ...]) -> Filter:
    def read(given: str) -> Wanted:
        if given not in values:
            raise ValueError(f"takes one of {', '.join(values)}.")
        return Wanted(given, {})

    takes, described = " or ".join(values), {"type": "string", "enum": list(values)}
    return Filter(takes, read, lambda thing, reader, form: true(), described)


Asks = Callable[[FromClause, FromClause], ColumnElement[bool]]
"""What is asked of a machine and its provider."""
ByMachine = Callable[[FromClause, ReaderKind, Asks], ColumnElement[bool]]
"""Which versions list, for the reader, a machine of which this holds."""


def found_by_machine(thing: FromClause, reader: ReaderKind, asks: Asks) -> ColumnElement[bool]:
    """The version lists a machine, for the reader, for which `asks(machine, provider)` is true. Such
    machines are found first, and then their versions."""
    return among(thing.c.n, _machines(reader, asks))


def with_machine(thing: FromClause, reader: ReaderKind, asks: Asks) -> ColumnElement[bool]:
    """The same predicate, which looks at the machines of one version at a time."""
    return has_row(_machines(reader, asks, thing))


def _machines(reader: ReaderKind, asks: Asks, version: FromClause | None = None) -> Select[Any]:
    """The keys of versions that list such a machine; of all, or of this version."""
    machine, provider = schema.machines.alias(), schema.providers.alias()
    placed = select(machine.c.version_n).where(
        provider.c.id == machine.c.provider_id,
        machine_access.listed_in_version(machine, provider, reader, version),
        asks(machine, provider),
    )
    return placed if version is None else placed.where(machine.c.version_n == version.c.n)
