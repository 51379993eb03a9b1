"""What a sync has stored about a cloud, as tests write it by hand."""

from typing import Any

from sqlalchemy import select

from goldenrod.base import wire
from goldenrod.catalogue.sync import drift
from goldenrod.catalogue.webhooks import webhooks
from goldenrod.rules.changes.mutations import new_uuid
from goldenrod.store import schema
from goldenrod.store.db import Database, Row
from goldenrod.store.sql import Sortable, param
from tests.support.cast import World


def _machine() -> Any:
    machine = schema.machines
    return select(*machine.c).where(machine.c.identifier == param("identifier", Sortable))


class Cloud:
    """A source with scopes, and rows of `cloud_machines` that agree with the machines here except in
    what is given. Unknown machines are on `provider`."""

    def __init__(self, db: Database, provider: int) -> None:
        self.db = db
        self.provider = provider
        with db.write() as tx:
            source = {"name": "prod", "type": "openstack", "start_date": tx.now}
            self.source = tx.insert(schema.sync_sources, uuid=new_uuid(), **source)
        self.scopes: dict[str, int] = {}

    def scope(self, name: str, **columns: Any) -> int:
        """The id of a scope; columns that are given are changed."""
        with self.db.write() as tx:
            if name not in self.scopes:
                made = {"source_id": self.source, "scope": name, "declaration": "d"}
                self.scopes[name] = tx.insert(schema.sync_scopes, uuid=new_uuid(), **made)
            if columns:
                tx.update(schema.sync_scopes, {"id": self.scopes[name]}, **columns)
        return self.scopes[name]

    def lists(self, identifier: str, scope: str = "all", **columns: Any) -> int:
        """A machine as the cloud listed it; the id of its row. One that is not here is unknown."""
        scope_id = self.scope(scope)
        with self.db.write() as tx:
            here: Row = tx.first(_machine, identifier=identifier) or {}
            row = {
                "scope_id": scope_id,
                "provider_id": here.get("provider_id", self.provider),
                "identifier": identifier,
                "machine_id": here.get("id"),
                "source_name": f"the {identifier}",
                "architecture": here.get("architecture", ""),
                "size_gb": here.get("size_gb"),
                "checksum": here.get("checksum", ""),
                "visibility": None,
                "status": "active",
                "cloud_owner": "",
                "seen_at": tx.now,
                "missed": 0,
                "gone": False,
            }
            return tx.insert(schema.cloud_machines, **row | columns)

    def change(self, row: int, **columns: Any) -> None:
        """Change what the cloud says about a machine."""
        with self.db.write() as tx:
            tx.update(schema.cloud_machines, {"id": row}, **columns)


def add_read_cloud(db: Database, world: World) -> None:
    """What was read of a cloud: a drifted machine, a failed scope with its event, and a run."""
    cloud = Cloud(db, world.providers["east"])
    cloud.lists("closed-east", visibility="public")
    failed = cloud.scope("kaputt", failed_reason="wrong key")
    hook = wire.NewWebhook(target="https://hooks.example/all")
    with db.write() as tx:
        webhooks.create_webhook(tx, world.actor(tx, "dora"), hook, None)
        tx.update(schema.sync_scopes, {"id": failed}, failing_since=tx.now)
        for scope in (cloud.scopes["all"], failed):
            drift.record_changes(tx, scope)
        run = {"source_id": cloud.source, "start_date": tx.now, "state": "done", "counts": "{}"}
        run_id = tx.insert(schema.sync_runs, uuid=new_uuid(), **run)
        tx.insert(schema.sync_entries, run_id=run_id, kind="failed", subject="kaputt", reason="no")
