"""Architectures in one spelling, and as they were given; keys by which identifiers are found."""

from alembic import op
from sqlalchemy import Column, Connection, String, text

from goldenrod.base.architectures import normal_architecture
from goldenrod.base.text import identifier_key
from goldenrod.store.sql import Sortable

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column(
        "machines", Column("architecture_given", String(256), nullable=False, server_default="")
    )
    op.add_column("machines", Column("identifier_key", Sortable, nullable=False, server_default=""))
    op.execute("UPDATE machines SET architecture_given = architecture, identifier_key = identifier")
    connection = op.get_bind()
    _spell_architectures(connection)
    _fold_identifiers(connection)
    op.create_index("ix_machines_identifier_key", "machines", ["identifier_key", "provider_id"])


def _spell_architectures(connection: Connection) -> None:
    for (given,) in connection.execute(text("SELECT DISTINCT architecture FROM machines")).all():
        if normal_architecture(given) != given:
            connection.execute(
                text("UPDATE machines SET architecture = :normal WHERE architecture = :given"),
                {"normal": normal_architecture(given), "given": given},
            )


def _fold_identifiers(connection: Connection) -> None:
    """Only UUIDs and Azure's ids have another key than themselves."""
    found = connection.execute(
        text(
            "SELECT id, identifier FROM machines"
            " WHERE identifier LIKE '/%'"
            " OR (length(identifier) = 36 AND identifier <> lower(identifier))"
        )
    ).all()
    changed = [
        {"id": number, "key": identifier_key(given)}
        for number, given in found
        if identifier_key(given) != given
    ]
    if changed:
        connection.execute(
            text("UPDATE machines SET identifier_key = :key WHERE id = :id"), changed
        )
