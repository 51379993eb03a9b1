"""Up to which revision the stored counts of providers are right.

A catalogue that has been changed before has none yet: they are counted when the tables are ready.
"""

from alembic import op
from sqlalchemy import Column

from goldenrod.store.sql import Key

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("catalogue", Column("counts_until", Key, nullable=False, server_default="0"))
