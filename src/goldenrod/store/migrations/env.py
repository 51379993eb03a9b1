"""Run by Alembic: uses the connection of `store/migrate.py`, with its lock and transaction."""

from alembic import context

from goldenrod.store.schema.helpers import metadata

# The metadata gives constraints their names.
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
