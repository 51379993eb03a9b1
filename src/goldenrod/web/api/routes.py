"""The API on one screen: every resource, the noun's functions behind it, what it takes and answers.

Everything stands under `/api/v2`; image versions at the root as well, where their contract has them.
The OpenAPI document is generated from `ROUTES`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from goldenrod.base import wire
from goldenrod.catalogue.accounts import groups, identities, security_events, tokens, users
from goldenrod.catalogue.channels import channels
from goldenrod.catalogue.images import images, tags
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
from goldenrod.store.paging import Listing
from goldenrod.web.api import lifecycle as lifecycle_doors
from goldenrod.web.api import tokens as token_doors
from goldenrod.web.api import webhooks as webhook_doors
from goldenrod.web.api.handlers import (
    Extra,
    Get,
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
    """One method of one address: `takes` is its body, `answers` what it answers (a page of them
    where `lists` says what the list takes), `statuses` those of success, the usual one first, and
    `options` its query parameters beside a list's, `refuses` statuses beside its method's usual
    ones, `also` media types beside JSON. A POST that `asks` changes nothing and needs no token.
    `kept`: its answers depend on nothing but what the catalogue's revision counts."""

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
    kept: bool = True

    def paths(self, api: str) -> list[str]:
        """Where it is reached."""
        return [api + self.path, self.path] if self.at_root else [api + self.path]


def things(
    resource: str,
    words: tuple[str, str],
    shape: type[Struct],
    takes: Listing,
    list_page: Callable[..., Any],
    get: Get,
    take: Take,
    *,
    create: tuple[Callable[..., Any], type[Struct]] | None = None,
    made: type[Struct] | None = None,
    alone: tuple[Handler, type[Struct]] | None = None,
    adds: Extra = lambda tx, actor, made: {},
    by: Callable[[Actor], None] = Actor.require_write,
    edit: tuple[Callable[..., Any], type[Struct]] | None = None,
    end: Callable[..., Any] | None = None,
    at_root: bool = False,
    kept: bool = True,
) -> Iterator[Route]:
    """The routes of one resource: list, get, and what of create, edit and end it has.

    `words`: the thing, and the verb that DELETE is. `by` says who may POST at all. `made` is what
    POST answers and `alone` a door for one thing and what it answers, where they differ.
    """
    noun, ends = words
    path, one = f"/{resource}", f"/{resource}/{{key}}"
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    article = "an" if noun[0] in "aeiou" else "a"
    yield Route(
        "GET",
        path,
        listing(list_page, takes),
        f"List {plural}",
        shape,
        lists=takes,
        at_root=at_root,
        kept=kept,
    )
    if create:
        handler = creating(create[0], get, create[1], may=by, adds=adds)
        yield Route(
            "POST",
            path,
            handler,
            f"Create {article} {noun}",
            made or shape,
            create[1],
            statuses=(201, 200),
            at_root=at_root,
        )
    single = alone[1] if alone else shape
    got = alone[0] if alone else reading_one(get)
    yield Route("GET", one, got, f"Get {article} {noun}", single, at_root=at_root, kept=kept)
    if edit:
        handler = editing(take, edit[0], get, edit[1])
        yield Route(
            "PATCH",
            one,
            handler,
            f"Edit {article} {noun}",
            alone[1] if alone else shape,
            edit[1],
            statuses=(200, 204),
            at_root=at_root,
        )
    if end:
        yield Route(
            "DELETE",
            one,
            ending(take, end, get),
            f"{ends} {article} {noun}",
            statuses=(204,),
            at_root=at_root,
        )


def pairing(noun: attachments.Noun, shape: type[Struct], body: type[Struct]) -> Iterator[Route]:
    """The routes of one pairing."""
    return things(
        noun.resource,
        (f"version's {noun.member.replace('_', ' ')}", "Detach"),
        shape,
        noun.listing,
        noun.list_attachments,
        noun.get_attachment,
        noun.attachment_for_change,
        create=(noun.attach, body),
        end=noun.detach,
    )


# fmt: off
ROUTES: tuple[Route, ...] = (
    *things("image_versions", ("image version", "End"), wire.Version, versions.LIST,
            versions.list_versions, versions.get_version, versions.version_for_change,
            create=(publish.create_version, wire.NewVersion), made=wire.PublishedVersion,
            alone=(lifecycle_doors.get_version, wire.SingleVersion),
            adds=publish.not_inherited,
            edit=(publish.edit_version, wire.VersionPatch),
            end=publish.end_version, at_root=True),
    Route("POST", "/image_versions/{key}/revoke", lifecycle_doors.revoke,
          "Revoke an image version", wire.Effect, wire.Revocation, at_root=True),
    Route("POST", "/image_versions/{key}/restore", lifecycle_doors.restore,
          "Restore an image version", wire.Effect, wire.Restoring, at_root=True),
    Route("GET", "/image_versions/{key}/lineage", lifecycle_doors.get_lineage,
          "Get what an image version was built on and what was built on it", wire.Lineage,
          options={"direction": "ancestors, descendants or both (the default)",
                   "depth": "how far, a whole number"}, at_root=True),
    Route("GET", "/image_versions/{key}/diff", lifecycle_doors.get_diff,
          "Get what changed from another image version", wire.Diff,
          options={"against": "the uuid of the other version; the parent, if not said"},
          at_root=True),
    Route("GET", "/image_versions/{key}/history", listing_of(history.list_history, history.LIST),
          "List who changed an image version", wire.Change, lists=history.LIST, refuses=(403,),
          at_root=True),
    *things("images", ("image", "End"), wire.Image, images.LIST,
            images.list_images, images.get_image, images.image_for_change,
            create=(images.create_image, wire.NewImage),
            edit=(images.edit_image, wire.ImagePatch), end=images.end_image),
    Route("GET", "/images/{key}/channels", listing_of(channels.list_channels, channels.LIST),
          "List an image's channels", wire.Channel, lists=channels.LIST),
    Route("GET", "/images/{key}/channels/{name}", lifecycle_doors.get_channel,
          "Get a channel", wire.Channel),
    Route("PUT", "/images/{key}/channels/{name}", lifecycle_doors.put_channel,
          "Assign a version to a channel", wire.Channel, wire.NewAssignment,
          statuses=(200, 201)),
    Route("PATCH", "/images/{key}/channels/{name}", lifecycle_doors.patch_channel,
          "Edit a channel", wire.Channel, wire.ChannelPatch),
    Route("DELETE", "/images/{key}/channels/{name}", lifecycle_doors.delete_channel,
          "Hide a channel", statuses=(204,)),
    Route("GET", "/images/{key}/channels/{name}/history", lifecycle_doors.channel_history,
          "List what a channel was assigned", wire.Assignment, lists=channels.HISTORY),
    Route("GET", "/resolve/{image}/{channel}/{provider}", lifecycle_doors.resolve,
          "Resolve a channel to the machine it offers on a provider", wire.Resolved,
          options={"architecture": "such as x86_64",
                   "allow_revoked": "true: answer a revoked target, with its reason"},
          refuses=(409,), also=("text/plain",), at_root=True),
    Route("GET", "/resolve/{image}/{channel}", lifecycle_doors.resolve_everywhere,
          "Resolve a channel on every provider", wire.ResolvedEverywhere, refuses=(409,),
          at_root=True),
    Route("GET", "/lookup", lifecycle_doors.look_up_one, "Look up a running machine's id",
          wire.LookupAnswer,
          options={"identifier": "the id found running", "provider": "where: id, uuid or slug"},
          at_root=True),
    Route("POST", "/lookup", lifecycle_doors.look_up_many, "Look up many running machines' ids",
          wire.LookupAnswer, wire.Lookup, asks=True, at_root=True),
    *things("provider_machines", ("machine", "End"), wire.Machine, machines.LIST,
            machines.list_machines, machines.get_machine, machines.machine_for_change,
            create=(machines.create_machine, wire.NewMachine),
            edit=(machines.edit_machine, wire.MachinePatch), end=machines.end_machine),
    *things("providers", ("provider", "End"), wire.Provider, providers.LIST,
            providers.list_providers, providers.get_provider, providers.provider_for_change,
            create=(providers.create_provider, wire.NewProvider), by=Actor.require_staff,
            edit=(providers.edit_provider, wire.ProviderPatch), end=providers.end_provider),
    *things("licenses", ("license", "Remove"), wire.License, licenses_scripts.LICENSES,
            licenses_scripts.list_licenses, licenses_scripts.get_license, licenses_scripts.license_for_change,
            create=(licenses_scripts.create_license, wire.NewLicense),
            edit=(licenses_scripts.edit_license, wire.LicensePatch), end=licenses_scripts.remove_license),
    *things("boot_scripts", ("boot script", "Remove"), wire.Script, licenses_scripts.SCRIPTS,
            licenses_scripts.list_scripts, licenses_scripts.get_script, licenses_scripts.script_for_change,
            create=(licenses_scripts.create_script, wire.NewScript),
            edit=(licenses_scripts.edit_script, wire.ScriptPatch), end=licenses_scripts.remove_script),
    *things("groups", ("group", "Remove"), wire.Group, groups.LIST,
            groups.list_groups, groups.get_group, groups.group_for_change,
            create=(groups.create_group, wire.NewGroup), by=Actor.require_staff,
            edit=(groups.edit_group, wire.GroupPatch), end=groups.remove_group),
    *things("users", ("user", "Disable"), wire.User, users.LIST,
            users.list_users, users.get_user, users.user_for_change,
            create=(users.create_user, wire.NewUser), by=Actor.require_staff,
            edit=(users.edit_user, wire.UserPatch), end=users.disable_user),
    *things("identities", ("identity", "Remove"), wire.Identity, identities.LIST,
            identities.list_identities, identities.get_identity, identities.identity_for_change,
            create=(identities.create_identity, wire.NewIdentity), by=Actor.require_staff,
            edit=(identities.edit_identity, wire.IdentityPatch), end=identities.remove_identity),
    *things("tags", ("tag", "Remove"), wire.Tag, tags.LIST,
            tags.list_tags, tags.get_tag, tags.tag_for_change,
            edit=(tags.edit_tag, wire.TagPatch), end=tags.remove_tag),
    *things("tokens", ("token", "Revoke"), wire.Token, tokens.LIST,
            tokens.list_tokens, tokens.get_token, tokens.token_for_change, end=tokens.revoke_token,
            kept=False),
    Route("POST", "/tokens", token_doors.create_token, "Create a token", wire.NewTokenAnswer,
          wire.NewToken, statuses=(201,), refuses=(429,)),
    Route("GET", "/security_events",
          listing(security_events.list_security_events, security_events.LIST),
          "List security events", wire.SecurityEvent, lists=security_events.LIST,
          refuses=(401, 403), kept=False),
    *things("webhooks", ("webhook", "Remove"), wire.Webhook, webhooks.LIST,
            webhooks.list_webhooks, webhooks.get_webhook, webhooks.webhook_for_change,
            end=webhooks.remove_webhook, kept=False),
    Route("POST", "/webhooks", webhook_doors.create_webhook, "Create a webhook",
          wire.WebhookWithSecret, wire.NewWebhook, statuses=(201,)),
    Route("PATCH", "/webhooks/{key}", webhook_doors.edit_webhook, "Edit a webhook",
          wire.Webhook, wire.WebhookPatch),
    Route("GET", "/webhooks/{key}/deliveries",
          listing_of(webhooks.list_deliveries, webhooks.DELIVERIES),
          "List what was and will be sent to a webhook", wire.Delivery,
          lists=webhooks.DELIVERIES, kept=False),
    Route("GET", "/webhooks/{key}/deliveries/{delivery}", webhook_doors.get_delivery,
          "Get a delivery", wire.Delivery, kept=False),
    Route("POST", "/webhooks/{key}/deliveries/{delivery}/redeliver", webhook_doors.redeliver,
          "Send a delivery again", wire.Delivery),
    *pairing(attachments.LICENSES, wire.VersionLicense, wire.NewVersionLicense),
    *pairing(attachments.MEMBERSHIPS, wire.VersionMembership, wire.NewVersionMembership),
    *pairing(attachments.SCRIPTS, wire.VersionScript, wire.NewVersionScript),
)
# fmt: on
