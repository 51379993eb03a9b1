"""A brute-force model of who sees what, in plain Python: what the rule in SQL is held against.

It is written from the sentences of the rule, one function each, over small worlds of plain
records, as literally and as slowly as possible. It shares nothing with the catalogue but the
written form of instants (27 characters, so that they compare as strings), and must stay so: a
model that reads the code it judges cannot find it wrong.

`worlds()` and `readers()` draw what to ask it about. Every instant of a world lies around `NOW`,
often on it, for the rule is easiest to get wrong where an instant begins or ends.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from hypothesis import strategies as st

LONG_AGO = "2015-10-11T10:50:50.123456Z"
JUST_BEFORE = "2026-03-14T09:19:59.999999Z"
NOW = "2026-03-14T09:20:00.000000Z"
JUST_AFTER = "2026-03-14T09:20:00.000001Z"
FAR_OFF = "2031-01-01T00:00:00.000000Z"
INSTANTS = (LONG_AGO, JUST_BEFORE, NOW, JUST_AFTER, FAR_OFF)


@dataclass
class User:
    id: int
    username: str
    is_staff: bool = False
    active: bool = True


@dataclass
class Group:
    """Leaders are users of it; `personal_of` is the one user of a personal group."""

    id: int
    name: str
    users: set[int] = field(default_factory=set)
    leaders: set[int] = field(default_factory=set)
    personal_of: int | None = None


@dataclass
class Provider:
    id: int
    public: bool = True
    active: bool = True
    start: str = LONG_AGO
    end: str | None = None


@dataclass
class Identity:
    id: int
    user: int
    provider: int


@dataclass
class Image:
    id: int
    owner: int
    created_by: int
    is_public: bool = True
    maintainers: set[int] = field(default_factory=set)
    tags: set[int] = field(default_factory=set)
    start: str = LONG_AGO
    end: str | None = None


@dataclass
class Version:
    id: int
    image: int
    user: int
    parent: int | None = None
    membership: set[int] = field(default_factory=set)
    licenses: set[int] = field(default_factory=set)
    scripts: set[int] = field(default_factory=set)
    identity: int | None = None
    start: str = LONG_AGO
    end: str | None = None


@dataclass
class Machine:
    id: int
    version: int
    provider: int
    start: str = LONG_AGO
    end: str | None = None


@dataclass
class Script:
    id: int
    creator: int


@dataclass
class License:
    id: int
    creator: int


@dataclass
class Tag:
    id: int


@dataclass
class Token:
    id: int
    user: int
    scope: str = "read"


@dataclass
class World:
    """Everything there is, by id. A version's parent has a smaller id than the version."""

    users: dict[int, User] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    providers: dict[int, Provider] = field(default_factory=dict)
    identities: dict[int, Identity] = field(default_factory=dict)
    images: dict[int, Image] = field(default_factory=dict)
    versions: dict[int, Version] = field(default_factory=dict)
    machines: dict[int, Machine] = field(default_factory=dict)
    scripts: dict[int, Script] = field(default_factory=dict)
    licenses: dict[int, License] = field(default_factory=dict)
    tags: dict[int, Tag] = field(default_factory=dict)
    tokens: dict[int, Token] = field(default_factory=dict)


@dataclass(frozen=True)
class Reader:
    """Who asks: nobody known (`user` None), or a user with the groups they are in.

    `staff` means staff's powers at hand: a staff user's token without the scope admin has none.
    """

    user: int | None = None
    groups: frozenset[int] = frozenset()
    staff: bool = False


ANONYMOUS = Reader()


def reader_of(world: World, user: int, staff: bool = False) -> Reader:
    """The reader that `user` is, with or without a staff user's powers."""
    groups = frozenset(g.id for g in world.groups.values() if user in g.users)
    return Reader(user, groups, staff)


Dated = Provider | Image | Version | Machine


def current(thing: Dated, now: str) -> bool:
    """Begun, at this very instant at the latest, and not ended: an end that is now has been."""
    has_begun = thing.start <= now
    has_ended = thing.end is not None and thing.end <= now
    return has_begun and not has_ended


def keeps_image(world: World, reader: Reader, image: int) -> bool:
    """Keepers of an image: its owner and the users of its maintainers, not who made it."""
    if reader.user is None:
        return False
    it = world.images[image]
    if it.owner == reader.user:
        return True
    return any(reader.user in world.groups[group].users for group in it.maintainers)


def keeps_version(world: World, reader: Reader, version: int) -> bool:
    """Keepers of a version: its user and the keepers of its image."""
    if reader.user is None:
        return False
    it = world.versions[version]
    return it.user == reader.user or keeps_image(world, reader, it.image)


def reads_version(world: World, reader: Reader, version: int, now: str) -> bool:
    """Staff; keepers; while it and its image are current, all if public, else its members."""
    if reader.staff:
        return True
    if keeps_version(world, reader, version):
        return True
    it = world.versions[version]
    image = world.images[it.image]
    if not current(it, now) or not current(image, now):
        return False
    if image.is_public:
        return True
    return any(group in it.membership for group in reader.groups)


def reads_image(world: World, reader: Reader, image: int, now: str) -> bool:
    """Staff; keepers; all if it is public and current; whoever reads one of its versions."""
    if reader.staff:
        return True
    if keeps_image(world, reader, image):
        return True
    it = world.images[image]
    if it.is_public and current(it, now):
        return True
    return any(
        reads_version(world, reader, version.id, now)
        for version in world.versions.values()
        if version.image == image
    )


def has_identity(world: World, reader: Reader, provider: int) -> bool:
    """The reader holds an account on the provider."""
    return any(
        identity.user == reader.user and identity.provider == provider
        for identity in world.identities.values()
    )


def reads_machine(world: World, reader: Reader, machine: int, now: str) -> bool:
    """A reader of its version, if all is current and open to them; keepers and staff always."""
    it = world.machines[machine]
    if not reads_version(world, reader, it.version, now):
        return False
    if reader.staff or keeps_version(world, reader, it.version):
        return True
    provider = world.providers[it.provider]
    if not current(it, now):
        return False
    if not current(provider, now) or not provider.active:
        return False
    return provider.public or has_identity(world, reader, it.provider)


def machine_in_version_list(world: World, reader: Reader, machine: int, now: str) -> bool:
    """Inside a version: the current ones on active, current providers, of those they read."""
    it = world.machines[machine]
    provider = world.providers[it.provider]
    if not reads_machine(world, reader, machine, now):
        return False
    return current(it, now) and current(provider, now) and provider.active


def launches_machine(world: World, reader: Reader, machine: int, now: str) -> bool:
    """They read it; it, its version, image and provider are current; the provider is active."""
    if not reads_machine(world, reader, machine, now):
        return False
    it = world.machines[machine]
    version = world.versions[it.version]
    image = world.images[version.image]
    provider = world.providers[it.provider]
    if not all(current(thing, now) for thing in (it, version, image, provider)):
        return False
    return provider.active


def reads_provider(world: World, reader: Reader, provider: int, now: str) -> bool:
    """Staff; holders of an identity there; all if it is public, active and current."""
    if reader.staff or has_identity(world, reader, provider):
        return True
    it = world.providers[provider]
    return it.public and it.active and current(it, now)


def reads_script(world: World, reader: Reader, script: int, now: str) -> bool:
    """Its creator, staff, and whoever reads a version that uses it."""
    if reader.staff or reader.user == world.scripts[script].creator:
        return True
    return any(
        reads_version(world, reader, version.id, now)
        for version in world.versions.values()
        if script in version.scripts
    )


def reads_license(world: World, reader: Reader, license_id: int) -> bool:
    """Everybody reads every license."""
    return license_id in world.licenses


def reads_group(world: World, reader: Reader, group: int) -> bool:
    """Its members and staff."""
    return reader.staff or group in reader.groups


def reads_user(world: World, reader: Reader, user: int) -> bool:
    """The list of users holds all of them for staff, oneself for others."""
    return reader.staff or reader.user == user


def reads_identity(world: World, reader: Reader, identity: int) -> bool:
    """Its user and staff."""
    return reader.staff or reader.user == world.identities[identity].user


def reads_token(world: World, reader: Reader, token: int) -> bool:
    """Its user and staff."""
    return reader.staff or reader.user == world.tokens[token].user


def reads_tag(world: World, reader: Reader, tag: int, now: str) -> bool:
    """Whoever reads an image that carries it; staff every tag, carried or not."""
    if reader.staff:
        return True
    return any(
        reads_image(world, reader, image.id, now)
        for image in world.images.values()
        if tag in image.tags
    )


def membership_shown(world: World, reader: Reader, version: int, now: str) -> set[int]:
    """Inside a version they read: the groups they are in; all of them to keepers and staff."""
    if not reads_version(world, reader, version, now):
        return set()
    membership = world.versions[version].membership
    if reader.staff or keeps_version(world, reader, version):
        return set(membership)
    return {group for group in membership if group in reader.groups}


def maintainers_shown(world: World, reader: Reader, image: int, now: str) -> set[int]:
    """Inside an image they read, as membership: all to its keepers and staff, else their own."""
    if not reads_image(world, reader, image, now):
        return set()
    maintainers = world.images[image].maintainers
    if reader.staff or keeps_image(world, reader, image):
        return set(maintainers)
    return {group for group in maintainers if group in reader.groups}


def pairing_membership(world: World, reader: Reader, version: int, group: int, now: str) -> bool:
    """Whoever reads the version and is shown that group there."""
    return group in membership_shown(world, reader, version, now)


def pairing_script(world: World, reader: Reader, version: int, script: int, now: str) -> bool:
    """Whoever reads the version and is shown that script there."""
    return (
        script in world.versions[version].scripts
        and reads_version(world, reader, version, now)
        and reads_script(world, reader, script, now)
    )


def pairing_license(world: World, reader: Reader, version: int, license_id: int, now: str) -> bool:
    """Whoever reads the version and is shown that license there."""
    return (
        license_id in world.versions[version].licenses
        and reads_version(world, reader, version, now)
        and reads_license(world, reader, license_id)
    )


def parent_shown(world: World, reader: Reader, version: int, now: str) -> bool:
    """A parent they do not read is its id and nothing more; False too where there is none."""
    parent = world.versions[version].parent
    return parent is not None and reads_version(world, reader, parent, now)


def identity_shown(world: World, reader: Reader, version: int) -> bool:
    """An identity they do not read is its id and nothing more; False too where there is none."""
    identity = world.versions[version].identity
    return identity is not None and reads_identity(world, reader, identity)


def provider_shown(world: World, reader: Reader, machine: int, now: str) -> bool:
    """A machine's provider that they do not read is its id and nothing more."""
    return reads_provider(world, reader, world.machines[machine].provider, now)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A small world around `NOW`: hypothesis draws how much of each and a seed for the rest."""
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
    """The anonymous, and each active user; each staff user with and without staff's powers."""
    active = [user for user in world.users.values() if user.active]
    return [
        ANONYMOUS,
        *(reader_of(world, user.id) for user in active),
        *(reader_of(world, user.id, staff=True) for user in active if user.is_staff),
    ]


def build_world(
    r: Random, users: int, groups: int, providers: int, images: int, versions: int
) -> World:
    """The world of these sizes that `r` makes; the first user is active."""
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
    start, end = _dates(r)
    return Version(number, image, user, parent, membership, licenses, scripts, identity, start, end)


def _dates(r: Random) -> tuple[str, str | None]:
    """A start and an end: mostly begun and open, else anything, an end before the start too."""
    start = LONG_AGO if r.random() < 0.7 else r.choice(INSTANTS)
    end = None if r.random() < 0.7 else r.choice(INSTANTS)
    return start, end


def _one(r: Random, ids: Iterable[int]) -> int:
    return r.choice(list(ids))


def _some(r: Random, ids: Iterable[int], share: float) -> set[int]:
    return {each for each in ids if r.random() < share}
