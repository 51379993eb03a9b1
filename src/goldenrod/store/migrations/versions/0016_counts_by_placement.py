"""The numbers of versions by their machines, which replace those by provider.

They are counted when the tables are ready, as in a catalogue that another release has changed.
"""

from alembic import op
from sqlalchemy import Column, String, Text

from goldenrod.store.sql import Key

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "placement_counts",
        Column("key", String(32), primary_key=True),
        Column("placement", Text, nullable=False),
        Column("n", Key, nullable=False),
    )
    op.execute("DELETE FROM scope_counts WHERE scope < -1")
    op.execute("UPDATE catalogue SET counts_until = 0")
