"""`goldenrod deprecate`, `revoke` and `restore`: taking versions out of circulation, and back.

Asked of a server. A dry run prints the same as the real one and changes nothing.
"""

import typer

from goldenrod.base import clock
from goldenrod.cli import remote, tables
from goldenrod.cli.remote import Body

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
    as_json: bool = remote.JSON,
) -> None:
    """Advise against an image version, and say what replaces it.

    It takes nothing away: channels go on offering it, with the warning. Said again, what is not
    named stays.
    """
    if undo and (reason or replacement or at):
        raise typer.BadParameter("--undo stands alone.")
    with remote.asked() as server:
        given = remote.given(
            reason=reason,
            replacement=replacement and remote.version_id(server, replacement),
            at=at,
        )
        address = remote.version_address(server, version)
        changed = server.patch(address, {"deprecation": None if undo else given})
    if as_json or not changed:
        remote.show_one(changed, as_json)
    else:
        for sentence in warnings(changed) or [f"{tables.cell(changed)} is not deprecated."]:
            tables.say(sentence)


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
    idempotency_key: str | None = remote.KEY,
    as_json: bool = remote.JSON,
) -> None:
    """Take an image version out of circulation.

    Channels pass it over at once; it stays to be read. Prints the versions whose state and the
    channels whose target change.
    """
    body = remote.given(
        reason=reason,
        at=at,
        descendants=descendants or None,
        roll_back_channels=False if hold_channels else None,
    )
    _change(version, "revoke", body, dry_run, idempotency_key, as_json)


def restore(
    version: str = VERSION,
    dry_run: bool = DRY_RUN,
    idempotency_key: str | None = remote.KEY,
    as_json: bool = remote.JSON,
) -> None:
    """Lift an image version's own revocation.

    What it took comes back by itself. Prints the versions whose state and the channels whose target
    change.
    """
    _change(version, "restore", {}, dry_run, idempotency_key, as_json)


def _change(
    version: str, verb: str, body: Body, dry_run: bool, key: str | None, as_json: bool
) -> None:
    with remote.asked() as server:
        address = remote.version_address(server, version, verb)
        effect = server.post(address, body | {"dry_run": dry_run}, idempotency_key=key)
    if as_json:
        tables.show_json(effect)
        return
    rows = [
        ("version", changed["version"], f"{changed['before']} → {changed['after']}")
        for changed in effect["versions"]
    ]
    rows += [
        (
            "channel",
            f"{tables.cell(changed['image'])} {changed['channel']}",
            f"{_offered(changed['before'])} → {_offered(changed['after'])}",
        )
        for changed in effect["channels"]
    ]
    tables.show_table(("", "name", "change"), rows)
    versions, channels = effect["versions_count"], effect["channels_count"]
    verb = "would change" if dry_run else "change"
    counted = f"{counts(versions, 'version')} and {counts(channels, 'channel')}"
    tables.note(f"{counted} {verb} at {effect['at']}, as far as you see.")
    if versions + channels > len(rows):
        tables.note("Only the first of them are printed; the counts are exact.")


def _offered(version: Body | None) -> str:
    return tables.cell(version) if version else "nothing"


def counts(number: int, noun: str) -> str:
    """So many of a thing, such as `1 version` or `1,200 versions`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def warnings(version: Body) -> list[str]:
    """What a version carries against its use: deprecation, an end to come, revocation."""
    name = tables.cell(version)
    said = []
    if revoked := version.get("revoked"):
        origin = revoked["inherited_from"]
        through = f" through {tables.cell(origin)}" if origin else ""
        said.append(_sentence(f"{name}{{}} revoked{through}", revoked["at"], revoked["reason"]))
    if deprecation := version.get("deprecation"):
        what = f"{name}{{}} deprecated"
        said.append(_sentence(what, deprecation["at"], deprecation["reason"]))
        if deprecation["replacement"]:
            said.append(f"Use {tables.cell(deprecation['replacement'])} instead.")
    if version["end_date"] and version["end_date"] > clock.now():
        said.append(f"{name} ends at {version['end_date']}.")
    return said


def _sentence(what: str, at: str, reason: str | None) -> str:
    """Since when, or from when on, and why."""
    past = at <= clock.now()
    happens = what.format(" has been" if past else " will be")
    why = tables.cell(reason).rstrip(".") if reason else ""
    return f"{happens} {'since' if past else 'from'} {at}{': ' if why else ''}{why}."
