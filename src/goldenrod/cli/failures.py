"""Failures of commands: one sentence on stderr and an exit code.

    1  failed or refused                      4  not found (or not readable)
    2  the command line or a setting is wrong 5  conflicts with the state of the catalogue
    3  missing or insufficient credentials    6  the server or the database cannot be used

Only 6 can be temporary, so only then may a script try again. `resolve` uses 3 differently; `whatis` and
`why` use 1 as an answer. As in other programs, 130 says that Ctrl-C ended the command, and 141 that
nobody reads its output any more. An unexpected exception is a bug: the sentence says where it was
raised. `base/errors.py` declares the errors of the catalogue.
"""

import sys
import traceback
from pathlib import Path
from typing import NamedTuple

from goldenrod.base.errors import Problem, SettingError
from goldenrod.cli import output
from goldenrod.client import ClientError

REFUSED, USAGE, CREDENTIALS, NOT_FOUND, CONFLICT, UNREACHABLE = range(1, 7)
INTERRUPTED, PIPE_CLOSED = 130, 141

_BY_STATUS = {
    401: CREDENTIALS,
    403: CREDENTIALS,
    404: NOT_FOUND,
    409: CONFLICT,
    412: CONFLICT,
    0: UNREACHABLE,
    502: UNREACHABLE,
    503: UNREACHABLE,
    504: UNREACHABLE,
}


class Failure(NamedTuple):
    """The sentence to print, and the exit code."""

    sentence: str
    exit_code: int


def failure(error: BaseException) -> Failure | None:
    """The failure for an expected error; None for any other exception."""
    match error:
        case SettingError():
            return Failure(str(error), USAGE)
        case Problem():
            return Failure(error.detail + _cause(error), _exit_code(error))
        case ClientError(code="address_invalid" | "token_malformed"):
            return Failure(error.detail, USAGE)
        case ClientError():
            return Failure(error.detail, _exit_code(error))
        case OSError(strerror=str(words)):
            where = f"{error.filename}: " if error.filename else ""
            return Failure(f"{where}{words}", REFUSED)
        case OSError():
            return Failure(str(error) or type(error).__name__, REFUSED)
        case UnicodeEncodeError():
            return Failure(f"This is not UTF-8 text: {error.object[:200]!r}", USAGE)
    # Where the file of a SQLite database is damaged, its error messages can be.
    if _is_of_a_database(error) or isinstance(error, UnicodeDecodeError):
        what = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        is_full = getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
        hint = " It may be damaged, or of another release: `goldenrod check` may say more."
        return Failure(f"The database failed: {what}.{'' if is_full else hint}", UNREACHABLE)
    return None


def _exit_code(error: Problem | ClientError) -> int:
    """What a body refers to is as little found as what an address names."""
    if error.code == "reference_unknown":
        return NOT_FOUND
    return _BY_STATUS.get(error.status, REFUSED)


def report(error: BaseException) -> int:
    """Print the failure that an exception is. Returns the exit code."""
    match error:
        case BrokenPipeError():
            return PIPE_CLOSED
        case KeyboardInterrupt():
            return INTERRUPTED
    if sys.flags.dev_mode:
        output.note("".join(traceback.format_exception(error)).rstrip("\n"))
    expected = failure(error) or _bug(error)
    output.note(f"goldenrod: {expected.sentence}")
    return expected.exit_code


def _bug(error: BaseException) -> Failure:
    """The failure for an exception that nobody expected: what it is, and where it was raised."""
    here = Path(__file__).parent.parent
    places = [
        f"{Path(frame.filename).relative_to(here)}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(here)
    ]
    what = traceback.format_exception_only(error)[-1].strip().replace("\n", " ")
    where = f" at {', '.join(places[-1:-4:-1])}" if places else ""
    return Failure(
        f"This is an error of Goldenrod itself, please report it: {what}{where}", REFUSED
    )


def _is_of_a_database(error: BaseException) -> bool:
    """Whether a driver raised it, or SQLAlchemy. Importing these takes long, so their names decide."""
    drivers = ("sqlite3", "psycopg", "sqlalchemy")
    return any(kind.__module__.partition(".")[0] in drivers for kind in type(error).__mro__)


def _cause(problem: Problem) -> str:
    """The message of the database, which operators may see, unlike clients of the API."""
    message = str(problem.__cause__ or "").strip()
    return f" ({message.splitlines()[0]})" if message and problem.status == 503 else ""
