"""`goldenrod deprecate`, `revoke` and `restore`: taking versions out of circulation, and back.

Asked of a server. A dry run prints the same as the real one and changes nothing.
"""

import typer

from goldenrod.base import clock
from goldenrod.cli import output, server_requests
from goldenrod.cli.server_requests import Body

VERSION = typer.Argument(metavar="VERSION", help="Its UUID, or IMAGE/NAME.")
DRY_RUN = typer.Option(False, "--dry-run", help="Print what would change; change nothing.")


def deprecate(
    version: str = VERSION,
    reason: str | None = typer.Option(None, help="Why."),
    replacement: str | None = typer.Option(
        None, metavar="VERSION", help="What to use instead: a version of any image."
    ),
    at: str | None = typer.Option(None, help="From this instant on; now, if not said."),
    undo: bool = typer.Option(False, "--undo", help="It is deprecated no longer."),
    as_json: bool = server_requests.JSON,
) -> None:
    """Advise against an image version, and say what replaces it.

    It takes nothing away: channels go on offering it, with the warning. Said again, what is not
    named stays.
    """
    if undo and (reason or replacement or at):
        raise typer.BadParameter("--undo stands alone.")
    with server_requests.asked() as server:
        given = server_requests.given(
            reason=reason,
            replacement=replacement and server_requests.version_id(server, replacement),
            at=at,
        )
        address = server_requests.version_address(server, version)
        changed = server.patch(address, {"deprecation": None if undo else given})
    if as_json or not changed:
        server_requests.show_one(changed, as_json)
    else:
        for sentence in warnings(changed) or [f"{output.cell(changed)} is not deprecated."]:
            output.say(sentence)


def revoke(
    version: str = VERSION,
    reason: str = typer.Option(..., help="Why; whoever runs it is told."),
    at: str | None = typer.Option(None, help="From this instant on; now, if not said."),
    descendants: bool = typer.Option(
        False, "--descendants", help="Everything built on it too, whoever built it, now or later."
    ),
    hold_channels: bool = typer.Option(
        False,
        "--hold-channels",
        help="Its channels offer nothing, instead of what they offered before.",
    ),
    dry_run: bool = DRY_RUN,
    idempotency_key: str | None = server_requests.KEY,
    as_json: bool = server_requests.JSON,
) -> None:
    """Take an image version out of circulation.

    Channels pass it over at once; it stays to be read. Prints the versions whose state and the
    channels whose target change.
    """
    body = server_requests.given(
        reason=reason,
        at=at,
        descendants=descendants or None,
        roll_back_channels=False if hold_channels else None,
    )
    _change(version, "revoke", body, dry_run, idempotency_key, as_json)


def restore(
    version: str = VERSION,
    dry_run: bool = DRY_RUN,
    idempotency_key: str | None = server_requests.KEY,
    as_json: bool = server_requests.JSON,
) -> None:
    """Lift an image version's own revocation.

    What it took comes back by itself. Prints the versions whose state and the channels whose target
    change.
    """
    _change(version, "restore", {}, dry_run, idempotency_key, as_json)


def _change(
    version: str, verb: str, body: Body, dry_run: bool, key: str | None, as_json: bool
) -> None:
    with server_requests.asked() as server:
        address = server_requests.version_address(server, version, verb)
        effect = server.post(address, body | {"dry_run": dry_run}, idempotency_key=key)
    if as_json:
        output.show_json(effect)
        return
    rows = [
        ("version", changed["version"], f"{changed['before']} → {changed['after']}")
        for changed in effect["versions"]
    ]
    rows += [
        (
            "channel",
            f"{output.cell(changed['image'])} {changed['channel']}",
            f"{_offered(changed['before'])} → {_offered(changed['after'])}",
        )
        for changed in effect["channels"]
    ]
    output.show_table(("", "name", "change"), rows)
    versions, channels = effect["versions_count"], effect["channels_count"]
    verb = "would change" if dry_run else "change"
    counted = f"{counts(versions, 'version')} and {counts(channels, 'channel')}"
    output.note(f"{counted} {verb} at {effect['at']}, as far as you see.")
    if versions + channels > len(rows):
        output.note("Only the first of them are printed; the counts are exact.")


def _offered(version: Body | None) -> str:
    return output.cell(version) if version else "nothing"


def counts(number: int, noun: str) -> str:
    """So many of a thing, such as `1 version` or `1,200 versions`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def warnings(version: Body) -> list[str]:
    """What a version carries against its use: deprecation, an end to come, revocation."""
    name = output.cell(version)
    said = []
    if revoked := version.get("revoked"):
        origin = revoked["inherited_from"]
        through = f" through {output.cell(origin)}" if origin else ""
        said.append(_sentence(f"{name}{{}} revoked{through}", revoked["at"], revoked["reason"]))
    if deprecation := version.get("deprecation"):
        what = f"{name}{{}} deprecated"
        said.append(_sentence(what, deprecation["at"], deprecation["reason"]))
        if deprecation["replacement"]:
            said.append(f"Use {output.cell(deprecation['replacement'])} instead.")
    if version["end_date"] and version["end_date"] > clock.now():
        said.append(f"{name} ends at {version['end_date']}.")
    return said


def _sentence(what: str, at: str, reason: str | None) -> str:
    """Since when, or from when on, and why."""
    past = at <= clock.now()
    happens = what.format(" has been" if past else " will be")
    why = output.cell(reason).rstrip(".") if reason else ""
    return f"{happens} {'since' if past else 'from'} {at}{': ' if why else ''}{why}."
