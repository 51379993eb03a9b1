"""Alembic's way in: the connection comes from `store/migrate.py`, with its lock and transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
