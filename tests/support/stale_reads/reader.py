"""What is read while another process writes, and whether it is stale.

A reader notes what was announced and the time, sends a request, and compares: an answer must include
everything that was announced before the request, and every start before it. Each kind of answer that
stays cached while only other images are changed is read.
"""

import random
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from goldenrod.base import clock, config
from goldenrod.base.clock import Instant
from goldenrod.store.db import Database
from tests.support.actions import made
from tests.support.cast import build_world
from tests.support.client import ApiClient
from tests.support.stale_reads.writer import CHANNEL, Announced, Family, Told, writing

READERS = 4
IMAGES = "/api/v2/images"
OPEN = f"{IMAGES}/open-image"
LONG_AGO = "2020-01-01T00:00:00.000000Z"
NURSERIES = ("nursery", "creche", "kindergarten")


class Read(NamedTuple):
    """What was announced before a request, when it was sent (microseconds since 1970), its answer, and
    when that had arrived."""

    told: Announced
    sent: int
    text: str
    arrived: int


Check = Callable[[Read], Iterator[str]]
"""What is wrong with an answer, in words."""


def _numbers(kind: str, text: str) -> list[int]:
    """The numbers of what the writer made: names are n1, assignments p1, children k1. These letters are
    no hexadecimal digits, so no id has such a word."""
    return [int(number) for number in re.findall(rf"\b{kind}(\d+)\b", text)]


def log(read: Read) -> Iterator[str]:
    """It shows the change log of `open`."""
    found = re.search(r'"change_log":"(\d+)"', read.text)
    if not found or int(found[1]) < read.told.number:
        yield f"change {read.told.number} was told, {found and found[1]} answered"


def name(read: Read) -> Iterator[str]:
    """It shows the name of `open`."""
    newest = max(_numbers("n", read.text), default=0)
    if newest < read.told.name:
        yield f"name {read.told.name} was told, {newest} answered"


def assignment(read: Read) -> Iterator[str]:
    """It shows the newest assignment of the channel."""
    newest = max(_numbers("p", read.text), default=0)
    if newest < read.told.assignment:
        yield f"assignment {read.told.assignment} was told, {newest} answered"


def children(read: Read) -> Iterator[str]:
    """It shows the children that have not ended."""
    shown = _numbers("k", read.text)
    if max(shown, default=0) < read.told.child:
        yield f"child {read.told.child} was told, {shown} answered"
    if min(shown, default=read.told.ended + 1) <= read.told.ended:
        yield f"the end of child {read.told.ended} was told, {shown} answered"


def starts(most: int) -> Check:
    """It shows what started last, `most` of these versions or more."""

    def check(read: Read) -> Iterator[str]:
        due = read.told.start
        shown = {
            clock.to_micros(Instant(at)) for at in re.findall(r"starts (20\S{24}Z)", read.text)
        }
        newer = sum(at > due for at in shown)
        if due <= read.sent and due not in shown and newer < most:
            yield f"what started {read.sent - due} us before is not shown"
        if max(shown, default=0) > read.arrived:
            yield "what has not started yet is shown"

    return check


class Look(NamedTuple):
    """An address, what is looked at there, and how often in each round of reads."""

    kind: str
    address: str
    checks: tuple[Check, ...]
    often: int = 3


def looks(version: str, derived: str, parent: str) -> list[Look]:
    """All that is read. `version` is `open`; `derived` is built on it, and is replaced by it as well;
    `parent` has the children."""
    newest = "/image_versions?ordering=-start_date&page_size=20&image_id=open-image"
    history = f"{OPEN}/channels/{CHANNEL}/history?ordering=-sequence&page_size=1"
    return [
        Look("newest versions", newest, (starts(20),), 4),
        Look("version", f"/image_versions/{version}", (log, name), 12),
        Look("derived version", f"/image_versions/{derived}", (name,), 12),
        Look("channel", f"{OPEN}/channels/stable", (name,), 6),
        Look("channels", f"{OPEN}/channels", (name,), 6),
        Look("assignments", history, (assignment,), 6),
        Look("lineage", f"/image_versions/{version}/lineage", (name,)),
        Look("derived lineage", f"/image_versions/{derived}/lineage", (name,)),
        Look("parent lineage", f"/image_versions/{parent}/lineage", (children,)),
        Look("image", OPEN, (starts(100),)),
        Look("page", "/images/open-image", (name, starts(12)), 1),
        Look("derived page", "/images/derived", (name,), 1),
        Look("parent page", "/images/parent", (children,), 1),
        Look("lineage page", "/images/open-image/lineage", (name,), 1),
        Look("derived lineage page", "/images/derived/versions/1.0/lineage", (name,), 1),
        Look("parent lineage page", "/images/parent/lineage", (children,), 1),
        Look("feed", "/images/open-image/feed.atom", (starts(20),), 1),
        Look("derived feed", "/images/derived/feed.atom", (name,), 1),
    ]


KINDS = {look.kind for look in looks("", "", "")}
OF_CHILDREN = {"parent lineage", "parent page", "parent lineage page"}
"""The kinds that show the children."""
OF_ALL = {"newest versions"}
"""The kinds that depend on all images."""


class Reader(threading.Thread):
    """Looks at everything in turns, this number of times. `stale` lists the kinds of the wrong answers,
    each with what is wrong."""

    def __init__(self, api: ApiClient, seen: list[Look], told: Told, reads: int) -> None:
        super().__init__()
        self.api, self.told, self.reads = api, told, reads
        self.looks = [look for look in seen for _ in range(look.often)]
        random.shuffle(self.looks)
        self.changes: set[int] = set()
        self.stale: list[tuple[str, str]] = []

    def run(self) -> None:
        for read in range(self.reads):
            look = self.looks[read % len(self.looks)]
            # Pages are cached for readers who are not signed in only.
            charlie = read // len(self.looks) % 2 and not look.address.startswith("/images/")
            self._look(look, "charlie" if charlie else None)

    def _look(self, look: Look, who: str | None) -> None:
        told, sent = self.told.now(), clock.micros()
        self.changes.add(told.number)
        answer = self.api.get(look.address, who)
        read = Read(told, sent, answer.text, clock.micros())
        if answer.status_code != 200:
            self.stale.append((look.kind, f"status {answer.status_code}"))
        else:
            self.stale += [(look.kind, wrong) for check in look.checks for wrong in check(read)]


class Found(NamedTuple):
    """What readers found: how many changes were announced meanwhile, and the wrong answers, each as its
    kind and what is wrong."""

    changes: int
    stale: list[tuple[str, str]]

    @property
    def kinds(self) -> set[str]:
        """The kinds of answers that were stale."""
        return {kind for kind, _ in self.stale}


def check(db: Database, reads: int, *, readers_are_told: bool = True) -> Found:
    """Read this number of times while another process writes, see `writer.write`."""
    world = build_world(db)
    api = ApiClient(db, config.load({}), world)
    nurseries = [_image(api, name) for name in NURSERIES]
    _image(api, "parent")
    parent = _version(api, "parent")
    version = world.versions["open"]
    _image(api, "derived")
    old = {"at": LONG_AGO, "replacement": version}
    derived = _version(api, "derived", parent=version, deprecation=old)
    for channel in ("stable", CHANNEL):
        answer = api.ask("PUT", f"{OPEN}/channels/{channel}", "alice", {"version": version})
        assert answer.status_code == 201, answer.text
    seen, family = looks(version, derived, parent), Family(parent, nurseries)
    with writing(db.url, world, family, readers_are_told=readers_are_told) as told:
        readers = [Reader(api, seen, told, reads // READERS) for _ in range(READERS)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    changes = set[int]().union(*(reader.changes for reader in readers))
    return Found(len(changes), [wrong for reader in readers for wrong in reader.stale])


def _image(api: ApiClient, name: str) -> int:
    image = {"name": name, "slug": name, "description": "", "is_public": True}
    return int(made(api, IMAGES, "alice", **image)["id"])


def _version(api: ApiClient, image: str, **more: Any) -> str:
    return str(made(api, "/image_versions", "alice", image=image, name="1.0", **more)["id"])
