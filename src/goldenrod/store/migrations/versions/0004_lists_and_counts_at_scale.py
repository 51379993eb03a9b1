"""What makes lists, counts and the next instant cost the same in a catalogue of any size."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    _index_instants()


def _index_instants() -> None:
    """What `rules/horizon.py` asks: the next instant of each column that is compared with now."""
    op.create_index("ix_providers_start_date", "providers", ["start_date"])
    for table, column in (("images", "end_date"), ("providers", "end_date"), ("tokens", "expires")):
        given = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_{table}_{column}", table, [column], sqlite_where=given, postgresql_where=given
        )
