"""The API on one screen: every route, the noun's functions behind it, and what it takes and answers.

Everything stands under `/api/v2`; image versions at the root as well, where their contract has them.
The OpenAPI document is generated from this table.
"""

from dataclasses import dataclass
from typing import Any

from goldenrod.base import answers, bodies
from goldenrod.catalogue import images, machines, publishing, tags, versions
from goldenrod.store.paging import Listing
from goldenrod.web.call import Door
from goldenrod.web.doors import creating, editing, ending, listing, reading_one


@dataclass(frozen=True)
class Route:
    """One method of one address. `problems` are the statuses it may refuse with, beside the ones
    that its method always has."""

    method: str
    path: str
    door: Door
    summary: str
    answers: type[Any] | None = None
    takes: type[Any] | None = None
    lists: Listing | None = None
    statuses: tuple[int, ...] = (200,)
    problems: tuple[int, ...] = ()
    at_root: bool = False

    def paths(self, api: str) -> list[str]:
        """Where it is reached."""
        return [api + self.path, self.path] if self.at_root else [api + self.path]


# fmt: off
ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/image_versions",
        listing(versions.list_versions, versions.LIST),
        "List all image versions",
        answers.Version,
        lists=versions.LIST,
        at_root=True,
    ),
    Route(
        "POST",
        "/image_versions",
        creating(publishing.create_version, versions.get_version, bodies.NewVersion),
        "Publish an image version",
        answers.NewVersion,
        bodies.NewVersion,
        statuses=(201,),
        at_root=True,
    ),
    Route(
        "GET",
        "/image_versions/{key}",
        reading_one(versions.get_version),
        "Retrieve a single image version",
        answers.Version,
        at_root=True,
    ),
    Route(
        "PATCH",
        "/image_versions/{key}",
        editing(versions.take_version, publishing.edit_version, versions.get_version, bodies.VersionPatch),
        "Edit an image version",
        answers.Version,
        bodies.VersionPatch,
        at_root=True,
    ),
    Route(
        "DELETE",
        "/image_versions/{key}",
        ending(versions.take_version, publishing.end_version, versions.get_version),
        "End an image version",
        statuses=(204,),
        at_root=True,
    ),
    Route(
        "GET",
        "/images",
        listing(images.list_images, images.LIST),
        "List images",
        answers.Image,
        lists=images.LIST,
    ),
    Route(
        "POST",
        "/images",
        creating(images.create_image, images.get_image, bodies.NewImage),
        "Make an image",
        answers.Image,
        bodies.NewImage,
        statuses=(201,),
    ),
    Route(
        "GET",
        "/images/{key}",
        reading_one(images.get_image),
        "Retrieve an image",
        answers.Image,
    ),
    Route(
        "PATCH",
        "/images/{key}",
        editing(images.take_image, images.edit_image, images.get_image, bodies.ImagePatch),
        "Edit an image",
        answers.Image,
        bodies.ImagePatch,
    ),
    Route(
        "DELETE",
        "/images/{key}",
        ending(images.take_image, images.end_image, images.get_image),
        "End an image",
        statuses=(204,),
    ),
    Route(
        "GET",
        "/provider_machines",
        listing(machines.list_machines, machines.LIST),
        "List machines",
        answers.Machine,
        lists=machines.LIST,
    ),
    Route(
        "POST",
        "/provider_machines",
        creating(machines.create_machine, machines.get_machine, bodies.NewMachine),
        "Place a version on a provider",
        answers.Machine,
        bodies.NewMachine,
        statuses=(201, 200),
    ),
    Route(
        "GET",
        "/provider_machines/{key}",
        reading_one(machines.get_machine),
        "Retrieve a machine",
        answers.Machine,
    ),
    Route(
        "PATCH",
        "/provider_machines/{key}",
        editing(machines.take_machine, machines.edit_machine, machines.get_machine, bodies.MachinePatch),
        "Edit a machine",
        answers.Machine,
        bodies.MachinePatch,
    ),
    Route(
        "DELETE",
        "/provider_machines/{key}",
        ending(machines.take_machine, machines.end_machine, machines.get_machine),
        "End a machine",
        statuses=(204,),
    ),
    Route(
        "GET",
        "/tags",
        listing(tags.list_tags, tags.LIST),
        "List tags",
        answers.Tag,
        lists=tags.LIST,
    ),
    Route("GET", "/tags/{key}", reading_one(tags.get_tag), "Retrieve a tag", answers.Tag),
    Route(
        "PATCH",
        "/tags/{key}",
        editing(tags.take_tag, tags.edit_tag, tags.get_tag, bodies.TagPatch),
        "Edit a tag",
        answers.Tag,
        bodies.TagPatch,
    ),
    Route(
        "DELETE",
        "/tags/{key}",
        ending(tags.take_tag, tags.remove_tag, tags.get_tag),
        "Remove a tag",
        statuses=(204,),
    ),
)
# fmt: on
