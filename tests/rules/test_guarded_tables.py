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


# Why no reader learns from it what they may not see, and what reads bare for this reason.
BARE: dict[str, set[str]] = {
    "asks the rule through the condition `seen` that it is given": {
        "rules/resources.py _counted listing.table",
    },
    "builds the rows that the rule has picked": {
        "rules/resources.py _built listing.table",
    },
    "how many versions a reader sees: a test holds it equal to counting those the rule gives": {
        "rules/visibility/stored_counts.py _of_biggest versions",
        "rules/visibility/stored_counts.py not_public versions",
        "rules/visibility/stored_counts.py _seen versions",
    },
    "asks of a row that the rule was asked about; who reads that reads these": {
        "catalogue/versions/licenses_scripts.py _listing pairing.table",
        "catalogue/images/image_search.py _choices tags",
        "catalogue/images/image_search.py _images images",
        "catalogue/images/image_search.py _withdrawn images",
        "catalogue/images/image_search.py _withdrawn versions",
        "catalogue/accounts/groups.py _maintained image_maintainers",
        "catalogue/images/images.py _tagged tags",
        "catalogue/versions/lineage/queries.py nodes images",
        "rules/lifecycle/lineage_walk.py line versions",
        "catalogue/versions/lineage/lineage.py _nodes versions",
        "catalogue/versions/lineage/lineage.py _path line",
        "catalogue/versions/lineage/lineage.py _path versions",
        "catalogue/channels/lookup.py _matches images",
        "catalogue/versions/attachments.py _resource pairing.other",
        "catalogue/images/image_page.py _release images",
        "catalogue/images/feed_times.py _edited versions",
        "catalogue/images/feed_times.py _lifted versions",
        "catalogue/channels/assign.py _state versions",
        "catalogue/versions/impact.py _groups groups",
        "catalogue/channels/resolve.py _everywhere channels",
        "catalogue/versions/version_page.py _children versions",
        "catalogue/versions/version_page.py _named images",
        "catalogue/versions/version_page.py _texts version_licenses",
        "catalogue/versions/version_page.py _texts version_scripts",
        "catalogue/versions/versions.py _tagged tags",
        "catalogue/versions/versions.py _under_license version_licenses",
        "catalogue/versions/versions.py _with_latest versions",
        "rules/changes/version_lists.py _on_editable_version version_scripts",
        "rules/summaries.py _attached pairing",
        "rules/summaries.py _attached thing",
        "rules/summaries.py tags tags",
        "rules/summaries.py version_shape images",
    },
    "a username shows wherever a readable object names it": {
        "catalogue/images/image_search.py _choices users",
        "rules/summaries.py user users",
    },
    "shows all of the groups to editors and staff, to others their own": {
        "catalogue/channels/channels.py _groups groups",
        "rules/summaries.py maintainers groups",
        "rules/summaries.py maintainers image_maintainers",
        "rules/summaries.py membership groups",
        "rules/summaries.py membership version_memberships",
    },
    "that the name of a user or group exists is no secret": {
        "catalogue/accounts/users.py _by_name groups",
        "rules/filters.py username groups",
        "rules/changes/references.py _named table",
        "rules/changes/references.py _personal groups",
        "rules/changes/references.py _personal_with_uuid groups",
        "rules/changes/references.py _personal_with_uuid users",
    },
    "a slug, whose thing the rule is then asked about": {
        "rules/resources.py named SLUGS[table.name]",
    },
    "whether something is taken, in use or its own ancestor, told to its writer alone": {
        "catalogue/webhooks/webhooks.py _count webhooks",
        "catalogue/versions/licenses_scripts.py _is_used pairing.table",
        "catalogue/accounts/identities.py _with_key identities",
        "catalogue/versions/machines.py _clashing machines",
        "catalogue/versions/machines.py _ended_here machines",
        "catalogue/versions/machines.py _current_with_identifier machines",
        "catalogue/channels/assign.py _missing_providers machines",
        "catalogue/channels/assign.py _first_assigned channels",
        "catalogue/channels/assign.py _channel_named channels",
        "rules/lifecycle/lineage_walk.py reaches versions",
        "catalogue/versions/version_names.py _in_image versions",
        "catalogue/images/tags.py _by_key tags",
        "rules/changes/removal.py _is_referred_to table",
        "rules/lifecycle/revocation_reach.py _in_force versions",
    },
    "keys of versions with a name, which the statements around it ask the rule about": {
        "catalogue/versions/version_names.py _named versions",
        "catalogue/versions/version_names.py meant_by images",
        "catalogue/versions/version_names.py meant_by versions",
    },
    "ids for a change and its audit": {
        "catalogue/images/images.py _maintainer_ids image_maintainers",
        "catalogue/versions/attachments.py _attachment_id pairing.table",
        "catalogue/versions/publish.py _id_of versions",
        "rules/changes/version_lists.py _ids pairing.table",
        "rules/lifecycle/deprecation.py _id_of versions",
    },
    "whether the person themselves can sign in with a password": {
        "catalogue/accounts/users.py _has_password users",
    },
    "finds out who asks": {
        "catalogue/accounts/oidc_accounts.py _known users",
        "catalogue/webhooks/payloads.py _active users",
        "catalogue/accounts/actors.py _by_id users",
        "catalogue/accounts/actors.py _by_session users",
        "catalogue/accounts/actors.py _by_token tokens",
        "catalogue/accounts/actors.py _by_token users",
        "catalogue/accounts/actors.py _columns identities",
        "catalogue/accounts/password_sign_in.py _account groups",
        "catalogue/accounts/password_sign_in.py _account users",
    },
    "what the catalogue repeats for speed: written, not answered": {
        "catalogue/search.py _slugs_and_tags tags",
        "catalogue/search.py _image_text images",
        "rules/visibility/stored_counts.py _count_all versions",
        "rules/visibility/stored_counts.py _contribution versions",
        "rules/visibility/stored_counts.py _opened_and_closed versions",
        "rules/lifecycle/revocation_reach.py _update_below versions",
        "rules/lifecycle/revocation_reach.py _update_reached versions",
        "rules/visibility/denormalised.py _delete_shares versions",
        "rules/visibility/denormalised.py _readers groups",
        "rules/visibility/denormalised.py _readers image_maintainers",
        "rules/visibility/denormalised.py _readers version_memberships",
        "rules/visibility/denormalised.py _readers versions",
        "rules/visibility/denormalised.py _write_shares versions",
    },
    "the search words of a row that the rule is asked about": {
        "store/search_index.py _postgresql {}",
        "store/search_index.py _sqlite {}",
    },
    "a machine that the rule has chosen, and its version": {
        "catalogue/channels/lookup.py _offered machines",
        "catalogue/channels/lookup.py _offered versions",
        "catalogue/channels/lookup.py _offers machines",
        "catalogue/channels/lookup.py _offers versions",
        "catalogue/channels/resolve.py _everywhere machines",
        "catalogue/channels/resolve.py _offer versions",
        "catalogue/channels/resolve.py _machines machines",
        "catalogue/versions/version_page.py _latest_on_provider machines",
        "rules/lifecycle/machine_choice.py of_version machines",
    },
    "whether the lineage of an image is one line: it decides how a count is found, not what it is": {
        "rules/lifecycle/lines.py _add images",
        "rules/lifecycle/lines.py _add versions",
        "rules/lifecycle/lines.py _find images",
        "rules/lifecycle/lines.py _find versions",
        "rules/lifecycle/states.py _one_line images",
        "store/migrations/versions/0002_lines_and_undoing.py (module) versions",
    },
    "lines of versions between those that the rule is asked about": {
        "rules/lifecycle/states.py _not_below versions",
        "rules/lifecycle/states.py stale versions",
    },
    "the newest of those that its caller asks the rule about": {
        "rules/lifecycle/states.py newest_current versions",
    },
    "which channels a change may have touched, of those that the rule gives": {
        "catalogue/versions/revocations.py _targets versions",
    },
    "where a channel leads, whoever asks: its version shows to those who may read it": {
        "rules/lifecycle/channel_targets.py _stop versions",
    },
    "what is to be told, as ids: payloads are built through the rule": {
        "catalogue/webhooks/outbox.py _has_work webhooks",
        "catalogue/webhooks/outbox.py _due_webhooks webhooks",
        "catalogue/webhooks/outbox.py _active_webhooks webhooks",
        "catalogue/webhooks/outbox.py _with_event webhooks",
        "rules/changes/events.py _any_active webhooks",
        "rules/changes/events.py _earliest webhooks",
        "rules/changes/events.py _hooked_images webhooks",
        "rules/changes/events.py _listening webhooks",
        "rules/changes/events.py _machines machines",
        "rules/changes/events.py _reached versions",
        "rules/changes/events.py _version_dates versions",
        "rules/lifecycle/scheduled_events.py between machines",
        "rules/lifecycle/scheduled_events.py between versions",
    },
    "an instant that no answer shows: until when answers may be kept": {
        "rules/cache_expiry.py _next images",
        "rules/cache_expiry.py _next machines",
        "rules/cache_expiry.py _next providers",
        "rules/cache_expiry.py _next tokens",
        "rules/cache_expiry.py _next versions",
    },
    "the operator's console: whole tables out and in, imports, why": {
        "catalogue/sync/apply.py _machine machines",
        "catalogue/sync/cloud_rows.py _rows machines",
        "catalogue/sync/image_state.py _images_of machines",
        "catalogue/sync/image_state.py _machines machines",
        "catalogue/sync/image_state.py _versions_of machines",
        "catalogue/transfer/export_import.py _referenced table",
        "rules/why.py _clauses table",
        "store/bulk.py _any table",
        "store/bulk.py _counted table",
        "store/bulk.py _highest table",
        "store/bulk.py _ordered table",
        "store/bulk.py next_id {}",
    },
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
