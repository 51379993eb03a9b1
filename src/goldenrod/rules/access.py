"""The access rule: who may read and who may change what. It is written here and nowhere else.

The rule is SQL. `readable(thing, reader)` is the predicate "this reader may read this row" on a table
or an alias of it. Every read of a guarded table starts with it. It is the OR of named clauses
(`clauses`), so that `goldenrod why` can say which one applies. There is no second version in Python.
`visibility/` has other forms of the same rule for long lists of versions and for counts.

*Now* is the clock reading of the transaction. *Current* means start_date ≤ now and (end_date is null
or end_date > now). *Editors* of an image are its owner and the users of its maintainers. Editors of a
version are its user and its image's editors. Staff read everything (with an `admin` token).

    image version   editors; while it and its image are current: everybody if the image is public,
                    and members of any group in its membership
    image           editors; everybody if public and current; who may read one of its versions
    machine         who may read its version, if it is current and its provider current, active, and
                    public or one where the reader has an identity; editors: all of a version's
    provider        holders of an identity there; everybody if public, active and current
    boot script     its creator; who may read a version that uses it
    tag             who may read an image that carries it
    group           its members · identity, token: its user · user: oneself · license: everybody
    attachment      who may read its version and is shown that item there
    channel         who may read its image; a restricted one: editors and its groups
    webhook         its creator

Parameters of every predicate: `now`, `me`, `groups`, `my_providers` (`Actor.params`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, FromClause, and_, exists, or_, true

from goldenrod.base.errors import Forbidden, Unauthorized
from goldenrod.store import schema
from goldenrod.store.sql import Key, Moment, in_list, param

Predicate = ColumnElement[bool]
Scope = Literal["read", "write", "admin"]

NOW = param("now", Moment)
ME = param("me", Key)


class ReaderKind(Enum):
    """The kinds of readers for which the rule has a form. The parameters say who exactly reads."""

    ANONYMOUS = "anonymous"
    USER = "a user"
    STAFF = "staff"


@dataclass(frozen=True)
class Actor:
    """Who makes a request: the anonymous, a user, an import from a source, or the operator's console;
    or, for what the claims of a user's sign-in change, the OpenID Connect provider (`oidc`).

    `groups` are the ids of the groups the user is in, `providers` those of providers where they
    have an identity. A token's `scope` only restricts: without `admin` a staff user is not staff.
    `source` is the name of the source whose sync acts.
    """

    kind: Literal["anonymous", "user", "source", "console", "oidc"] = "anonymous"
    user_id: int = 0
    username: str = ""
    staff: bool = False
    scope: Scope = "read"
    groups: tuple[int, ...] = ()
    providers: tuple[int, ...] = ()
    token_id: int = 0
    token_expires: str | None = None
    source: str | None = None

    @property
    def has_staff_rights(self) -> bool:
        """The actor has staff rights: a staff user with the scope admin, the console, an import."""
        return self.kind in ("console", "source") or (self.staff and self.scope == "admin")

    @property
    def reader(self) -> ReaderKind:
        if self.has_staff_rights:
            return ReaderKind.STAFF
        return ReaderKind.USER if self.kind == "user" else ReaderKind.ANONYMOUS

    @property
    def params(self) -> dict[str, Any]:
        return {
            "me": self.user_id,
            "groups": list(self.groups),
            "my_providers": list(self.providers),
        }

    def require_write(self) -> None:
        """Raise 401 for the anonymous and 403 for a token that may only read."""
        if self.kind == "anonymous":
            raise Unauthorized("To change something, sign in: send Authorization: Token <secret>.")
        if self.scope == "read":
            raise Forbidden(
                "This token may only read. Use one with the scope write.",
                code="scope_insufficient",
            )

    def require_staff(self) -> None:
        """Raise 401 or 403 unless the actor has staff rights."""
        self.require_write()
        if not self.has_staff_rights:
            raise Forbidden(
                "Only staff may do this"
                + (", with a token of the scope admin." if self.staff else "."),
                code="staff_required",
            )

    def require_admin_scope(self) -> None:
        """Raise 401 or 403 unless the actor may manage tokens."""
        self.require_write()
        if self.scope != "admin":
            raise Forbidden("Tokens need a token of the scope admin.", code="scope_insufficient")


ANONYMOUS = Actor()
CONSOLE = Actor(kind="console", username="console", scope="admin")


class Clause(NamedTuple):
    """One reason for which a row may be read: in words, and as a predicate."""

    words: str
    holds: Predicate


def current(thing: FromClause, at: ColumnElement[Any] = NOW) -> Predicate:
    """The row is current: start_date and end_date include now, or another instant."""
    return and_(
        thing.c.start_date <= at,
        or_(thing.c.end_date.is_(None), thing.c.end_date > at),
    )


def open_now(version: FromClause) -> Predicate:
    """The version and its image are both current (denormalised on the version)."""
    return open_at(version, NOW)


def open_at(version: FromClause, at: ColumnElement[Any]) -> Predicate:
    """The same at another instant."""
    return and_(version.c.opens_at <= at, version.c.closes_at > at)


def maintained(image_id: ColumnElement[int]) -> Predicate:
    """The reader is in a group of the image's maintainers."""
    m = schema.image_maintainers.alias()
    mine = exists().where(m.c.image_id == image_id, in_list(m.c.group_id, "groups"))
    # By default SQLAlchemy correlates only with the next enclosing statement. Two levels down it would
    # select from the images again, and any image that the reader maintains would match.
    return mine.correlate_except(m)


def edits_image(image: FromClause, reader: ReaderKind) -> Predicate:
    """The reader is an editor of the image, or staff."""
    return or_(*(c.holds for c in _image_editors(image, reader)))


def edits_version(version: FromClause, reader: ReaderKind) -> Predicate:
    """The reader is an editor of the version, or staff."""
    return or_(*(c.holds for c in _version_editors(version, reader)))


def _image_editors(image: FromClause, reader: ReaderKind) -> list[Clause]:
    if reader is ReaderKind.ANONYMOUS:
        return [_NEVER]
    if reader is ReaderKind.STAFF:
        return [_STAFF]
    return [
        Clause("owns the image", image.c.owner_id == ME),
        Clause("is in a group that maintains the image", maintained(image.c.id)),
    ]


def _version_editors(version: FromClause, reader: ReaderKind) -> list[Clause]:
    if reader is ReaderKind.ANONYMOUS:
        return [_NEVER]
    if reader is ReaderKind.STAFF:
        return [_STAFF]
    return [
        Clause("created the version", version.c.user_id == ME),
        Clause("owns its image", version.c.owner_id == ME),
        Clause("is in a group that maintains its image", maintained(version.c.image_id)),
    ]


_STAFF = Clause("is staff", true())
_NEVER = Clause("is signed in", ~true())
_EVERYBODY = Clause("everybody may", true())


def shared_with(version: FromClause) -> Predicate:
    """The reader is in a group of the version's membership."""
    pairing = schema.version_memberships.alias()
    shared = exists().where(
        pairing.c.version_n == version.c.n, in_list(pairing.c.group_id, "groups")
    )
    return shared.correlate_except(pairing)


def has_membership(version: FromClause) -> Predicate:
    """The version is shared with any group."""
    pairing = schema.version_memberships.alias()
    return exists().where(pairing.c.version_n == version.c.n).correlate_except(pairing)


def _version(version: FromClause, reader: ReaderKind) -> list[Clause]:
    public = Clause(
        "its image is public; version and image are current",
        and_(version.c.public, open_now(version)),
    )
    if reader is ReaderKind.ANONYMOUS:
        return [public]
    # The clause comes first whose columns the indexes have: where it holds, no row is read.
    return [
        public,
        *_version_editors(version, reader),
        Clause(
            "is in a group that it is shared with; version and image are current",
            and_(open_now(version), shared_with(version)),
        ),
    ]


def _image(image: FromClause, reader: ReaderKind) -> list[Clause]:
    public = Clause("it is public and current", and_(image.c.is_public, current(image)))
    if reader is ReaderKind.ANONYMOUS:
        return [public]
    # Members of a public version have no share of it; they read its image because that is public.
    share = schema.shares.alias()
    return [
        public,
        *_image_editors(image, reader),
        Clause(
            "may read one of its versions",
            exists().where(
                in_list(share.c.group_id, "groups"),
                share.c.image_id == image.c.id,
                or_(share.c.as_editor, open_now(share)),
            ),
        ),
    ]


def _machine(machine: FromClause, reader: ReaderKind) -> list[Clause]:
    version = schema.versions.alias()
    provider = schema.providers.alias()
    offered = exists().where(provider.c.id == machine.c.provider_id, offers_to(provider, reader))
    seen = exists().where(version.c.n == machine.c.version_n, readable(version, reader))
    kept = schema.versions.alias()
    editor = Clause(
        "is an editor of its version, or staff",
        exists().where(kept.c.n == machine.c.version_n, edits_version(kept, reader)),
    )
    machine_reader = Clause(
        "may read its version; it and its provider are current, the provider active and open to "
        "the reader",
        and_(current(machine), offered, seen),
    )
    return [machine_reader] if reader is ReaderKind.ANONYMOUS else [editor, machine_reader]


def offers_to(provider: FromClause, reader: ReaderKind) -> Predicate:
    """The provider is current, active, and public or one where the reader has an identity."""
    opened: Predicate = provider.c.public
    if reader is ReaderKind.USER:
        opened = or_(opened, in_list(provider.c.id, "my_providers"))
    if reader is ReaderKind.STAFF:
        opened = true()
    return and_(current(provider), provider.c.active, opened)


def _provider(provider: FromClause, reader: ReaderKind) -> list[Clause]:
    public = Clause(
        "it is public, active and current",
        and_(provider.c.public, provider.c.active, current(provider)),
    )
    if reader is ReaderKind.ANONYMOUS:
        return [public]
    if reader is ReaderKind.STAFF:
        return [_STAFF, public]
    return [
        Clause("has an identity there", in_list(provider.c.id, "my_providers")),
        public,
    ]


def _script(script: FromClause, reader: ReaderKind) -> list[Clause]:
    version, pairing = schema.versions.alias(), schema.version_scripts.alias()
    used = Clause(
        "may read a version that uses it",
        exists().where(
            pairing.c.script_id == script.c.id,
            version.c.n == pairing.c.version_n,
            readable(version, reader),
        ),
    )
    return [*_own(script.c.created_by_id, "created it", reader), used]


def _tag(tag: FromClause, reader: ReaderKind) -> list[Clause]:
    image, carried = schema.images.alias(), schema.image_tags.alias()
    seen = Clause(
        "may read an image that carries it",
        exists().where(
            carried.c.tag_id == tag.c.id,
            image.c.id == carried.c.image_id,
            readable(image, reader),
        ),
    )
    return [_STAFF, seen] if reader is ReaderKind.STAFF else [seen]


def _own(owner: ColumnElement[int], words: str, reader: ReaderKind) -> list[Clause]:
    """Rows that only their user and staff may read."""
    if reader is ReaderKind.ANONYMOUS:
        return [_NEVER]
    return [_STAFF] if reader is ReaderKind.STAFF else [Clause(words, owner == ME)]


def _group(group: FromClause, reader: ReaderKind) -> list[Clause]:
    if reader is ReaderKind.USER:
        return [Clause("is in it", in_list(group.c.id, "groups"))]
    return [_STAFF if reader is ReaderKind.STAFF else _NEVER]


def _paired(pairing: FromClause, reader: ReaderKind) -> list[Clause]:
    version = schema.versions.alias()
    return [
        Clause(
            "may read its version",
            exists().where(version.c.n == pairing.c.version_n, readable(version, reader)),
        )
    ]


def _membership(pairing: FromClause, reader: ReaderKind) -> list[Clause]:
    if reader is ReaderKind.STAFF:
        return [_STAFF]
    if reader is ReaderKind.ANONYMOUS:
        return [_NEVER]
    version, kept = schema.versions.alias(), schema.versions.alias()
    return [
        Clause(
            "is an editor of its version",
            exists().where(kept.c.n == pairing.c.version_n, edits_version(kept, reader)),
        ),
        Clause(
            "may read its version and is in the group",
            and_(
                in_list(pairing.c.group_id, "groups"),
                exists().where(version.c.n == pairing.c.version_n, readable(version, reader)),
            ),
        ),
    ]


def _maintainer(pairing: FromClause, reader: ReaderKind) -> list[Clause]:
    """Maintainers are shown like membership: all to editors and staff, their own groups to others."""
    if reader is not ReaderKind.USER:
        return [_STAFF if reader is ReaderKind.STAFF else _NEVER]
    # Members of a maintaining group are editors, so their groups need no clause.
    image = schema.images.alias()
    return [
        Clause(
            "is an editor of the image",
            exists().where(image.c.id == pairing.c.image_id, edits_image(image, reader)),
        )
    ]


def _channel(channel: FromClause, reader: ReaderKind) -> list[Clause]:
    image, kept = schema.images.alias(), schema.images.alias()
    open_ = Clause(
        "may read its image, and it is not restricted",
        and_(
            ~channel.c.hidden,
            ~channel.c.restricted,
            exists().where(image.c.id == channel.c.image_id, readable(image, reader)),
        ),
    )
    if reader is ReaderKind.ANONYMOUS:
        return [open_]
    editor = Clause(
        "is an editor of its image, or staff",
        and_(
            ~channel.c.hidden,
            exists().where(kept.c.id == channel.c.image_id, edits_image(kept, reader)),
        ),
    )
    if reader is ReaderKind.STAFF:
        return [editor]
    link, seen = schema.channel_groups.alias(), schema.images.alias()
    named = Clause(
        "may read its image, and is in a group that the restricted channel names",
        and_(
            ~channel.c.hidden,
            exists().where(link.c.channel_id == channel.c.id, in_list(link.c.group_id, "groups")),
            exists().where(seen.c.id == channel.c.image_id, readable(seen, reader)),
        ),
    )
    return [editor, open_, named]


def _changes_channel(channel: FromClause) -> Predicate:
    image = schema.images.alias()
    return exists().where(image.c.id == channel.c.image_id, edits_image(image, ReaderKind.USER))


_RULE: dict[str, Callable[[FromClause, ReaderKind], list[Clause]]] = {
    "versions": _version,
    "images": _image,
    "machines": _machine,
    "providers": _provider,
    "licenses": lambda thing, reader: [_EVERYBODY],
    "boot_scripts": _script,
    "tags": _tag,
    "groups": _group,
    "users": lambda thing, reader: _own(thing.c.id, "is that user", reader),
    "identities": lambda thing, reader: _own(thing.c.user_id, "is its user", reader),
    "tokens": lambda thing, reader: _own(thing.c.user_id, "is its user", reader),
    "version_licenses": _paired,
    "version_scripts": _paired,
    "version_memberships": _membership,
    "image_maintainers": _maintainer,
    "channels": _channel,
    "webhooks": lambda thing, reader: _own(thing.c.created_by_id, "created it", reader),
}

GUARDED = frozenset(_RULE)
"""The tables whose rows are read only through `readable`."""


def _name(thing: FromClause) -> str:
    """The name of a table, or of the one that an alias stands for."""
    table: Any = getattr(thing, "element", thing)
    return str(table.name)


def clauses(thing: FromClause, reader: ReaderKind) -> list[Clause]:
    """The reasons for which a reader of this kind may read a row of `thing`."""
    return _RULE[_name(thing)](thing, reader)


def readable(thing: FromClause, reader: ReaderKind) -> Predicate:
    """The reader may read this row of `thing`, a guarded table or an alias of one."""
    return or_(*(clause.holds for clause in clauses(thing, reader)))


def changeable(thing: FromClause, reader: ReaderKind) -> Predicate:
    """The reader may change this row, which they may read.

    Images and versions: editors and staff. Machines: with an identity on its provider. Groups:
    leaders. Licenses and scripts: their creator. The rest: staff (tokens: their user).
    """
    if reader is not ReaderKind.USER:
        return true() if reader is ReaderKind.STAFF else ~true()
    may = _CHANGE.get(_name(thing))
    return may(thing) if may else ~true()


def _changes_machine(machine: FromClause) -> Predicate:
    version = schema.versions.alias()
    return and_(
        in_list(machine.c.provider_id, "my_providers"),
        exists().where(version.c.n == machine.c.version_n, edits_version(version, ReaderKind.USER)),
    )


def _leads(group: FromClause) -> Predicate:
    member = schema.group_users.alias()
    return exists().where(member.c.group_id == group.c.id, member.c.user_id == ME, member.c.leader)


def _changes_pairing(pairing: FromClause) -> Predicate:
    version = schema.versions.alias()
    return exists().where(
        version.c.n == pairing.c.version_n, edits_version(version, ReaderKind.USER)
    )


_CHANGE: dict[str, Callable[[FromClause], Predicate]] = {
    "images": lambda image: edits_image(image, ReaderKind.USER),
    "versions": lambda version: edits_version(version, ReaderKind.USER),
    "machines": _changes_machine,
    "groups": _leads,
    "licenses": lambda license: license.c.created_by_id == ME,
    "boot_scripts": lambda script: script.c.created_by_id == ME,
    "tokens": lambda token: token.c.user_id == ME,
    "channels": _changes_channel,
    "webhooks": lambda webhook: webhook.c.created_by_id == ME,
    "version_licenses": _changes_pairing,
    "version_memberships": _changes_pairing,
    "version_scripts": _changes_pairing,
}
