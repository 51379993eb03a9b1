"""Asks entry points of a marked world (`planted.py`), and compares what the answers show with what the
rule permits (`permitted.py`)."""

import io
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from falcon import testing

from goldenrod.base import config
from goldenrod.store.db import Database
from tests.support.app import app_over
from tests.support.client import Result
from tests.support.marks.entries import Entry
from tests.support.marks.permitted import Permitted, permitted
from tests.support.marks.planted import MARK, UUID, Client, clients, mark, plant
from tests.support.pages.visitor import ACCEPT
from tests.support.visibility import model
from tests.support.visibility.model import NOW, Reader, World
from tests.support.visibility.random_worlds import build_world, readers


def small_world(seed: int) -> World:
    return build_world(Random(seed), users=6, groups=3, providers=3, images=5, versions=12)


READS: dict[str, Callable[..., bool]] = {
    "ve": model.reads_version,
    "im": model.reads_image,
    "ma": model.reads_machine,
    "pr": model.reads_provider,
    "sc": model.reads_script,
    "tg": model.reads_tag,
    "ch": model.reads_channel,
    "li": model.reads_license,
    "gr": model.reads_group,
    "us": model.reads_user,
    "id": model.reads_identity,
    "tk": model.reads_token,
    "wh": model.reads_webhook,
}


def reads(world: World, reader: Reader, thing: tuple[str, int]) -> bool:
    """Whether the model says that a reader may read a thing."""
    rule = READS[thing[0]]
    dated = rule.__code__.co_argcount == 4
    return rule(world, reader, thing[1], *((NOW,) if dated else ()))


@dataclass
class Tally:
    """What was compared."""

    triples: int = 0
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    shown: int = 0


class Asked:
    """One world behind the application, and its readers."""

    def __init__(self, db: Database, world: World) -> None:
        db.now = lambda: NOW  # type: ignore[assignment,return-value]
        plant(db, world)
        self.world, self.db, self.tally = world, db, Tally()
        self.app = app_over(db, config.load({}))
        self.client = testing.TestClient(self.app)
        self.clients = clients(world, readers(world))
        self.permitted = {one.reader: permitted(world, one.reader) for one in self.clients}
        self.marks = self.every_mark()

    def every_mark(self) -> int:
        """How many things may show: each is a triple with each actor and entry point."""
        world = self.world
        things = (world.users, world.groups, world.providers, world.identities, world.images)
        more = (world.versions, world.machines, world.scripts, world.licenses, world.tags)
        last = (world.tokens, world.channels, world.webhooks)
        return sum(map(len, (*things, *more, *last)))

    def ask(self, entry: Entry, client: Client) -> Result:
        path, _, query = entry.address.partition("?")
        headers = client.session | {"Accept": ACCEPT} if entry.page else client.token
        return self.client.simulate_get(path, query_string=query, headers=headers)

    def check(self, entry: Entry, client: Client) -> None:
        answer = self.ask(entry, client)
        self.tally.requests += 1
        self.tally.triples += self.marks
        self.tally.statuses[answer.status_code] += 1
        assert answer.status_code < 500, (entry, answer.text)
        text = told(answer)
        self.check_text(text, entry, client)
        if entry.thing is not None:
            self.check_thing(entry, entry.thing, client, answer, text)

    def check_text(self, text: str, entry: Entry, client: Client) -> None:
        """Nothing in a text is hidden from this reader."""
        found = leaks(text, entry, self.permitted[client.reader])
        assert not found, (entry, client.reader, found, text[:2000])

    def check_thing(
        self, entry: Entry, thing: tuple[str, int], client: Client, answer: Result, text: str
    ) -> None:
        """What is hidden is not there, and what is readable is shown where it has an address."""
        if not reads(self.world, client.reader, thing):
            assert answer.status_code in (401, 404), (entry, client.reader, answer.status_code)
        elif entry.route in SHOWN:
            assert answer.status_code == 200, (entry, client.reader, answer.status_code)
            assert mark(*thing, "") in text, (entry, client.reader)
            self.tally.shown += 1


SHOWN = {
    "/image_versions/{key}",
    "/images/{key}",
    "/images/{slug}",
    "/images/{slug}/versions/{name}",
    "/images/{slug}/feed.atom",
    "/images/{slug}/versions.csv",
    "/provider_machines/{key}",
    "/providers/{key}",
    "/licenses/{key}",
    "/boot_scripts/{key}",
    "/groups/{key}",
    "/users/{key}",
    "/identities/{key}",
    "/tags/{key}",
    "/tokens/{key}",
    "/webhooks/{key}",
    "/json/{resource}/{key}",
    "/images/{key}/channels/{name}",
    "/images/{slug}/channels/{name}",
}
"""The routes that show a thing to all who may read it."""


def told(answer: Result) -> str:
    """All that an answer says, as text: an archive unpacked, words that a page marks joined."""
    if answer.headers.get("content-type") == "application/zip":
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            body = "\n".join(archive.read(name).decode() for name in archive.namelist())
    else:
        body = answer.content.decode("utf-8", "replace")
    body = re.sub(r"</?mark>|<wbr/?>", "", body)
    return "\n".join([*(f"{name}: {value}" for name, value in answer.headers.items()), body])


def leaks(text: str, entry: Entry, may: Permitted) -> list[str]:
    """The marks and ids in an answer that are hidden from its reader, and were not in the address."""
    if may.everything:
        return []
    found = [
        one
        for one in {*MARK.findall(text)}
        if not may.allows(one, entry.looks_up)
        and one not in entry.address
        and not (entry.route == PUBLISHING and may.allows(before(one), False))
    ]
    return found + [
        f"{place}-…-{number}"
        for place, number in {*UUID.findall(text)}
        if not may.allows_id(int(place, 16), int(number, 16), entry.looks_up)
        and f"{place}-0000-7000-8000-{number}" not in entry.address
    ]


PUBLISHING = "/images/{slug}/versions/new"
"""Its form suggests a name that is one more than that of a version: a mark that may be another's."""


def before(name: str) -> str:
    return f"{name[:4]}{int(name[4:7]) - 1:03d}{name[7:]}"
