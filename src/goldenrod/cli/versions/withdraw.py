"""`goldenrod deprecate`, `revoke` and `restore`: withdraw versions on a server, and undo that.

A dry run prints the same as a real run and changes nothing.
"""

from typing import Any

import typer

from goldenrod.base import clock
from goldenrod.cli import output, server_requests
from goldenrod.cli.options import JSON
from goldenrod.cli.server_requests import Body
from goldenrod.client import Client, ClientError

VERSION = typer.Argument(metavar="VERSION", help="Its UUID, or IMAGE/NAME.")
USABLE = ("current", "deprecated")
"""The states of versions that are recommended."""
DRY_RUN = typer.Option(False, "--dry-run", help="Print what would change; change nothing.")


def deprecate(
    version: str = VERSION,
    reason: str | None = typer.Option(None, help="The reason."),
    replacement: str | None = typer.Option(
        None, metavar="VERSION", help="What to use instead: a version of any image."
    ),
    at: str | None = typer.Option(None, help="From this instant on; now by default."),
    undo: bool = typer.Option(False, "--undo", help="Remove the deprecation."),
    as_json: bool = JSON,
) -> None:
    """Advise against an image version, and say what replaces it.

    The version stays available: channels keep offering it, with the warning. Run it again to change
    a deprecation; options that are not given stay unchanged.
    """
    if undo and (reason or replacement or at):
        raise typer.BadParameter("--undo cannot be combined with other options.")
    with server_requests.asked(version=version) as server:
        given = server_requests.given(
            reason=reason,
            replacement=replacement and server_requests.version_id(server, replacement),
            at=at,
        )
        address = server_requests.version_address(server, version)
        changed = server.patch(address, {"deprecation": None if undo else given})
        if as_json or not changed:
            server_requests.show_one(changed, as_json)
            return
        none = [f"{output.cell(changed)} is not deprecated."]
        for sentence in warnings(server, changed) or none:
            output.say(sentence)


def revoke(
    version: str = VERSION,
    reason: str = typer.Option(..., help="The reason, shown to everyone who can see the version."),
    at: str | None = typer.Option(None, help="From this instant on; now by default."),
    descendants: bool = typer.Option(
        False, "--descendants", help="Also everything built on it, now or later, by anyone."
    ),
    hold_channels: bool = typer.Option(
        False,
        "--hold-channels",
        help="Its channels offer nothing instead of rolling back.",
    ),
    dry_run: bool = DRY_RUN,
    idempotency_key: str | None = server_requests.KEY,
    as_json: bool = JSON,
) -> None:
    """Revoke an image version.

    Channels skip it at once; it can still be read. Prints the versions whose state and the channels
    whose target change.
    """
    body = revocation(reason, at, descendants, hold_channels)
    _change(version, "revoke", body, dry_run, idempotency_key, as_json)


def revocation(reason: str, at: str | None, descendants: bool, hold_channels: bool) -> Body:
    """The fields of a revocation, from the options of a command that revokes."""
    return server_requests.given(
        reason=reason,
        at=at,
        descendants=descendants or None,
        roll_back_channels=False if hold_channels else None,
    )


def restore(
    version: str = VERSION,
    dry_run: bool = DRY_RUN,
    idempotency_key: str | None = server_requests.KEY,
    as_json: bool = JSON,
) -> None:
    """Lift an image version's own revocation.

    Inherited revocations remain. Prints the versions whose state and the channels whose target
    change.
    """
    _change(version, "restore", {}, dry_run, idempotency_key, as_json)


def _change(
    version: str, verb: str, body: Body, dry_run: bool, key: str | None, as_json: bool
) -> None:
    with server_requests.asked(version=version) as server:
        address = server_requests.version_address(server, version, verb)
        effect = server.post(address, body | {"dry_run": dry_run}, idempotency_key=key)
    if as_json:
        output.show_json(effect)
        return
    rows = changes(effect)
    output.show_table(("", "name", "change"), rows)
    note_counts(effect, dry_run)
    if effect["versions_count"] + effect["channels_count"] > len(rows):
        output.note("Only the first ones are printed; the counts are exact.")


def changes(effect: Body) -> list[tuple[str, Any, str]]:
    """The rows of a table: the versions whose state changes, and the channels whose target does."""
    rows = [
        ("version", changed["version"], f"{changed['before']} → {changed['after']}")
        for changed in effect["versions"]
    ]
    return rows + [
        (
            "channel",
            f"{output.cell(changed['image'])} {changed['channel']}",
            f"{_offered(changed['before'])} → {_offered(changed['after'])}",
        )
        for changed in effect["channels"]
    ]


def note_counts(effect: Body, dry_run: bool) -> None:
    """Print how many versions and channels change, and when."""
    versions, channels = effect["versions_count"], effect["channels_count"]
    verb = "would change" if dry_run else "change"
    counted = f"{counts(versions, 'version')} and {counts(channels, 'channel')}"
    output.note(f"{counted} {verb} at {effect['at']}, as far as you can see.")


def _offered(version: Body | None) -> str:
    return output.cell(version) if version else "nothing"


def counts(number: int, noun: str) -> str:
    """A number and a noun, such as `1 version` or `1,200 versions`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def warnings(server: Client, version: Body) -> list[str]:
    """Warnings about a version: revocation, deprecation, what to use instead, and a future end."""
    name = output.cell(version)
    sentences = []
    if revoked := version.get("revoked"):
        origin = revoked["inherited_from"]
        through = f" through {output.cell(origin)}" if origin else ""
        sentences.append(
            _sentence(f"{name}{{}} revoked{through}", revoked["at"], revoked["reason"])
        )
    if deprecation := version.get("deprecation"):
        what = f"{name}{{}} deprecated"
        sentences.append(_sentence(what, deprecation["at"], deprecation["reason"]))
    sentences += _instead(server, version)
    if version["end_date"] and version["end_date"] > clock.now():
        sentences.append(f"{name} ends at {version['end_date']}.")
    return sentences


def _instead(server: Client, version: Body) -> list[str]:
    """What to use instead. A replacement that cannot be used itself is never recommended."""
    replacement = (version.get("deprecation") or {}).get("replacement")
    if replacement and replacement.get("state") in USABLE:
        return [f"Use {output.cell(replacement)} instead."]
    if not replacement and version["state"] != "revoked":
        return []
    sentences = []
    if replacement:
        is_what = replacement.get("state", "hidden from you")
        named = f" {output.cell(replacement)}" if "state" in replacement else ""
        sentences.append(f"Its replacement{named} is {is_what}.")
    try:
        latest = server.get(f"/images/{version['image']['id']}/channels/latest")["target"]
    except ClientError:  # The warnings must not hide the answer that they belong to.
        return sentences
    return [*sentences, f"latest offers {_offered(latest)}."]


def _sentence(what: str, at: str, reason: str | None) -> str:
    """A sentence with the instant and the reason. `{}` in `what` is the place of the verb."""
    past = at <= clock.now()
    happens = what.format(" has been" if past else " will be")
    why = output.cell(reason).rstrip(".") if reason else ""
    return f"{happens} {'since' if past else 'from'} {at}{': ' if why else ''}{why}."
