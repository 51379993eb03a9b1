"""A brute-force model of the access rule in plain Python, which tests compare with the rule in SQL.

It is written from the sentences of the rule, one function each, over small worlds of plain
records, as literally and as slowly as possible. It shares nothing with the catalogue but the
written form of instants (27 characters, so that they compare as strings), and must stay so: a
model that reads the code it judges cannot find it wrong.

`random_worlds.py` draws worlds and readers to ask it about. What time does to channels and revocations
has a model of its own, `support/lifecycle/model.py`.
"""

from dataclasses import dataclass, field

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
    """`replacement`: it is deprecated, and this takes its place. `revoked`: with its descendants."""

    id: int
    image: int
    user: int
    parent: int | None = None
    membership: set[int] = field(default_factory=set)
    licenses: set[int] = field(default_factory=set)
    scripts: set[int] = field(default_factory=set)
    identity: int | None = None
    replacement: int | None = None
    revoked: bool = False
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
class Channel:
    """`assigned` is a version of its image; `hidden`: it was deleted."""

    id: int
    image: int
    assigned: int | None = None
    restricted: bool = False
    hidden: bool = False
    groups: set[int] = field(default_factory=set)


@dataclass
class Webhook:
    """Of one image, or of all."""

    id: int
    maker: int
    image: int | None = None


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
    channels: dict[int, Channel] = field(default_factory=dict)
    webhooks: dict[int, Webhook] = field(default_factory=dict)


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


def edits_image(world: World, reader: Reader, image: int) -> bool:
    """Editors of an image: its owner and the users of its maintainer groups, not its creator."""
    if reader.user is None:
        return False
    it = world.images[image]
    if it.owner == reader.user:
        return True
    return any(reader.user in world.groups[group].users for group in it.maintainers)


def edits_version(world: World, reader: Reader, version: int) -> bool:
    """Editors of a version: its user and the editors of its image."""
    if reader.user is None:
        return False
    it = world.versions[version]
    return it.user == reader.user or edits_image(world, reader, it.image)


def reads_version(world: World, reader: Reader, version: int, now: str) -> bool:
    """Staff; editors; while it and its image are current, all if public, else its members."""
    if reader.staff:
        return True
    if edits_version(world, reader, version):
        return True
    it = world.versions[version]
    image = world.images[it.image]
    if not current(it, now) or not current(image, now):
        return False
    if image.is_public:
        return True
    return any(group in it.membership for group in reader.groups)


def reads_image(world: World, reader: Reader, image: int, now: str) -> bool:
    """Staff; editors; all if it is public and current; readers of one of its versions."""
    if reader.staff:
        return True
    if edits_image(world, reader, image):
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
    """Readers of its version, if all is current and open to them; editors and staff always."""
    it = world.machines[machine]
    if not reads_version(world, reader, it.version, now):
        return False
    if reader.staff or edits_version(world, reader, it.version):
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
    """Inside a version they read: the groups they are in; all of them for editors and staff."""
    if not reads_version(world, reader, version, now):
        return set()
    membership = world.versions[version].membership
    if reader.staff or edits_version(world, reader, version):
        return set(membership)
    return {group for group in membership if group in reader.groups}


def maintainers_shown(world: World, reader: Reader, image: int, now: str) -> set[int]:
    """Inside an image they read, like membership: all for editors and staff, else their own."""
    if not reads_image(world, reader, image, now):
        return set()
    maintainers = world.images[image].maintainers
    if reader.staff or edits_image(world, reader, image):
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


def replacement_shown(world: World, reader: Reader, version: int, now: str) -> bool:
    """A replacement they do not read is its id and nothing more; False too where there is none."""
    replacement = world.versions[version].replacement
    return replacement is not None and reads_version(world, reader, replacement, now)


def revoked_by(world: World, version: int) -> int | None:
    """The nearest version, itself or one that it was built on, whose revocation holds for it."""
    at: int | None = version
    while at is not None and not world.versions[at].revoked:
        at = world.versions[at].parent
    return at


def reads_channel(world: World, reader: Reader, channel: int, now: str) -> bool:
    """Readers of its image; a restricted channel only editors, staff and its groups."""
    it = world.channels[channel]
    if it.hidden or not reads_image(world, reader, it.image, now):
        return False
    if not it.restricted or reader.staff or edits_image(world, reader, it.image):
        return True
    return any(group in it.groups for group in reader.groups)


def groups_shown(world: World, reader: Reader, channel: int) -> set[int]:
    """Inside a channel they read, like membership: all for editors and staff, else their own."""
    it = world.channels[channel]
    if reader.staff or edits_image(world, reader, it.image):
        return set(it.groups)
    return {group for group in it.groups if group in reader.groups}


def target_shown(world: World, reader: Reader, channel: int, now: str) -> int | None:
    """What it was assigned, while that and its image are current and it is not revoked, to whoever
    reads it."""
    version = world.channels[channel].assigned
    if version is None or revoked_by(world, version) is not None:
        return None
    it = world.versions[version]
    if not current(it, now) or not current(world.images[it.image], now):
        return None
    return version if reads_version(world, reader, version, now) else None


def reads_webhook(world: World, reader: Reader, webhook: int) -> bool:
    """Its maker and staff."""
    return reader.staff or reader.user == world.webhooks[webhook].maker
