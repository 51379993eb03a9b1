"""`goldenrod image …`: images on a server."""

import typer

from goldenrod.cli import output, server_requests
from goldenrod.cli.not_found import path
from goldenrod.cli.options import JSON, with_options
from goldenrod.cli.server_requests import Body, ListOptions, given

LISTS = ("tags", "maintainers")
VALUES = ("end_date",)

IMAGE = typer.Argument(metavar="IMAGE", help="The image's slug, id or uuid.")
TAGS = typer.Option([], "--tag", help="A tag; may be repeated.")
MAINTAINERS = typer.Option(
    [], "--maintainer", help="A group whose members may edit the image; may be repeated."
)
CLEAR = typer.Option([], help="Empty this field (tags, maintainers, end_date); may be repeated.")


def fields(
    slug: str | None = typer.Option(None, help="The slug in URLs: a-z, 0-9 and hyphens."),
    description: str | None = typer.Option(None, help="What the image is for, in Markdown."),
    tags: list[str] = TAGS,
    maintainers: list[str] = MAINTAINERS,
    start: str | None = typer.Option(None, help="When the image becomes available."),
    end: str | None = typer.Option(None, help="When the image ends."),
) -> Body:
    """The fields that are given when an image is created or changed."""
    return given(
        slug=slug,
        description=description,
        tags=tags,
        maintainers=server_requests.references(maintainers),
        start_date=start,
        end_date=end,
    )


@with_options(filters=server_requests.common_filters, options=server_requests.list_options)
def list_images(
    *,
    owner: str | None = typer.Option(None, help="Only images owned by this user."),
    created_by: str | None = typer.Option(None, help="Only images created by this user."),
    public: bool | None = typer.Option(
        None, "--public/--private", help="Only public or only private images."
    ),
    filters: Body,
    options: ListOptions,
) -> None:
    """List images, newest first."""
    filters |= given(owner=owner, created_by=created_by, is_public=public)
    columns = output.fields("slug", "name", "owner", "is_public", "versions_count")
    more = output.fields("id", "start_date", "end_date", "tags", "maintainers", "created_by")
    server_requests.show_list("/images", filters, columns, more, options)


def show_image(image: str = IMAGE, as_json: bool = JSON) -> None:
    """Show one image."""
    with server_requests.asked(image=image) as server:
        server_requests.show_one(server.get(path("images", image)), as_json)


@with_options(body=fields)
def create_image(
    name: str = typer.Argument(help="The image's name."),
    *,
    public: bool = typer.Option(False, "--public", help="Everyone may see the image."),
    body: Body,
    idempotency_key: str | None = server_requests.KEY,
    as_json: bool = JSON,
) -> None:
    """Create an image."""
    body |= {"name": name, "is_public": public}
    with server_requests.asked() as server:
        created = server.post("/images", body, idempotency_key=idempotency_key)
    server_requests.show_one(created, as_json)


@with_options(body=fields)
def edit_image(
    image: str = IMAGE,
    *,
    name: str | None = typer.Option(None, help="The image's name."),
    public: bool | None = typer.Option(
        None, "--public/--private", help="Whether everyone may see the image."
    ),
    owner: str | None = typer.Option(None, help="The new owner's username."),
    body: Body,
    clear: list[str] = CLEAR,
    as_json: bool = JSON,
) -> None:
    """Change an image. Fields that are not given stay as they are.

    Given tags and maintainers replace the current ones. `--clear end_date` restores an ended image.
    """
    body |= given(name=name, is_public=public, owner=owner)
    body = server_requests.cleared(body, clear, LISTS, VALUES)
    with server_requests.asked(image=image) as server:
        changed = server.patch(path("images", image), body)
    server_requests.show_one(changed, as_json)
