"""All commands: the name of each, its summary, and its function.

The module of a command is imported when the command is run, so that `--help` is fast. A failure prints
one sentence on stderr and exits with the code of `failures.py`, a bug too; Python's development mode
(`PYTHONDEVMODE=1`) prints the trace before it.
"""

import logging
import sys
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from goldenrod.base.printing import PrintableFormatter
from goldenrod.cli import output, streams

COMMANDS = {
    "serve": ("Serve the catalogue over HTTP.", "serve:serve"),
    "demo": ("Serve a demonstration with real machine images.", "serve:demo"),
    "migrate": ("Create or upgrade the database's tables for this release.", "check:migrate"),
    "check": ("Check the settings and the database for problems.", "check:check"),
    "user create": (
        "Add a user. On a terminal, the command asks for their password.",
        "accounts.users:create_user",
    ),
    "user list": ("List the users, newest first.", "accounts.users:list_users"),
    "user show": (
        "Show a user: rights, groups, accounts on providers, and tokens that can be used.",
        "accounts.users:show_user",
    ),
    "user password": (
        "Set a user's password, and sign them out everywhere. Their tokens keep working.",
        "accounts.users:set_password",
    ),
    "user disable": ("Disable a user: their tokens stop at once.", "accounts.users:disable_user"),
    "user enable": (
        "Enable a disabled user again. Their tokens work again, unless revoked or expired.",
        "accounts.users:enable_user",
    ),
    "group create": ("Add a group.", "accounts.users:create_group"),
    "group add": ("Add users to a group.", "accounts.users:add_to_group"),
    "group remove": ("Remove users from a group.", "accounts.users:remove_from_group"),
    "token create": (
        "Create a token for a user and print its secret.",
        "accounts.tokens:create_token",
    ),
    "token list": (
        "List tokens, newest first, without their secrets.",
        "accounts.tokens:list_tokens",
    ),
    "token revoke": ("Revoke a token at once and for good.", "accounts.tokens:revoke_token"),
    "import aws": (
        "Import Amazon's machine images from a file.",
        "transfer.export_import:import_aws",
    ),
    "import catalogue": (
        "Import a catalogue that was exported.",
        "transfer.export_import:import_catalogue",
    ),
    "export": ("Write the whole catalogue as lines of JSON.", "transfer.export_import:export"),
    "backup": ("Copy the SQLite database while it is in use.", "transfer.export_import:backup"),
    "why": ("Explain why a user may see a thing, or may not.", "why:why"),
    "webhooks list": (
        "List webhooks, newest first, without their secrets.",
        "webhooks.webhooks:list_webhooks",
    ),
    "webhooks deliver": (
        "Notify webhooks until stopped.",
        "webhooks.webhooks:deliver",
    ),
    "webhooks deliveries": (
        "List a webhook's deliveries, newest first.",
        "webhooks.webhooks:list_deliveries",
    ),
    "webhooks delivery": (
        "Show a delivery with its attempts, the newest first: what was sent and answered.",
        "webhooks.webhooks:show_delivery",
    ),
    "webhooks test": (
        "Send a test event to a webhook, and to no other.",
        "webhooks.webhooks:send_test",
    ),
    "webhooks redeliver": (
        "Send a delivery again, under the same id.",
        "webhooks.webhooks:redeliver",
    ),
    "image list": ("List images, newest first.", "images.images:list_images"),
    "image show": ("Show one image.", "images.images:show_image"),
    "image create": ("Create an image.", "images.images:create_image"),
    "image edit": (
        "Change an image. Fields that are not given stay as they are.",
        "images.images:edit_image",
    ),
    "publish": (
        "Publish what Packer built, from its manifest.",
        "versions.publish:publish",
    ),
    "version list": ("List image versions, newest first.", "versions.versions:list_versions"),
    "version show": ("Show one image version.", "versions.versions:show_version"),
    "version create": ("Publish an image version.", "versions.versions:create_version"),
    "version edit": (
        "Change an image version; fields that are not given stay unchanged.",
        "versions.versions:edit_version",
    ),
    "version end": (
        "End an image version now; nothing is deleted.",
        "versions.versions:end_version",
    ),
    "license list": ("List licenses, newest first.", "versions.licenses_scripts:list_licenses"),
    "license show": (
        "Show one license with its text.",
        "versions.licenses_scripts:show_license",
    ),
    "license create": ("Create a license.", "versions.licenses_scripts:create_license"),
    "license edit": (
        "Change a license. Fields that are not given stay as they are.",
        "versions.licenses_scripts:edit_license",
    ),
    "script list": (
        "List the boot scripts that you can see, newest first.",
        "versions.licenses_scripts:list_scripts",
    ),
    "script show": (
        "Show one boot script with its text.",
        "versions.licenses_scripts:show_script",
    ),
    "script create": ("Create a boot script.", "versions.licenses_scripts:create_script"),
    "script edit": (
        "Change a boot script. Fields that are not given stay as they are.",
        "versions.licenses_scripts:edit_script",
    ),
    "version deprecate": (
        "Deprecate several versions of an image: all of them, or none.",
        "versions.bulk:deprecate",
    ),
    "version revoke": (
        "Revoke several versions of an image: all of them, or none.",
        "versions.bulk:revoke",
    ),
    "version share": (
        "Share several versions of an image with more groups or people: all of them, or none.",
        "versions.bulk:share",
    ),
    "channel list": (
        "List the channels of an image and what they offer.",
        "channels.channels:list_channels",
    ),
    "channel show": ("Show one channel.", "channels.channels:show_channel"),
    "channel set": (
        "Assign a version to a channel, or unassign it.",
        "channels.channels:set_channel",
    ),
    "channel edit": (
        "Change who sees a channel and what it requires. Fields that are not given stay as they are.",
        "channels.channels:edit_channel",
    ),
    "channel delete": (
        "Remove a channel: hide it until it is assigned again. Its history is not deleted.",
        "channels.channels:delete_channel",
    ),
    "channel history": (
        "List the assignments of a channel, newest first.",
        "channels.channels:channel_history",
    ),
    "resolve": (
        "Print the id of the machine that a channel offers on a provider.",
        "channels.resolve:resolve",
    ),
    "whatis": (
        "Show what running machine images are, how far behind, and what to use instead.",
        "channels.lookup:whatis",
    ),
    "deprecate": (
        "Advise against an image version, and say what replaces it.",
        "versions.withdraw:deprecate",
    ),
    "revoke": ("Revoke an image version.", "versions.withdraw:revoke"),
    "restore": ("Lift an image version's own revocation.", "versions.withdraw:restore"),
    "activity": (
        "List who changed what, who signed in and who was refused, newest first.",
        "accounts.activity:activity",
    ),
    "lineage": (
        "Show an image version's ancestors and descendants.",
        "versions.lineage:lineage",
    ),
    "diff": ("Show what changed from one image version to another.", "versions.diff:diff"),
    "sync": ("Bring the catalogue up to date with clouds.", "sync.sync:sync"),
    "sync log": ("List the runs of sync, or the report of one.", "sync.sync_log:sync_log"),
    "drift": (
        "List machines that differ from their cloud, those that too many people see first.",
        "sync.drift:drift",
    ),
}

GROUPS = {
    "user": "Add, list and disable users, and set passwords (on the database).",
    "group": "Add groups, and change their members (on the database).",
    "token": "Create, list and revoke tokens (on the database).",  # nosec B105 # a help text
    "import": "Import machine images or a whole catalogue (on the database).",
    "webhooks": "Deliver to webhooks and see what was delivered (on the database).",
    "image": "Read and change images (on the server at GOLDENROD_URL).",
    "version": "Read and change image versions (on the server at GOLDENROD_URL).",
    "license": "Read and change licenses (on the server at GOLDENROD_URL).",
    "script": "Read and change boot scripts (on the server at GOLDENROD_URL).",
    "channel": "Read and change an image's channels (on the server at GOLDENROD_URL).",
}

_EXITS = """Exit codes: 0 success, 1 failed or refused, 2 the command line or a setting is wrong, 3
missing or insufficient credentials, 4 not found, 5 conflicts with the state of the catalogue, 6 the
server or the database cannot be used, 130 interrupted by Ctrl-C, 141 nobody reads the output any more.
drift, resolve and whatis describe their own."""


_HAVE_OTHERS = {group for path in COMMANDS if (group := path.rpartition(" ")[0]) in COMMANDS}


class LazyCommand(TyperCommand):
    """A command with its name and summary; its function is imported when the command is run."""

    def __init__(self, name: str, summary: str, function: str) -> None:
        super().__init__(name, short_help=summary, rich_markup_mode=None)
        self._function = function

    def load(self) -> Any:
        """The command itself."""
        module, _, function = self._function.partition(":")
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        loaded = import_module(f"goldenrod.cli.{module}")
        command = getattr(loaded, function)
        if requests := getattr(loaded, "server_requests", None):
            command = requests.understanding(command)
        app.command(self.name)(command)
        return get_command(app)

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        return self.load().make_context(info_name, args, parent=parent, **extra)


class CommandWithOthers(TyperGroup):
    """A command that has others below it: `goldenrod sync FILE` and `goldenrod sync log`."""

    def __init__(self, itself: LazyCommand) -> None:
        super().__init__(name=itself.name, short_help=itself.short_help, rich_markup_mode=None)
        self._itself = itself

    def load(self) -> Any:
        """The command itself."""
        return self._itself.load()

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        if args and args[0] in self.commands:
            return super().make_context(info_name, args, parent=parent, **extra)
        return self._itself.make_context(info_name, args, parent=parent, **extra)


def _version(wanted: bool) -> None:
    if wanted:
        from goldenrod import __version__

        typer.echo(f"goldenrod {__version__}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Goldenrod: the catalogue of golden machine images."""


def command() -> TyperGroup:
    """The whole command line."""
    app = typer.Typer(
        rich_markup_mode=None,
        no_args_is_help=True,
        epilog=_EXITS,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    for path, (summary, function) in COMMANDS.items():
        group, _, name = path.rpartition(" ")
        parent = _group(root, group) if group else root
        made = LazyCommand(name, summary, function)
        parent.add_command(CommandWithOthers(made) if path in _HAVE_OTHERS else made)
    return root


def _group(root: TyperGroup, name: str) -> TyperGroup:
    if name not in root.commands:
        summary = GROUPS[name]
        group = TyperGroup(
            name=name, help=summary, short_help=summary, no_args_is_help=True, rich_markup_mode=None
        )
        root.add_command(group)
    found = root.commands[name]
    assert isinstance(found, TyperGroup)
    return found


def main() -> NoReturn:
    """Run the command in the arguments, and exit with its code."""
    streams.prepare()
    if logging.lastResort is not None:
        # The handler of commands that, unlike `serve`, do not configure logging.
        logging.lastResort.setFormatter(PrintableFormatter())
    try:
        code = _run()
        with output.naming_stdout():
            sys.stdout.flush()
    except BaseException as error:
        from goldenrod.cli.failures import report

        code = report(error)
        streams.discard(sys.stdout)
    sys.exit(code)


def _run() -> int:
    try:
        command().main(prog_name="goldenrod")
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):
            raise ended.__context__ from None
        return ended.code if isinstance(ended.code, int) else 0
    return 0
