"""A brute-force model of the access rule in plain Python, which tests compare with the rule in SQL.

It is written from the sentences of the rule, one function each, over small worlds of plain records,
as literally and as slowly as possible. It shares nothing with the catalogue except the text form of
instants (27 characters, which compare as strings). This must stay so: a model that used the tested
code could not find its errors.

`random_worlds.py` draws worlds and readers. Another model, `support/lifecycle/model.py`, covers the
effects of time on channels and revocations.
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
    """Leaders are users of the group; `personal_of` is the one user of a personal group."""

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
    """`replacement`: the version is deprecated, with this replacement. `revoked`: with its
    descendants."""

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
    """A webhook of one image, or of all images."""

    id: int
    maker: int
    image: int | None = None


@dataclass
class World:
    """All things by id. The id of a version's parent is smaller than that of the version."""

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
    """A reader: anonymous (`user` is None), or a user with the groups that they are in.

    `staff` is whether they have staff's rights: a staff user's token without the scope admin has
    none.
    """

    user: int | None = None
    groups: frozenset[int] = frozenset()
    staff: bool = False


ANONYMOUS = Reader()


def reader_of(world: World, user: int, staff: bool = False) -> Reader:
    """The reader for `user`, with or without the rights of a staff user."""
    groups = frozenset(g.id for g in world.groups.values() if user in g.users)
    return Reader(user, groups, staff)


Dated = Provider | Image | Version | Machine


def current(thing: Dated, now: str) -> bool:
    """It has begun, at this instant at the latest, and has not ended. If its end is now, it has
    ended."""
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
    """The machines that a version lists: current ones on active, current providers that the reader
    may read."""
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
    """Its creator, staff, and readers of a version that uses it."""
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
    """The list of users contains all users for staff; for others, only themselves."""
    return reader.staff or reader.user == user


def reads_identity(world: World, reader: Reader, identity: int) -> bool:
    """Its user and staff."""
    return reader.staff or reader.user == world.identities[identity].user


def reads_token(world: World, reader: Reader, token: int) -> bool:
    """Its user and staff."""
    return reader.staff or reader.user == world.tokens[token].user


def reads_tag(world: World, reader: Reader, tag: int, now: str) -> bool:
    """Readers of an image with the tag; staff may read every tag."""
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
    """Readers of the version to whom it shows that group."""
    return group in membership_shown(world, reader, version, now)


def pairing_script(world: World, reader: Reader, version: int, script: int, now: str) -> bool:
    """Readers of the version to whom it shows that script."""
    return (
        script in world.versions[version].scripts
        and reads_version(world, reader, version, now)
        and reads_script(world, reader, script, now)
    )


def pairing_license(world: World, reader: Reader, version: int, license_id: int, now: str) -> bool:
    """Readers of the version to whom it shows that license."""
    return (
        license_id in world.versions[version].licenses
        and reads_version(world, reader, version, now)
        and reads_license(world, reader, license_id)
    )


def parent_shown(world: World, reader: Reader, version: int, now: str) -> bool:
    """Whether more than the id of the parent is shown. False for a parent that they may not read,
    and if there is none."""
    parent = world.versions[version].parent
    return parent is not None and reads_version(world, reader, parent, now)


def identity_shown(world: World, reader: Reader, version: int) -> bool:
    """Whether more than the id of the identity is shown. False for an identity that they may not
    read, and if there is none."""
    identity = world.versions[version].identity
    return identity is not None and reads_identity(world, reader, identity)


def provider_shown(world: World, reader: Reader, machine: int, now: str) -> bool:
    """Whether more than the id of a machine's provider is shown. False for one that they may not
    read."""
    return reads_provider(world, reader, world.machines[machine].provider, now)


def replacement_shown(world: World, reader: Reader, version: int, now: str) -> bool:
    """Whether more than the id of the replacement is shown. False for one that they may not read,
    and if there is none."""
    replacement = world.versions[version].replacement
    return replacement is not None and reads_version(world, reader, replacement, now)


def revoked_by(world: World, version: int) -> int | None:
    """The nearest version, itself or an ancestor, whose revocation applies to it."""
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
    """The assigned version, while it and its image are current and it is not revoked, for readers
    of that version."""
    version = world.channels[channel].assigned
    if version is None or revoked_by(world, version) is not None:
        return None
    it = world.versions[version]
    if not current(it, now) or not current(world.images[it.image], now):
        return None
    return version if reads_version(world, reader, version, now) else None


def reads_webhook(world: World, reader: Reader, webhook: int) -> bool:
    """Its creator and staff."""
    return reader.staff or reader.user == world.webhooks[webhook].maker
