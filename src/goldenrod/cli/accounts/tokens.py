"""Commands for tokens. The first token of a new catalogue is created here."""

import re
from enum import StrEnum

import typer

from goldenrod.base import clock, decode, wire
from goldenrod.base.clock import Instant
from goldenrod.base.errors import Conflict
from goldenrod.catalogue.accounts import tokens, users
from goldenrod.cli import output
from goldenrod.cli.open_database import every, named, naming, opened
from goldenrod.cli.options import JSON, WIDE
from goldenrod.rules.access import CONSOLE

_SPAN = re.compile(r"(?P<number>[0-9]{1,6})(?P<unit>[mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Scope(StrEnum):
    """What a token may do. Each scope includes the ones before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


SCOPE = typer.Option(
    Scope.WRITE,
    help="read: read only; write: also change things; admin: also staff's rights, and tokens.",
)


def create_token(
    user: str = typer.Argument(metavar="USER", help="The user's username."),
    scope: Scope = SCOPE,
    expires: str = typer.Option(
        "", help="When it expires: a time span such as 12h, 90d or 52w, or a time with a zone."
    ),
    name: str = typer.Option("", help="What the token is for."),
) -> None:
    """Create a token for a user and print its secret.

    Only the secret is printed on stdout. It is shown only once: the catalogue stores its hash.
    """
    with opened() as db, db.write() as tx:
        owner = named(tx, users.USERS.page, users.USERS.listing, "user", username=user)
        if not owner["active"]:
            raise Conflict(f"{owner['username']} is disabled, so their tokens do not work.")
        body = {"name": name, "scope": scope.value, "expires": _expiry(expires, tx.now)}
        new = decode.convert(body, wire.NewToken)
        token_id, secret = tokens.insert_token(tx, CONSOLE, owner["id"], new)
    output.say(secret)
    output.note(f"Token {token_id} of {owner['username']}, scope {scope.value}.")


def _expiry(text: str, now: Instant) -> str | None:
    if span := _SPAN.fullmatch(text):
        return clock.later(now, **{_UNITS[span["unit"]]: int(span["number"])})
    return text or None


def list_tokens(
    user: str = typer.Option("", help="Only tokens of this user."),
    wide: bool = WIDE,
    as_json: bool = JSON,
) -> None:
    """List tokens, newest first, without their secrets."""
    with opened() as db, db.read() as tx:
        if user:
            named(tx, users.USERS.page, users.USERS.listing, "user", username=user)
        asked = {"ordering": "-created", **({"user": user} if user else {})}
        found = list(every(tx, tokens.TOKENS.page, tokens.TOKENS.listing, **asked))
    if as_json:
        output.show_json(found)
        return
    columns = {
        **output.fields("id", "user", "name", "scope"),
        "expires": output.day("expires"),
        "revoked": output.day("revoked_at"),
    }
    more = output.fields("uuid", "created", "expires", "last_used", "revoked_at")
    output.show_things({**columns, **more} if wide else columns, found)


def revoke_token(
    token: str = typer.Argument(metavar="TOKEN", help="The token's id or uuid, from `token list`."),
) -> None:
    """Revoke a token at once and for good."""
    with opened() as db, db.write() as tx:
        with naming("token", token):
            row = tokens.token_for_change(tx, CONSOLE, token)
        tokens.revoke_token(tx, CONSOLE, row)
    output.say(f"Token {row['id']} is revoked.")
