"""Every link of the demonstration leads somewhere, and to what it says.

All pages are walked as nobody, the owner, a stranger and staff. A link is a dead end if its page is
not there or lacks the part that its fragment names. A link that begins with a number leads to a page
that has the same number.
"""

import re
from collections.abc import Iterator
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest

from goldenrod.base import config
from goldenrod.store.db import Database
from tests.browser.visits import furnish
from tests.support.pages.visitor import PageResponse, Visitor

MOST_PAGES = 1500
"""The pages that one reader walks, those of each kind in turn."""
READERS = ("nobody", "alice", "charlie", "dora")
_COUNT = re.compile(r"(\d[\d,]*) (?:newer|older|more|versions?|images?)\b")


class _Walk:
    """One reader's walk over the site."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.pages: dict[str, PageResponse] = {}
        self.faults: list[str] = []
        self.links = 0
        self.numbers = 0

    def get(self, address: str) -> PageResponse:
        if address not in self.pages:
            self.pages[address] = self.visitor.get(address)
        return self.pages[address]

    def run(self, start: str) -> None:
        waiting: dict[str, list[str]] = {_kind(start): [start]}
        known = {start}
        while waiting and len(self.pages) < MOST_PAGES:
            for kind in list(waiting):
                address = waiting[kind].pop()
                if not waiting[kind]:
                    del waiting[kind]
                page = self.get(address)
                for target, text in page.anchors if _is_html(page) else ():
                    self._follow(address, target, text)
                    whole = urldefrag(urljoin(address, target)).url
                    if whole.startswith("/") and whole not in known and not _is_elsewhere(whole):
                        known.add(whole)
                        waiting.setdefault(_kind(whole), []).append(whole)

    def _follow(self, origin: str, target: str, text: str) -> None:
        whole, fragment = urldefrag(urljoin(origin, target))
        if not whole.startswith("/") or _is_elsewhere(whole):
            return
        if whole not in self.pages and len(self.pages) >= MOST_PAGES:
            return
        self.links += 1
        page = self.get(whole)
        if page.status != 200:
            self.faults.append(f"{origin}: {target} is {page.status}")
        elif fragment and _is_html(page) and fragment not in page.ids:
            self.faults.append(f"{origin}: {target} has no part {fragment}")
        elif count := _COUNT.match(text):
            self.numbers += 1
            if not re.search(rf"(?<![\d,]){re.escape(count[1])}(?![\d,])", page.words):
                self.faults.append(f"{origin}: {text!r} leads to {target}, which does not say so")


def _is_html(page: PageResponse) -> bool:
    return page.headers.get("content-type", "").startswith("text/html")


def _kind(address: str) -> str:
    """What addresses of the same page have in common."""
    path = re.sub(r"/(versions|compare|images|channels)/[^/?]+", r"/\1/…", urlsplit(address).path)
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+", "…", path)


def _is_elsewhere(address: str) -> bool:
    """What is no page of people: the API and its reference."""
    return address.startswith(("/api/", "/docs", "/openapi.json", "/image_versions"))


@pytest.fixture
def demonstration(sqlite_db: Database) -> Iterator[Database]:
    furnish(sqlite_db)
    yield sqlite_db


@pytest.mark.long
def test_no_link_is_a_dead_end_and_no_number_is_contradicted(demonstration: Database) -> None:
    for reader in READERS:
        visitor = Visitor(demonstration, config.load({}))
        if reader != "nobody":
            visitor.sign_in(reader)
        walk = _Walk(visitor)
        walk.run("/")
        print(f"{reader}: {len(walk.pages)} pages, {walk.links} links, {walk.numbers} numbers")
        assert not walk.faults, (reader, "\n".join(dict.fromkeys(walk.faults)))
        assert walk.numbers > 10
