"""The law that the rule is asked: every statement on a guarded table goes through `rules/access.py`.

Read from the code. In each function that composes a statement (`select(…)`, `exists()`), every
guarded table that it reads must be handed, as the alias it is read under, to the rule: to
`readable`, `keeps_…`, `launchable` and the like, or to `is_it` of a filter. What is not stands in
`BARE`, with the reason why no reader learns anything from it; an entry that is no longer needed
fails as well. Tables that come as a parameter are unknown here, so they need the rule or an entry.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import exists, select

from goldenrod.base.errors import NotFound
from goldenrod.rules import access
from goldenrod.rules.access import ANONYMOUS, CONSOLE, Actor, ReaderKind
from goldenrod.store import paging, schema
from goldenrod.store.db import Build, Database, statement
from goldenrod.store.paging import Filter
from tests.rules.bare_reads import BARE
from tests.support.every_list import LISTS

PACKAGE = Path(access.__file__).parent.parent
TABLES = schema.metadata.tables.keys()
COMPOSE = {"select", "exists", "union_all"}
RULE = {
    "readable",
    "edits_image",
    "edits_version",
    "listed_in_version",
    "launchable",
    "found_running",
    "offered_by_latest",
    "readable_or_id",
    "is_it",
}


def functions(module: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """The functions and methods of a module, nested ones as part of their outermost; and the rest."""
    rest: list[ast.stmt] = []
    for node in module.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for member in node.body:
                yield f"{node.name}.{getattr(member, 'name', '')}".rstrip("."), member
        else:
            rest.append(node)
    yield "(module)", ast.Module(rest, [])


def called(node: ast.AST) -> str | None:
    """The name of the function that a node calls, without what it is an attribute of."""
    match node:
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return name
    return None


def table_named(node: ast.AST, known: dict[str, str]) -> str | None:
    """The table that an expression stands for: its name, or the expression where it is unknown."""
    match node:
        case ast.Attribute(value=ast.Name(id="schema"), attr=name):
            # A table may be called otherwise in the module than in the database.
            return str(getattr(getattr(schema, name, None), "name", name))
        case ast.Name(id=name):
            return known.get(name)
        case ast.Attribute(attr="table" | "other"):
            return ast.unparse(node)
        case ast.Call(func=ast.Attribute(value=of, attr="alias")):
            return table_named(of, known) or ast.unparse(of)
    return None


def names_of_tables(node: ast.AST, known: dict[str, str]) -> dict[str, str]:
    """Local names to the tables that they stand for: parameters of the type Table, and aliases."""
    found = dict(known)
    for inner in ast.walk(node):
        match inner:
            case ast.arg(arg=name, annotation=ast.Name(id="Table")):
                found[name] = name
    for inner in ast.walk(node):
        match inner:
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
                pairs = list(zip(targets, values, strict=False))
            case ast.Assign(targets=[target], value=value):
                pairs = [(target, value)]
            case _:
                continue
        for target, value in pairs:
            table = table_named(value, found)
            if isinstance(target, ast.Name) and table:
                found[target.id] = table
    return found


def bare_reads(node: ast.AST, known: dict[str, str]) -> set[str]:
    """The tables, guarded or unknown, that a function reads without handing them to the rule."""
    if not any(called(inner) in COMPOSE for inner in ast.walk(node)):
        return set()
    names = names_of_tables(node, known)
    asked = {
        ast.unparse(argument)
        for inner in ast.walk(node)
        if called(inner) in RULE and isinstance(inner, ast.Call)
        for argument in inner.args
    }
    read: dict[str, str] = {}
    for inner in ast.walk(node):
        # A table is read where a column of it is named, or where it is joined.
        if isinstance(inner, ast.Attribute) and inner.attr == "c":
            used = [inner.value]
        elif called(inner) in {"join", "select_from"} and isinstance(inner, ast.Call):
            used = [inner.func.value, *inner.args] if isinstance(inner.func, ast.Attribute) else []
        else:
            continue
        for of in used:
            table = table_named(of, names)
            if table:
                read[ast.unparse(of)] = table
    unguarded = TABLES - access.GUARDED
    return {table for name, table in read.items() if name not in asked and table not in unguarded}


def text_reads(node: ast.AST) -> set[str]:
    """The guarded or unknown tables that SQL written as text reads."""
    found = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "{}" for p in inner.values)
            text = "".join(map(str, parts))
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            text = inner.value
        else:
            continue
        if re.search(r"\b(SELECT|DECLARE)\b", text):
            found |= set(re.findall(r'\b(?:FROM|JOIN)\s+"?([a-z_]+|\{\})', text))
    return {name for name in found if name == "{}" or name in access.GUARDED}


def bare_in(path: str, source: str) -> set[str]:
    """What a module reads bare, as "module function table"."""
    module = ast.parse(source)
    parts = list(functions(module))
    known = names_of_tables(parts[-1][1], {})
    return {
        f"{path} {name} {table}"
        for name, node in parts
        for table in bare_reads(node, known) | text_reads(node)
    }


def bare_in_package() -> set[str]:
    found: set[str] = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name not in ("rules/access.py", "rules/visibility/branches.py"):
            found |= bare_in(name, path.read_text("utf-8"))
    return found


def test_every_read_of_a_guarded_table_asks_the_rule() -> None:
    reasoned = set[str]().union(*BARE.values())
    assert sum(map(len, BARE.values())) == len(reasoned), "an entry has two reasons"
    found = bare_in_package()
    assert not found - reasoned, "read it through access.readable, or say why it may be bare"
    assert not reasoned - found, "these ask the rule now, or are gone: take them off the list"


@pytest.mark.parametrize(
    ("source", "table"),
    [
        ("def f():\n    return select(schema.images.c.id)", "images"),
        ("def f():\n    v = schema.versions.alias()\n    return select(v.c.n)", "versions"),
        ("def f():\n    a, b = schema.tags, 1\n    return select(*a.c)", "tags"),
        ("V = schema.versions\ndef f():\n    return select(V.c.n)", "versions"),
        ("def f(table: Table):\n    return select(table.c.id)", "table"),
        (
            "def f(pairing):\n    x = pairing.other.alias()\n    return select(x.c.id)",
            "pairing.other",
        ),
        ("def f(thing):\n    x = thing.alias()\n    return exists().where(x.c.id == 1)", "thing"),
        ("class C:\n    def f(self):\n        return select(schema.users.c.id)", "users"),
        ("f = lambda: select(schema.groups.c.id)", "groups"),
        (
            "def f(s):\n    a, b = schema.images.alias(), schema.images.alias()\n"
            "    return select(a.c.id, b.c.id).where(access.readable(a, s))",
            "images",
        ),
        (
            "def f(s):\n    a, b = schema.images.alias(), schema.tags.alias()\n"
            "    return select(a.join(b)).where(readable(a, s))",
            "tags",
        ),
        ("def f(tx):\n    tx.sql('SELECT name FROM groups')", "groups"),
        ("def f(tx, t):\n    tx.sql(f'SELECT 1 FROM {t}')", "{}"),
    ],
)
def test_bare_reads_are_found(source: str, table: str) -> None:
    assert {found.split()[-1] for found in bare_in("m.py", source)} == {table}


@pytest.mark.parametrize(
    "source",
    [
        "def f(s):\n    v = schema.versions.alias()\n    return select(v.c.n).where(readable(v, s))",
        "def f(is_it):\n    v = schema.versions.alias()\n    return select(v.c.n).where(is_it(v))",
        "def f():\n    return select(schema.audit.c.at)",
        "def f(version: FromClause):\n    return exists().where(version.c.n == 1)",
        "def f(tx):\n    tx.insert(schema.images, name='x')",
        "def f():\n    return update(schema.images).where(schema.images.c.id == 1)",
        "def f(tx):\n    tx.sql('SELECT revision FROM catalogue')",
    ],
)
def test_other_code_is_let_be(source: str) -> None:
    assert not bare_in("m.py", source)


SAMPLES = ("1", "true", "word", "read", str(UUID(int=7)), "2026-01-01T00:00:00Z", "current", "URL")
SCOPE = re.compile(r"(\()|(\))|\b(\w+) AS (\w+)\b")


def read_anew(text: str) -> set[str]:
    """The aliases of tables that a subquery introduces although a query around it has them."""
    twice: set[str] = set()
    around: list[tuple[set[str], set[str]]] = []
    own, below = set[str](), set[str]()
    for opened, closed, table, alias in SCOPE.findall(text):
        if opened:
            around.append((own, below))
            own, below = set(), set()
        elif closed:
            twice |= own & below
            inside = own | below
            own, below = around.pop()
            below |= inside
        elif table in TABLES:
            own.add(alias)
    assert not around
    return twice | (own & below)


@pytest.mark.parametrize("reader", ReaderKind)
@pytest.mark.parametrize("noun", LISTS)
def test_no_list_reads_a_row_further_up_anew(
    sqlite_db: Database, noun: str, reader: ReaderKind
) -> None:
    # SQLAlchemy correlates with the next statement around only: a predicate further down about a
    # row further up reads that row's table anew instead, and then any of its rows will do.
    list_page, listing = LISTS[noun]
    actor = next(a for a in (ANONYMOUS, Actor("user", 1, "someone"), CONSOLE) if a.reader is reader)
    for arguments in ({}, *({name: [sample_of(it)]} for name, it in listing.filters.items())):
        sqlite_db.trace = []
        with sqlite_db.read() as tx:
            list_page(tx, actor, paging.parse(listing, arguments))
            with pytest.raises(NotFound):  # counts the list
                list_page(tx, actor, paging.parse(listing, {**arguments, "page": ["2"]}))
        assert len(sqlite_db.trace) >= 2
        for text in sqlite_db.trace:
            assert not read_anew(text), (arguments, text)


def _anew() -> Any:
    """Images with a version that has a machine, said wrong: of any image."""
    image, version = schema.images.alias("thing"), schema.versions.alias()
    machine = schema.machines.alias()
    placed = exists().where(machine.c.version_n == version.c.n, machine.c.image_id == image.c.id)
    return select(image.c.id).where(exists().where(version.c.image_id == image.c.id, placed))


def _anew_by_name() -> Any:
    image, version = schema.images.alias(), schema.versions.alias()
    placed = exists().where(schema.machines.c.version_n == version.c.n, image.c.is_public)
    return select(image.c.id).where(exists().where(version.c.image_id == image.c.id, placed))


@pytest.mark.parametrize("build", [_anew, _anew_by_name])
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_what_reads_a_row_further_up_anew_is_not_compiled(dialect: str, build: Build) -> None:
    assert read_anew(str(build()))
    with pytest.raises(AssertionError, match=r"^not correlated: "):
        statement(dialect, build)


def sample_of(it: Filter) -> str:
    """A text that a filter takes."""
    for sample in SAMPLES:
        try:
            it.read(sample)
        except ValueError:
            continue
        return sample
    raise AssertionError(f"no sample for a filter that takes {it.takes}")
