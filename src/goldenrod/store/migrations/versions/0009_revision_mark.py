"""A random mark beside the catalogue's revision."""

import secrets

from alembic import op
from sqlalchemy import Column, String, text

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("catalogue", Column("mark", String(16), nullable=False, server_default=""))
    op.execute(text("UPDATE catalogue SET mark = :mark").bindparams(mark=secrets.token_hex(8)))
