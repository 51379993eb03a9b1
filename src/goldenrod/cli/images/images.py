"""`goldenrod image …`: images on a server."""

import typer

from goldenrod.cli import server_requests

LISTS = ("tags", "maintainers")
VALUES = ("end_date",)

IMAGE = typer.Argument(metavar="IMAGE", help="The image's slug, id or uuid.")
DESCRIPTION = typer.Option(None, help="What the image is for, in Markdown.")
SLUG = typer.Option(None, help="The slug in URLs: a-z, 0-9 and hyphens.")
TAGS = typer.Option([], "--tag", help="A tag; may be repeated.")
MAINTAINERS = typer.Option(
    [], "--maintainer", help="A group whose members may edit the image; may be repeated."
)
START = typer.Option(None, "--start", help="When the image becomes available.")
END = typer.Option(None, "--end", help="When the image ends.")

CLEAR = typer.Option([], help="Empty this field (tags, maintainers, end_date); may be repeated.")


def list_images(
    name: str | None = typer.Option(None, help="Only images with this name."),
    search: str | None = typer.Option(None, help="Only images with these words."),
    tag: str | None = typer.Option(None, help="Only images with this tag."),
    owner: str | None = typer.Option(None, help="Only images owned by this user."),
    created_by: str | None = typer.Option(None, help="Only images created by this user."),
    provider: str | None = typer.Option(None, help="Only images with a machine on this provider."),
    architecture: str | None = typer.Option(
        None, help="Only images with a machine of this architecture."
    ),
    public: bool | None = typer.Option(
        None, "--public/--private", help="Only public or only private images."
    ),
    current: bool | None = typer.Option(
        None, "--current/--not-current", help="Only current images, or only others."
    ),
    ordering: str | None = server_requests.ORDERING,
    limit: int = server_requests.LIMIT,
    everything: bool = server_requests.ALL,
    as_json: bool = server_requests.JSON,
) -> None:
    """List images."""
    filters = server_requests.given(
        name=name,
        search=search,
        tag=tag,
        owner=owner,
        created_by=created_by,
        provider=provider,
        architecture=architecture,
        is_public=public,
        current=current,
        ordering=ordering,
    )
    columns = ("id", "slug", "name", "owner", "is_public", "versions_count", "end_date")
    server_requests.show_list("images", filters, columns, limit, everything, as_json)


def show_image(image: str = IMAGE, as_json: bool = server_requests.JSON) -> None:
    """Show one image."""
    with server_requests.asked() as server:
        server_requests.show_one(server.get(server_requests.address("images", image)), as_json)


def create_image(
    name: str = typer.Argument(help="The image's name."),
    slug: str | None = SLUG,
    description: str | None = DESCRIPTION,
    public: bool = typer.Option(False, "--public", help="Everyone may see the image."),
    tags: list[str] = TAGS,
    maintainers: list[str] = MAINTAINERS,
    start: str | None = START,
    end: str | None = END,
    idempotency_key: str | None = server_requests.KEY,
    as_json: bool = server_requests.JSON,
) -> None:
    """Create an image."""
    body = server_requests.given(
        name=name,
        slug=slug,
        description=description,
        is_public=public,
        tags=tags,
        maintainers=server_requests.references(maintainers),
        start_date=start,
        end_date=end,
    )
    with server_requests.asked() as server:
        created = server.post("/images", body, idempotency_key=idempotency_key)
    server_requests.show_one(created, as_json)


def edit_image(
    image: str = IMAGE,
    name: str | None = typer.Option(None, help="The image's name."),
    slug: str | None = SLUG,
    description: str | None = DESCRIPTION,
    public: bool | None = typer.Option(
        None, "--public/--private", help="Whether everyone may see the image."
    ),
    tags: list[str] = TAGS,
    owner: str | None = typer.Option(None, help="The new owner's username."),
    maintainers: list[str] = MAINTAINERS,
    start: str | None = START,
    end: str | None = END,
    clear: list[str] = CLEAR,
    as_json: bool = server_requests.JSON,
) -> None:
    """Change an image. Fields that are not given stay as they are.

    Given tags and maintainers replace the current ones. `--clear end_date` restores an ended image.
    """
    body = server_requests.given(
        name=name,
        slug=slug,
        description=description,
        is_public=public,
        tags=tags,
        owner=owner,
        maintainers=server_requests.references(maintainers),
        start_date=start,
        end_date=end,
    )
    with server_requests.asked() as server:
        body = server_requests.cleared(body, clear, LISTS, VALUES)
        server_requests.show_one(
            server.patch(server_requests.address("images", image), body), as_json
        )
