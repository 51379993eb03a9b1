"""Passwords that people set: on the terminal, and on their account page."""

import json
import os
import pty
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from goldenrod.base import config
from goldenrod.catalogue.accounts import users
from goldenrod.cli.accounts import new_password
from goldenrod.store.db import Database
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import PageResponse, Visitor
from tests.support.processes.command_line import Run, runner

FORM = "/account/password"
NEW = "correct horse battery"


def change(visitor: Visitor, old: str, new: str) -> PageResponse:
    return visitor.submit(visitor.get("/account"), FORM, old=old, password=new)


def works(db: Database, name: str, password: str) -> bool:
    browser = Visitor(db, config.load({}))
    page = browser.submit(browser.get("/sign-in"), "/sign-in", username=name, password=password)
    return page.status == 200


def test_people_change_their_own_password(db: Database, world: World) -> None:
    here, elsewhere = (Visitor(db, config.load({})) for _ in range(2))
    here.sign_in("alice")
    elsewhere.sign_in("alice")
    page = change(here, "alice-secret", NEW)
    assert "Password changed. Your other browsers are signed out." in page.words
    assert here.get("/account").status == 200
    assert elsewhere.get("/account").status == 401
    assert works(db, "alice", NEW)
    assert not works(db, "alice", "alice-secret")
    with db.read() as tx:
        row = tx.sql("SELECT changes FROM audit ORDER BY sequence DESC").fetchone()
    assert row is not None
    changed = json.loads(row[0]) if isinstance(row[0], str) else row[0]
    assert changed == {"password": {"before": None, "after": "changed"}}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("alice-secreT", NEW, "is not your password"),
        ("", NEW, "is required"),
        ("alice-secret", "", "is required"),
        ("alice-secret", "short", "must have at least 10 characters"),
        ("alice-secret", "alicealice", "must not be the username"),
    ],
)
def test_a_refused_change_says_why_and_changes_nothing(
    db: Database, world: World, visitor: Visitor, old: str, new: str, says: str
) -> None:
    visitor.sign_in("alice")
    page = change(visitor, old, new)
    assert page.status == 400
    assert says in page.words
    for typed in filter(None, (old, new)):
        assert f'value="{typed}"' not in page.text
    assert works(db, "alice", "alice-secret")


def test_guessing_the_old_password_is_limited_like_signing_in(
    db: Database, world: World, visitor: Visitor
) -> None:
    visitor.sign_in("alice")
    statuses = [change(visitor, f"wrong {number}", NEW).status for number in range(7)]
    assert statuses == [400] * 5 + [429] * 2
    assert change(visitor, "alice-secret", NEW).status == 429


def test_a_user_without_a_password_is_not_offered_to_change_one(
    db: Database, world: World, visitor: Visitor
) -> None:
    visitor.sign_in("alice")
    with db.write() as tx:
        tx.sql(f"UPDATE users SET password_hash = NULL WHERE id = {world.users['alice']}")
    assert FORM not in [form.action for form in visitor.get("/account").forms]


def test_a_token_cannot_change_a_password(api: ApiClient, db: Database, world: World) -> None:
    browser = Visitor(db, config.load({}))
    browser.sign_in("alice")
    fields = {"token": browser.get("/account").form(FORM).fields["token"][0]}
    body = f"token={fields['token']}&old=alice-secret&password={NEW.replace(' ', '+')}"
    headers = {"Authorization": f"Token {world.secrets['alice']}"}
    refused = Visitor(db, config.load({})).ask("POST", FORM, body=body, headers=headers)
    assert refused.status == 403
    assert works(db, "alice", "alice-secret")


# ── the command line ───────────────────────────────────────────────────────────────────────


@pytest.fixture
def run(db: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("GOLDENROD_DATABASE_URL", db.url)
    return runner(monkeypatch, capsys)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What somebody types at a terminal, hidden."""
    answers: list[str] = []

    def prompt(*_: Any, **how: Any) -> str:
        assert how["hide_input"]
        assert how["confirmation_prompt"]
        return answers.pop(0)

    monkeypatch.setattr(typer, "prompt", prompt)
    monkeypatch.setattr(new_password, "is_terminal", lambda: True)
    return answers


def test_a_new_user_is_asked_for_a_password_until_it_is_good(
    db: Database, run: Run, typed: list[str]
) -> None:
    typed += ["short", "adaadaadaada", NEW]
    made = run("user", "create", "ada", "--staff")
    assert (made.code, made.out) == (0, "User ada is added.\n")
    assert "must have at least 10 characters" in made.err
    assert works(db, "ada", NEW)
    assert not typed


def test_no_password_asks_for_none_and_says_how_to_set_one(
    db: Database, run: Run, typed: list[str]
) -> None:
    made = run("user", "create", "ada", "--no-password")
    assert made.out == (
        "User ada is added. They have no password yet: `goldenrod user password ada` sets one.\n"
    )
    typed.append(NEW)
    assert "The password of ada is set." in run("user", "password", "Ada").out
    assert works(db, "ada", NEW)
    assert "The password of ada is removed." in run("user", "password", "ada", "--none").out
    assert not works(db, "ada", NEW)


def test_without_a_terminal_nobody_is_asked(db: Database, run: Run) -> None:
    assert run("user", "create", "ada").code == 0
    refused = run("user", "password", "ada")
    assert refused.code == 1
    assert "--password-stdin" in refused.err
    assert run("user", "password", "ada", "--password-stdin", stdin=f"{NEW}\n").code == 0
    assert works(db, "ada", NEW)
    both = run("user", "password", "ada", "--password-stdin", "--none", stdin=f"{NEW}\n")
    assert both.code == 1


def test_a_user_is_shown_disabled_and_enabled_again(db: Database, world: World, run: Run) -> None:
    shown = run("user", "show", "bob", "--json").json
    assert shown["username"] == "bob"
    assert shown["has_password"] is True
    assert sorted(shown["groups"]) == ["bob", "lab"]
    assert shown["identities"] == ["bob@west"]
    assert "User bob is disabled." in run("user", "disable", "bob").out
    assert not works(db, "bob", "bob-secret")
    assert "User bob is enabled." in run("user", "enable", "bob").out
    assert works(db, "bob", "bob-secret")
    with db.read() as tx:
        assert users.has_password(tx, world.users["bob"])
    assert run("user", "show", "nobody").code == 4


def test_a_terminal_does_not_show_what_is_typed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover: another process
        os.environ["GOLDENROD_DATABASE_URL"] = url
        os.execv(sys.executable, [sys.executable, "-m", "goldenrod", "user", "create", "ada"])
    shown = b""
    for prompt in (b"Password for ada", b"Repeat it"):
        while not shown.endswith(prompt + b": "):
            shown += os.read(terminal, 1024)
        os.write(terminal, NEW.encode() + b"\n")
    while b"is added." not in shown:
        shown += os.read(terminal, 1024)
    assert os.waitpid(child, 0)[1] == 0
    os.close(terminal)
    assert NEW.encode() not in shown
    made = Database(url)
    assert works(made, "ada", NEW)
    made.close()
