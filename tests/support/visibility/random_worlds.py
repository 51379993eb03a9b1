"""Random worlds of the model (`model.py`), drawn by hypothesis, and their readers.

Every instant of a world is near `NOW`, often equal to it, because errors in the rule are most
likely where an instant begins or ends.
"""

from collections.abc import Iterable
from random import Random

from hypothesis import strategies as st

from tests.support.visibility.model import (
    ANONYMOUS,
    INSTANTS,
    LONG_AGO,
    Channel,
    Group,
    Identity,
    Image,
    License,
    Machine,
    Provider,
    Reader,
    Script,
    Tag,
    Token,
    User,
    Version,
    Webhook,
    World,
    reader_of,
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A small world around `NOW`. Hypothesis draws the number of things of each kind, and a seed
    for the rest."""
    sizes = draw(
        st.tuples(
            st.integers(2, 4),  # users
            st.integers(1, 4),  # groups besides the personal ones
            st.integers(1, 3),  # providers
            st.integers(1, 4),  # images
            st.integers(1, 6),  # versions
        )
    )
    return build_world(Random(draw(st.integers(0, 2**63))), *sizes)


def readers(world: World) -> list[Reader]:
    """The anonymous reader and each active user; each staff user with and without staff's rights."""
    active = [user for user in world.users.values() if user.active]
    return [
        ANONYMOUS,
        *(reader_of(world, user.id) for user in active),
        *(reader_of(world, user.id, staff=True) for user in active if user.is_staff),
    ]


def build_world(
    r: Random, users: int, groups: int, providers: int, images: int, versions: int
) -> World:
    """The world of these sizes that the random generator `r` creates. The first user is active."""
    world = World()
    for i in range(1, users + 1):
        is_staff, active = r.random() < 0.25, i == 1 or r.random() < 0.9
        world.users[i] = User(i, f"user{i}", is_staff, active)
        world.groups[i] = Group(i, f"user{i}", users={i}, personal_of=i)
    for i in range(users + 1, users + groups + 1):
        members = _some(r, world.users, 0.4)
        world.groups[i] = Group(i, f"group{i}", members, _some(r, members, 0.3))
    for i in range(1, providers + 1):
        dates = _dates(r)
        world.providers[i] = Provider(i, r.random() < 0.5, r.random() < 0.8, *dates)
    for i in range(1, r.randint(0, users) + 1):
        world.identities[i] = Identity(i, _one(r, world.users), _one(r, world.providers))
    for i in range(1, r.randint(0, 3) + 1):
        world.scripts[i] = Script(i, _one(r, world.users))
    for i in range(1, r.randint(0, 3) + 1):
        world.licenses[i] = License(i, _one(r, world.users))
    for i in range(1, r.randint(0, 3) + 1):
        world.tags[i] = Tag(i)
    for i in range(1, r.randint(0, 2) + 1):
        world.tokens[i] = Token(i, _one(r, world.users), r.choice(("read", "write", "admin")))
    for i in range(1, images + 1):
        world.images[i] = _image(r, world, i)
    for i in range(1, versions + 1):
        world.versions[i] = _version(r, world, i)
    for i in range(1, r.randint(0, images) + 1):
        world.channels[i] = _channel(r, world, i)
    for i in range(1, r.randint(0, 2) + 1):
        image = _one(r, world.images) if r.random() < 0.7 else None
        world.webhooks[i] = Webhook(i, _one(r, world.users), image)
    for i in range(1, r.randint(0, 2 * versions) + 1):
        version, provider = _one(r, world.versions), _one(r, world.providers)
        world.machines[i] = Machine(i, version, provider, *_dates(r))
    return world


def _image(r: Random, world: World, number: int) -> Image:
    owner = _one(r, world.users)
    created_by = owner if r.random() < 0.6 else _one(r, world.users)
    maintainers, tags = _some(r, world.groups, 0.08), _some(r, world.tags, 0.4)
    return Image(number, owner, created_by, r.random() < 0.4, maintainers, tags, *_dates(r))


def _version(r: Random, world: World, number: int) -> Version:
    image = _one(r, world.images)
    user = world.images[image].owner if r.random() < 0.6 else _one(r, world.users)
    parent = _one(r, world.versions) if world.versions and r.random() < 0.6 else None
    membership = _some(r, world.groups, 0.2)
    licenses, scripts = _some(r, world.licenses, 0.4), _some(r, world.scripts, 0.4)
    identity = _one(r, world.identities) if world.identities and r.random() < 0.5 else None
    replacement = _one(r, world.versions) if world.versions and r.random() < 0.2 else None
    start, end = _dates(r)
    return Version(
        number,
        image,
        user,
        parent,
        membership,
        licenses,
        scripts,
        identity,
        replacement,
        r.random() < 0.15,
        start,
        end,
    )


def _channel(r: Random, world: World, number: int) -> Channel:
    image = _one(r, world.images)
    there = [version.id for version in world.versions.values() if version.image == image]
    assigned = _one(r, there) if there and r.random() < 0.9 else None
    restricted, hidden = r.random() < 0.5, r.random() < 0.1
    return Channel(number, image, assigned, restricted, hidden, _some(r, world.groups, 0.3))


def _dates(r: Random) -> tuple[str, str | None]:
    """A start and an end. Mostly it has begun and not ended; otherwise the dates are random, and
    the end may be before the start."""
    start = LONG_AGO if r.random() < 0.7 else r.choice(INSTANTS)
    end = None if r.random() < 0.7 else r.choice(INSTANTS)
    return start, end


def _one(r: Random, ids: Iterable[int]) -> int:
    return r.choice(list(ids))


def _some(r: Random, ids: Iterable[int], share: float) -> set[int]:
    return {each for each in ids if r.random() < share}
