"""Who a source writes as, and the providers that it names."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from msgspec import Struct, field
from sqlalchemy import String, select

from goldenrod.base import wire
from goldenrod.base.errors import NotFound
from goldenrod.base.text import slug
from goldenrod.catalogue.accounts import users
from goldenrod.catalogue.versions import providers
from goldenrod.rules.access import CONSOLE, Actor
from goldenrod.rules.changes import references
from goldenrod.store import schema
from goldenrod.store.db import Tx
from goldenrod.store.sql import in_list

OWNER = "import"
"""The default owner of imported images. It is created on first use and cannot sign in."""


def source_actor(
    tx: Tx, owner: str, source: str | None = None, *, may_create: bool = True
) -> Actor:
    """The actor of a source that writes for this user; `source` is its name if it is synced.

    Raises NotFound for an unknown user.
    """
    user_id = users.find_user(tx, owner)
    if user_id is None and owner == OWNER:
        if may_create:
            creator = replace(CONSOLE, source=source)
            user_id = int(users.create_user(tx, creator, wire.NewUser(username=OWNER)).key)
        else:
            user_id = 0
    if user_id is None:
        raise NotFound(f"There is no user {owner!r}.", code="user_not_found")
    return Actor(kind="source", user_id=user_id, username=owner, scope="admin", source=source)


def group_ids(tx: Tx, actor: Actor, names: Iterable[str]) -> dict[str, int]:
    """The ids of groups by name. Raises BadRequest for an unknown one."""
    return {name: references.group_id(tx, actor, name, "projects") for name in dict.fromkeys(names)}


class ProviderFacts(Struct, frozen=True):
    """A provider as a source describes it."""

    name: str
    type: str
    virtualization: str = ""


class Providers(Struct):
    """The providers that a source names.

    `slugs` maps the source's names to slugs here, for those that are declared; others have the slug of
    their name. `ids` are those that exist, by slug.
    """

    slugs: Mapping[str, str] = field(default_factory=dict)
    public: bool = False
    ids: dict[str, int] = field(default_factory=dict)
    facts: dict[str, ProviderFacts] = field(default_factory=dict)
    created: int = 0

    def copy(self) -> "Providers":
        """A copy to change in a transaction that may be rolled back."""
        return Providers(self.slugs, self.public, dict(self.ids), self.facts, self.created)

    def key(self, name: str) -> str:
        """The slug of a provider, by the source's name of it."""
        return self.slugs.get(name) or slug(name, fallback="provider")

    def describe(self, found: Iterable[ProviderFacts]) -> None:
        """Remember what the source says about providers, in case they must be created."""
        for one in found:
            self.facts.setdefault(self.key(one.name), one)

    def read(self, tx: Tx) -> None:
        """Find those that exist."""
        wanted = sorted(self.facts.keys() - self.ids.keys())
        if wanted:
            self.ids |= {row["slug"]: row["provider_id"] for row in tx.rows(_by_slugs, keys=wanted)}

    def canonical(self) -> dict[str, str]:
        """Each slug to the one by which its provider is known here: old slugs still find it."""
        first: dict[int, str] = {}
        return {key: first.setdefault(number, key) for key, number in sorted(self.ids.items())}

    def by_id(self) -> dict[int, str]:
        """The slug of each provider, by its id."""
        return {self.ids[key]: key for key in self.canonical().values()}

    def create(self, tx: Tx, actor: Actor, key: str) -> int:
        """The id of a provider; it is created as active if it does not exist."""
        if key not in self.ids:
            self.read(tx)
        if key not in self.ids:
            facts = self.facts[key]
            body = wire.NewProvider(
                name=facts.name,
                type=facts.type,
                virtualization=facts.virtualization,
                public=self.public,
            )
            if key in self.slugs.values():
                body.slug = key
            self.ids[key] = int(providers.create_provider(tx, actor, body).key)
            self.created += 1
        return self.ids[key]


def _by_slugs() -> Any:
    slugs = schema.provider_slugs
    return select(slugs.c.slug, slugs.c.provider_id).where(in_list(slugs.c.slug, "keys", String))
