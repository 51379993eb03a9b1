"""Failures of commands: one sentence on stderr and an exit code.

    1  failed or refused                      4  not found (or not readable)
    2  the command line or a setting is wrong 5  conflicts with the state of the catalogue
    3  missing or insufficient credentials    6  the server or the database cannot be reached

Only 6 is temporary, so only then may a script try again. `resolve` uses 3 differently; `whatis` and
`why` use 1 as an answer. An unexpected exception is a bug: its trace is printed.
`base/errors.py` declares the errors of the catalogue.
"""

from typing import NamedTuple

from goldenrod.base.errors import Problem, SettingError
from goldenrod.client import ClientError

REFUSED, USAGE, CREDENTIALS, NOT_FOUND, CONFLICT, UNREACHABLE = range(1, 7)

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
            code = _BY_STATUS.get(error.status, REFUSED)
            return Failure(error.detail + _cause(error), code)
        case ClientError(code="address_invalid"):
            return Failure(error.detail, USAGE)
        case ClientError():
            return Failure(error.detail, _BY_STATUS.get(error.status, REFUSED))
        case OSError(strerror=str(words)):
            where = f"{error.filename}: " if error.filename else ""
            return Failure(f"{where}{words}", REFUSED)
    return None


def _cause(problem: Problem) -> str:
    """The message of the database, which operators may see, unlike clients of the API."""
    message = str(problem.__cause__ or "").strip()
    return f" ({message.splitlines()[0]})" if message and problem.status == 503 else ""
