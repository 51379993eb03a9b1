"""What a command ends with when it does not succeed: one sentence on stderr and an exit code.

    1  failed or refused                      4  not found (or not to be seen)
    2  the command line or a setting is wrong 5  against the state of the catalogue
    3  no sufficient credentials              6  the server or the database cannot be reached

6 alone may go away by itself: a script may try again. `resolve` alone means something else by 3, and
`whatis` and `why` answer with 1: see there. What is not expected, a fault of ours, is no
`Failure` and keeps its trace. `base/errors.py` declares what the catalogue refuses with.
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
    """What to say and which code to end with."""

    sentence: str
    exit_code: int


def failure(error: BaseException) -> Failure | None:
    """The failure that an expected error is; None for any other."""
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
    """What the database said: the operator, unlike a reader of the API, may know."""
    said = str(problem.__cause__ or "").strip()
    return f" ({said.splitlines()[0]})" if said and problem.status == 503 else ""
