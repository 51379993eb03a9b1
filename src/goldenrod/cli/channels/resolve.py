"""`goldenrod resolve`: the machine that a channel offers on a provider, for scripts. Asks a server.

Prints only the machine's id on stdout, and warnings on stderr. The exit code says why there is no
machine, so that scripts can tell a revoked version from a missing one:

    0  the id is printed                       4  no machine, or none visible to you
    1  refused, credentials included           5  several architectures: name one
    2  the command line or a setting is wrong  6  the server cannot be reached
    3  the channel stopped at a revoked version
"""

import typer

from goldenrod.cli import output, server_requests
from goldenrod.cli.failures import CREDENTIALS, REFUSED, failure
from goldenrod.cli.not_found import path
from goldenrod.cli.options import JSON
from goldenrod.cli.versions.withdraw import warnings
from goldenrod.client import ClientError

REVOKED = CREDENTIALS
"""Other commands exit with 3 for refused credentials. Resolving exits with 1 for those."""


def resolve(
    image: str = typer.Argument(metavar="IMAGE", help="The image's slug, id or uuid."),
    channel: str = typer.Argument(
        metavar="CHANNEL", help="The channel, such as stable. Every image has latest."
    ),
    provider: str = typer.Argument(metavar="PROVIDER", help="The provider's slug, id or uuid."),
    architecture: str | None = typer.Option(None, help="The architecture, such as x86_64."),
    allow_revoked: bool = typer.Option(
        False,
        "--allow-revoked",
        help="Also print the machine of a revoked version at which the channel stopped.",
    ),
    as_json: bool = JSON,
) -> None:
    """Print the id of the machine that a channel offers on a provider.

    Warnings (deprecated, replaced, ending soon) go to stderr.

    Exit codes: 0 printed, 1 refused (also a wrong token), 2 the command line or a setting is wrong,
    3 revoked, 4 no machine, 5 several architectures, 6 the server cannot be reached.
    """
    address = path("resolve", image, channel, provider)
    asked = server_requests.given(architecture=architecture, allow_revoked=allow_revoked or None)
    try:
        with server_requests.asked(image=image, channel=channel, provider=provider) as server:
            found = server.get(address, **asked)
            marks = {name: found[name] for name in ("deprecation", "revoked")}
            remarks = [] if as_json else warnings(server, found["version"] | marks)
    except ClientError as refused:
        output.note(f"goldenrod: {refused.detail}")
        raise typer.Exit(_exit_code(refused)) from None
    if as_json:
        output.show_json(found)
        return
    for sentence in remarks:
        output.note(sentence)
    output.say(found["machine"]["identifier"])


def _exit_code(refused: ClientError) -> int:
    if refused.code == "version_revoked":
        return REVOKED
    known_failure = failure(refused)
    code = known_failure.exit_code if known_failure else REFUSED
    return REFUSED if code == CREDENTIALS else code
