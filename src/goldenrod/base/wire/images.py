"""Images and tags: bodies of requests and answers."""

from msgspec import UNSET, Struct, UnsetType

from goldenrod.base.wire.common import (
    GroupSummary,
    ImageSummary,
    Moment,
    Name,
    Ref,
    Refs,
    Tags,
    TagSummary,
    UserSummary,
    Uuid,
    VersionSummary,
    When,
    Words,
)


class Image(Struct):
    """An image: groups versions under one name, with an owner and an audience."""

    id: int
    uuid: Uuid
    url: str
    name: str
    slug: str
    description: str
    is_public: bool
    tags: list[TagSummary]
    owner: UserSummary
    maintainers: list[GroupSummary]
    created_by: UserSummary
    start_date: Moment
    end_date: Moment | None
    versions: list[VersionSummary]
    versions_count: int
    versions_url: str


class Tag(Struct):
    """A tag of images."""

    id: int
    uuid: Uuid
    url: str
    name: str
    description: str
    start_date: Moment


class NewImage(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /images."""

    name: Name
    slug: str | UnsetType = UNSET
    description: Words = ""
    is_public: bool = False
    tags: Tags = []
    maintainers: Refs = []
    start_date: When | None = None
    end_date: When | None = None


class ImagePatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /images/{id}."""

    name: Name | UnsetType = UNSET
    slug: str | UnsetType = UNSET
    description: Words | UnsetType = UNSET
    is_public: bool | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    owner: Ref | UnsetType = UNSET
    maintainers: Refs | UnsetType = UNSET
    start_date: When | UnsetType = UNSET
    end_date: When | None | UnsetType = UNSET


class TagPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /tags/{id}."""

    name: Name | UnsetType = UNSET
    description: Words | UnsetType = UNSET


class Follow(Struct):
    """Since when the user follows an image; `since` is null if they do not."""

    image: ImageSummary
    since: Moment | None
