"""Errors: every answer that is not a success is one of these.

    Problem                     a request that is refused, answered as RFC 9457 problem+json
    ├── BadRequest        400   the body or a parameter is wrong; names what to change
    ├── Unauthorized      401   no valid credentials where some are needed
    ├── Forbidden         403   readable, but not allowed
    ├── NotFound          404   does not exist, or is hidden from the reader: the same answer
    ├── MethodNotAllowed  405   with Allow
    ├── TooSlow           408   the body did not arrive in time
    ├── Conflict          409   against the state of the catalogue; `code` says which
    ├── PreconditionFailed 412  If-Match does not match
    ├── TooLarge          413
    ├── AddressTooLong    414
    ├── UnsupportedMedia  415
    ├── TooManyRequests   429   with Retry-After
    ├── HeadersTooLarge   431
    └── Unavailable       503   the database is unavailable, or the server is busy; with Retry-After
        └── OutcomeUnknown      the connection was lost while a change was being committed
    SettingError                a setting is invalid; the process does not start

Where several apply, the first of 405, 401, 404, 403, 413, 415, 400, 412, 409 is answered.
`code` is stable and written `noun_problem`; `detail` is a sentence a person can act on and never
names what the reader may not see.
"""

from typing import Any, ClassVar

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """One thing wrong with a body or parameter: the field's path and what to change."""

    field: str
    detail: str


class Problem(Exception):
    """Base class of all errors. `extra` members are added to the problem document."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"
    default_code: ClassVar[str] = "server_error"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        errors: tuple[FieldError, ...] = (),
        headers: dict[str, str] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.errors = errors
        self.headers = headers or {}
        self.extra = extra or {}

    def document(self) -> dict[str, Any]:
        """The members of the problem document, in order."""
        document: dict[str, Any] = {
            "type": f"/docs/errors#{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.errors:
            document["errors"] = [{"field": e.field, "detail": e.detail} for e in self.errors]
        return document | self.extra


class BadRequest(Problem):
    """400: the body or a parameter is wrong."""

    status = 400
    title = "Bad request"
    default_code = "request_invalid"


class Unauthorized(Problem):
    """401: credentials are needed, or the ones given are not one valid token."""

    status = 401
    title = "Credentials are needed"
    default_code = "credentials_required"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail, code=code, headers={"WWW-Authenticate": "Token, Bearer"})


class Forbidden(Problem):
    """403: readable, but not allowed."""

    status = 403
    title = "This is not allowed"
    default_code = "change_forbidden"


class NotFound(Problem):
    """404: does not exist, or is hidden from the reader."""

    status = 404
    title = "Not found"
    default_code = "not_found"

    def __init__(
        self, detail: str = "This does not exist, or you do not have access to it.", **more: Any
    ) -> None:
        super().__init__(detail, **more)


class MethodNotAllowed(Problem):
    """405: this address does not take this method."""

    status = 405
    title = "Method not allowed"
    default_code = "method_not_allowed"


class Conflict(Problem):
    """409: well-formed, but in conflict with the state of the catalogue."""

    status = 409
    title = "Conflict"
    default_code = "conflict"


class PreconditionFailed(Problem):
    """412: somebody else changed it first."""

    status = 412
    title = "It has changed"
    default_code = "precondition_failed"


class TooSlow(Problem):
    """408: the body did not arrive in time."""

    status = 408
    title = "Too slow"
    default_code = "body_too_slow"


class TooLarge(Problem):
    """413: the body is over the limit."""

    status = 413
    title = "Too large"
    default_code = "body_too_large"


class AddressTooLong(Problem):
    """414: the path or the query string is over the limit."""

    status = 414
    title = "The address is too long"
    default_code = "address_too_long"


class HeadersTooLarge(Problem):
    """431: a header is over the limit."""

    status = 431
    title = "A header is too large"
    default_code = "header_too_large"


class UnsupportedMedia(Problem):
    """415: the body is not JSON, or says it is not."""

    status = 415
    title = "Unsupported media type"
    default_code = "media_type_unsupported"


class TooManyRequests(Problem):
    """429: requests and failed sign-ins are limited."""

    status = 429
    title = "Too many requests"
    default_code = "too_many_requests"

    def __init__(
        self,
        detail: str,
        *,
        retry_after: int,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        more = headers or {}
        super().__init__(detail, code=code, headers={"Retry-After": str(retry_after)} | more)


class Unavailable(Problem):
    """503: try again later."""

    status = 503
    title = "Unavailable"
    default_code = "unavailable"

    def __init__(self, detail: str, *, retry_after: int = 1, code: str | None = None) -> None:
        super().__init__(detail, code=code, headers={"Retry-After": str(retry_after)})


class OutcomeUnknown(Unavailable):
    """503: the change may have been made, or not."""

    default_code = "outcome_unknown"


class SettingError(Exception):
    """An invalid setting; the message names it and says what it takes."""


def field_problem(field: str, detail: str, *, code: str = "field_invalid") -> BadRequest:
    """The 400 for one wrong field of a body."""
    return BadRequest(f"{field}: {detail}", code=code, errors=(FieldError(field, detail),))


def forbidden_field(field: str, detail: str, *, code: str = "change_forbidden") -> Forbidden:
    """The 403 for what a field of a body names, which the sender may read but not use so."""
    return Forbidden(detail, code=code, errors=(FieldError(field, detail),))


def unknown_reference(field: str, shown: object) -> BadRequest:
    """The 400 for a reference to what does not exist or may not be read: one answer for both."""
    kind = _KINDS.get(field.rpartition(".")[2].partition("[")[0], "thing")
    detail = f"there is no {kind} {shown!r} that you may use"
    return field_problem(field, detail, code="reference_unknown")


_KINDS = {
    **dict.fromkeys(("image", "images"), "image"),
    **dict.fromkeys(("version", "image_version", "parent", "replacement"), "version"),
    **dict.fromkeys(("provider", "providers"), "provider"),
    **dict.fromkeys(("membership", "maintainers", "groups", "group"), "user or group"),
    **dict.fromkeys(("user", "users", "owner", "leaders"), "user"),
    **dict.fromkeys(("license", "licenses"), "license"),
    **dict.fromkeys(("script", "scripts", "boot_script"), "boot script"),
    "identity": "account",
}
"""What a field of a body refers to, in words."""
