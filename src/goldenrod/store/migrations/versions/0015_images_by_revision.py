"""The images that were changed after a revision, by an index."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_index("ix_image_revisions_revision", "image_revisions", ["revision"])
