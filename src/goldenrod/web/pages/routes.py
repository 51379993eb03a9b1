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
    version,
    versions_editing,
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
    Route("GET", "/tags/{name}", home.lead_to_tag),
    Route("GET", "/providers/{slug}", home.lead_to_provider),
    Route("GET", "/images", home.home),
    Route("GET", "/images/{slug}", image.show_image),
    Route("GET", "/images/{slug}/versions", image.list_versions),
    Route("GET", "/images/{slug}/lineage", lineage.show_image_lineage),
    Route("GET", "/images/{slug}/feed.atom", feed.show_feed),
    Route("GET", "/images/{slug}/compare", compare.choose),
    Route("GET", "/images/{slug}/compare/{two}", compare.show_compare),
    Route("GET", "/images/{slug}/versions/{name}", version.show_version),
    Route("GET", "/images/{slug}/versions/{name}/lineage", lineage.show_version_lineage),
    Route("GET", "/sign-in", signing_in.show_sign_in),
    Route("POST", "/sign-in", signing_in.sign_in),
    Route("POST", "/sign-out", signing_in.sign_out),
    Route("GET", "/sign-in/oidc", oidc.begin),
    Route("GET", "/sign-in/oidc/callback", oidc.come_back),
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
    Route("GET", "/images/{slug}/versions/new", publishing_pages.show_new),
    Route("POST", "/images/{slug}/versions/new", publishing_pages.create),
    Route("GET", "/images/{slug}/versions/{name}/edit", versions_editing.show_edit),
    Route("POST", "/images/{slug}/versions/{name}/edit", versions_editing.edit),
    Route("GET", "/images/{slug}/versions/{name}/end", versions_editing.show_end),
    Route("POST", "/images/{slug}/versions/{name}/end", versions_editing.end),
    Route("GET", "/images/{slug}/versions/{name}/restore", versions_editing.show_restore),
    Route("POST", "/images/{slug}/versions/{name}/restore", versions_editing.restore),
    Route("GET", "/images/{slug}/versions/{name}/deprecate", deprecating.show_deprecate),
    Route("POST", "/images/{slug}/versions/{name}/deprecate", deprecating.deprecate),
    Route("GET", "/images/{slug}/versions/{name}/revoke", revoking.show_revoke),
    Route("POST", "/images/{slug}/versions/{name}/revoke", revoking.revoke),
    Route("GET", "/images/{slug}/versions/{name}/share", sharing.show_share),
    Route("POST", "/images/{slug}/versions/{name}/share", sharing.share),
    Route("GET", "/images/{slug}/versions/{name}/machines", machines_pages.show_machines),
    Route("POST", "/images/{slug}/versions/{name}/machines", machines_pages.place),
    Route("POST", "/images/{slug}/versions/{name}/machines/{machine}/end", machines_pages.end),
    Route("POST", "/images/{slug}/versions/{name}/machines/{machine}/restore", machines_pages.restore),
    Route("GET", "/images/{slug}/channels", channels_pages.show_channels),
    Route("POST", "/images/{slug}/channels", channels_pages.assign_new),
    Route("GET", "/images/{slug}/channels/{name}", channels_pages.show_channel),
    Route("POST", "/images/{slug}/channels/{name}", channels_pages.assign),
    Route("POST", "/images/{slug}/channels/{name}/configure", channels_pages.configure),
    Route("POST", "/images/{slug}/channels/{name}/hide", channels_pages.hide),
)
# fmt: on
