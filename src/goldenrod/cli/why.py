"""`goldenrod why`: which clause of the rule lets a reader see a thing, or that none does."""

from enum import StrEnum

import typer

from goldenrod.catalogue.accounts import actors, users
from goldenrod.cli import output
from goldenrod.cli.open_database import named, opened
from goldenrod.rules import why as rule
from goldenrod.rules.access import ANONYMOUS, Actor
from goldenrod.store.db import Tx

MAY_NOT_SEE = 1


class Scope(StrEnum):
    """What the reader's token may do."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


SCOPE = typer.Option(
    Scope.WRITE, help="The scope of the token they ask with; staff's rights need admin."
)


def why(
    user: str = typer.Argument(help="A username, or 'anonymous' for whoever has no token."),
    thing: str = typer.Argument(
        help="image:SLUG, image:7, version:UUID, machine:3 and so on, or an address such as "
        "/api/v2/images/7."
    ),
    scope: Scope = SCOPE,
    as_json: bool = typer.Option(False, "--json", help="Print JSON for programs."),
) -> None:
    """Say why a user may see a thing, or that they may not.

    Ends with 0 where the user may see it, 1 where not, 4 where there is no such thing or user.
    """
    with opened() as db, db.read() as tx:
        actor, remark = (ANONYMOUS, "") if user == "anonymous" else _actor(tx, user, scope)
        ways = rule.explain(tx, actor, thing)
    if remark.endswith("disabled."):
        ways = [way._replace(grants=False) for way in ways]
    granted = any(way.grants for way in ways)
    if as_json:
        found = [way._asdict() for way in ways]
        output.show_json({"user": user, "thing": thing, "granted": granted, "ways": found})
    else:
        verdict = f"may see {thing}:" if granted else f"may not see {thing}: nothing grants it."
        output.say(f"{user} {verdict}")
        output.show_table(("clause", "grants"), ways)
        if remark:
            output.note(remark)
    raise typer.Exit(0 if granted else MAY_NOT_SEE)


def _actor(tx: Tx, username: str, scope: Scope) -> tuple[Actor, str]:
    """The user as they ask with a token of this scope, and what else is to be said about them."""
    user = named(tx, users.USERS.page, users.USERS.listing, "user", username=username)
    if not user["active"]:
        return ANONYMOUS, f"{username} is disabled."
    remark = ""
    if user["is_staff"] and scope is not Scope.ADMIN:
        remark = f"{username} is staff: with --scope admin they see everything."
    return actors.of_user(tx, user["id"], scope.value), remark
