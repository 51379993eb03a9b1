"""The entry points by which a stranger may try to read something: every GET of the API and of the
pages, with the things of a world in its address, and the lists with filters that name things.

They come from the tables of routes. A route whose path names something that `_FILLED` does not know
gets no address, and `tests/security/test_triples.py` fails.
"""

import re
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple
from urllib.parse import quote, urlencode

from goldenrod.catalogue import completions
from goldenrod.web.api.routes import ROUTES
from goldenrod.web.app import API
from goldenrod.web.pages.routes import PAGES
from tests.support.marks.planted import mark
from tests.support.visibility.loading import version_id
from tests.support.visibility.model import World

Thing = tuple[str, int]
"""The letters and the number of a thing."""


class Entry(NamedTuple):
    """One address that is asked. `thing`: what it is the address of, if of one thing."""

    route: str
    address: str
    page: bool
    thing: Thing | None = None

    @property
    def looks_up(self) -> bool:
        """Whether its answer tells what was current once, by the id of a machine."""
        return self.route in ("/lookup", "/search", "/search/suggest")


Filled = Iterator[tuple[dict[str, object], Thing | None]]


def _each(kind: str, things: str) -> Callable[[World], Filled]:
    def fill(world: World) -> Filled:
        for number in getattr(world, things):
            yield {"key": number}, (kind, number)

    return fill


def _versions(name: str) -> Callable[[World], Filled]:
    """Versions, by their names in their image or by their ids."""

    def fill(world: World) -> Filled:
        for it in world.versions.values():
            slug = mark("im", it.image, "s")
            by_name = {"slug": slug, "name": mark("ve", it.id), "key": version_id(it.id)}
            yield by_name | {"two": f"{mark('ve', it.id)}...{mark('ve', it.id)}"}, ("ve", it.id)

    return fill


def _groups(world: World) -> Filled:
    """A personal group is not shown by its own name, but by its user's."""
    for it in world.groups.values():
        yield {"key": it.id}, None if it.personal_of else ("gr", it.id)


def _images(world: World) -> Filled:
    for number in world.images:
        yield {"key": number, "slug": mark("im", number, "s")}, ("im", number)


def _channels(world: World) -> Filled:
    for it in world.channels.values():
        names = {"key": it.image, "slug": mark("im", it.image, "s"), "name": mark("ch", it.id)}
        yield names, ("ch", it.id)
    for number in world.images:
        yield {"key": number, "slug": mark("im", number, "s"), "name": "latest"}, None


def _changed_channels(world: World) -> Filled:
    """Who reads an image and may not change it gets the same answer for all channels."""
    for it in world.channels.values():
        names = {"slug": mark("im", it.image, "s"), "name": mark("ch", it.id)}
        yield names, ("im", it.image)


def _machines(world: World) -> Filled:
    for it in world.machines.values():
        version = world.versions[it.version]
        names = {"slug": mark("im", version.image, "s"), "name": mark("ve", version.id)}
        yield names | {"machine": it.id}, ("ve", version.id)


def _terraform(world: World) -> Filled:
    for names, thing in _channels(world):
        module = {"namespace": names["slug"], "name": names["name"], "system": "channel"}
        yield module | {"number": "0.20151011.105050"}, thing
    for names, thing in _images(world):
        module = {"namespace": "images", "name": names["slug"], "system": "version"}
        yield module | {"number": "1.0.0"}, thing


def _resolve(world: World) -> Filled:
    for names, thing in _channels(world):
        for provider in world.providers:
            yield (
                {
                    "image": names["slug"],
                    "channel": names["name"],
                    "provider": mark("pr", provider, "s"),
                },
                thing,
            )


def _resolve_version(world: World) -> Filled:
    for it in world.versions.values():
        for provider in world.providers:
            yield (
                {
                    "image": it.image,
                    "version": mark("ve", it.id),
                    "provider": mark("pr", provider, "s"),
                },
                ("ve", it.id),
            )


def _json(world: World) -> Filled:
    for resource, kind, things in (
        ("images", "im", world.images),
        ("licenses", "li", world.licenses),
        ("boot_scripts", "sc", world.scripts),
    ):
        for number in things:
            yield {"resource": resource, "key": number}, (kind, number)
    for number in world.versions:
        yield {"resource": "image_versions", "key": version_id(number)}, ("ve", number)


def _by_slug(kind: str, things: str, name: str, letter: str) -> Callable[[World], Filled]:
    def fill(world: World) -> Filled:
        for number in getattr(world, things):
            yield {name: mark(kind, number, letter)}, None

    return fill


def _deliveries(world: World) -> Filled:
    for number in world.webhooks:
        yield {"key": number, "delivery": 1}, None


def _sessions(world: World) -> Filled:
    for number in world.users:
        yield {"key": number, "uuid": "00000000-0000-7000-8000-000000000000"}, None


def _once(**values: str) -> Callable[[World], Filled]:
    def fill(world: World) -> Filled:
        yield dict(values), None

    return fill


def _attached(kind: str, field: str) -> Callable[[World], Filled]:
    def fill(world: World) -> Filled:
        count = sum(len(getattr(it, field)) for it in world.versions.values())
        for number in range(1, count + 1):
            yield {"key": number}, None

    return fill


_FILLED: tuple[tuple[str, Callable[[World], Filled]], ...] = (
    (r"/image_version_licenses/\{key\}", _attached("li", "licenses")),
    (r"/image_version_memberships/\{key\}", _attached("gr", "membership")),
    (r"/image_version_boot_scripts/\{key\}", _attached("sc", "scripts")),
    (r"(/json)?/image_versions/\{key\}(/.*)?", _versions("key")),
    (r"/images/\{slug\}/channels/\{name\}/(unassign|hide)", _changed_channels),
    (r"/images/\{(key|slug)\}/channels/\{name\}(/.*)?", _channels),
    (r"/images/\{slug\}/versions/\{name\}/machines/\{machine\}(/.*)?", _machines),
    (r"/images/\{slug\}/versions/\{name\}(/.*)?", _versions("name")),
    (r"/images/\{slug\}/compare/\{two\}", _versions("two")),
    (r"/images/\{(key|slug)\}(/[a-z.]+|/versions/new)?", _images),
    (r"/terraform/.*", _terraform),
    (r"/resolve/\{image\}/\{channel\}/\{provider\}", _resolve),
    (r"/resolve/\{image\}/\{channel\}", _resolve),
    (r"/resolve/\{image\}@\{version\}/\{provider\}", _resolve_version),
    (r"/json/\{resource\}/\{key\}", _json),
    (r"/provider_machines/\{key\}", _each("ma", "machines")),
    (r"(/staff)?/providers/\{key\}(/end)?", _each("pr", "providers")),
    (r"/providers/\{slug\}", _by_slug("pr", "providers", "slug", "s")),
    (r"/licenses/\{key\}(/edit|/remove)?", _each("li", "licenses")),
    (r"/(boot_)?scripts/\{key\}(/edit|/remove)?", _each("sc", "scripts")),
    (r"/groups/\{key\}(/remove)?", _groups),
    (r"/staff/users/\{key\}/sessions/\{uuid\}/end", _sessions),
    (r"(/staff)?/users/\{key\}(/.*)?", _each("us", "users")),
    (r"(/staff)?/identities/\{key\}(/remove)?", _each("id", "identities")),
    (r"(/staff)?/tags/\{key\}", _each("tg", "tags")),
    (r"/tags/\{name\}", _by_slug("tg", "tags", "name", "n")),
    (r"(/account)?/tokens/\{key\}(/revoke)?", _each("tk", "tokens")),
    (r"/webhooks/\{key\}/deliveries/\{delivery\}", _deliveries),
    (r"/webhooks/\{key\}(/remove|/deliveries)?", _each("wh", "webhooks")),
    (r"/help/\{name\}", _once(name="access")),
    (r"/syncs/\{key\}", _once(key="1")),
    (r"[^{}]*", _once()),
)
"""What stands in the addresses of the routes with such a path; the first that matches counts."""


def entries_of(path: str, page: bool, world: World) -> Iterator[Entry]:
    """The addresses of a route, for each thing of the world."""
    for pattern, fill in _FILLED:
        if re.fullmatch(pattern, path):
            for values, thing in fill(world):
                given = {name: quote(str(value), safe="") for name, value in values.items()}
                address = path.format(**given)
                yield Entry(path, address if page else API + address, page, thing)
            return


def asked_by_address(world: World) -> list[Entry]:
    """Every GET of the API and of the pages, for each thing."""
    return [
        entry
        for route in ROUTES
        if route.method == "GET"
        for entry in entries_of(route.path, False, world)
    ] + [
        entry
        for page in PAGES
        if page.method == "GET"
        for entry in entries_of(page.path, True, world)
    ]


def names_of(world: World) -> list[str]:
    """What a stranger may guess: names, slugs and ids of all things, and beginnings of names."""
    found = [mark("ve", n) for n in world.versions] + [version_id(n) for n in world.versions]
    for kind, things, letters in (
        ("im", world.images, "sn"),
        ("pr", world.providers, "sn"),
        ("tg", world.tags, "n"),
        ("us", world.users, "n"),
        ("gr", world.groups, "n"),
        ("ma", world.machines, "ic"),
        ("ch", world.channels, "n"),
        ("lb", world.versions, "kv"),
        ("rv", world.versions, "r"),
        ("au", world.versions, "b"),
        ("sc", world.scripts, "nt"),
        ("id", world.identities, "k"),
    ):
        found += [mark(kind, n, letter) for n in things for letter in letters]
        found.append(f"zq{kind}")
    return [*found, "zq", "1", "2", "3"]


def asked_by_name(world: World, r: Random, each: int) -> Iterator[Entry]:
    """The lists and searches of the API and of the pages, with parameters that name things: for each
    parameter `each` names."""
    names = names_of(world)
    for route in ROUTES:
        if route.method == "GET" and (route.lists is not None or route.path == "/lookup"):
            known = route.lists.filters if route.lists is not None else {"identifier": None}
            for place in entries_of(route.path, False, world):
                for name in r.sample(sorted(known), min(len(known), 3 * each)):
                    query = urlencode({name: _value(world, r, names, name)})
                    yield place._replace(address=f"{place.address}?{query}", thing=None)
    for page in PAGES:
        taken = [name for name in page.takes if name not in ("cursor", "page", "next")]
        if page.method != "GET" or not taken or "oidc" in page.path:
            continue
        for place in entries_of(page.path, True, world):
            for _ in range(each):
                chosen = r.sample(taken, min(len(taken), r.choice((1, 2))))
                query = urlencode({name: _value(world, r, names, name) for name in chosen})
                if page.path == "/complete":
                    asked = {"kind": r.choice(completions.KINDS), "q": r.choice(names)}
                    query = urlencode(asked | {"image": mark("im", r.choice([*world.images]), "s")})
                yield place._replace(address=f"{place.address}?{query}", thing=None)


def _value(world: World, r: Random, names: list[str], name: str) -> str:
    if name in ("identifier", "q") and world.machines and r.random() < 0.5:
        return mark("ma", r.choice([*world.machines]), "i")
    if name == "label":
        number = r.choice([*world.versions])
        return f"{mark('lb', number, 'k')}:{mark('lb', number, 'v')}"
    return r.choice(names)
