"""Taking in what a source found: one image with its releases, in one transaction.

What is new is made; what is there stays as people left it, save facts of the provider (architecture,
size, checksum) and machines that were not there yet. A machine that was ended here is not brought
back: somebody ended it. `sources/reconcile.py` decides what belongs to which image.
"""

from collections import Counter
from typing import Any

from sqlalchemy import select

from goldenrod.base import wire
from goldenrod.base.errors import NotFound
from goldenrod.base.text import name_key, slug
from goldenrod.catalogue.accounts import users
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import machines, providers, publish
from goldenrod.rules.access import CONSOLE, Actor
from goldenrod.rules.changes import audit, events
from goldenrod.rules.visibility import denormalised
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, Sortable, param

OWNER = "import"
"""Who owns what is imported where nobody is named: made on first use, unable to sign in."""


def source_actor(tx: Tx, owner: str) -> Actor:
    """The source that writes for this user. Raises NotFound for a user that does not exist."""
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
    """The owner's image of this name, or that was first made under it and renamed since."""
    by_slug = tx.first(_image_by_slug, slug=slug(name), owner=actor.user_id)
    return by_slug or tx.first(_image_by_name, key=name_key(name), owner=actor.user_id)


def _versions() -> Any:
    version = schema.versions
    return (
        select(version.c.n, version.c.name_key, version.c.start_date)
        .where(version.c.image_id == param("image", Key))
        .order_by(version.c.start_date, version.c.name_key)
    )


def _machines() -> Any:
    machine = schema.machines
    return select(*machine.c).where(machine.c.image_id == param("image", Key))


class Target:
    """One image of the catalogue while a source's releases are written into it.

    `counts` says what became of what was found: (kind, outcome) to how many. Releases come in order
    of their start; each new one's parent is the release before it. Call `finish` at the end.
    """

    def __init__(self, tx: Tx, actor: Actor, known_providers: dict[str, int]) -> None:
        self.tx = tx
        self.actor = actor
        self.providers = known_providers
        self.counts: Counter[tuple[str, str]] = Counter()
        self.image_id = 0
        self._versions: dict[str, tuple[int, str]] = {}
        self._machines: dict[tuple[int, str], Row] = {}
        self._order: list[tuple[str, str, int]] = []
        self._made: list[int] = []
        self._placed: list[int] = []

    def open(self, name: str, description: str, tags: list[str], *, public: bool) -> None:
        """Find the image, or make it."""
        found = find_image(self.tx, self.actor, name)
        if found:
            self.image_id = found["id"]
            self.counts["image", "unchanged"] += 1
            for row in self.tx.rows(_versions, image=self.image_id):
                self._versions[row["name_key"]] = (row["n"], row["start_date"])
                self._order.append((row["start_date"], row["name_key"], row["n"]))
            for row in self.tx.rows(_machines, image=self.image_id):
                key = row["provider_id"], row["identifier"]
                if key not in self._machines or row["end_date"] is None:
                    self._machines[key] = row
            return
        body = wire.NewImage(name=name, description=description, tags=list(tags), is_public=public)
        self.image_id = int(images.create_image(self.tx, self.actor, body).key)
        self.counts["image", "created"] += 1

    def provider(self, name: str, kind: str, virtualization: str) -> int:
        """The id of the provider of this name, made public and active where it is new."""
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

    def release(self, name: str, start_date: str, change_log: str, placed: list[Row]) -> list[str]:
        """Write one release and its machines; identifiers that stand at another release already."""
        key = name_key(name)
        there = self._versions.get(key)
        n = there[0] if there else self._publish(name, key, start_date, change_log)
        clashes = []
        changed = False
        for values in placed:
            outcome = self._place(n, {**values, "start_date": start_date, "end_date": None})
            changed = changed or outcome in ("created", "changed")
            if outcome == "clash":
                clashes.append(values["identifier"])
            else:
                self.counts["machine", outcome] += 1
        outcome = "created" if not there else "changed" if changed else "unchanged"
        self.counts["version", outcome] += 1
        return clashes

    def _publish(self, name: str, key: str, start_date: str, change_log: str) -> int:
        before = [entry for entry in self._order if entry[:2] < (start_date, key)]
        values = {
            "name": publish.version_name(name),
            "change_log": change_log,
            "allow_imaging": True,
            "start_date": start_date,
            "end_date": None,
        }
        parent_n = max(before)[2] if before else None
        n = publish.insert_version(self.tx, self.actor, self.image_id, parent_n, values)
        made = audit.created({**values, "image": self.image_id})
        audit.record(self.tx, self.actor, "version:create", schema.versions, n, made)
        self._versions[key] = (n, start_date)
        self._order.append((start_date, key, n))
        self._made.append(n)
        return n

    def _place(self, n: int, values: Row) -> str:
        there = self._machines.get((values["provider_id"], values["identifier"]))
        if there is None:
            machine_id = machines.insert_machine(self.tx, self.actor, n, self.image_id, values)
            row = {"id": machine_id, "version_n": n, **values}
            self._machines[values["provider_id"], values["identifier"]] = row
            self._placed.append(machine_id)
            return "created"
        if there["version_n"] != n:
            return "clash"
        facts = {f: values[f] for f in ("architecture", "size_gb", "checksum")}
        changed = audit.changed(there, {f: v for f, v in facts.items() if v not in (None, "")})
        if not changed:
            return "unchanged"
        after = {field: change["after"] for field, change in changed.items()}
        self.tx.update(schema.machines, {"id": there["id"]}, **after)
        audit.record(self.tx, self.actor, "machine:edit", schema.machines, there["id"], changed)
        there.update(after)
        return "changed"

    def finish(self) -> None:
        """Write what versions repeat of their image, and tell what is new."""
        if self._made:
            denormalised.refresh_image(self.tx, self.image_id)
        events.versions_created(self.tx, self.image_id, self._made)
        events.machines_created(self.tx, self.image_id, self._placed)


def _provider() -> Any:
    slugs = schema.provider_slugs
    return select(slugs.c.provider_id).where(slugs.c.slug == param("slug"))
