"""Who is shown what by every entry point, against the access rule by brute force.

In random worlds (`support/visibility/random_worlds.py`) each text of each thing has a mark
(`support/marks/planted.py`). Every actor asks every entry point for every thing: the API, the pages,
feeds, look-up and resolving, the commands that ask a server, `why`, and the export. No answer may show
a mark or an id of what the rule hides from the actor, in its status, headers or body; what is readable
must be there. A triple is an actor, an entry point and a thing whose presence was checked.
"""

import io
from collections.abc import Callable
from random import Random
from typing import Any

import httpx
import pytest

from goldenrod.catalogue.transfer import export_import
from goldenrod.cli.main import COMMANDS
from goldenrod.rules import why
from goldenrod.store.db import Database
from goldenrod.web.api.routes import ROUTES
from goldenrod.web.pages.routes import PAGES
from tests.support.marks.asked import Asked, Tally, reads, small_world
from tests.support.marks.entries import Entry, asked_by_address, asked_by_name, entries_of
from tests.support.marks.permitted import Permitted
from tests.support.marks.planted import MARK, mark
from tests.support.processes.command_line import Run, runner
from tests.support.visibility.loading import actor_of, version_id
from tests.support.visibility.model import World

NewDatabase = Callable[[str], Database]
BOTH = pytest.mark.parametrize("backend", ["sqlite", "postgresql"])


# ── the API and the pages ──────────────────────────────────────────────────────────────────


def test_every_route_that_is_read_has_an_entry() -> None:
    worlds = [small_world(seed) for seed in range(5)]
    for page, routes in ((False, ROUTES), (True, PAGES)):
        for route in routes:
            if route.method == "GET":
                found = [it for world in worlds for it in entries_of(route.path, page, world)]
                assert found, f"{route.path} is not asked"


def ask_world(db: Database, seed: int, share: float) -> Tally:
    """Ask a share of all entry points of a world, as every reader."""
    r, world = Random(seed), small_world(seed)
    asked = Asked(db, world)
    for client in asked.clients:
        for entry in asked_by_address(world):
            if share == 1 or r.random() < share:
                asked.check(entry, client)
        for entry in asked_by_name(world, r, 2):
            if r.random() < share / 2:
                asked.check(entry, client)
    return asked.tally


@BOTH
def test_no_entry_point_shows_what_the_rule_hides(new_database: NewDatabase, backend: str) -> None:
    tally = ask_world(new_database(backend), 1, 0.006)
    assert tally.triples > 1_500
    assert min(tally.statuses[200], tally.statuses[404]) > 5
    assert tally.shown > 1


@pytest.mark.long
@BOTH
def test_it_is_so_for_all_things_of_several_worlds(new_database: NewDatabase, backend: str) -> None:
    tallies = [ask_world(new_database(backend), seed, 0.35) for seed in (2, 3)]
    assert sum(tally.triples for tally in tallies) > 100_000


# ── the command line ───────────────────────────────────────────────────────────────────────

NAMES: dict[str, Callable[[World], list[str]]] = {
    "image list": lambda world: [""],
    "image show": lambda world: [mark("im", n, "s") for n in world.images],
    "version list": lambda world: [""],
    "version show": lambda world: [version_id(n) for n in world.versions],
    "license list": lambda world: [""],
    "license show": lambda world: [str(n) for n in world.licenses],
    "script list": lambda world: [""],
    "script show": lambda world: [str(n) for n in world.scripts],
    "channel list": lambda world: [mark("im", n, "s") for n in world.images],
    "channel show": lambda world: _channels(world),
    "channel history": lambda world: _channels(world),
    "resolve": lambda world: [
        f"{channel} {mark('pr', n, 's')}" for channel in _channels(world) for n in world.providers
    ],
    "whatis": lambda world: [" ".join(mark("ma", n, "i") for n in world.machines)],
    "lineage": lambda world: [_named(world, n) for n in world.versions],
    "diff": lambda world: [f"{_named(world, n)} {version_id(1)}" for n in world.versions],
    "drift": lambda world: [""],
    "activity": lambda world: [""],
}
"""The arguments of each command that reads from a server."""

CHANGE = {
    *("image create", "image edit", "publish", "version create", "version edit", "version end"),
    *("version deprecate", "version revoke", "version share", "license create", "license edit"),
    *("script create", "script edit", "channel set", "channel edit", "channel delete"),
    *("deprecate", "revoke", "restore"),
}
"""The commands that change something on a server: the API's methods for it are in
`test_ids_of_others.py`."""

OPERATORS = {
    *("serve", "demo", "migrate", "check", "export", "backup", "why", "sync", "sync log"),
    *(path for path in COMMANDS if path.split()[0] in ("user", "group", "token", "import")),
    *(path for path in COMMANDS if path.split()[0] == "webhooks"),
}
"""The commands that open the database: whoever may do that sees everything."""


def _channels(world: World) -> list[str]:
    return [f"{mark('im', it.image, 's')} {mark('ch', it.id)}" for it in world.channels.values()]


def _named(world: World, number: int) -> str:
    return f"{mark('im', world.versions[number].image, 's')}/{mark('ve', number)}"


def test_every_command_has_an_entry() -> None:
    assert NAMES.keys() | CHANGE | OPERATORS == COMMANDS.keys()
    assert len(NAMES) + len(CHANGE) + len(OPERATORS) == len(COMMANDS)


def ask_commands(asked: Asked, run: Run, r: Random, share: float) -> None:
    """Run the commands that read from a server, as every reader."""
    world = asked.world
    for client in asked.clients:
        secret = client.token.get("Authorization", "").removeprefix("Token ")
        for command, arguments in NAMES.items():
            for given in arguments(world):
                if r.random() < share:
                    entry = Entry("/lookup" if command == "whatis" else command, given, False)
                    ended = run(*command.split(), *given.split(), TOKEN=secret, URL="http://x")
                    assert ended.code in (0, 1, 2, 3, 4, 5), (entry, ended)
                    asked.check_text(f"{ended.out}\n{ended.err}", entry, client)
                    asked.tally.requests += 1
                    asked.tally.triples += asked.marks
                    asked.tally.shown += bool(MARK.search(ended.out))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(monkeypatch, capsys)


def commands_ask(monkeypatch: pytest.MonkeyPatch, asked: Asked) -> None:
    """Have commands ask the application in this process."""
    client = httpx.Client

    def inside(**more: Any) -> httpx.Client:
        return client(transport=httpx.WSGITransport(app=asked.app), **more)

    monkeypatch.setattr(httpx, "Client", inside)


def test_no_command_shows_what_the_rule_hides(
    new_database: NewDatabase, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(new_database("sqlite"), small_world(1))
    commands_ask(monkeypatch, asked)
    ask_commands(asked, run, Random(1), 0.01)
    assert asked.tally.shown > 1


@pytest.mark.long
@BOTH
def test_it_is_so_for_all_things_that_commands_name(
    new_database: NewDatabase, run: Run, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    asked = Asked(new_database(backend), small_world(2))
    commands_ask(monkeypatch, asked)
    ask_commands(asked, run, Random(2), 1)
    assert asked.tally.triples > 10_000


# ── why, and the export ────────────────────────────────────────────────────────────────────

WORDS = {
    "ve": "version",
    "im": "image",
    "ma": "machine",
    "pr": "provider",
    "sc": "script",
    "tg": "tag",
    "li": "license",
    "gr": "group",
    "us": "user",
    "id": "identity",
    "tk": "token",
    "wh": "webhook",
}
"""How `goldenrod why` names each kind of thing."""


def things_of(world: World) -> list[tuple[str, int]]:
    """All things of a world that `why` explains."""
    by_kind = {
        **{"ve": world.versions, "im": world.images, "ma": world.machines, "pr": world.providers},
        **{"sc": world.scripts, "tg": world.tags, "li": world.licenses, "gr": world.groups},
        **{"us": world.users, "id": world.identities, "tk": world.tokens, "wh": world.webhooks},
    }
    return [(kind, number) for kind, things in by_kind.items() for number in things]


def explain_all(asked: Asked, r: Random, share: float) -> None:
    """Ask why each reader may read each thing, or may not."""
    world = asked.world
    with asked.db.read() as tx:
        for client in asked.clients:
            actor = actor_of(tx, world, client.reader)
            for kind, number in things_of(world):
                if r.random() < share:
                    key = version_id(number) if kind == "ve" else number
                    clauses = why.explain(tx, actor, f"{WORDS[kind]}:{key}")
                    granted = any(clause.grants for clause in clauses)
                    assert granted == reads(world, client.reader, (kind, number)), (
                        client,
                        kind,
                        key,
                    )


def test_why_and_the_export_agree_with_the_rule(new_database: NewDatabase) -> None:
    assert {*WORDS.values()} == why.TABLES_BY_WORD.keys()
    asked = Asked(new_database("sqlite"), small_world(1))
    explain_all(asked, Random(1), 0.03)
    things = things_of(asked.world)
    whole, without = io.BytesIO(), io.BytesIO()
    export_import.export_catalogue(asked.db, whole)
    export_import.export_catalogue(asked.db, without, credentials=False)
    exported = {found[:-1] for found in MARK.findall(whole.getvalue().decode())}
    left = {found[:-1] for found in MARK.findall(without.getvalue().decode())}
    credentials = {mark(kind, number, "") for kind, number in things if kind in ("tk", "wh")}
    personal = {mark("gr", number, "") for number in asked.world.users}
    named = {mark(*thing, "") for thing in things} - personal
    assert named <= exported, "who may export sees everything"
    assert not left & credentials
    assert left >= named - credentials
    # What is looked for would be found: their own name, if that were hidden from them.
    user = asked.clients[1]
    asked.permitted[user.reader] = Permitted()
    with pytest.raises(AssertionError):
        asked.check(Entry("/users", "/api/v2/users", False), user)


@pytest.mark.long
@BOTH
def test_why_agrees_with_the_rule_about_everything(new_database: NewDatabase, backend: str) -> None:
    for seed in (2, 3):
        explain_all(Asked(new_database(backend), small_world(seed)), Random(seed), 1)
