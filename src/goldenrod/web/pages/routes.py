"""All pages on one screen: which address has which door.

Pages stand at the root, beside the few addresses there that speak JSON. `add_pages` puts them into
the application, with the files they load, and lets a browser that is refused something see a page
that says what to do in place of the problem document that programs get.
"""

from collections.abc import Callable
from dataclasses import dataclass

from goldenrod.web.pages import (
    account,
    channels_pages,
    compare,
    deprecating,
    feed,
    groups,
    home,
    image,
    images_editing,
    lineage,
    machines_pages,
    oidc,
    preview,
    publishing_pages,
    revoking,
    sharing,
    signing_in,
    staff,
    staff_activity,
    staff_places,
    staff_tags,
    staff_users,
    tokens,
    version,
    versions_editing,
    webhooks,
)
from goldenrod.web.pages.visit import Page

Door = Callable[..., Page]


@dataclass(frozen=True)
class Route:
    """One method of one address, and its door: `door(visit, **path)`. `takes` are the names that its
    query may have; others are dropped before anything reads or caches it (`serving.known_query`)."""

    method: str
    path: str
    door: Door
    takes: tuple[str, ...] = ()


_FILTERS = (*home.FILTERS, "page")
_IDENTITIES = ("user", "provider", "name", "cursor")
_PROVIDERS = ("search", "active", "current", "cursor")
_BOX = ("channel", "provider", "architecture", "as")


# fmt: off
PAGES: tuple[Route, ...] = (
    Route("GET", "/", home.home, _FILTERS),
    Route("GET", "/search", home.search, ("q", *_FILTERS)),
    Route("GET", "/search/suggest", home.suggest, ("q", *_FILTERS)),
    Route("GET", "/search/versions", home.search_versions, ("q", "cursor")),
    Route("GET", "/tags/{name}", home.lead_to_tag),
    Route("GET", "/providers/{slug}", home.lead_to_provider),
    Route("GET", "/images", home.home, _FILTERS),
    Route("GET", "/images/{slug}", image.show_image, _BOX),
    Route("GET", "/images/{slug}/versions", image.list_versions, (*image.BETWEEN, "cursor")),
    Route("GET", "/images/{slug}/lineage", lineage.show_image_lineage),
    Route("GET", "/images/{slug}/feed.atom", feed.show_feed),
    Route("GET", "/images/{slug}/compare", compare.choose, ("a", "b")),
    Route("GET", "/images/{slug}/compare/{two}", compare.show_compare),
    Route("GET", "/images/{slug}/versions/{name}", version.show_version, ("on", *_BOX)),
    Route("GET", "/images/{slug}/versions/{name}/lineage", lineage.show_version_lineage),
    Route("GET", "/sign-in", signing_in.show_sign_in, ("next",)),
    Route("POST", "/sign-in", signing_in.sign_in),
    Route("POST", "/sign-out", signing_in.sign_out),
    Route("GET", "/sign-in/oidc", oidc.begin, ("next",)),
    Route("GET", "/sign-in/oidc/callback", oidc.come_back, ("state", "iss", "error", "code")),
    Route("GET", "/account", account.show_account),
    Route("POST", "/account/sessions/{uuid}/end", account.end_session),
    Route("POST", "/account/sign-out-everywhere", account.sign_out_everywhere),
    Route("POST", "/preview", preview.preview),
    Route("GET", "/images/new", images_editing.show_new),
    Route("POST", "/images/new", images_editing.create),
    Route("GET", "/images/{slug}/edit", images_editing.show_edit),
    Route("POST", "/images/{slug}/edit", images_editing.edit),
    Route("GET", "/images/{slug}/end", images_editing.show_end),
    Route("POST", "/images/{slug}/end", images_editing.end),
    Route("GET", "/images/{slug}/restore", images_editing.show_restore),
    Route("POST", "/images/{slug}/restore", images_editing.restore),
    Route("GET", "/images/{slug}/versions/new", publishing_pages.show_new, ("parent",)),
    Route("POST", "/images/{slug}/versions/new", publishing_pages.create),
    Route("GET", "/images/{slug}/versions/{name}/edit", versions_editing.show_edit),
    Route("POST", "/images/{slug}/versions/{name}/edit", versions_editing.edit),
    Route("GET", "/images/{slug}/versions/{name}/end", versions_editing.show_end),
    Route("POST", "/images/{slug}/versions/{name}/end", versions_editing.end),
    Route("GET", "/images/{slug}/versions/{name}/restore", versions_editing.show_restore),
    Route("POST", "/images/{slug}/versions/{name}/restore", versions_editing.restore),
    Route("GET", "/images/{slug}/versions/{name}/deprecate", deprecating.show_deprecate),
    Route("POST", "/images/{slug}/versions/{name}/deprecate", deprecating.deprecate),
    Route("GET", "/images/{slug}/versions/{name}/revoke", revoking.show_revoke, ("descendants",)),
    Route("POST", "/images/{slug}/versions/{name}/revoke", revoking.revoke),
    Route("GET", "/images/{slug}/versions/{name}/share", sharing.show_share),
    Route("POST", "/images/{slug}/versions/{name}/share", sharing.share),
    Route("GET", "/images/{slug}/versions/{name}/machines", machines_pages.show_machines),
    Route("POST", "/images/{slug}/versions/{name}/machines", machines_pages.place),
    Route("POST", "/images/{slug}/versions/{name}/machines/{machine}/end", machines_pages.end),
    Route("POST", "/images/{slug}/versions/{name}/machines/{machine}/restore", machines_pages.restore),
    Route("GET", "/images/{slug}/channels", channels_pages.show_channels, ("version",)),
    Route("POST", "/images/{slug}/channels", channels_pages.assign_new),
    Route("GET", "/images/{slug}/channels/{name}", channels_pages.show_channel, ("version",)),
    Route("POST", "/images/{slug}/channels/{name}", channels_pages.assign),
    Route("POST", "/images/{slug}/channels/{name}/configure", channels_pages.configure),
    Route("POST", "/images/{slug}/channels/{name}/hide", channels_pages.hide),
    Route("GET", "/account/tokens", tokens.show_tokens, ("cursor",)),
    Route("POST", "/account/tokens", tokens.create_token),
    Route("GET", "/account/tokens/{key}/revoke", tokens.show_revoke),
    Route("POST", "/account/tokens/{key}/revoke", tokens.revoke_token),
    Route("GET", "/groups", groups.show_groups, ("name", "cursor")),
    Route("GET", "/groups/{key}", groups.show_group),
    Route("POST", "/groups/{key}/members", groups.add_members),
    Route("POST", "/groups/{key}/members/remove", groups.remove_members),
    Route("POST", "/groups/{key}/leaders", groups.set_leader),
    Route("POST", "/groups/{key}/name", groups.rename_group),
    Route("GET", "/groups/{key}/remove", groups.show_remove),
    Route("POST", "/groups/{key}/remove", groups.remove_group),
    Route("GET", "/images/{slug}/webhooks", webhooks.show_of_image, ("cursor",)),
    Route("POST", "/images/{slug}/webhooks", webhooks.create_of_image),
    Route("GET", "/webhooks/{key}", webhooks.show_webhook, ("state", "cursor")),
    Route("POST", "/webhooks/{key}", webhooks.edit_webhook),
    Route("POST", "/webhooks/{key}/active", webhooks.switch_webhook),
    Route("GET", "/webhooks/{key}/remove", webhooks.show_remove),
    Route("POST", "/webhooks/{key}/remove", webhooks.remove_webhook),
    Route("POST", "/webhooks/{key}/deliveries/{delivery}/redeliver", webhooks.redeliver),
    Route("GET", "/staff", staff.show_staff),
    Route("GET", "/staff/users", staff_users.show_users, ("username", "active", "is_staff", "cursor")),
    Route("GET", "/staff/users/new", staff_users.show_new),
    Route("POST", "/staff/users/new", staff_users.create_user),
    Route("GET", "/staff/users/{key}", staff_users.show_user),
    Route("POST", "/staff/users/{key}/staff", staff_users.set_staff),
    Route("GET", "/staff/users/{key}/disable", staff_users.show_disable),
    Route("POST", "/staff/users/{key}/active", staff_users.set_active),
    Route("POST", "/staff/users/{key}/password", staff_users.set_password),
    Route("POST", "/staff/users/{key}/accounts", staff_users.link_account),
    Route("POST", "/staff/users/{key}/accounts/{uuid}/unlink", staff_users.unlink_account),
    Route("GET", "/staff/activity", staff_activity.show_activity, ("kind", "user", "cursor")),
    Route("GET", "/staff/groups", staff.show_groups, ("name", "cursor")),
    Route("POST", "/staff/groups", staff.create_group),
    Route("GET", "/staff/providers", staff_places.show_providers, _PROVIDERS),
    Route("GET", "/staff/providers/new", staff_places.show_new_provider),
    Route("POST", "/staff/providers/new", staff_places.create_provider),
    Route("GET", "/staff/providers/{key}", staff_places.show_provider),
    Route("POST", "/staff/providers/{key}", staff_places.edit_provider),
    Route("GET", "/staff/providers/{key}/end", staff_places.show_end),
    Route("POST", "/staff/providers/{key}/end", staff_places.end_provider),
    Route("POST", "/staff/providers/{key}/restore", staff_places.restore_provider),
    Route("GET", "/staff/identities", staff_places.show_identities, _IDENTITIES),
    Route("POST", "/staff/identities", staff_places.create_identity),
    Route("GET", "/staff/identities/{key}", staff_places.show_identity),
    Route("POST", "/staff/identities/{key}", staff_places.edit_identity),
    Route("POST", "/staff/identities/{key}/remove", staff_places.remove_identity),
    Route("GET", "/staff/tags", staff_tags.show_tags, ("search", "cursor")),
    Route("GET", "/staff/tags/{key}", staff_tags.show_tag),
    Route("POST", "/staff/tags/{key}", staff_tags.edit_tag),
    Route("POST", "/staff/tags/{key}/remove", staff_tags.remove_tag),
    Route("GET", "/staff/webhooks", webhooks.show_of_all, ("cursor",)),
    Route("POST", "/staff/webhooks", webhooks.create_of_all),
)
# fmt: on
