"""`goldenrod image …`: images, asked of a server."""

import typer

from goldenrod.cli import remote

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
    ordering: str | None = remote.ORDERING,
    limit: int = remote.LIMIT,
    everything: bool = remote.ALL,
    as_json: bool = remote.JSON,
) -> None:
    """List images."""
    filters = remote.given(
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
    remote.show_list("images", filters, columns, limit, everything, as_json)


def show_image(image: str = IMAGE, as_json: bool = remote.JSON) -> None:
    """Show one image."""
    with remote.asked() as server:
        remote.show_one(server.get(remote.address("images", image)), as_json)


def create_image(
    name: str = typer.Argument(help="Its name."),
    slug: str | None = SLUG,
    description: str | None = DESCRIPTION,
    public: bool = typer.Option(False, "--public", help="Everybody may see it."),
    tags: list[str] = TAGS,
    maintainers: list[str] = MAINTAINERS,
    start: str | None = START,
    end: str | None = END,
    idempotency_key: str | None = remote.KEY,
    as_json: bool = remote.JSON,
) -> None:
    """Make an image."""
    body = remote.given(
        name=name,
        slug=slug,
        description=description,
        is_public=public,
        tags=tags,
        maintainers=remote.references(maintainers),
        start_date=start,
        end_date=end,
    )
    with remote.asked() as server:
        made = server.post("/images", body, idempotency_key=idempotency_key)
    remote.show_one(made, as_json)


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
    as_json: bool = remote.JSON,
) -> None:
    """Change an image: what is not named stays.

    Tags and maintainers are replaced by the ones given. `--clear end_date` restores what has ended.
    """
    body = remote.given(
        name=name,
        slug=slug,
        description=description,
        is_public=public,
        tags=tags,
        owner=owner,
        maintainers=remote.references(maintainers),
        start_date=start,
        end_date=end,
    )
    with remote.asked() as server:
        body = remote.cleared(body, clear, LISTS, VALUES)
        remote.show_one(server.patch(remote.address("images", image), body), as_json)
