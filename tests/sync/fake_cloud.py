"""A cloud that tests change: regions with machines, and faults when it is read."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldenrod.base import clock
from goldenrod.base.clock import Instant
from goldenrod.sources.declarations import AwsFile
from goldenrod.sources.found import FoundMachine, Listed, Look, Presence, Skipped
from goldenrod.sources.name_rules import NameRules
from goldenrod.sources.sync import run_sync
from goldenrod.sources.sync.run_sync import Options, Plan, Result
from goldenrod.store.db import Database


def machine(image: str, version: str, **more: Any) -> dict[str, Any]:
    """A machine of the cloud, as keyword arguments of what it lists."""
    return {"image": image, "version": version, **more}


@dataclass
class FakeCloud:
    """Regions with machines by identifier. `failing` are regions that cannot be read; `hidden` machines
    are not listed, but there by their id; `odd` rows are skipped. `nameless` is why the cloud
    cannot say which regions it has."""

    now: Callable[[], Instant]
    regions: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    silent: bool = False
    nameless: str | None = None
    odd: tuple[Skipped, ...] = ()
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def put(self, region: str, identifier: str, image: str, version: str, **more: Any) -> None:
        """Add or change a machine."""
        self.regions.setdefault(region, {})[identifier] = machine(image, version, **more)

    def remove(self, region: str, *identifiers: str) -> None:
        """Deregister machines."""
        for identifier in identifiers:
            del self.regions[region][identifier]

    def scopes(self) -> tuple[list[str], list[Look]]:
        if self.nameless:
            return [], [Look(scope="*", read_at=self.now(), failed=self.nameless)]
        return sorted(self.regions), []

    def look(self, scope: str) -> Look:
        if scope in self.failing:
            return Look(scope=scope, read_at=self.now(), failed="AuthFailure in this region")
        rows = tuple(
            self._listed(scope, identifier, dict(one))
            for identifier, one in self.regions[scope].items()
            if identifier not in self.hidden
        )
        return Look(scope=scope, read_at=self.now(), rows=rows + self.odd)

    def _listed(self, region: str, identifier: str, one: dict[str, Any]) -> Listed:
        image, version = one.pop("image"), one.pop("version")
        about = {
            name: one.pop(name)
            for name in ("source_name", "start_date", "change_log", "parent", "tags")
            if name in one
        }
        about.setdefault("source_name", f"{image}-{version}")
        about.setdefault("start_date", Instant(f"2026-01-{int(version):02d}T00:00:00.000000Z"))
        one.setdefault("architecture", "x86_64")
        found = FoundMachine(provider=region, provider_type="fake", identifier=identifier, **one)
        return Listed(image=image, version=version, machine=found, **about)

    def presence(self, scope: str, provider: str, identifier: str) -> Presence:
        self.asked.append((scope, provider, identifier))
        if self.silent:
            return "unknown"
        return "there" if identifier in self.regions.get(provider, {}) else "gone"


def declared(**more: Any) -> AwsFile:
    """A declaration; its type does not matter to a fake cloud."""
    return AwsFile(**{"name": "fake", "files": ["-"], "owner": "alice", **more})


def synced(
    db: Database, cloud: FakeCloud, declaration: AwsFile | None = None, **options: Any
) -> Result:
    """Sync a fake cloud."""
    given = Options(**{"fingerprint": "one", "kind": "fake", "concurrency": 2, **options})
    return run_sync.sync(db, declaration or declared(), cloud, given)


def planned(db: Database, cloud: FakeCloud, **options: Any) -> Plan:
    """The plan of a dry run."""
    return synced(db, cloud, dry_run=True, **options).plan


def done(result: Result) -> dict[str, int]:
    """What a run did, without what it left as it is."""
    return {
        name: count
        for name, count in result.counts.items()
        if count and name not in ("unchanged", "kept", "skipped", "failed")
    }


class JsonCloud(FakeCloud):
    """A fake cloud that is read from a file of JSON: its regions, and those that cannot be read."""

    def __init__(self, declaration: AwsFile, rules: NameRules, directory: Path) -> None:
        said = json.loads((directory / declaration.files[0]).read_text())
        super().__init__(clock.now, regions=said["regions"], failing=set(said.get("failing", ())))
