"""Every list of the catalogue, as the application asks for it."""

from collections.abc import Callable

from goldenrod.catalogue.accounts import groups, identities, tokens, users
from goldenrod.catalogue.channels import channels
from goldenrod.catalogue.images import images, tags
from goldenrod.catalogue.versions import (
    attachments,
    licenses_scripts,
    machines,
    providers,
    versions,
)
from goldenrod.catalogue.webhooks import webhooks
from goldenrod.rules import resources
from goldenrod.rules.access import Actor
from goldenrod.store.db import Tx
from goldenrod.store.paging import Listing, Page, Query

ListPage = Callable[[Tx, Actor, Query], Page]


def all_channels(tx: Tx, actor: Actor, query: Query) -> Page:
    """The channels of all images: their doors list one image's, and ask for the image first."""
    return resources.page(tx, actor, channels.shape, query)


LISTS: dict[str, tuple[ListPage, Listing]] = {
    "versions": (versions.list_versions, versions.LIST),
    "images": (images.list_images, images.LIST),
    "machines": (machines.list_machines, machines.LIST),
    "providers": (providers.list_providers, providers.LIST),
    "licenses": (licenses_scripts.list_licenses, licenses_scripts.LICENSES),
    "boot_scripts": (licenses_scripts.list_scripts, licenses_scripts.SCRIPTS),
    "tags": (tags.list_tags, tags.LIST),
    "groups": (groups.list_groups, groups.LIST),
    "users": (users.list_users, users.LIST),
    "identities": (identities.list_identities, identities.LIST),
    "tokens": (tokens.list_tokens, tokens.LIST),
    "version_licenses": (attachments.LICENSES.list_attachments, attachments.LICENSES.listing),
    "version_memberships": (
        attachments.MEMBERSHIPS.list_attachments,
        attachments.MEMBERSHIPS.listing,
    ),
    "version_scripts": (attachments.SCRIPTS.list_attachments, attachments.SCRIPTS.listing),
    "channels": (all_channels, channels.LIST),
    "webhooks": (webhooks.list_webhooks, webhooks.LIST),
}
