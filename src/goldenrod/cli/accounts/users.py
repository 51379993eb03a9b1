"""Commands for users and groups."""

import sys

import typer

from goldenrod.base import decode, wire
from goldenrod.base.errors import BadRequest, NotFound
from goldenrod.catalogue.accounts import groups
from goldenrod.catalogue.accounts import users as people
from goldenrod.cli import output, streams
from goldenrod.cli.open_database import Thing, every, named, opened
from goldenrod.cli.options import JSON
from goldenrod.rules.access import CONSOLE
from goldenrod.store.db import Tx

USER = typer.Argument(metavar="NAME", help="The username.")
GROUP = typer.Argument(metavar="GROUP", help="The group's name.")
USERS = typer.Argument(metavar="USER...", help="Their usernames.")

MEMBERS = typer.Option([], "--user", help="The username of a member; may be repeated.")
LEADERS = typer.Option([], "--leader", help="The username of a leader; may be repeated.")


def create_user(
    name: str = USER,
    staff: bool = typer.Option(False, "--staff", help="Staff see and change everything."),
    password_stdin: bool = typer.Option(
        False,
        "--password-stdin",
        help="Read the password from the first line of stdin. Without one the user has tokens only.",
    ),
    as_json: bool = JSON,
) -> None:
    """Add a user."""
    body = {"username": name, "is_staff": staff}
    if password_stdin:
        body["password"] = _password()
    new = decode.convert(body, wire.NewUser)
    password_hash = people.hash_password(new.username, new.password)
    with opened() as db, db.write() as tx:
        created = people.create_user(tx, CONSOLE, new, password_hash=password_hash)
        user = people.USERS.read(tx, CONSOLE, created.key)
    _say(user, f"User {user['username']} is added.", as_json)


def _password() -> str:
    line = sys.stdin.buffer.readline()
    password = streams.decoded(line, "The password on stdin").rstrip("\r\n")
    if not password:
        raise BadRequest("Write the password to stdin: it is empty.")
    return password


def list_users(as_json: bool = JSON) -> None:
    """List the users, newest first."""
    with opened() as db, db.read() as tx:
        users = list(every(tx, people.USERS.page, people.USERS.listing, ordering="-start_date"))
    if as_json:
        output.show_json(users)
        return
    output.show_things(output.fields("id", "username", "is_staff", "active", "start_date"), users)


def disable_user(name: str = USER, as_json: bool = JSON) -> None:
    """Disable a user: their tokens stop at once."""
    with opened() as db, db.write() as tx:
        user = named(tx, people.USERS.page, people.USERS.listing, "user", username=name)
        people.disable_user(tx, CONSOLE, people.USERS.row_for_change(tx, CONSOLE, str(user["id"])))
        user = people.USERS.read(tx, CONSOLE, str(user["id"]))
    _say(user, f"User {user['username']} is disabled.", as_json)


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
    return int(named(tx, people.USERS.page, people.USERS.listing, "user", username=username)["id"])


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
