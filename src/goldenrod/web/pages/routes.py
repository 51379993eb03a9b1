"""All pages on one screen: each address and its handler.

Pages are at the root, beside the few JSON addresses there. `serving.add_pages` adds the pages and
their files to the application. It also shows errors to browsers as pages; programs get a problem
document instead.
"""

from collections.abc import Callable
from dataclasses import dataclass

from goldenrod.web.pages import completions, json_links, markdown_preview, preferences
from goldenrod.web.pages.account import account, groups, oidc_sign_in, sign_in, tokens
from goldenrod.web.pages.attachments import licenses_scripts as texts
from goldenrod.web.pages.bulk import bulk
from goldenrod.web.pages.channels import channels, promote
from goldenrod.web.pages.help import api_reference, help
from goldenrod.web.pages.images import edit_image, feed, home, image, image_versions, news, search
from goldenrod.web.pages.kit.visit import Page
from goldenrod.web.pages.lineage import page
from goldenrod.web.pages.lookup import check
from goldenrod.web.pages.staff import (
    activity,
    identities,
    providers,
    staff_home,
    tags,
    user_sessions,
    users,
)
from goldenrod.web.pages.staff import groups as staff_groups
from goldenrod.web.pages.sync import drift, sync_runs
from goldenrod.web.pages.versions import (
    compare,
    deprecate,
    edit_version,
    machines,
    publish,
    revoke,
    share,
    show_version,
)
from goldenrod.web.pages.webhooks import deliveries, webhooks

Handler = Callable[..., Page]


@dataclass(frozen=True)
class Route:
    """One method of one address, and its handler: `handler(visit, **path)`.

    `takes`: the names of its query parameters. All others are dropped before anything reads or
    caches the query (`responders.known_query`). `narrow`: it depends on certain images only, which
    `Tx.depends_on` is told.
    """

    method: str
    path: str
    handler: Handler
    takes: tuple[str, ...] = ()
    several: tuple[str, ...] = ()
    """Those of them that may be given several times."""
    narrow: bool = False


_FILTERS = (*search.FILTERS, "page")
_IDENTITIES = ("prefix", "user", "provider", "cursor")
_PROVIDERS = ("search", "active", "current", "cursor")
_TEXTS = ("search", "type", "created_by", "cursor")
_USE_BOX = ("channel", "provider", "architecture", "as")


# fmt: off
PAGES: tuple[Route, ...] = (
    Route("GET", "/", home.home, _FILTERS),
    Route("GET", "/search", search.search, ("q", *_FILTERS)),
    Route("GET", "/search/suggest", search.suggest, ("q", *_FILTERS)),
    Route("GET", "/complete", completions.show_completions, ("kind", "q", "image")),
    Route("GET", "/search/versions", search.search_versions,
          (*search.VERSION_FILTERS, "cursor"), image_versions.SEVERAL),
    Route("GET", "/tags/{name}", home.redirect_to_tag),
    Route("GET", "/providers/{slug}", home.redirect_to_provider),
    Route("GET", "/json/image_versions/{key}/history", json_links.show_history),
    Route("GET", "/json/{resource}/{key}", json_links.show_json),
    Route("GET", "/images", home.home, _FILTERS),
    Route("GET", "/images/{slug}", image.show_image, _USE_BOX, narrow=True),
    Route("GET", "/images/{slug}/versions", image_versions.list_versions,
          (*image_versions.FILTERS, "cursor"), image_versions.SEVERAL),
    Route("GET", "/images/{slug}/versions.csv", image_versions.show_csv,
          image_versions.FILTERS, image_versions.SEVERAL),
    Route("GET", "/images/{slug}/lineage", page.show_image_lineage, narrow=True),
    Route("GET", "/images/{slug}/feed.atom", feed.show_feed, narrow=True),
    Route("POST", "/images/{slug}/follow", news.follow),
    Route("GET", "/images/{slug}/compare", compare.choose, ("a", "b", "pick", "picking"), ("pick",)),
    Route("GET", "/images/{slug}/compare/{two}", compare.show_compare),
    Route("GET", "/images/{slug}/versions/{name}", show_version.show_version, ("on", *_USE_BOX)),
    Route("GET", "/images/{slug}/versions/{name}/lineage", page.show_version_lineage,
          narrow=True),
    Route("GET", "/sign-in", sign_in.show_sign_in, ("next",)),
    Route("POST", "/sign-in", sign_in.sign_in),
    Route("POST", "/sign-out", sign_in.sign_out),
    Route("GET", "/sign-in/oidc", oidc_sign_in.begin, ("next",)),
    Route("GET", "/sign-in/oidc/callback", oidc_sign_in.come_back, ("state", "iss", "error", "code")),
    Route("GET", "/account", account.show_account),
    Route("POST", "/account/password", account.change_password),
    Route("POST", "/account/sessions/{uuid}/end", account.end_session),
    Route("POST", "/account/sign-out-everywhere", account.sign_out_everywhere),
    Route("POST", "/account/seen", news.mark_seen),
    Route("POST", "/preview", markdown_preview.preview),
    Route("GET", "/images/new", edit_image.show_new),
    Route("POST", "/images/new", edit_image.create),
    Route("GET", "/images/{slug}/edit", edit_image.show_edit),
    Route("POST", "/images/{slug}/edit", edit_image.edit),
    Route("GET", "/images/{slug}/end", edit_image.show_end),
    Route("POST", "/images/{slug}/end", edit_image.end),
    Route("GET", "/images/{slug}/restore", edit_image.show_restore),
    Route("POST", "/images/{slug}/restore", edit_image.restore),
    Route("GET", "/images/{slug}/versions/new", publish.show_new, ("parent",)),
    Route("POST", "/images/{slug}/versions/new", publish.create),
    Route("GET", "/images/{slug}/versions/{name}/edit", edit_version.show_edit),
    Route("POST", "/images/{slug}/versions/{name}/edit", edit_version.edit),
    Route("GET", "/images/{slug}/versions/{name}/end", edit_version.show_end),
    Route("POST", "/images/{slug}/versions/{name}/end", edit_version.end),
    Route("GET", "/images/{slug}/versions/{name}/restore", edit_version.show_restore),
    Route("POST", "/images/{slug}/versions/{name}/restore", edit_version.restore),
    Route("GET", "/images/{slug}/versions/{name}/deprecate", deprecate.show_deprecate),
    Route("POST", "/images/{slug}/versions/{name}/deprecate", deprecate.deprecate),
    Route("GET", "/images/{slug}/versions/{name}/revoke", revoke.show_revoke, ("descendants",)),
    Route("POST", "/images/{slug}/versions/{name}/revoke", revoke.revoke),
    Route("GET", "/images/{slug}/versions/{name}/share", share.show_share),
    Route("POST", "/images/{slug}/versions/{name}/share", share.share),
    Route("GET", "/images/{slug}/versions/{name}/machines", machines.show_machines, ("edit",)),
    Route("POST", "/images/{slug}/versions/{name}/machines", machines.add_machine),
    Route("GET", "/images/{slug}/versions/{name}/machines/{machine}/end", machines.confirm_end),
    Route("POST", "/images/{slug}/versions/{name}/machines/{machine}/end", machines.end),
    Route("POST", "/images/{slug}/versions/{name}/machines/{machine}/edit", machines.edit),
    Route("POST", "/images/{slug}/versions/{name}/machines/{machine}/restore", machines.restore),
    Route("GET", "/images/{slug}/versions/{name}/promote", promote.show_promote),
    Route("GET", "/images/{slug}/channels", channels.show_channels, ("version",)),
    Route("POST", "/images/{slug}/channels", channels.assign_new),
    Route("GET", "/images/{slug}/channels/{name}", channels.show_channel, ("version",)),
    Route("POST", "/images/{slug}/channels/{name}", channels.assign),
    Route("POST", "/images/{slug}/channels/{name}/configure", channels.configure),
    Route("GET", "/images/{slug}/channels/{name}/unassign", channels.confirm_unassign),
    Route("GET", "/images/{slug}/channels/{name}/hide", channels.confirm_hide),
    Route("POST", "/images/{slug}/channels/{name}/hide", channels.hide),
    Route("GET", "/licenses", texts.LICENSES.show_list, _TEXTS),
    Route("GET", "/licenses/new", texts.LICENSES.show_new),
    Route("POST", "/licenses/new", texts.LICENSES.create),
    Route("GET", "/licenses/{key}", texts.LICENSES.show),
    Route("GET", "/licenses/{key}/edit", texts.LICENSES.show_edit),
    Route("POST", "/licenses/{key}/edit", texts.LICENSES.edit),
    Route("GET", "/licenses/{key}/remove", texts.LICENSES.confirm_remove),
    Route("POST", "/licenses/{key}/remove", texts.LICENSES.remove),
    Route("GET", "/scripts", texts.SCRIPTS.show_list, _TEXTS),
    Route("GET", "/scripts/new", texts.SCRIPTS.show_new),
    Route("POST", "/scripts/new", texts.SCRIPTS.create),
    Route("GET", "/scripts/{key}", texts.SCRIPTS.show),
    Route("GET", "/scripts/{key}/edit", texts.SCRIPTS.show_edit),
    Route("POST", "/scripts/{key}/edit", texts.SCRIPTS.edit),
    Route("GET", "/scripts/{key}/remove", texts.SCRIPTS.confirm_remove),
    Route("POST", "/scripts/{key}/remove", texts.SCRIPTS.remove),
    Route("GET", "/images/{slug}/bulk", bulk.show_bulk, bulk.TAKES, ("pick",)),
    Route("POST", "/images/{slug}/bulk", bulk.change, bulk.FILTERS),
    Route("POST", "/images/{slug}/bulk/undo", bulk.undo),
    Route("GET", "/account/tokens", tokens.show_tokens, ("cursor",)),
    Route("POST", "/account/tokens", tokens.create_token),
    Route("GET", "/account/tokens/{key}/revoke", tokens.show_revoke),
    Route("POST", "/account/tokens/{key}/revoke", tokens.revoke_token),
    Route("GET", "/groups", groups.show_groups, ("prefix", "cursor")),
    Route("GET", "/groups/{key}", groups.show_group),
    Route("POST", "/groups/{key}/members", groups.add_members),
    Route("POST", "/groups/{key}/members/remove", groups.remove_members),
    Route("POST", "/groups/{key}/leaders", groups.set_leader),
    Route("POST", "/groups/{key}/name", groups.rename_group),
    Route("GET", "/groups/{key}/remove", groups.show_remove),
    Route("POST", "/groups/{key}/remove", groups.remove_group),
    Route("GET", "/drift", drift.show_drift, ("kind", "provider", "image", "cursor")),
    Route("GET", "/images/{slug}/webhooks", webhooks.show_of_image, ("cursor",)),
    Route("POST", "/images/{slug}/webhooks", webhooks.create_of_image),
    Route("GET", "/webhooks/{key}", webhooks.show_webhook, ("state", "cursor")),
    Route("POST", "/webhooks/{key}", webhooks.edit_webhook),
    Route("POST", "/webhooks/{key}/active", webhooks.switch_webhook),
    Route("GET", "/webhooks/{key}/remove", webhooks.show_remove),
    Route("POST", "/webhooks/{key}/remove", webhooks.remove_webhook),
    Route("POST", "/webhooks/{key}/test", deliveries.send_test),
    Route("GET", "/webhooks/{key}/deliveries/{delivery}", deliveries.show_delivery),
    Route("POST", "/webhooks/{key}/deliveries/{delivery}/redeliver", webhooks.redeliver),
    Route("GET", "/check", check.show_check),
    Route("POST", "/check", check.check_ids),
    Route("GET", "/staff", staff_home.show_staff),
    Route("GET", "/staff/users", users.show_users, ("prefix", "active", "is_staff", "cursor")),
    Route("GET", "/staff/users/new", users.show_new),
    Route("POST", "/staff/users/new", users.create_user),
    Route("GET", "/staff/users/{key}", users.show_user),
    Route("GET", "/staff/users/{key}/staff", users.confirm_staff),
    Route("POST", "/staff/users/{key}/staff", users.set_staff),
    Route("GET", "/staff/users/{key}/disable", users.show_disable),
    Route("POST", "/staff/users/{key}/active", users.set_active),
    Route("POST", "/staff/users/{key}/password", users.set_password),
    Route("POST", "/staff/users/{key}/accounts", users.link_account),
    Route("POST", "/staff/users/{key}/accounts/{uuid}/unlink", users.unlink_account),
    Route("GET", "/staff/users/{key}/sessions/end", user_sessions.confirm_end_all),
    Route("POST", "/staff/users/{key}/sessions/end", user_sessions.end_all),
    Route("GET", "/staff/users/{key}/sessions/{uuid}/end", user_sessions.confirm_end),
    Route("POST", "/staff/users/{key}/sessions/{uuid}/end", user_sessions.end),
    Route("GET", "/staff/activity", activity.show_activity, (*activity.FILTERS, "cursor")),
    Route("GET", "/staff/activity.csv", activity.write_csv, activity.FILTERS),
    Route("GET", "/staff/groups", staff_groups.show_groups, ("prefix", "cursor")),
    Route("POST", "/staff/groups", staff_groups.create_group),
    Route("GET", "/staff/providers", providers.show_providers, _PROVIDERS),
    Route("GET", "/staff/providers/new", providers.show_new_provider),
    Route("POST", "/staff/providers/new", providers.create_provider),
    Route("GET", "/staff/providers/{key}", providers.show_provider),
    Route("POST", "/staff/providers/{key}", providers.edit_provider),
    Route("GET", "/staff/providers/{key}/end", providers.show_end),
    Route("POST", "/staff/providers/{key}/end", providers.end_provider),
    Route("POST", "/staff/providers/{key}/restore", providers.restore_provider),
    Route("GET", "/staff/identities", identities.show_identities, _IDENTITIES),
    Route("POST", "/staff/identities", identities.create_identity),
    Route("GET", "/staff/identities/{key}", identities.show_identity),
    Route("POST", "/staff/identities/{key}", identities.edit_identity),
    Route("GET", "/staff/identities/{key}/remove", identities.confirm_remove),
    Route("POST", "/staff/identities/{key}/remove", identities.remove_identity),
    Route("GET", "/staff/tags", tags.show_tags, ("search", "cursor")),
    Route("GET", "/staff/tags/{key}", tags.show_tag),
    Route("POST", "/staff/tags/{key}", tags.edit_tag),
    Route("POST", "/staff/tags/{key}/remove", tags.remove_tag),
    Route("GET", "/staff/webhooks", webhooks.show_of_all, ("cursor",)),
    Route("POST", "/staff/webhooks", webhooks.create_of_all),
    Route("GET", "/help", help.show_help, ("q",)),
    Route("GET", "/help/{name}", help.show_document),
    Route("GET", "/docs", api_reference.show_reference),
    Route("GET", "/docs/errors", api_reference.show_errors),
    Route("GET", "/theme", preferences.choose_theme, ("theme", "next")),
    Route("GET", "/keys", preferences.show_keys),
    Route("GET", "/syncs", sync_runs.show_runs, ("source", "state", "cursor")),
    Route("GET", "/syncs/{key}", sync_runs.show_run, ("kind", "cursor")),
)
# fmt: on
