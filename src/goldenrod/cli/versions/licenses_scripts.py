"""`goldenrod license …` and `goldenrod script …`: licenses and boot scripts on a server.

Text and type cannot change once a version uses one: a changed text is a new license or script.
"""

from pathlib import Path

import typer

from goldenrod.cli import output, server_requests
from goldenrod.cli.not_found import path
from goldenrod.cli.options import JSON, with_options
from goldenrod.cli.server_requests import Body, ListOptions, given

LICENSE = typer.Argument(metavar="LICENSE", help="The license's id or uuid.")
SCRIPT = typer.Argument(metavar="SCRIPT", help="The boot script's id or uuid.")
TITLE = typer.Argument(help="Its title.")
NEW_TITLE = typer.Option(None, help="Its title.")
TEXT_FILE = typer.Option(None, help="A file with the text; - is stdin.")
LICENSE_TYPE = "SPDX, URL or Full Text."
SCRIPT_TYPE = "Raw Text or URL."
COLUMNS = output.fields("id", "title", "type", "created_by")
MORE = output.fields("uuid", "start_date")


def filters(
    name: str | None = typer.Option(None, help="Only with this title."),
    search: str | None = typer.Option(None, help="Only with these words."),
    created_by: str | None = typer.Option(None, help="Only created by this user."),
    ordering: str = typer.Option(
        "-start_date", help="start_date or name; a leading - reverses it: --ordering=-name."
    ),
) -> Body:
    """The filters of licenses and boot scripts, and their order: newest first."""
    return given(name=name, search=search, created_by=created_by, ordering=ordering)


def text(
    text: str | None = typer.Option(None, help="Its text, URL or SPDX identifier."),
    text_file: Path | None = TEXT_FILE,
) -> Body:
    """The text that is given."""
    return given(text=server_requests.text_of(text, text_file))


def running(
    every_boot: bool | None = typer.Option(
        None, "--every-boot/--first-boot-only", help="Whether it runs at every boot."
    ),
    block: bool | None = typer.Option(
        None, "--block/--no-block", help="Whether a launch waits until it has run."
    ),
) -> Body:
    """When a script runs."""
    return given(run_every_deploy=every_boot, wait_for_deploy=block)


@with_options(filters=filters, options=server_requests.list_options)
def list_licenses(
    *,
    type: str | None = typer.Option(None, help=f"Only of this type: {LICENSE_TYPE}"),
    filters: Body,
    options: ListOptions,
) -> None:
    """List licenses, newest first."""
    asked = filters | given(type=type)
    server_requests.show_list("/licenses", asked, COLUMNS, MORE, options)


def show_license(license: str = LICENSE, as_json: bool = JSON) -> None:
    """Show one license with its text."""
    _show("license", "licenses", license, as_json)


@with_options(text=text)
def create_license(
    title: str = TITLE,
    *,
    type: str = typer.Option("SPDX", help=LICENSE_TYPE),
    text: Body,
    idempotency_key: str | None = server_requests.KEY,
    as_json: bool = JSON,
) -> None:
    """Create a license.

    `goldenrod license create "Apache 2.0" --text Apache-2.0`
    """
    _create("licenses", text | {"title": title, "type": type}, idempotency_key, as_json)


@with_options(text=text)
def edit_license(
    license: str = LICENSE,
    *,
    title: str | None = NEW_TITLE,
    type: str | None = typer.Option(None, help=LICENSE_TYPE),
    text: Body,
    as_json: bool = JSON,
) -> None:
    """Change a license. Fields that are not given stay as they are."""
    _edit("license", "licenses", license, text | given(title=title, type=type), as_json)


@with_options(filters=filters, options=server_requests.list_options)
def list_scripts(
    *,
    type: str | None = typer.Option(None, help=f"Only of this type: {SCRIPT_TYPE}"),
    filters: Body,
    options: ListOptions,
) -> None:
    """List the boot scripts that you can see, newest first."""
    asked = filters | given(type=type)
    more = output.fields("run_every_deploy", "wait_for_deploy")
    server_requests.show_list("/boot_scripts", asked, COLUMNS, {**MORE, **more}, options)


def show_script(script: str = SCRIPT, as_json: bool = JSON) -> None:
    """Show one boot script with its text."""
    _show("script", "boot_scripts", script, as_json)


@with_options(text=text, running=running)
def create_script(
    title: str = TITLE,
    *,
    type: str = typer.Option("Raw Text", help=SCRIPT_TYPE),
    text: Body,
    running: Body,
    idempotency_key: str | None = server_requests.KEY,
    as_json: bool = JSON,
) -> None:
    """Create a boot script.

    `goldenrod script create "Join the domain" --text-file join.sh`
    """
    body = text | running | {"title": title, "type": type}
    _create("boot_scripts", body, idempotency_key, as_json)


@with_options(text=text, running=running)
def edit_script(
    script: str = SCRIPT,
    *,
    title: str | None = NEW_TITLE,
    type: str | None = typer.Option(None, help=SCRIPT_TYPE),
    text: Body,
    running: Body,
    as_json: bool = JSON,
) -> None:
    """Change a boot script. Fields that are not given stay as they are."""
    _edit("script", "boot_scripts", script, text | running | given(title=title, type=type), as_json)


def _show(kind: str, resource: str, key: str, as_json: bool) -> None:
    with server_requests.asked(**{kind: key}) as server:
        server_requests.show_one(server.get(path(resource, key)), as_json)


def _create(resource: str, body: Body, idempotency_key: str | None, as_json: bool) -> None:
    if "text" not in body:
        raise typer.BadParameter("Give the text with --text or --text-file.")
    with server_requests.asked() as server:
        created = server.post(path(resource), body, idempotency_key=idempotency_key)
    server_requests.show_one(created, as_json)


def _edit(kind: str, resource: str, key: str, body: Body, as_json: bool) -> None:
    body = server_requests.cleared(body, (), (), ())
    with server_requests.asked(**{kind: key}) as server:
        changed = server.patch(path(resource, key), body)
    server_requests.show_one(changed, as_json)
