"""All pages on one screen: which address has which door.

Pages stand at the root, beside the few addresses there that speak JSON. `add_pages` puts them into
the application, with the files they load, and lets a browser that is refused something see a page
that says what to do in place of the problem document that programs get.
"""

from collections.abc import Callable
from dataclasses import dataclass

from goldenrod.web.pages import (
    account,
    groups,
    home,
    oidc,
    signing_in,
    staff,
    staff_places,
    staff_tags,
    staff_users,
    tokens,
    webhooks,
)
from goldenrod.web.pages.visit import Page

Door = Callable[..., Page]


@dataclass(frozen=True)
class Route:
    """One method of one address, and its door: `door(visit, **path)`."""

    method: str
    path: str
    door: Door


# fmt: off
PAGES: tuple[Route, ...] = (
    Route("GET", "/", home.home),
    Route("GET", "/search", home.search),
    Route("GET", "/search/suggest", home.suggest),
    Route("GET", "/search/versions", home.search_versions),
    Route("GET", "/sign-in", signing_in.show_sign_in),
    Route("POST", "/sign-in", signing_in.sign_in),
    Route("POST", "/sign-out", signing_in.sign_out),
    Route("GET", "/sign-in/oidc", oidc.begin),
    Route("GET", "/sign-in/oidc/callback", oidc.come_back),
    Route("GET", "/account", account.show_account),
    Route("POST", "/account/sessions/{uuid}/end", account.end_session),
    Route("POST", "/account/sign-out-everywhere", account.sign_out_everywhere),
    Route("GET", "/account/tokens", tokens.show_tokens),
    Route("POST", "/account/tokens", tokens.create_token),
    Route("GET", "/account/tokens/{key}/revoke", tokens.show_revoke),
    Route("POST", "/account/tokens/{key}/revoke", tokens.revoke_token),
    Route("GET", "/groups", groups.show_groups),
    Route("GET", "/groups/{key}", groups.show_group),
    Route("POST", "/groups/{key}/members", groups.add_members),
    Route("POST", "/groups/{key}/members/remove", groups.remove_members),
    Route("POST", "/groups/{key}/leaders", groups.set_leader),
    Route("POST", "/groups/{key}/name", groups.rename_group),
    Route("GET", "/groups/{key}/remove", groups.show_remove),
    Route("POST", "/groups/{key}/remove", groups.remove_group),
    Route("GET", "/images/{slug}/webhooks", webhooks.show_of_image),
    Route("POST", "/images/{slug}/webhooks", webhooks.create_of_image),
    Route("GET", "/webhooks/{key}", webhooks.show_webhook),
    Route("POST", "/webhooks/{key}", webhooks.edit_webhook),
    Route("POST", "/webhooks/{key}/active", webhooks.switch_webhook),
    Route("GET", "/webhooks/{key}/remove", webhooks.show_remove),
    Route("POST", "/webhooks/{key}/remove", webhooks.remove_webhook),
    Route("POST", "/webhooks/{key}/deliveries/{delivery}/redeliver", webhooks.redeliver),
    Route("GET", "/staff", staff.show_staff),
    Route("GET", "/staff/users", staff_users.show_users),
    Route("GET", "/staff/users/new", staff_users.show_new),
    Route("POST", "/staff/users/new", staff_users.create_user),
    Route("GET", "/staff/users/{key}", staff_users.show_user),
    Route("POST", "/staff/users/{key}/staff", staff_users.set_staff),
    Route("GET", "/staff/users/{key}/disable", staff_users.show_disable),
    Route("POST", "/staff/users/{key}/active", staff_users.set_active),
    Route("POST", "/staff/users/{key}/password", staff_users.set_password),
    Route("POST", "/staff/users/{key}/accounts", staff_users.link_account),
    Route("POST", "/staff/users/{key}/accounts/{uuid}/unlink", staff_users.unlink_account),
    Route("GET", "/staff/groups", staff.show_groups),
    Route("POST", "/staff/groups", staff.create_group),
    Route("GET", "/staff/providers", staff_places.show_providers),
    Route("GET", "/staff/providers/new", staff_places.show_new_provider),
    Route("POST", "/staff/providers/new", staff_places.create_provider),
    Route("GET", "/staff/providers/{key}", staff_places.show_provider),
    Route("POST", "/staff/providers/{key}", staff_places.edit_provider),
    Route("GET", "/staff/providers/{key}/end", staff_places.show_end),
    Route("POST", "/staff/providers/{key}/end", staff_places.end_provider),
    Route("POST", "/staff/providers/{key}/restore", staff_places.restore_provider),
    Route("GET", "/staff/identities", staff_places.show_identities),
    Route("POST", "/staff/identities", staff_places.create_identity),
    Route("GET", "/staff/identities/{key}", staff_places.show_identity),
    Route("POST", "/staff/identities/{key}", staff_places.edit_identity),
    Route("POST", "/staff/identities/{key}/remove", staff_places.remove_identity),
    Route("GET", "/staff/tags", staff_tags.show_tags),
    Route("GET", "/staff/tags/{key}", staff_tags.show_tag),
    Route("POST", "/staff/tags/{key}", staff_tags.edit_tag),
    Route("POST", "/staff/tags/{key}/remove", staff_tags.remove_tag),
    Route("GET", "/staff/webhooks", webhooks.show_of_all),
    Route("POST", "/staff/webhooks", webhooks.create_of_all),
)
# fmt: on
