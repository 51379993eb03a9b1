"""The API on one screen: every resource, the noun's functions behind it, what it takes and answers.

Everything stands under `/api/v2`; image versions at the root as well, where their contract has them.
The OpenAPI document is generated from `ROUTES`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from goldenrod.base import answers, bodies
from goldenrod.catalogue import (
    attachments,
    groups,
    history,
    identities,
    images,
    machines,
    pairings,
    people,
    providers,
    publishing,
    tags,
    tokens,
    versions,
)
from goldenrod.rules.access import Actor
from goldenrod.store.paging import Listing
from goldenrod.web import token_doors
from goldenrod.web.call import Door
from goldenrod.web.doors import (
    Adds,
    Get,
    Take,
    creating,
    editing,
    ending,
    listing,
    listing_of,
    reading_one,
)


@dataclass(frozen=True)
class Route:
    """One method of one address: `takes` is its body, `answers` what it answers (a page of them
    where `lists` says what the list takes), `statuses` those of success, the usual one first."""

    method: str
    path: str
    door: Door
    summary: str
    answers: type[Struct] | None = None
    takes: type[Struct] | None = None
    lists: Listing | None = None
    statuses: tuple[int, ...] = (200,)
    at_root: bool = False

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
    adds: Adds = lambda tx, actor, made: {},
    by: Callable[[Actor], None] = Actor.require_write,
    edit: tuple[Callable[..., Any], type[Struct]] | None = None,
    end: Callable[..., Any] | None = None,
    at_root: bool = False,
) -> Iterator[Route]:
    """The routes of one resource: list, get, and what of create, edit and end it has.

    `words`: the thing, and the verb that DELETE is. `by` says who may POST at all.
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
    )
    if create:
        door = creating(create[0], get, create[1], may=by, adds=adds)
        yield Route(
            "POST",
            path,
            door,
            f"Create {article} {noun}",
            made or shape,
            create[1],
            statuses=(201, 200),
            at_root=at_root,
        )
    yield Route("GET", one, reading_one(get), f"Get {article} {noun}", shape, at_root=at_root)
    if edit:
        door = editing(take, edit[0], get, edit[1])
        yield Route(
            "PATCH",
            one,
            door,
            f"Edit {article} {noun}",
            shape,
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


def pairing(noun: pairings.Noun, shape: type[Struct], body: type[Struct]) -> Iterator[Route]:
    """The routes of one pairing."""
    return things(
        noun.resource,
        (f"version's {noun.member.replace('_', ' ')}", "Detach"),
        shape,
        noun.listing,
        noun.list_pairings,
        noun.get_pairing,
        noun.take_pairing,
        create=(noun.attach, body),
        end=noun.detach,
    )


# fmt: off
ROUTES: tuple[Route, ...] = (
    *things("image_versions", ("image version", "End"), answers.Version, versions.LIST,
            versions.list_versions, versions.get_version, versions.take_version,
            create=(publishing.create_version, bodies.NewVersion), made=answers.NewVersion,
            adds=publishing.not_inherited,
            edit=(publishing.edit_version, bodies.VersionPatch),
            end=publishing.end_version, at_root=True),
    Route("GET", "/image_versions/{key}/history", listing_of(history.list_history, history.LIST),
          "List who changed an image version", answers.Change, lists=history.LIST, at_root=True),
    *things("images", ("image", "End"), answers.Image, images.LIST,
            images.list_images, images.get_image, images.take_image,
            create=(images.create_image, bodies.NewImage),
            edit=(images.edit_image, bodies.ImagePatch), end=images.end_image),
    *things("provider_machines", ("machine", "End"), answers.Machine, machines.LIST,
            machines.list_machines, machines.get_machine, machines.take_machine,
            create=(machines.create_machine, bodies.NewMachine),
            edit=(machines.edit_machine, bodies.MachinePatch), end=machines.end_machine),
    *things("providers", ("provider", "End"), answers.Provider, providers.LIST,
            providers.list_providers, providers.get_provider, providers.take_provider,
            create=(providers.create_provider, bodies.NewProvider), by=Actor.require_staff,
            edit=(providers.edit_provider, bodies.ProviderPatch), end=providers.end_provider),
    *things("licenses", ("license", "Remove"), answers.License, attachments.LICENSES,
            attachments.list_licenses, attachments.get_license, attachments.take_license,
            create=(attachments.create_license, bodies.NewLicense),
            edit=(attachments.edit_license, bodies.LicensePatch), end=attachments.remove_license),
    *things("boot_scripts", ("boot script", "Remove"), answers.Script, attachments.SCRIPTS,
            attachments.list_scripts, attachments.get_script, attachments.take_script,
            create=(attachments.create_script, bodies.NewScript),
            edit=(attachments.edit_script, bodies.ScriptPatch), end=attachments.remove_script),
    *things("groups", ("group", "Remove"), answers.Group, groups.LIST,
            groups.list_groups, groups.get_group, groups.take_group,
            create=(groups.create_group, bodies.NewGroup), by=Actor.require_staff,
            edit=(groups.edit_group, bodies.GroupPatch), end=groups.remove_group),
    *things("users", ("user", "Disable"), answers.User, people.LIST,
            people.list_users, people.get_user, people.take_user,
            create=(people.create_user, bodies.NewUser), by=Actor.require_staff,
            edit=(people.edit_user, bodies.UserPatch), end=people.disable_user),
    *things("identities", ("identity", "Remove"), answers.Identity, identities.LIST,
            identities.list_identities, identities.get_identity, identities.take_identity,
            create=(identities.create_identity, bodies.NewIdentity), by=Actor.require_staff,
            edit=(identities.edit_identity, bodies.IdentityPatch), end=identities.remove_identity),
    *things("tags", ("tag", "Remove"), answers.Tag, tags.LIST,
            tags.list_tags, tags.get_tag, tags.take_tag,
            edit=(tags.edit_tag, bodies.TagPatch), end=tags.remove_tag),
    *things("tokens", ("token", "Revoke"), answers.Token, tokens.LIST,
            tokens.list_tokens, tokens.get_token, tokens.take_token, end=tokens.revoke_token),
    Route("POST", "/tokens", token_doors.create_token, "Create a token", answers.NewTokenAnswer,
          bodies.NewToken, statuses=(201,)),
    *pairing(pairings.LICENSES, answers.VersionLicense, bodies.NewVersionLicense),
    *pairing(pairings.MEMBERSHIPS, answers.VersionMembership, bodies.NewVersionMembership),
    *pairing(pairings.SCRIPTS, answers.VersionScript, bodies.NewVersionScript),
)
# fmt: on
