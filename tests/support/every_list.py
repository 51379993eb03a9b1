"""Every list of the catalogue, with the function that the application lists it by."""

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
    """The channels of all images. The API lists those of one image, and reads the image first."""
    return resources.page(tx, actor, channels.shape, query)


LISTS: dict[str, tuple[ListPage, Listing]] = {
    "versions": (versions.VERSIONS.page, versions.VERSIONS.listing),
    "images": (images.IMAGES.page, images.IMAGES.listing),
    "machines": (machines.MACHINES.page, machines.MACHINES.listing),
    "providers": (providers.PROVIDERS.page, providers.PROVIDERS.listing),
    "licenses": (licenses_scripts.LICENSES.page, licenses_scripts.LICENSES.listing),
    "boot_scripts": (licenses_scripts.SCRIPTS.page, licenses_scripts.SCRIPTS.listing),
    "tags": (tags.TAGS.page, tags.TAGS.listing),
    "groups": (groups.GROUPS.page, groups.GROUPS.listing),
    "users": (users.USERS.page, users.USERS.listing),
    "identities": (identities.IDENTITIES.page, identities.IDENTITIES.listing),
    "tokens": (tokens.TOKENS.page, tokens.TOKENS.listing),
    "version_licenses": (attachments.LICENSES.page, attachments.LICENSES.listing),
    "version_memberships": (
        attachments.MEMBERSHIPS.page,
        attachments.MEMBERSHIPS.listing,
    ),
    "version_scripts": (attachments.SCRIPTS.page, attachments.SCRIPTS.listing),
    "channels": (all_channels, channels.LIST),
    "webhooks": (webhooks.WEBHOOKS.page, webhooks.WEBHOOKS.listing),
}
