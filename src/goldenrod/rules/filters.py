"""The filters that lists share: how a parameter's text is read, and its predicate.

If a value names a resource that the reader may not read, the list is empty, exactly as if the
resource did not exist: predicates use the access rule wherever a reader could learn something. Each
factory takes the parameter's name; its values are bound as `f_<name>`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, FromClause, String, Table, exists, select, true

from goldenrod.base.architectures import normal_architecture
from goldenrod.base.clock import parse_instant
from goldenrod.base.text import boolean as parse_boolean
from goldenrod.base.text import filter_key, identifier_key
from goldenrod.rules import access, resources
from goldenrod.rules.access import ReaderKind
from goldenrod.rules.lifecycle import machine_access
from goldenrod.store import schema
from goldenrod.store.paging import Filter, Wanted
from goldenrod.store.sql import Moment, Sortable, among, param

Where = Callable[[FromClause, ReaderKind], ColumnElement[bool]]
OfArchitecture = Callable[[FromClause], ColumnElement[bool]]


def text(name: str, column: str, takes: str = "the exact text") -> Filter:
    """A column equals the text exactly."""
    return Filter(
        takes,
        lambda given: Wanted("", {f"f_{name}": given}),
        lambda thing, reader, form: thing.c[column] == param(f"f_{name}", String),
    )


def identifier(name: str) -> Filter:
    """A machine's id on its provider. UUIDs and Azure's ids compare without case."""
    return Filter(
        "a whole identifier",
        lambda given: Wanted("", {f"f_{name}": identifier_key(given)}),
        lambda thing, reader, form: thing.c.identifier_key == param(f"f_{name}", Sortable),
    )


def architecture(where: Callable[[FromClause, ReaderKind, OfArchitecture], Any]) -> Filter:
    """An architecture, in any of its spellings. `where(thing, reader, is_it)` is the predicate, and
    `is_it(machine)` is true if the machine is of it."""
    return Filter(
        "an architecture, such as x86_64 or amd64",
        lambda given: Wanted("", {"f_architecture": normal_architecture(given)}),
        lambda thing, reader, form: where(thing, reader, _is_of_architecture),
    )


def _is_of_architecture(machine: FromClause) -> ColumnElement[bool]:
    wanted: ColumnElement[bool] = machine.c.architecture == param("f_architecture", String)
    return wanted


def by_key(name: str, column: str = "name_key") -> Filter:
    """A name equals the text, compared by its key."""
    return Filter(
        "a whole name",
        lambda given: Wanted("", {f"f_{name}": filter_key(given)}),
        lambda thing, reader, form: thing.c[column] == param(f"f_{name}", Sortable),
    )


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
    where: Callable[[FromClause, ReaderKind, Callable[[FromClause], ColumnElement[bool]]], Any],
    *,
    narrow: bool = False,
) -> Filter:
    """A resource of `table`, by id, uuid or slug. `where(thing, reader, is_it)` is the predicate.
    `is_it(alias)` is true if the alias is this resource and the reader may read it."""
    slugs = table.name in resources.SLUGS
    takes = "a uuid" if table is schema.versions else "an id or uuid" + (" or slug" * slugs)

    def read(given: str) -> Wanted:
        form = resources.key_form(table, given)
        if form is None:
            raise ValueError(f"takes {takes}.")
        return Wanted(form, {f"f_{name}": resources.key_value(form, given)})

    def asked(thing: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
        def is_it(alias: FromClause) -> ColumnElement[bool]:
            named = resources.named(alias, table, form, f"f_{name}")
            return named & access.readable(alias, reader)

        found: ColumnElement[bool] = where(thing, reader, is_it)
        return found

    return Filter(takes, read, asked, narrow=narrow)


def username(name: str, column: Callable[[FromClause], ColumnElement[int]]) -> Filter:
    """A user column is the user with this exact name."""

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
    """One of a few words, for which `where(thing, reader, word)` is true."""
    asked = _words(values)
    return Filter(
        asked.takes,
        lambda given: Wanted("", {f"f_{name}": asked.read(given).form}),
        lambda thing, reader, form: where(thing, reader, param(f"f_{name}", String)),
        asked.schema,
    )


def what_is(values: tuple[str, ...], where: Callable[[FromClause, str], Any]) -> Filter:
    """One of a few words, each with a predicate of its own: `where(thing, word)`."""
    return replace(_words(values), where=lambda thing, reader, form: where(thing, form))


def _words(values: tuple[str, ...]) -> Filter:
    def read(given: str) -> Wanted:
        if given not in values:
            raise ValueError(f"takes one of {', '.join(values)}.")
        return Wanted(given, {})

    takes, described = " or ".join(values), {"type": "string", "enum": list(values)}
    return Filter(takes, read, lambda thing, reader, form: true(), described)


def listed_machine(
    thing: FromClause, reader: ReaderKind, asks: Callable[[FromClause, FromClause], Any]
) -> ColumnElement[bool]:
    """The reader may read a machine of the version for which `asks(machine, provider)` is true."""
    machine, provider = schema.machines.alias(), schema.providers.alias()
    return exists().where(
        machine.c.version_n == thing.c.n,
        provider.c.id == machine.c.provider_id,
        machine_access.listed_in_version(machine, provider, reader),
        asks(machine, provider),
    )


def found_by_machine(
    thing: FromClause, reader: ReaderKind, asks: Callable[[FromClause, FromClause], Any]
) -> ColumnElement[bool]:
    """The same as `listed_machine`, in a form that finds the machines first and then their versions."""
    machine, provider = schema.machines.alias(), schema.providers.alias()
    placed = select(machine.c.version_n).where(
        provider.c.id == machine.c.provider_id,
        machine_access.listed_in_version(machine, provider, reader),
        asks(machine, provider),
    )
    return among(thing.c.n, placed)
