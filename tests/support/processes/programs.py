"""Programs that tests run beside Goldenrod: `make programs` installs them, as root on Debian."""

import os
import shutil
from importlib.util import find_spec
from typing import NoReturn

import pytest


def program(*names: str) -> str:
    """The path of the first of these programs that is installed.

    A test without its program is skipped with a reason. With CI=true it fails, because a release
    must be tested completely.
    """
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        absent(f"no {names[0]} here: `make programs` as root on Debian installs it")
    return found


def library(name: str, extra: str) -> None:
    """Skip a test whose library is not installed, or fail it, as for a program."""
    if find_spec(name) is None:
        absent(f"no {name} here: pip install 'goldenrod[{extra}]' installs it")


def absent(missing: str) -> NoReturn:
    """Skip a test because something is missing; with CI=true, fail it."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(missing)
    pytest.skip(missing)
