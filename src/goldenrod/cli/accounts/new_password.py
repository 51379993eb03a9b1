"""Asks for a new password on a terminal, or reads it from stdin."""

import sys

import typer

from goldenrod.base.errors import BadRequest
from goldenrod.catalogue.accounts import password_rules
from goldenrod.cli import output, streams


def read(
    username: str, *, from_stdin: bool = False, none: bool = False, required: bool = True
) -> str | None:
    """The new password of a user; None where there is to be none.

    Without an option, it is asked for twice on a terminal, until it follows the rules. Elsewhere
    there is nobody to ask: then it is None, or, if it is `required`, BadRequest.
    """
    if from_stdin and none:
        raise BadRequest(
            "Choose one: --password-stdin reads a password, the other option sets none."
        )
    if none:
        return None
    if from_stdin:
        return _first_line()
    if is_terminal():
        return _asked(username)
    if required:
        raise BadRequest("There is no terminal to ask for the password on: use --password-stdin.")
    return None


def is_terminal() -> bool:
    """Whether somebody can be asked: stdin is a terminal."""
    return sys.stdin.isatty()


def _first_line() -> str:
    line = sys.stdin.buffer.readline()
    password = streams.decoded(line, "The password on stdin").rstrip("\r\n")
    if not password:
        raise BadRequest("Write the password to stdin: it is empty.")
    return password


def _asked(username: str) -> str:
    while True:
        password: str = typer.prompt(
            f"Password for {username}", hide_input=True, confirmation_prompt="Repeat it", err=True
        )
        try:
            password_rules.require_good(username, password)
        except BadRequest as wrong:
            output.note(str(wrong.detail))
        else:
            return password
