"""The API on one screen: every resource, its functions, its bodies and answers.

All paths are under `/api/v2`. Image versions are also at the root, as their contract requires. The
OpenAPI document is generated from `ROUTES`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from msgspec import Struct

from goldenrod.base import wire
from goldenrod.catalogue.accounts import (
    activity,
    groups,
    identities,
    security_events,
    tokens,
    users,
)
from goldenrod.catalogue.channels import channels
from goldenrod.catalogue.images import images, tags
from goldenrod.catalogue.sync import drift
from goldenrod.catalogue.versions import (
    attachments,
    history,
    licenses_scripts,
    machines,
    providers,
    publish,
    versions,
)
from goldenrod.catalogue.webhooks import webhooks
from goldenrod.rules.access import Actor
from goldenrod.rules.resources import Resource
from goldenrod.store.paging import Listing
from goldenrod.web.api import channels as channel_handlers
from goldenrod.web.api import follows, lookup, terraform, user_data
from goldenrod.web.api import tokens as token_handlers
from goldenrod.web.api import users as user_handlers
from goldenrod.web.api import versions as version_handlers
from goldenrod.web.api import webhooks as webhook_handlers
from goldenrod.web.api.handlers import (
    Extra,
    Take,
    creating,
    editing,
    ending,
    listing,
    listing_of,
    reading_one,
)
from goldenrod.web.request import Handler


@dataclass(frozen=True)
class Route:
    """One method of one address.

    `takes`: the type of the body. `answers`: the type of the answer. `lists`: the filters and orders
    of a list, whose answer is a page of `answers`. `statuses`: those of success, the usual one first.
    `options`: the query parameters, if it is no list. `refuses`: error statuses in addition to the
    method's usual ones. `also`: media types in addition to JSON. `asks`: a POST that changes nothing
    and needs no token. `cacheable`: every change to its answers also changes the catalogue's revision.
    `narrow`: its answers depend on certain images only, which `Tx.depends_on` is told. `slashes`: the
    last part of the path may hold slashes. `basic`: a token may also come as the password of HTTP
    Basic.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    answers: type[Struct] | None = None
    takes: type[Struct] | None = None
    lists: Listing | None = None
    statuses: tuple[int, ...] = (200,)
    at_root: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    refuses: tuple[int, ...] = ()
    asks: bool = False
    also: tuple[str, ...] = ()
    cacheable: bool = True
    narrow: bool = False
    slashes: bool = False
    basic: bool = False

    def paths(self, api: str) -> list[str]:
        """The paths under which it is reached."""
        return [api + self.path, self.path] if self.at_root else [api + self.path]


def things(
    path: str,
    words: tuple[str, str],
    shape: type[Struct],
    of: Resource,
    *,
    take: Take | None = None,
    create: tuple[Callable[..., Any], type[Struct]] | None = None,
    created: type[Struct] | None = None,
    single: tuple[Handler, type[Struct]] | None = None,
    extra: Extra = lambda tx, actor, created: {},
    by: Callable[[Actor], None] = Actor.require_write,
    edit: tuple[Callable[..., Any], type[Struct]] | None = None,
    end: Callable[..., Any] | None = None,
    at_root: bool = False,
    cacheable: bool = True,
    narrow: bool = False,
) -> Iterator[Route]:
    """The routes of one resource: list, get, and those of create, edit and end that are given.

    `words`: the thing's name, and the verb for DELETE. `by`: checks who may POST at all. `take`: finds
    the row to change, instead of `of.row_for_change`. `created`: the type that POST answers, instead
    of `shape`. `single`: the handler that gets one thing, and the type that it answers. `narrow`: see
    `Route`, for one thing.
    """
    name, ends = words
    take = take or of.row_for_change
    one, article = f"/{path}/{{key}}", "an" if name[0] in "aeiou" else "a"
    plural = f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
    got, alone = single or (reading_one(of.get), shape)
    route = partial(Route, at_root=at_root)
    yield route(
        "GET",
        f"/{path}",
        listing(of.page, of.listing),
        f"List {plural}",
        shape,
        lists=of.listing,
        cacheable=cacheable,
    )
    if create:
        handler = creating(create[0], of, create[1], may=by, adds=extra)
        summary = f"Create {article} {name}"
        answers = created or shape
        yield route("POST", f"/{path}", handler, summary, answers, create[1], statuses=(201, 200))
    summary = f"Get {article} {name}"
    yield route("GET", one, got, summary, alone, cacheable=cacheable, narrow=narrow)
    if edit:
        handler = editing(take, edit[0], of.get, edit[1])
        summary = f"Edit {article} {name}"
        yield route("PATCH", one, handler, summary, alone, edit[1], statuses=(200, 204))
    if end:
        handler = ending(take, end, of.get)
        yield route("DELETE", one, handler, f"{ends} {article} {name}", statuses=(204,))


def attachment(
    of: attachments.AttachmentResource, shape: type[Struct], body: type[Struct]
) -> Iterator[Route]:
    """The routes of one kind of attachment."""
    words = f"version's {of.member.replace('_', ' ')}", "Detach"
    return things(of.path, words, shape, of, create=(of.attach, body), end=of.detach)


# fmt: off
ROUTES: tuple[Route, ...] = (
    *things("image_versions", ("image version", "End"), wire.Version, versions.VERSIONS,
            create=(publish.create_version, wire.NewVersion), created=wire.PublishedVersion,
            single=(version_handlers.get_version, wire.SingleVersion),
            extra=publish.not_inherited,
            edit=(publish.edit_version, wire.VersionPatch),
            end=publish.end_version, at_root=True, narrow=True),
    Route("POST", "/image_versions/{key}/revoke", version_handlers.revoke,
          "Revoke an image version", wire.Effect, wire.Revocation, at_root=True),
    Route("POST", "/image_versions/{key}/restore", version_handlers.restore,
          "Restore an image version", wire.Effect, wire.Restoring, at_root=True),
    Route("GET", "/image_versions/{key}/lineage", version_handlers.get_lineage,
          "Get the ancestors and descendants of an image version", wire.Lineage,
          options={"direction": "ancestors, descendants or both (the default)",
                   "depth": "the number of generations, a whole number"},
          at_root=True, narrow=True),
    Route("GET", "/image_versions/{key}/diff", version_handlers.get_diff,
          "Get what changed from another image version", wire.Diff,
          options={"against": "the uuid of the other version; the parent by default"},
          at_root=True),
    Route("GET", "/image_versions/{key}/history", listing_of(history.list_history, history.LIST),
          "List who changed an image version", wire.Change, lists=history.LIST, refuses=(403,),
          at_root=True),
    Route("GET", "/image_versions/{key}/user-data", user_data.get_user_data,
          "Get an image version's boot scripts as user data", also=("text/plain",), refuses=(409,),
          at_root=True),
    *things("images", ("image", "End"), wire.Image, images.IMAGES,
            create=(images.create_image, wire.NewImage),
            single=(reading_one(images.get_image), wire.Image),
            edit=(images.edit_image, wire.ImagePatch), end=images.end_image, narrow=True),
    Route("POST", "/images/{key}/bulk", version_handlers.change_in_bulk,
          "Deprecate, revoke or share several versions of an image", wire.BulkEffect, wire.Bulk),
    Route("GET", "/images/{key}/channels", listing_of(channels.list_channels, channels.LIST),
          "List an image's channels", wire.Channel, lists=channels.LIST, narrow=True),
    Route("GET", "/images/{key}/channels/{name}", channel_handlers.get_channel,
          "Get a channel", wire.Channel, narrow=True),
    Route("PUT", "/images/{key}/channels/{name}", channel_handlers.put_channel,
          "Assign a version to a channel", wire.Channel, wire.NewAssignment,
          statuses=(200, 201)),
    Route("PATCH", "/images/{key}/channels/{name}", channel_handlers.patch_channel,
          "Edit a channel", wire.Channel, wire.ChannelPatch),
    Route("DELETE", "/images/{key}/channels/{name}", channel_handlers.delete_channel,
          "Hide a channel", statuses=(204,)),
    Route("GET", "/images/{key}/channels/{name}/history", channel_handlers.channel_history,
          "List a channel's assignments", wire.Assignment, lists=channels.HISTORY, narrow=True),
    Route("GET", "/images/{key}/follow", follows.get_follow,
          "Get since when you follow an image", wire.Follow),
    Route("PUT", "/images/{key}/follow", follows.put_follow, "Follow an image", wire.Follow),
    Route("DELETE", "/images/{key}/follow", follows.delete_follow, "Unfollow an image",
          statuses=(204,)),
    Route("GET", "/images/{key}/channels/{name}/tfstate", terraform.get_state,
          "Get what a channel offers as a Terraform state", wire.TerraformState, refuses=(409,),
          basic=True),
    Route("GET", "/terraform/{namespace}/{name}/{system}/versions", terraform.list_versions,
          "List the versions of a Terraform module", wire.ModuleVersions, refuses=(409,)),
    Route("GET", "/terraform/{namespace}/{name}/{system}/{number}/download",
          terraform.get_download, "Get where a Terraform module is", wire.ModuleLocation,
          refuses=(409,)),
    Route("GET", "/terraform/{namespace}/{name}/{system}/{number}/machines.zip",
          terraform.get_archive, "Get a Terraform module", also=("application/zip",),
          refuses=(409,), basic=True),
    Route("GET", "/resolve/{image}/{channel}/{provider}", channel_handlers.resolve,
          "Resolve a channel to the machine it offers on a provider", wire.Resolved,
          options={"architecture": "such as x86_64",
                   "allow_revoked": "true: answer even a revoked version, with the reason"},
          refuses=(409,), also=("text/plain",), at_root=True, narrow=True),
    Route("GET", "/resolve/{image}@{version}/{provider}", channel_handlers.resolve_version,
          "Resolve a version to its machine on a provider", wire.Resolved,
          options={"architecture": "such as x86_64",
                   "allow_revoked": "true: answer even a revoked version, with the reason"},
          refuses=(409,), also=("text/plain",), at_root=True, narrow=True, slashes=True),
    Route("GET", "/resolve/{image}/{channel}", channel_handlers.resolve_everywhere,
          "Resolve a channel on every provider", wire.ResolvedEverywhere, refuses=(409,),
          at_root=True),
    Route("GET", "/lookup", lookup.look_up_one, "Look up a running machine's id",
          wire.LookupAnswer,
          options={"identifier": "the id of a running machine",
                   "provider": "its provider: id, uuid or slug"},
          at_root=True),
    Route("POST", "/lookup", lookup.look_up_many, "Look up many running machines' ids",
          wire.LookupAnswer, wire.Lookup, asks=True, at_root=True),
    *things("provider_machines", ("machine", "End"), wire.Machine, machines.MACHINES,
            create=(machines.create_machine, wire.NewMachine),
            edit=(machines.edit_machine, wire.MachinePatch), end=machines.end_machine),
    *things("providers", ("provider", "End"), wire.Provider, providers.PROVIDERS,
            create=(providers.create_provider, wire.NewProvider), by=Actor.require_staff,
            edit=(providers.edit_provider, wire.ProviderPatch), end=providers.end_provider),
    *things("licenses", ("license", "Remove"), wire.License, licenses_scripts.LICENSES,
            create=(licenses_scripts.create_license, wire.NewLicense),
            edit=(licenses_scripts.edit_license, wire.LicensePatch),
            end=licenses_scripts.remove_license),
    *things("boot_scripts", ("boot script", "Remove"), wire.Script, licenses_scripts.SCRIPTS,
            create=(licenses_scripts.create_script, wire.NewScript),
            edit=(licenses_scripts.edit_script, wire.ScriptPatch),
            end=licenses_scripts.remove_script),
    *things("groups", ("group", "Remove"), wire.Group, groups.GROUPS,
            create=(groups.create_group, wire.NewGroup), by=Actor.require_staff,
            edit=(groups.edit_group, wire.GroupPatch), end=groups.remove_group),
    *things("users", ("user", "Disable"), wire.User, users.USERS, end=users.disable_user),
    Route("POST", "/users", user_handlers.create_user, "Create a user", wire.User, wire.NewUser,
          statuses=(201, 200)),
    Route("PATCH", "/users/{key}", user_handlers.edit_user, "Edit a user", wire.User, wire.UserPatch,
          statuses=(200, 204)),
    *things("identities", ("identity", "Remove"), wire.Identity, identities.IDENTITIES,
            create=(identities.create_identity, wire.NewIdentity), by=Actor.require_staff,
            edit=(identities.edit_identity, wire.IdentityPatch), end=identities.remove_identity),
    *things("tags", ("tag", "Remove"), wire.Tag, tags.TAGS,
            edit=(tags.edit_tag, wire.TagPatch), end=tags.remove_tag),
    *things("tokens", ("token", "Revoke"), wire.Token, tokens.TOKENS,
            take=tokens.token_for_change, end=tokens.revoke_token, cacheable=False),
    Route("POST", "/tokens", token_handlers.create_token, "Create a token", wire.NewTokenAnswer,
          wire.NewToken, statuses=(201,), refuses=(429,)),
    Route("GET", "/security_events",
          listing(security_events.list_security_events, security_events.LIST),
          "List security events", wire.SecurityEvent, lists=security_events.LIST,
          refuses=(401, 403), cacheable=False),
    Route("GET", "/activity", listing(activity.list_activity, activity.LIST), "List activity",
          wire.Activity, lists=activity.LIST, refuses=(401, 403), cacheable=False),
    Route("GET", "/drift", listing(drift.list_drift, drift.LIST),
          "List machines that differ from their cloud", wire.Drift, lists=drift.LIST,
          refuses=(401,), cacheable=False),
    Route("GET", "/unread_scopes", listing(drift.list_unread, drift.UNREAD),
          "List parts of clouds that could not be read", wire.UnreadScope, lists=drift.UNREAD,
          refuses=(401, 403), cacheable=False),
    Route("GET", "/image_versions/{key}/drift",
          listing_of(drift.list_drift_of_version, drift.OF_VERSION),
          "List a version's machines that differ from their cloud", wire.Drift,
          lists=drift.OF_VERSION, refuses=(401, 403), cacheable=False, at_root=True),
    *things("webhooks", ("webhook", "Remove"), wire.Webhook, webhooks.WEBHOOKS,
            end=webhooks.remove_webhook, cacheable=False),
    Route("POST", "/webhooks", webhook_handlers.create_webhook, "Create a webhook",
          wire.WebhookWithSecret, wire.NewWebhook, statuses=(201,)),
    Route("PATCH", "/webhooks/{key}", webhook_handlers.edit_webhook, "Edit a webhook",
          wire.Webhook, wire.WebhookPatch),
    Route("GET", "/webhooks/{key}/deliveries",
          listing_of(webhooks.list_deliveries, webhooks.DELIVERIES),
          "List a webhook's deliveries", wire.Delivery,
          lists=webhooks.DELIVERIES, cacheable=False),
    Route("GET", "/webhooks/{key}/deliveries/{delivery}", webhook_handlers.get_delivery,
          "Get a delivery with its attempts", wire.SingleDelivery, cacheable=False),
    Route("POST", "/webhooks/{key}/test", webhook_handlers.send_test,
          "Send a test event to a webhook", wire.SingleDelivery, statuses=(201,)),
    Route("POST", "/webhooks/{key}/deliveries/{delivery}/redeliver", webhook_handlers.redeliver,
          "Send a delivery again", wire.SingleDelivery),
    *attachment(attachments.LICENSES, wire.VersionLicense, wire.NewVersionLicense),
    *attachment(attachments.MEMBERSHIPS, wire.VersionMembership, wire.NewVersionMembership),
    *attachment(attachments.SCRIPTS, wire.VersionScript, wire.NewVersionScript),
)
# fmt: on
