"""Commands for users and groups."""

import typer

from goldenrod.base import decode, wire
from goldenrod.base.errors import NotFound
from goldenrod.catalogue.accounts import groups, identities, tokens
from goldenrod.catalogue.accounts import users as people
from goldenrod.cli import output
from goldenrod.cli.accounts import new_password
from goldenrod.cli.open_database import Thing, every, named, opened
from goldenrod.cli.options import JSON
from goldenrod.rules.access import CONSOLE
from goldenrod.store.db import Database, Tx

PASSWORD_STDIN = typer.Option(
    False, "--password-stdin", help="Read the password from the first line of stdin."
)
USER = typer.Argument(metavar="NAME", help="The username.")
GROUP = typer.Argument(metavar="GROUP", help="The group's name.")
USERS = typer.Argument(metavar="USER...", help="Their usernames.")

MEMBERS = typer.Option([], "--user", help="The username of a member; may be repeated.")
LEADERS = typer.Option([], "--leader", help="The username of a leader; may be repeated.")


def create_user(
    name: str = USER,
    staff: bool = typer.Option(False, "--staff", help="Staff see and change everything."),
    no_password: bool = typer.Option(
        False, "--no-password", help="Ask for no password: the user can only use tokens."
    ),
    password_stdin: bool = PASSWORD_STDIN,
    as_json: bool = JSON,
) -> None:
    """Add a user. On a terminal, the command asks for their password."""
    password = new_password.read(name, from_stdin=password_stdin, none=no_password, required=False)
    new = decode.convert({"username": name, "is_staff": staff, "password": password}, wire.NewUser)
    password_hash = people.hash_password(new.username, password)
    with opened() as db, db.write() as tx:
        created = people.create_user(tx, CONSOLE, new, password_hash=password_hash)
        user = people.USERS.read(tx, CONSOLE, created.key)
    name = user["username"]
    without = f" They have no password yet: `goldenrod user password {name}` sets one."
    _say(user, f"User {name} is added.{without if password is None else ''}", as_json)


def set_password(
    name: str = USER,
    none: bool = typer.Option(
        False, "--none", help="Remove the password: the user can only use tokens."
    ),
    password_stdin: bool = PASSWORD_STDIN,
    as_json: bool = JSON,
) -> None:
    """Set a user's password, and sign them out everywhere. Their tokens keep working."""
    with opened() as db:
        with db.read() as tx:
            user = _user(tx, name)
        password = new_password.read(user["username"], from_stdin=password_stdin, none=none)
        password_hash = people.hash_password(user["username"], password)
        patch = wire.UserPatch(password=password)
        user = _changed(db, user["username"], patch, password_hash)
    done = "removed" if password is None else "set"
    sentence = f"The password of {user['username']} is {done}. They are signed out everywhere."
    _say(user, sentence, as_json)


def list_users(as_json: bool = JSON) -> None:
    """List the users, newest first."""
    with opened() as db, db.read() as tx:
        users = list(every(tx, people.USERS.page, people.USERS.listing, ordering="-start_date"))
    if as_json:
        output.show_json(users)
        return
    output.show_things(output.fields("id", "username", "is_staff", "active", "start_date"), users)


def show_user(name: str = USER, as_json: bool = JSON) -> None:
    """Show a user: rights, groups, accounts on providers, and tokens that can be used."""
    with opened() as db, db.read() as tx:
        user = _user(tx, name)
        every_group = every(tx, groups.GROUPS.page, groups.GROUPS.listing)
        accounts = every(
            tx, identities.IDENTITIES.page, identities.IDENTITIES.listing, user=user["username"]
        )
        of_user = every(tx, tokens.TOKENS.page, tokens.TOKENS.listing, user=user["username"])
        shown = user | {
            "has_password": people.has_password(tx, user["id"]),
            "groups": [one["name"] for one in every_group if user["id"] in _ids(one["users"])],
            "identities": [one["key"] for one in accounts],
            "tokens": [one["name"] for one in of_user if tokens.is_usable(one, tx.now)],
        }
    if as_json:
        output.show_json(shown)
    else:
        output.show_fields(shown.items())


def disable_user(name: str = USER, as_json: bool = JSON) -> None:
    """Disable a user: their tokens stop at once."""
    with opened() as db:
        user = _changed(db, name, wire.UserPatch(active=False))
    _say(user, f"User {user['username']} is disabled.", as_json)


def enable_user(name: str = USER, as_json: bool = JSON) -> None:
    """Enable a disabled user again. Their tokens work again, unless revoked or expired."""
    with opened() as db:
        user = _changed(db, name, wire.UserPatch(active=True))
    _say(user, f"User {user['username']} is enabled.", as_json)


def _changed(
    db: Database, name: str, patch: wire.UserPatch, password_hash: str | None = None
) -> Thing:
    """Change a user, and return them as they are then."""
    with db.write() as tx:
        key = str(_user(tx, name)["id"])
        row = people.USERS.row_for_change(tx, CONSOLE, key)
        people.edit_user(tx, CONSOLE, row, patch, password_hash=password_hash)
        return dict(people.USERS.read(tx, CONSOLE, key))


def _user(tx: Tx, username: str) -> Thing:
    return named(tx, people.USERS.page, people.USERS.listing, "user", username=username)


def create_group(
    name: str = GROUP,
    users: list[str] = MEMBERS,
    leaders: list[str] = LEADERS,
    as_json: bool = JSON,
) -> None:
    """Add a group."""
    body = {"name": name, "users": users, "leaders": leaders}
    with opened() as db, db.write() as tx:
        made = groups.create_group(tx, CONSOLE, decode.convert(body, wire.NewGroup))
        group = groups.GROUPS.read(tx, CONSOLE, made.key)
    _say(group, f"Group {group['name']} is added.", as_json)


def add_to_group(
    group: str = GROUP,
    users: list[str] = USERS,
    leader: bool = typer.Option(False, "--leader", help="Make them leaders of the group."),
    as_json: bool = JSON,
) -> None:
    """Add users to a group."""
    with opened() as db, db.write() as tx:
        ids = {_user_id(tx, name) for name in users}
        before = _group(tx, group)
        after = _edited(tx, before, _ids(before["users"]) | ids, ids if leader else set())
    _say(after, f"Members of {after['name']}: {_members(after)}.", as_json)


def remove_from_group(
    group: str = GROUP,
    users: list[str] = USERS,
    as_json: bool = JSON,
) -> None:
    """Remove users from a group."""
    with opened() as db, db.write() as tx:
        before = _group(tx, group)
        ids = {_user_id(tx, name) for name in users}
        if ids - _ids(before["users"]):
            strangers = [name for name in users if _user_id(tx, name) not in _ids(before["users"])]
            raise NotFound(f"Not in {before['name']}: {', '.join(strangers)}.")
        after = _edited(tx, before, _ids(before["users"]) - ids, set())
    _say(after, f"Members of {after['name']}: {_members(after)}.", as_json)


def _group(tx: Tx, name: str) -> Thing:
    return named(tx, groups.GROUPS.page, groups.GROUPS.listing, "group", name=name)


def _user_id(tx: Tx, username: str) -> int:
    return int(_user(tx, username)["id"])


def _ids(users: list[Thing]) -> set[int]:
    return {user["id"] for user in users}


def _edited(tx: Tx, group: Thing, users: set[int], new_leaders: set[int]) -> Thing:
    """Set the members of a group. Leaders who are no longer members stop being leaders."""
    leaders = (_ids(group["leaders"]) | new_leaders) & users
    patch = wire.GroupPatch(users=[*sorted(users)], leaders=[*sorted(leaders)])
    key = str(group["id"])
    groups.edit_group(tx, CONSOLE, groups.GROUPS.row_for_change(tx, CONSOLE, key), patch)
    return dict(groups.GROUPS.read(tx, CONSOLE, key))


def _members(group: Thing) -> str:
    return ", ".join(user["username"] for user in group["users"]) or "nobody"


def _say(thing: Thing, sentence: str, as_json: bool) -> None:
    if as_json:
        output.show_json(thing)
    else:
        output.say(sentence)
