"""Which addresses are looked at, and as whom: each page of PAGES that is read has its rows here.

An address is written with names in braces, such as {image}; `look_around` asks the server what they
stand for in its catalogue.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from goldenrod.demo import lifecycle

Visits = dict[str, dict[str, str]]
"""For each path of PAGES: addresses, and who looks (several, separated by spaces)."""

VISITS: Visits = {
    "/": {"/": "nobody alice", "/?tag=no-such-tag": "nobody"},
    "/search": {
        "/search?q=gpu": "nobody",
        "/search?q={identifier}": "nobody",
        "/search?q={revoked_identifier}": "nobody",
        "/search?q=no+such+thing": "nobody",
        "/search?q=%21": "nobody",
    },
    "/search/suggest": {},  # a part of a page: home shows it
    "/search/versions": {"/search/versions?q=kernel": "nobody"},
    "/sign-in": {"/sign-in": "nobody"},
    "/account": {"/account": "alice dora nobody"},
}


@dataclass(frozen=True)
class Site:
    """A server on the demonstration, and what is where in it."""

    url: str
    names: dict[str, str]
    sessions: dict[str, Any] = field(default_factory=dict)
    """Cookies of who has signed in."""

    def at(self, address: str) -> str:
        """An address with the names in it filled in."""
        return address.format(**self.names)


def look_around(url: str) -> Site:
    """What the names in addresses stand for at this server."""
    names = {"image": lifecycle.IMAGE, "twin": lifecycle.TWIN, "older": lifecycle.OLDER}
    newest, before, *_ = _versions(url, lifecycle.IMAGE)
    names |= {"version": newest["name"], "version_id": newest["id"], "before": before["name"]}
    names |= {"before_id": before["id"]}
    names["identifier"] = _at_home(newest)
    for state, image in (("revoked", lifecycle.OLDER), ("deprecated", lifecycle.TWIN)):
        found = next(one for one in _versions(url, image) if one["state"] == state)
        names |= {state: found["name"], f"{state}_id": found["id"]}
        names[f"{state}_identifier"] = _at_home(found)
    return Site(url, names)


def _versions(url: str, image: str) -> list[dict[str, Any]]:
    asked = {"image_id": image, "ordering": "-start_date", "page_size": 20}
    answer = httpx.get(f"{url}/image_versions", params=asked)
    return list(answer.raise_for_status().json()["results"])


def _at_home(version: dict[str, Any]) -> str:
    """The id of a version's machine at the provider that the demonstration speaks of, else any."""
    there = {one["provider"]["slug"]: str(one["identifier"]) for one in version["machines"]}
    return there.get(lifecycle.PROVIDER) or next(iter(there.values()))


def rows(visits: Visits) -> Iterator[tuple[str, str]]:
    """Each address with each of those who look at it."""
    for addresses in visits.values():
        for address, people in addresses.items():
            for who in people.split():
                yield address, who
