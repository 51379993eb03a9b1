"""Tables of images: images, their slugs and maintainers, tags, search tokens."""

from sqlalchemy import Boolean, Column, Index, String, Table, Text, false

from goldenrod.store.schema.helpers import (
    index_where_set,
    metadata,
    resource,
    search_table,
    search_words,
    start_and_end,
    to,
)
from goldenrod.store.sql import Key, Moment, Sortable

images = resource(
    "images",
    Column("slug", String(64), nullable=False, unique=True),
    Column("name", String(256), nullable=False),
    Column("name_key", Sortable, nullable=False),
    Column("description", Text, nullable=False),
    Column("is_public", Boolean, nullable=False),
    Column("owner_id", Key, to("users.id"), nullable=False, index=True),
    Column("created_by_id", Key, to("users.id"), nullable=False, index=True),
    *start_and_end(),
    # Its versions are one line: each is built on the one released before it (rules/lifecycle/lines.py).
    Column("one_line", Boolean, nullable=False, server_default=false()),
    # The latest start_date of its versions.
    Column("newest_release", Moment),
    Index("ix_images_start_date", "start_date", "id"),
    index_where_set("ix_images_end_date", "end_date"),
    Index("ix_images_name_key", "name_key"),
)

image_slugs = Table(
    "image_slugs",
    metadata,
    Column("slug", String(64), primary_key=True),
    Column("image_id", Key, to("images.id"), nullable=False, index=True),
)

# The revision of the last change that was of single images only, for each image that one was of
# (`store/image_changes.py`). The index finds those that were changed after a revision.
image_revisions = Table(
    "image_revisions",
    metadata,
    Column("image_id", Key, to("images.id"), primary_key=True, autoincrement=False),
    Column("revision", Key, nullable=False, index=True),
)

image_maintainers = Table(
    "image_maintainers",
    metadata,
    Column("image_id", Key, to("images.id"), primary_key=True),
    Column("group_id", Key, to("groups.id"), primary_key=True),
    Index("ix_image_maintainers_group_id", "group_id", "image_id"),
)

tags = resource(
    "tags",
    Column("name", String(256), nullable=False),
    Column("name_key", Sortable, nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("start_date", Moment, nullable=False),
    search_words(),
)

image_tags = Table(
    "image_tags",
    metadata,
    Column("image_id", Key, to("images.id"), primary_key=True),
    Column("tag_id", Key, to("tags.id"), primary_key=True),
    Index("ix_image_tags_tag_id", "tag_id", "image_id"),
)

image_words = search_table("image_words", "image_id", "images.id")

# The images that users follow. Personal: not exported.
follows = Table(
    "follows",
    metadata,
    Column("user_id", Key, to("users.id"), primary_key=True),
    Column("image_id", Key, to("images.id"), primary_key=True),
    Column("since", Moment, nullable=False),
)

# When the last visit of a user who follows images began, and since when changes are new to them
# (`catalogue/images/follows.py`). Personal: not exported.
visits = Table(
    "visits",
    metadata,
    Column("user_id", Key, to("users.id"), primary_key=True),
    Column("began", Moment, nullable=False),
    Column("since", Moment, nullable=False),
)
