"""Every page, asked by everybody: which status, and that it never shows what is not theirs to see.

A page without a row here fails. `SECRET` (`support/access_requests/secrets.py`) says of each text who
may ever see it; here it is looked for as a word, in headers too. Pages that change something are asked
by everybody without the token that their forms carry: nothing happens, and the answer tells nothing.
"""

import re
from collections.abc import Iterator

import pytest

from goldenrod.base import config, wire
from goldenrod.catalogue.channels import assign
from goldenrod.catalogue.versions import machines, providers, publish
from goldenrod.rules.access import CONSOLE
from goldenrod.store.db import Database
from goldenrod.web.pages.routes import PAGES
from tests.conftest import POSTGRESQL_IS_LONG
from tests.support.access_catalogue import Stage, set_stage
from tests.support.access_requests.secrets import SECRET, filled
from tests.support.access_requests.who_sees import ACTORS, who
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.asked_pages import ASKED
from tests.support.pages.visitor import PageResponse, Visitor


@pytest.fixture(scope="module", params=POSTGRESQL_IS_LONG)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with set_stage(request) as made:
        yield made


@pytest.fixture(scope="module")
def visitors(stage: Stage) -> dict[str, Visitor]:
    return visitors_of(stage)


def visitors_of(stage: Stage) -> dict[str, Visitor]:
    """A browser for each actor that has a password."""
    made = {actor: Visitor(stage.db, config.load({})) for actor in ACTORS}
    for actor in ("charlie", "bob", "alice", "dora"):
        made[actor].sign_in(actor)
    return made


def sent(stage: Stage, actor: str) -> dict[str, str]:
    """`lesser` is dora with a token that makes her no staff."""
    if actor != "lesser":
        return {}
    return {"Authorization": f"Token {stage.world.secrets[str(who(actor))]}"}


def secrets_in(page: PageResponse, actor: str, known: str) -> list[str]:
    """What a page tells that this actor may not read, and did not ask for by name."""
    unmarked = re.sub("</?mark>", "", page.text)
    told = "\n".join([*(f"{name}: {text}" for name, text in page.headers.items()), unmarked])
    return [
        text
        for text, those in SECRET.items()
        if actor not in those.split()
        and text.strip('"') not in known
        and re.search(rf"(?<![\w-]){re.escape(text.strip(chr(34)))}(?![\w-])", told)
    ]


def test_every_page_that_is_read_has_a_row() -> None:
    assert ASKED.keys() == {route.path for route in PAGES if route.method == "GET"}


@pytest.mark.parametrize(
    ("address", "statuses"), [row for rows in ASKED.values() for row in rows.items()]
)
def test_a_page_shows_nobody_what_is_not_theirs(
    stage: Stage, visitors: dict[str, Visitor], address: str, statuses: str
) -> None:
    for name, key in stage.world.versions.items():
        address = address.replace(f"{{{name}}}", key)
    address = str(filled(stage, address))
    for actor, status in zip(ACTORS, statuses.split(), strict=True):
        page = visitors[actor].get(address, headers=sent(stage, actor), follow=False)
        assert page.status == int(status), (actor, page.words)
        assert not secrets_in(page, actor, address), actor
        ids = re.findall(r'\sid="([^"]*)"', page.text)
        assert len(ids) == len({*ids}), "what a label or a link leads to is one thing"
        if page.status == 200 and not address.startswith(("/sign-in", "/check")):
            kept = "public" if actor == "nobody" else "private"
            assert page.headers["cache-control"] == f"{kept}, no-cache"
            assert page.headers["vary"] == "Cookie, Authorization, Accept-Encoding"


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.long)])
def test_a_page_is_the_same_on_both_databases(request: pytest.FixtureRequest, every: int) -> None:
    """Each seventh page, or each, for one of those who may see it, another one from page to page."""
    random = re.compile(
        r"[0-9a-f]{24,}|[0-9a-f]{8}-[0-9a-f-]{27}|(?<=value=\")[\w.=-]{43,}|[\w-]{4}…"
    )
    with (
        set_stage(request, backend="sqlite") as one,
        set_stage(request, backend="postgresql") as two,
    ):
        stages = [(stage, visitors_of(stage)) for stage in (one, two)]
        rows = [row for rows in ASKED.values() for row in rows.items()]
        for number, (address, statuses) in enumerate(rows[::every]):
            allowed = [
                a for a, s in zip(ACTORS, statuses.split(), strict=True) if s in ("200", "303")
            ]
            actor = allowed[number % len(allowed)] if allowed else "nobody"
            shown = []
            for stage, visitors in stages:
                path = address
                for name, key in stage.world.versions.items():
                    path = path.replace(f"{{{name}}}", key)
                page = visitors[actor].get(
                    str(filled(stage, path)), headers=sent(stage, actor), follow=False
                )
                shown.append([page.status, *random.sub("…", page.text).splitlines()])
            assert shown[0] == shown[1], (address, actor)


def test_what_is_looked_for_would_be_found(visitors: dict[str, Visitor]) -> None:
    page = visitors["alice"].get("/search?q=first")
    assert {"closed-1.0", "closed image", "first of kept"} <= {*secrets_in(page, "nobody", "")}
    told = secrets_in(visitors["bob"].get("/account"), "charlie", "")
    assert {'"lab"', '"bob"', '"west"', "bob@west"} <= {*told}


@pytest.mark.parametrize(
    "route",
    [route for route in PAGES if route.method != "GET"],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_nothing_is_done_without_the_forms_token(
    stage: Stage, visitors: dict[str, Visitor], route: object
) -> None:
    for kind in ("open", "closed"):
        path = re.sub(r"\{\w+\}", f"{kind}-image", str(getattr(route, "path", "")))
        for actor in ACTORS:
            with stage.db.read() as tx:
                before = tx.revision
            page = visitors[actor].ask(
                "POST", path, body="token=x", headers=sent(stage, actor), follow=False
            )
            public = path in ("/sign-in", "/sign-out", "/check")
            expected = {401} if actor == "nobody" and not public else {403}
            if path == "/sign-out" and actor in ("nobody", "lesser"):
                expected = {303}
            assert page.status in expected, (actor, page.words)
            assert not secrets_in(page, actor, path), actor
            with stage.db.read() as tx:
                assert tx.revision == before


# ── providers that an editor may not read ──────────────────────────────────────────────────


@pytest.fixture
def hidden_places(db: Database, world: World) -> Database:
    """bob edits kept, which runs on two providers where he has no account: neither is public."""
    with db.write() as tx:
        for name in ("zz-secret-a", "zz-secret-b"):
            body = wire.NewProvider(name=f"Place {name}", slug=name, type="aws", public=False)
            providers.create_provider(tx, CONSOLE, body)
        dora = world.actor(tx, "dora")
        for name in ("zz-secret-a", "zz-secret-b"):
            machine = wire.NewMachine(
                version=world.versions["kept"],
                provider=name,
                identifier=f"on-{name[-1]}",
                architecture="x86_64",
            )
            machines.create_machine(tx, dora, machine)
        newer = wire.NewVersion(
            name="kept-2.0",
            image="kept-image",
            machines=[wire.NestedMachine(provider="zz-secret-a", identifier="newer-on-a")],
        )
        world.versions["kept-2.0"] = publish.create_version(tx, dora, newer).key
        row, channel = assign.channel_for_assigning(tx, dora, "kept-image", "stable")
        body = wire.NewAssignment(version=world.versions["kept-2.0"])
        assign.assign(tx, dora, row, channel, "stable", body)
    return db


def test_an_editor_is_not_told_providers_that_they_may_not_read(
    hidden_places: Database, api: ApiClient, visitor: Visitor, world: World
) -> None:
    visitor.sign_in("bob")
    images, of_one, of_newer = (
        "/images/kept-image",
        "/images/kept-image/versions/kept-1.0",
        "/images/kept-image/versions/kept-2.0",
    )
    for address in (
        images,
        f"{images}?channel=stable",
        f"{images}?channel=stable&provider=zz-secret-a",
        f"{images}?channel=latest&provider=zz-secret-a&architecture=x86_64",
        of_one,
        f"{of_one}?provider=zz-secret-a",
        f"{of_one}?on=zz-secret",
        of_newer,
        f"{of_one}/machines",
        f"{of_one}/edit",
        f"{images}/channels/stable",
        f"{of_one}/promote",
        f"{images}/compare/kept-1.0...kept-2.0",
    ):
        page = visitor.get(address)
        assert page.status == 200, address
        # What the visitor asked for stands in the page as they typed it, known or not.
        typed = page.text
        if "zz-secret" in address:
            other = visitor.get(address.replace("zz-secret", "zz-absent"))
            typed = typed.replace("zz-secret", "zz-absent")
            assert typed == other.text, address
        assert "zz-secret" not in typed, address
    page = visitor.get(of_one)
    assert page.text.count("hidden provider") == 2
    assert "on-a" in page.text
    assert "on-b" in page.text
    assert "provider=&" not in page.text
    assert "provider=None" not in page.text
    assert "This version has no machine" in visitor.get(of_newer).words
    assert "hidden provider" in visitor.get(images).words
    shown = api.get(f"/image_versions/{world.versions['kept']}", "bob").json["machines"]
    assert sum(machine["provider"].keys() == {"id"} for machine in shown) == 2
    # Staff read them.
    staff = Visitor(hidden_places, config.load({}))
    staff.sign_in("dora")
    assert "zz-secret-a" in staff.get(of_one).text
    assert "hidden provider" not in staff.get(of_one).text
