"""What makes lists, counts and the next instant cost the same in a catalogue of any size.

The new columns, the shares and the counts are filled in here, for what the catalogue holds.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from goldenrod.base.clock import END_OF_TIME, now
from goldenrod.store.sql import Id, Key, Moment, Sortable, as_numbers

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    _widen_versions()
    _make_shares()
    _count()
    _index_instants()


def _part(name: str, table: str, which: str, *columns: str) -> None:
    op.create_index(
        name,
        table,
        list(columns),
        sqlite_where=sa.text(as_numbers(which)),
        postgresql_where=sa.text(which),
    )


def _widen_versions() -> None:
    """Who created a version's image, its own end, when it is spent, and whether it is past."""
    for left in ("owner_id", "public", "image_id", "user_id"):
        op.drop_index(f"ix_versions_{left}", "versions")
    added: dict[str, Any] = {
        "created_by_id": Key,
        "ends_at": Moment(),
        "spent_at": Moment(),
        "past": sa.Boolean(),
    }
    for name, kind in added.items():
        op.add_column("versions", sa.Column(name, kind))
    least = "min" if op.get_bind().dialect.name == "sqlite" else "least"
    op.execute(
        "UPDATE versions SET "
        "created_by_id = (SELECT i.created_by_id FROM images i WHERE i.id = versions.image_id), "
        f"ends_at = coalesce(end_date, '{END_OF_TIME}'), past = closes_at <= '{now()}', "
        f"spent_at = {least}(closes_at, coalesce(deprecated_at, '{END_OF_TIME}'), coalesce("
        "(SELECT min(r.at) FROM revocation_reach r WHERE r.n = versions.n), "
        f"'{END_OF_TIME}'))"
    )
    with op.batch_alter_table("versions", table_kwargs={"sqlite_autoincrement": True}) as table:
        for name, kind in added.items():
            table.alter_column(name, existing_type=kind, nullable=False)
        table.create_foreign_key(
            op.f("fk_versions_created_by_id"), "users", ["created_by_id"], ["id"]
        )
    op.create_index("ix_versions_name_key", "versions", ["name_key", "id"])
    op.create_index("ix_versions_ends_at", "versions", ["ends_at", "id"])
    for of in ("image_id", "user_id", "created_by_id"):
        listed = [of, "start_date", "id", "public", "opens_at", "closes_at"]
        op.create_index(f"ix_versions_{of}", "versions", listed)
    unspent, spent = f"spent_at = '{END_OF_TIME}'", f"spent_at < '{END_OF_TIME}'"
    _part("ix_versions_unspent", "versions", unspent, "image_id", "start_date", "id")
    _part("ix_versions_spent_at", "versions", spent, "image_id", "spent_at")
    _part("ix_versions_no_imaging", "versions", "NOT allow_imaging", "start_date", "id")
    _part("ix_versions_no_latest", "versions", "exclude_from_latest", "start_date", "id")
    op.create_index("ix_machines_architecture", "machines", ["architecture", "version_n"])
    shown = "public AND NOT past"
    columns = ("start_date", "id", "opens_at", "closes_at", "public", "past")
    _part("ix_versions_public", "versions", shown, *columns)
    _part("ix_versions_public_name_key", "versions", shown, "name_key", "id")
    _part("ix_versions_public_ends_at", "versions", shown, "ends_at", "id")
    _part("ix_versions_public_past", "versions", "public AND past", "closes_at")


def _make_shares() -> None:
    """Shares are of keepers too, and of versions of public images."""
    op.drop_table("shares")
    op.create_table(
        "shares",
        sa.Column("group_id", Key, nullable=False),
        sa.Column("n", Key, nullable=False),
        sa.Column("image_id", Key, nullable=False),
        sa.Column("id", Id(), nullable=False),
        sa.Column("name_key", Sortable, nullable=False),
        sa.Column("start_date", Moment(), nullable=False),
        sa.Column("ends_at", Moment(), nullable=False),
        sa.Column("opens_at", Moment(), nullable=False),
        sa.Column("closes_at", Moment(), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.CheckConstraint("kept OR NOT public", name=op.f("ck_shares_kept")),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_shares_group_id")),
        sa.ForeignKeyConstraint(["n"], ["versions.n"], name=op.f("fk_shares_n")),
        sa.PrimaryKeyConstraint("group_id", "n", name=op.f("pk_shares")),
        sqlite_with_rowid=False,
    )
    op.execute(
        """
        INSERT INTO shares
            (group_id, n, image_id, id, name_key, start_date, ends_at, opens_at, closes_at,
            public, kept)
        SELECT way.group_id, v.n, v.image_id, v.id, v.name_key, v.start_date, v.ends_at,
            v.opens_at, v.closes_at, v.public, way.kept = 1
        FROM (
            SELECT group_id, n, max(kept) AS kept FROM (
                SELECT g.id AS group_id, v.n, 1 AS kept
                FROM versions v JOIN groups g ON g.personal_of = v.owner_id
                UNION ALL
                SELECT g.id, v.n, 1 FROM versions v JOIN groups g ON g.personal_of = v.user_id
                UNION ALL
                SELECT m.group_id, v.n, 1
                FROM versions v JOIN image_maintainers m ON m.image_id = v.image_id
                UNION ALL
                SELECT m.group_id, v.n, 0
                FROM versions v JOIN version_memberships m ON m.version_n = v.n
                WHERE NOT v.public
            ) AS every GROUP BY group_id, n
        ) AS way JOIN versions v ON v.n = way.n
        ORDER BY way.group_id, v.n
        """
    )
    op.create_index("ix_shares_n", "shares", ["n"])
    op.create_index("ix_shares_image_id", "shares", ["group_id", "image_id"])
    listed = ["group_id", "start_date", "id", "n", "kept", "opens_at", "closes_at"]
    op.create_index("ix_shares_start_date", "shares", listed)
    op.create_index("ix_shares_name_key", "shares", ["group_id", "name_key", "id"])
    op.create_index("ix_shares_ends_at", "shares", ["group_id", "ends_at", "id"])
    counted = ("group_id", "kept", "n", "opens_at", "closes_at", "public")
    ending = f"public AND closes_at < '{END_OF_TIME}'"
    _part("ix_shares_hidden", "shares", "NOT public", *counted)
    _part("ix_shares_ending", "shares", ending, "group_id", "closes_at", "n")
    opened, closed = ("opens_at", "closes_at", "group_id"), ("closes_at", "opens_at", "group_id")
    _part("ix_shares_shared_opens_at", "shares", "NOT kept", *opened)
    _part("ix_shares_shared_closes_at", "shares", "NOT kept", *closed)


def _count() -> None:
    """How many versions staff (-1), everybody (0) and each group besides see."""
    at = now()
    op.add_column("catalogue", sa.Column("counted_at", Moment()))
    op.execute(f"UPDATE catalogue SET counted_at = '{at}'")
    with op.batch_alter_table("catalogue") as table:
        table.alter_column("counted_at", existing_type=Moment(), nullable=False)
    op.create_table(
        "scope_counts",
        sa.Column("scope", Key, autoincrement=False, nullable=False),
        sa.Column("n", Key, nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_scope_counts")),
    )
    opened = f"opens_at <= '{at}' AND closes_at > '{at}'"
    op.execute(
        f"""
        INSERT INTO scope_counts (scope, n)
        SELECT -1, count(*) FROM versions
        UNION ALL SELECT 0, count(*) FROM versions WHERE public AND {opened}
        UNION ALL SELECT group_id, count(*) FROM shares
        WHERE CASE WHEN public THEN NOT ({opened}) ELSE kept OR ({opened}) END
        GROUP BY group_id
        """
    )


def _index_instants() -> None:
    """What `rules/cache_expiry.py` asks: the next instant of each column that is compared with now."""
    op.create_index("ix_providers_start_date", "providers", ["start_date"])
    for table, column in (("images", "end_date"), ("providers", "end_date"), ("tokens", "expires")):
        given = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_{table}_{column}", table, [column], sqlite_where=given, postgresql_where=given
        )
