"""Users, groups, identities, tokens and security events: bodies of requests and answers."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from goldenrod.base.wire.common import (
    Label,
    Moment,
    Name,
    Password,
    ProviderSummary,
    Ref,
    Refs,
    UserSummary,
    Uuid,
    When,
)

Scope = Literal["read", "write", "admin"]


class Group(Struct):
    """A group of users. A `personal` group has exactly one user and never changes. `users_from_claims`
    are those of `users` who are members by their last sign-in with OpenID Connect."""

    id: int
    uuid: Uuid
    url: str
    name: str
    users: list[UserSummary]
    leaders: list[UserSummary]
    personal: bool
    start_date: Moment
    users_from_claims: list[UserSummary]


class User(Struct):
    """A user, as staff and the user see them. `staff_from_claims`: the last sign-in with OpenID Connect
    made the user staff."""

    id: int
    uuid: Uuid
    url: str
    username: str
    is_staff: bool
    active: bool
    start_date: Moment
    staff_from_claims: bool


class Identity(Struct):
    """A user's account on a provider."""

    id: int
    uuid: Uuid
    url: str
    user: UserSummary
    provider: ProviderSummary
    key: str
    start_date: Moment


class Token(Struct):
    """A token. Its secret is only in the answer to POST."""

    id: int
    uuid: Uuid
    url: str
    name: str
    scope: Scope
    created: Moment
    expires: Moment | None
    last_used: Moment | None
    user: UserSummary
    revoked_at: Moment | None


class NewTokenAnswer(Struct):
    """A new token with its secret (`token`), which is shown only once."""

    id: int
    uuid: Uuid
    url: str
    name: str
    scope: Scope
    created: Moment
    expires: Moment | None
    last_used: Moment | None
    token: str


class NewGroup(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /groups."""

    name: Name
    users: Refs = []
    leaders: Refs = []


class GroupPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /groups/{id}."""

    name: Name | UnsetType = UNSET
    users: Refs | UnsetType = UNSET
    leaders: Refs | UnsetType = UNSET


class NewUser(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /users. A user without a password cannot sign in with one."""

    username: Name
    password: Password | None = None
    is_staff: bool = False
    active: bool = True


class UserPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /users/{id}."""

    is_staff: bool | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    password: Password | None | UnsetType = UNSET


class NewIdentity(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /identities."""

    user: Ref
    provider: Ref
    key: Name


class IdentityPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /identities/{id}."""

    key: Name | UnsetType = UNSET


class NewToken(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /tokens, with a username and password, or with a token of the scope admin."""

    username: Name | UnsetType = UNSET
    password: Annotated[str, Meta(max_length=1024)] | UnsetType = UNSET
    name: Label = ""
    scope: Scope = "write"
    expires: When | None = None


class SecurityEvent(Struct):
    """Something that concerns security, such as a sign-in, a refusal or an export. It happened `count`
    times from `at` to `last_at`. `user` is null for the console and where the user is unknown."""

    sequence: int
    at: Moment
    last_at: Moment
    kind: str
    user: UserSummary | None
    via: str
    address: str | None
    detail: dict[str, Any]
    count: int


class ActivitySubject(Struct):
    """What a change was made to. `image`, `version` and `user` are what it belongs to, if it does."""

    id: int | str
    url: str
    name: str
    image: dict[str, Any] | None
    version: dict[str, Any] | None
    user: UserSummary | None


class Activity(Struct):
    """A change (`changes`: the fields before and after), or a security event (`detail`). An event
    happened `count` times from `at` to `last_at`. `by` is null for the console, imports and unknown
    users. `source` is the source whose sync made the change. `subject` is null for an event, and for
    what was removed."""

    id: int
    at: Moment
    last_at: Moment
    action: str
    by: UserSummary | None
    via: str
    source: str | None
    address: str | None
    subject: ActivitySubject | None
    changes: dict[str, Any] | None
    detail: dict[str, Any] | None
    count: int
