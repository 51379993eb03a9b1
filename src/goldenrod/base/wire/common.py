"""Types that requests and answers share: ids, instants, references, summaries, problem documents."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Moment = Annotated[
    str,
    Meta(
        title="Instant",
        description="UTC, ISO 8601, six fractional digits, Z",
        extra_json_schema={"format": "date-time"},
    ),
]


Uuid = Annotated[str, Meta(title="UUID", extra_json_schema={"format": "uuid"})]


CHANNEL_NAME = "[a-z0-9][a-z0-9._-]{0,63}"
"""The pattern of a channel's name."""
ChannelName = Annotated[str, Meta(extra_json_schema={"pattern": f"^{CHANNEL_NAME}$"})]


LicenseType = Literal["Full Text", "URL", "SPDX"]


ScriptType = Literal["Raw Text", "URL"]


State = Literal["ended", "scheduled", "revoked", "deprecated", "current"]


# ── summaries ──────────────────────────────────────────────────────────────────────────────


class UserSummary(Struct):
    """A user by name."""

    id: int
    url: str
    uuid: Uuid
    username: str


class ImageRef(Struct):
    """The image of a version in a summary."""

    id: int
    url: str
    slug: str


class VersionSummary(Struct):
    """A version inside another object; only `id` if the reader may not read it."""

    id: Uuid
    url: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    state: State | UnsetType = UNSET
    start_date: Moment | UnsetType = UNSET
    end_date: Moment | None | UnsetType = UNSET
    image: ImageRef | UnsetType = UNSET


class ImageSummary(Struct):
    """An image inside another object; only `id` if the reader may not read it."""

    id: int
    url: str | UnsetType = UNSET
    uuid: Uuid | UnsetType = UNSET
    slug: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    is_public: bool | UnsetType = UNSET
    created_by: UserSummary | UnsetType = UNSET
    end_date: Moment | None | UnsetType = UNSET


class ProviderSummary(Struct):
    """A provider inside another object; only `id` if the reader may not read it."""

    id: int
    url: str | UnsetType = UNSET
    uuid: Uuid | UnsetType = UNSET
    slug: str | UnsetType = UNSET
    name: str | UnsetType = UNSET


class MachineSummary(Struct):
    """A copy of a version on one provider, inside its version."""

    id: int
    url: str
    uuid: Uuid
    identifier: str
    architecture: str
    size_gb: int | None
    start_date: Moment
    end_date: Moment | None
    provider: ProviderSummary


class LicenseSummary(Struct):
    """A license inside a version."""

    id: int
    url: str
    uuid: Uuid
    title: str
    type: LicenseType


class ScriptSummary(Struct):
    """A boot script inside a version."""

    id: int
    url: str
    uuid: Uuid
    title: str
    type: ScriptType


class GroupSummary(Struct):
    """A group inside another object."""

    id: int
    url: str
    uuid: Uuid
    name: str


class TagSummary(Struct):
    """A tag inside an image."""

    id: int
    url: str
    uuid: Uuid
    name: str


class IdentitySummary(Struct):
    """An identity inside a version; only `id` if the reader may not read it."""

    id: int
    url: str | UnsetType = UNSET
    uuid: Uuid | UnsetType = UNSET
    provider: ProviderSummary | UnsetType = UNSET


class OnlyId(Struct):
    """A resource that the reader may not read: only its id is shown."""

    id: int


class ProblemField(Struct):
    """One wrong field."""

    field: str
    detail: str


class ProblemDocument(Struct):
    """RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ProblemField] | UnsetType = UNSET


class Reference(Struct):
    """A resource named by an object, such as the answer to a GET. Its `id` is used, otherwise its
    `uuid`, otherwise its name."""

    id: int | str | UnsetType = UNSET
    uuid: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    username: str | UnsetType = UNSET


Ref = Annotated[
    int | str | Reference,
    Meta(description="an id, a uuid, a name or slug where the field takes one, or an object"),
]


Refs = Annotated[list[Ref], Meta(max_length=500)]


Name = Annotated[str, Meta(min_length=1, max_length=256)]


Identifier = Annotated[str, Meta(min_length=1, max_length=512)]

Label = Annotated[str, Meta(max_length=256)]


Words = Annotated[str, Meta(max_length=65536)]


Labels = Annotated[
    dict[str, Label],
    Meta(
        max_length=64,
        description="keys of 1 to 63 of a-z, 0-9, `.`, `_`, `/`, `-`, with a letter or digit first",
    ),
]


Tags = Annotated[list[str | Reference], Meta(max_length=500)]


Password = Annotated[
    str,
    Meta(
        description="not the username, and none of the commonest passwords",
        # `catalogue/accounts/password_rules.py` checks this, and explains what is wrong.
        extra_json_schema={"minLength": 10, "maxLength": 1024},
    ),
]


Size = Annotated[int, Meta(ge=0, le=2**31 - 1)]


Cpus = Annotated[int, Meta(ge=0, le=4096)]


When = Annotated[
    str,
    Meta(
        description="ISO 8601 with a zone, years 0001 to 9999",
        extra_json_schema={"format": "date-time"},
    ),
]


Reason = Annotated[str, Meta(min_length=1, max_length=2000)]

COMPUTED = frozenset(
    {
        *("url", "state", "versions", "versions_count", "versions_url", "last_used", "personal"),
        *("stale", "behind", "parent_behind", "target", "stopped"),
        *("users_from_claims", "staff_from_claims"),
    }
)
"""Fields that the server computes: a PATCH that contains them ignores them."""
