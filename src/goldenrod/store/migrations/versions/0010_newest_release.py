"""When the newest version of each image was released."""

from alembic import op
from sqlalchemy import Column, text

from goldenrod.store.sql import Moment

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("images", Column("newest_release", Moment))
    op.execute(_FIND_RELEASES)


_FIND_RELEASES = text(
    "UPDATE images SET newest_release = ("
    "SELECT max(start_date) FROM versions WHERE versions.image_id = images.id)"
)
