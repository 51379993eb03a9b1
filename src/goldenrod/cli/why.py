"""The command `why`: the clauses of the access rule that let a user see a thing."""

import typer

from goldenrod.catalogue.accounts import actors, users
from goldenrod.cli import output
from goldenrod.cli.accounts.tokens import Scope
from goldenrod.cli.open_database import named, opened
from goldenrod.cli.options import JSON
from goldenrod.rules import why as rule
from goldenrod.rules.access import ANONYMOUS, Actor
from goldenrod.store.db import Tx

MAY_NOT_SEE = 1


SCOPE = typer.Option(Scope.WRITE, help="The scope of the user's token; rights of staff need admin.")


def why(
    user: str = typer.Argument(help="A username, or 'anonymous' for requests without a token."),
    thing: str = typer.Argument(
        help="image:SLUG, image:7, version:UUID, machine:3 and so on, or an address such as "
        "/api/v2/images/7."
    ),
    scope: Scope = SCOPE,
    as_json: bool = JSON,
) -> None:
    """Explain why a user may see a thing, or may not.

    Exits with 0 if the user may see it, 1 if not, 4 if there is no such thing or user.
    """
    with opened() as db, db.read() as tx:
        actor, remark = (ANONYMOUS, "") if user == "anonymous" else _actor(tx, user, scope)
        clauses = rule.explain(tx, actor, thing)
    if remark.endswith("disabled."):
        clauses = [clause._replace(grants=False) for clause in clauses]
    granted = any(clause.grants for clause in clauses)
    if as_json:
        found = [clause._asdict() for clause in clauses]
        output.show_json({"user": user, "thing": thing, "granted": granted, "ways": found})
    else:
        verdict = f"may see {thing}:" if granted else f"may not see {thing}: nothing grants it."
        output.say(f"{user} {verdict}")
        output.show_table(("clause", "grants"), clauses)
        if remark:
            output.note(remark)
    raise typer.Exit(0 if granted else MAY_NOT_SEE)


def _actor(tx: Tx, username: str, scope: Scope) -> tuple[Actor, str]:
    """The user with a token of this scope, and a remark about them."""
    user = named(tx, users.USERS.page, users.USERS.listing, "user", username=username)
    if not user["active"]:
        return ANONYMOUS, f"{username} is disabled."
    remark = ""
    if user["is_staff"] and scope is not Scope.ADMIN:
        remark = f"{username} is staff: with --scope admin they see everything."
    return actors.of_user(tx, user["id"], scope.value), remark
