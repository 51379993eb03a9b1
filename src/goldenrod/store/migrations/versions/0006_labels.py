"""Labels of versions."""

from alembic import op
from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, String

from goldenrod.store.sql import Key, Sortable

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "version_labels",
        Column("version_n", Key, ForeignKey("versions.n"), primary_key=True),
        Column("key", Sortable, primary_key=True),
        Column("value", String(256), nullable=False),
        CheckConstraint("length(key) BETWEEN 1 AND 63", name="key"),
        Index("ix_version_labels_key", "key", "value", "version_n"),
    )
