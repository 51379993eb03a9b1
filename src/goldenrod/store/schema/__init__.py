"""The database schema: every table, with the constraints that the database itself enforces.

Each area has a module; this package offers the tables of all of them (`schema.versions`). A version
repeats the columns of its image that decide who may read it, so that reading never joins images;
`rules/visibility/` updates them in the transaction of each change. The migrations in `migrations/`
create the same tables; a test compares the two.
"""

from goldenrod.store.schema.accounts import (
    group_users,
    groups,
    identities,
    oidc_accounts,
    security_events,
    sessions,
    sign_in_failures,
    tokens,
    users,
)
from goldenrod.store.schema.channels import (
    assignments,
    channel_groups,
    channel_providers,
    channels,
)
from goldenrod.store.schema.common import (
    audit,
    catalogue,
    idempotency,
    placement_counts,
    scope_counts,
)
from goldenrod.store.schema.helpers import (
    BEGINNING_OF_TIME,
    END_OF_TIME,
    FULL_TEXT_TABLES,
    metadata,
    simplify_aliases,
)
from goldenrod.store.schema.images import (
    follows,
    image_maintainers,
    image_revisions,
    image_slugs,
    image_tags,
    image_words,
    images,
    tags,
    visits,
)
from goldenrod.store.schema.sync import (
    cloud_machines,
    sync_entries,
    sync_runs,
    sync_scopes,
    sync_sources,
)
from goldenrod.store.schema.versions import (
    boot_scripts,
    former_names,
    licenses,
    machines,
    provider_slugs,
    providers,
    revocation_reach,
    revocations,
    shares,
    version_labels,
    version_licenses,
    version_memberships,
    version_scripts,
    version_words,
    versions,
)
from goldenrod.store.schema.webhooks import attempts, deliverer, deliveries, events, webhooks

simplify_aliases()

__all__ = [
    "BEGINNING_OF_TIME",
    "END_OF_TIME",
    "FULL_TEXT_TABLES",
    "assignments",
    "attempts",
    "audit",
    "boot_scripts",
    "catalogue",
    "channel_groups",
    "channel_providers",
    "channels",
    "cloud_machines",
    "deliverer",
    "deliveries",
    "events",
    "follows",
    "former_names",
    "group_users",
    "groups",
    "idempotency",
    "identities",
    "image_maintainers",
    "image_revisions",
    "image_slugs",
    "image_tags",
    "image_words",
    "images",
    "licenses",
    "machines",
    "metadata",
    "oidc_accounts",
    "placement_counts",
    "provider_slugs",
    "providers",
    "revocation_reach",
    "revocations",
    "scope_counts",
    "security_events",
    "sessions",
    "shares",
    "sign_in_failures",
    "sync_entries",
    "sync_runs",
    "sync_scopes",
    "sync_sources",
    "tags",
    "tokens",
    "users",
    "version_labels",
    "version_licenses",
    "version_memberships",
    "version_scripts",
    "version_words",
    "versions",
    "visits",
    "webhooks",
]
