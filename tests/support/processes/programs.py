"""Programs that tests run beside Goldenrod: `make programs` installs them, as root on Debian."""

import os
import shutil

import pytest


def program(*names: str) -> str:
    """The path of the first of these programs that is installed.

    A test without its program is skipped with a reason. With CI=true it fails, because a release
    must be tested completely.
    """
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        missing = f"no {names[0]} here: `make programs` as root on Debian installs it"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found
