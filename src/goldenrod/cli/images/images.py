"""`goldenrod image …`: images, asked of a server."""

import typer

from goldenrod.cli import server_requests

LISTS = ("tags", "maintainers")
VALUES = ("end_date",)

IMAGE = typer.Argument(metavar="IMAGE", help="Its slug, id or uuid.")
DESCRIPTION = typer.Option(None, help="What it is for, in Markdown.")
SLUG = typer.Option(None, help="Its name in addresses: a-z, 0-9 and -.")
TAGS = typer.Option([], "--tag", help="A tag it carries; may be repeated.")
MAINTAINERS = typer.Option(
    [], "--maintainer", help="A group whose users may change it; may be repeated."
)
START = typer.Option(None, "--start", help="The instant from which it is offered.")
END = typer.Option(None, "--end", help="The instant at which it ends.")

CLEAR = typer.Option([], help="Empty this field (tags, maintainers, end_date); may be repeated.")


def list_images(
    name: str | None = typer.Option(None, help="Of this name."),
    search: str | None = typer.Option(None, help="With these words."),
    tag: str | None = typer.Option(None, help="With this tag."),
    owner: str | None = typer.Option(None, help="Of this user."),
    created_by: str | None = typer.Option(None, help="Made by this user."),
    provider: str | None = typer.Option(None, help="With a machine on this provider."),
    architecture: str | None = typer.Option(None, help="With a machine of this architecture."),
    public: bool | None = typer.Option(None, "--public/--private", help="Who may see them."),
    current: bool | None = typer.Option(None, "--current/--not-current", help="By their dates."),
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
    name: str = typer.Argument(help="Its name."),
    slug: str | None = SLUG,
    description: str | None = DESCRIPTION,
    public: bool = typer.Option(False, "--public", help="Everybody may see it."),
    tags: list[str] = TAGS,
    maintainers: list[str] = MAINTAINERS,
    start: str | None = START,
    end: str | None = END,
    idempotency_key: str | None = server_requests.KEY,
    as_json: bool = server_requests.JSON,
) -> None:
    """Make an image."""
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
    name: str | None = typer.Option(None, help="Its name."),
    slug: str | None = SLUG,
    description: str | None = DESCRIPTION,
    public: bool | None = typer.Option(None, "--public/--private", help="Who may see it."),
    tags: list[str] = TAGS,
    owner: str | None = typer.Option(None, help="The user whose it is."),
    maintainers: list[str] = MAINTAINERS,
    start: str | None = START,
    end: str | None = END,
    clear: list[str] = CLEAR,
    as_json: bool = server_requests.JSON,
) -> None:
    """Change an image: what is not named stays.

    Tags and maintainers are replaced by the ones given. `--clear end_date` restores what has ended.
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
