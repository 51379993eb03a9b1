"""The indexes of the activity list: the newest audit entries, of everybody, one user or one action."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.drop_index("ix_audit_user_id", "audit")
    op.create_index("ix_audit_at", "audit", ["at", "sequence"])
    op.create_index("ix_audit_user_id", "audit", ["user_id", "at", "sequence"])
    op.create_index("ix_audit_action", "audit", ["action", "at", "sequence"])
