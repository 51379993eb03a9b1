"""Imports what a source found: one image with its releases, in one transaction.

New things are created. Existing ones stay as people have edited them, with two exceptions: facts of the
provider (architecture, size, checksum) are updated, and missing machines are added. A machine that
somebody ended here is not created again. `sources/reconcile.py` groups releases by image.
"""

from collections import Counter
from typing import Any

from sqlalchemy import select

from goldenrod.base import wire
from goldenrod.base.errors import NotFound
from goldenrod.base.text import identifier_key, name_key, slug
from goldenrod.catalogue.accounts import users
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import providers, publish, version_names
from goldenrod.catalogue.versions.machines import insert_machine, stored
from goldenrod.rules.access import CONSOLE, Actor
from goldenrod.rules.changes import audit, events
from goldenrod.rules.lifecycle import lines
from goldenrod.rules.visibility import denormalised
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, Sortable, param

OWNER = "import"
"""The default owner of imported images. It is created on first use and cannot sign in."""


def source_actor(tx: Tx, owner: str) -> Actor:
    """The actor of a source that writes for this user. Raises NotFound for an unknown user."""
    user_id = users.find_user(tx, owner)
    if user_id is None and owner == OWNER:
        user_id = int(users.create_user(tx, CONSOLE, wire.NewUser(username=OWNER)).key)
    if user_id is None:
        raise NotFound(f"There is no user {owner!r}.", code="user_not_found")
    return Actor(kind="source", user_id=user_id, username=owner, scope="admin")


def _image_by_slug() -> Any:
    image, slugs = schema.images, schema.image_slugs
    return (
        select(*image.c)
        .select_from(image.join(slugs, slugs.c.image_id == image.c.id))
        .where(slugs.c.slug == param("slug"), image.c.owner_id == param("owner", Key))
    )


def _image_by_name() -> Any:
    image = schema.images
    return (
        select(*image.c)
        .where(image.c.name_key == param("key", Sortable), image.c.owner_id == param("owner", Key))
        .order_by(image.c.id)
    )


def find_image(tx: Tx, actor: Actor, name: str) -> Row | None:
    """The owner's image of this name, or one that had this name's slug before it was renamed."""
    by_slug = tx.first(_image_by_slug, slug=slug(name), owner=actor.user_id)
    return by_slug or tx.first(_image_by_name, key=name_key(name), owner=actor.user_id)


def _versions() -> Any:
    version = schema.versions
    return (
        select(version.c.n, version.c.name_key, version.c.start_date)
        .where(version.c.image_id == param("image", Key))
        .order_by(version.c.start_date, version.c.name_key)
    )


def _former_names() -> Any:
    former, version = schema.former_names, schema.versions
    return (
        select(former.c.name_key, version.c.n, version.c.start_date, version.c.image_id)
        .select_from(former.join(version, version.c.n == former.c.version_n))
        .where(former.c.image_id == param("image", Key))
    )


def _machines() -> Any:
    machine = schema.machines
    return select(*machine.c).where(machine.c.image_id == param("image", Key))


class Target:
    """One image of the catalogue, while a source's releases are written into it.

    `counts` has the number of things by (kind, outcome). Releases must come in order of their start
    date; the parent of a new one is the release before it. Call `finish` at the end.
    """

    def __init__(self, tx: Tx, actor: Actor, known_providers: dict[str, int]) -> None:
        self.tx = tx
        self.actor = actor
        self.providers = known_providers
        self.counts: Counter[tuple[str, str]] = Counter()
        self.image_id = 0
        self._versions: dict[str, tuple[int, str]] = {}
        self._moved: set[str] = set()
        self._machines: dict[tuple[int, str], Row] = {}
        self._order: list[tuple[str, str, int]] = []
        self._new_versions: list[int] = []
        self._new_machines: list[int] = []

    def open(self, name: str, description: str, tags: list[str], *, public: bool) -> None:
        """Find the image, or create it."""
        found = find_image(self.tx, self.actor, name)
        if found:
            self.image_id = found["id"]
            self.counts["image", "unchanged"] += 1
            for row in self.tx.rows(_versions, image=self.image_id):
                self._versions[row["name_key"]] = (row["n"], row["start_date"])
                self._order.append((row["start_date"], row["name_key"], row["n"]))
            for row in self.tx.rows(_former_names, image=self.image_id):
                if row["image_id"] == self.image_id:
                    self._versions[row["name_key"]] = (row["n"], row["start_date"])
                else:
                    self._moved.add(row["name_key"])
            for row in self.tx.rows(_machines, image=self.image_id):
                key = row["provider_id"], row["identifier_key"]
                if key not in self._machines or row["end_date"] is None:
                    self._machines[key] = row
            return
        body = wire.NewImage(name=name, description=description, tags=list(tags), is_public=public)
        self.image_id = int(images.create_image(self.tx, self.actor, body).key)
        self.counts["image", "created"] += 1

    def provider(self, name: str, kind: str, virtualization: str) -> int:
        """The id of the provider of this name. A new one is created as public and active."""
        if name not in self.providers:
            found = self.tx.value(_provider, slug=slug(name, fallback="provider"))
            if found is None:
                body = wire.NewProvider(
                    name=name, type=kind, virtualization=virtualization, public=True
                )
                found = int(providers.create_provider(self.tx, self.actor, body).key)
                self.counts["provider", "created"] += 1
            self.providers[name] = int(found)
        return self.providers[name]

    def release(
        self, name: str, start_date: str, change_log: str, machines: list[Row]
    ) -> list[str]:
        """Write one release and its machines. Returns identifiers that another release already has.

        A release that was renamed here is still found by its name. One that was moved to another image
        stays as it is there.
        """
        key = name_key(name)
        if key in self._moved:
            self.counts["version", "unchanged"] += 1
            return []
        existing = self._versions.get(key)
        version_key = existing[0] if existing else self._publish(name, key, start_date, change_log)
        clashes = []
        changed = False
        for values in machines:
            outcome = self._add_machine(
                version_key, {**values, "start_date": start_date, "end_date": None}
            )
            changed = changed or outcome in ("created", "changed")
            if outcome == "clash":
                clashes.append(values["identifier"])
            else:
                self.counts["machine", outcome] += 1
        outcome = "created" if not existing else "changed" if changed else "unchanged"
        self.counts["version", outcome] += 1
        return clashes

    def _publish(self, name: str, key: str, start_date: str, change_log: str) -> int:
        before = [entry for entry in self._order if entry[:2] < (start_date, key)]
        values = {
            "name": version_names.checked(name),
            "change_log": change_log,
            "allow_imaging": True,
            "start_date": start_date,
            "end_date": None,
        }
        parent_key = max(before)[2] if before else None
        version_key = publish.insert_version(self.tx, self.actor, self.image_id, parent_key, values)
        changes = audit.created({**values, "image": self.image_id})
        audit.record(self.tx, self.actor, "version:create", schema.versions, version_key, changes)
        self._versions[key] = (version_key, start_date)
        self._order.append((start_date, key, version_key))
        self._new_versions.append(version_key)
        return version_key

    def _add_machine(self, version_key: int, values: Row) -> str:
        """Create a machine, or update its facts. Returns the outcome; `clash` changes nothing."""
        key = values["provider_id"], identifier_key(values["identifier"])
        existing = self._machines.get(key)
        if existing is None:
            machine_id = insert_machine(self.tx, self.actor, version_key, self.image_id, values)
            self._machines[key] = {"id": machine_id, "version_n": version_key, **stored(values)}
            self._new_machines.append(machine_id)
            return "created"
        if existing["version_n"] != version_key:
            return "clash"
        facts = {f: stored(values)[f] for f in ("architecture", "size_gb", "checksum")}
        changed = audit.changed(existing, {f: v for f, v in facts.items() if v not in (None, "")})
        if not changed:
            return "unchanged"
        after = {field: change["after"] for field, change in changed.items()}
        if "architecture" in after:
            after["architecture_given"] = values["architecture"]
        self.tx.update(schema.machines, {"id": existing["id"]}, **after)
        audit.record(self.tx, self.actor, "machine:edit", schema.machines, existing["id"], changed)
        existing.update(after)
        return "changed"

    def finish(self) -> None:
        """Write the denormalised columns of new versions, and record the events."""
        if self._new_versions:
            denormalised.refresh_image(self.tx, self.image_id)
            lines.changed(self.tx, self.image_id)
        events.versions_created(self.tx, self.image_id, self._new_versions)
        events.machines_created(self.tx, self.image_id, self._new_machines)


def _provider() -> Any:
    slugs = schema.provider_slugs
    return select(slugs.c.provider_id).where(slugs.c.slug == param("slug"))
