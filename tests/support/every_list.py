"""Every list of the catalogue, as the application asks for it."""

from collections.abc import Callable

from goldenrod.catalogue import (
    attachments,
    channels,
    groups,
    identities,
    images,
    machines,
    pairings,
    people,
    providers,
    tags,
    tokens,
    versions,
    webhooks,
)
from goldenrod.rules import reading
from goldenrod.rules.access import Actor
from goldenrod.store.db import Tx
from goldenrod.store.paging import Listing, Page, Query

ListPage = Callable[[Tx, Actor, Query], Page]


def all_channels(tx: Tx, actor: Actor, query: Query) -> Page:
    """The channels of all images: their doors list one image's, and ask for the image first."""
    return reading.page(tx, actor, channels.shape, query)


LISTS: dict[str, tuple[ListPage, Listing]] = {
    "versions": (versions.list_versions, versions.LIST),
    "images": (images.list_images, images.LIST),
    "machines": (machines.list_machines, machines.LIST),
    "providers": (providers.list_providers, providers.LIST),
    "licenses": (attachments.list_licenses, attachments.LICENSES),
    "boot_scripts": (attachments.list_scripts, attachments.SCRIPTS),
    "tags": (tags.list_tags, tags.LIST),
    "groups": (groups.list_groups, groups.LIST),
    "users": (people.list_users, people.LIST),
    "identities": (identities.list_identities, identities.LIST),
    "tokens": (tokens.list_tokens, tokens.LIST),
    "version_licenses": (pairings.LICENSES.list_pairings, pairings.LICENSES.listing),
    "version_memberships": (pairings.MEMBERSHIPS.list_pairings, pairings.MEMBERSHIPS.listing),
    "version_scripts": (pairings.SCRIPTS.list_pairings, pairings.SCRIPTS.listing),
    "channels": (all_channels, channels.LIST),
    "webhooks": (webhooks.list_webhooks, webhooks.LIST),
}
