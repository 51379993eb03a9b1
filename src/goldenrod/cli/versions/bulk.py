"""`goldenrod version deprecate`, `revoke` and `share`: change several versions of an image at once.

All of them are changed, or none. A dry run prints the same as a real run and changes nothing.
"""

import typer

from goldenrod.base.wire import MOST_IN_BULK
from goldenrod.cli import output, server_requests
from goldenrod.cli.options import JSON
from goldenrod.cli.server_requests import Body
from goldenrod.cli.versions.withdraw import DRY_RUN, changes, counts, note_counts, revocation

VERSIONS = typer.Argument(
    metavar="VERSION...",
    help=f"Versions of one image, at most {MOST_IN_BULK}: each its UUID, or IMAGE/NAME.",
)
AT = typer.Option(None, help="From this instant on; now by default.")
GROUPS = typer.Option(..., help="A group or person, by exact name; may be given several times.")
DONE = {"deprecate": "deprecated", "revoke": "revoked", "share": "shared"}


def deprecate(
    versions: list[str] = VERSIONS,
    reason: str | None = typer.Option(None, help="The reason."),
    replacement: str | None = typer.Option(
        None, metavar="VERSION", help="What to use instead: a version of any image."
    ),
    at: str | None = AT,
    dry_run: bool = DRY_RUN,
    idempotency_key: str | None = server_requests.KEY,
    as_json: bool = JSON,
) -> None:
    """Deprecate several versions of an image: all of them, or none.

    Versions that are deprecated already stay as they are, and so does the replacement.
    """
    body = server_requests.given(reason=reason, at=at, replacement=replacement)
    _change(versions, "deprecate", body, dry_run, idempotency_key, as_json)


def revoke(
    versions: list[str] = VERSIONS,
    reason: str = typer.Option(..., help="The reason, shown to everyone who can see a version."),
    at: str | None = AT,
    descendants: bool = typer.Option(
        False, "--descendants", help="Also everything built on them, now or later, by anyone."
    ),
    hold_channels: bool = typer.Option(
        False,
        "--hold-channels",
        help="Their channels offer nothing instead of rolling back.",
    ),
    dry_run: bool = DRY_RUN,
    idempotency_key: str | None = server_requests.KEY,
    as_json: bool = JSON,
) -> None:
    """Revoke several versions of an image: all of them, or none.

    Versions that are revoked already stay as they are.
    """
    body = revocation(reason, at, descendants, hold_channels)
    _change(versions, "revoke", body, dry_run, idempotency_key, as_json)


def share(
    versions: list[str] = VERSIONS,
    group: list[str] = GROUPS,
    dry_run: bool = DRY_RUN,
    idempotency_key: str | None = server_requests.KEY,
    as_json: bool = JSON,
) -> None:
    """Share several versions of an image with more groups or people: all of them, or none."""
    _change(versions, "share", {"groups": group}, dry_run, idempotency_key, as_json)


def _change(
    versions: list[str], action: str, body: Body, dry_run: bool, key: str | None, as_json: bool
) -> None:
    with server_requests.asked() as server:
        ids = [server_requests.version_id(server, version) for version in versions]
        if replacement := body.get("replacement"):
            body |= {"replacement": server_requests.version_id(server, replacement)}
        image = server.get(server_requests.version_address(server, ids[0]))["image"]["id"]
        body |= {"action": action, "versions": ids, "dry_run": dry_run}
        effect = server.post(f"/images/{image}/bulk", body, idempotency_key=key)
    if as_json:
        output.show_json(effect)
        return
    rows = changes(effect)
    rows += [("left out", one["version"], one["reason"]) for one in effect["left_out"]]
    output.show_table(("", "name", "change"), rows)
    chosen = counts(effect["chosen_count"], "version")
    output.note(f"{chosen} {'would be ' if dry_run else ''}{DONE[action]}.")
    if action == "share":
        names = ", ".join(output.cell(group) for group in effect["groups"])
        output.note(f"Shared with: {names or 'nobody else'}.")
        return
    note_counts(effect, dry_run)
    machines = counts(effect["machines_count"], "machine")
    output.note(f"{machines} on {counts(effect['providers_count'], 'provider')}.")
