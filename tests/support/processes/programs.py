"""Programs that tests run beside Goldenrod: `make programs` installs them, as root on Debian."""

import os
import shutil

import pytest


def program(*names: str) -> str:
    """The path of the program with the first of these names that is here.

    A test without it is skipped and says why; where CI=true, it fails: what is about to be released is
    tested whole.
    """
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        missing = f"no {names[0]} here: `make programs` as root on Debian installs it"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found
