"""Forms: reading the fields that a browser sent, and what is wrong with which of them."""

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qs, urlencode

from goldenrod.base.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    PreconditionFailed,
    Problem,
    UnsupportedMedia,
)

MEDIA_TYPE = "application/x-www-form-urlencoded"
MOST_FIELDS = 2000
"""Fields of one form, repeated ones counted."""

REFUSALS = (BadRequest, Conflict, Forbidden, PreconditionFailed)
"""What a handler catches to show its form again with what was typed."""


def refused(problem: Problem) -> Problem:
    """The refusal, to be shown beside the form again. Raises it where the form did not come from a
    page of this site: there is no form to go back to."""
    if problem.code == "form_refused":
        raise problem
    return problem


class Form:
    """The fields of a form, each with its values in the order they came."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    @classmethod
    def of(cls, **values: str | int | bool | None | Iterable[str]) -> "Form":
        """The form that shows these values: what is None is empty, True a checked box."""
        return cls({name: _texts(value) for name, value in values.items()})

    def get(self, name: str) -> str:
        """A field's text; empty where the form has none."""
        values = self._fields.get(name)
        return values[0] if values else ""

    def all(self, name: str) -> list[str]:
        """All values of a field that may be given several times, empty ones left out."""
        return [value for value in self._fields.get(name, []) if value]

    def has(self, name: str) -> bool:
        """Whether the form has this field at all, empty or not."""
        return name in self._fields

    def on(self, name: str) -> bool:
        """Whether a box is checked."""
        return bool(self.get(name))

    def but(self, **values: str | int | bool | None | Iterable[str]) -> "Form":
        """This form, with these values in place of its own."""
        return Form({**self._fields, **{name: _texts(value) for name, value in values.items()}})

    def written(self, *without: str) -> bytes:
        """All that it says, but for these fields: what makes two sendings the same."""
        fields = {name: values for name, values in self._fields.items() if name not in without}
        return urlencode(sorted(fields.items()), doseq=True).encode()

    def words(self, name: str) -> list[str]:
        """The names in a field, separated by commas or line ends."""
        parts = self.get(name).replace("\n", ",").split(",")
        return [part.strip() for part in parts if part.strip()]


def parse_form(content_type: str | None, body: bytes) -> Form:
    """The form that a browser sent as a request's body. Raises UnsupportedMedia, BadRequest."""
    kind, _, _ = (content_type or "").partition(";")
    if kind.strip().lower() != MEDIA_TYPE:
        raise UnsupportedMedia(f"Send the form as {MEDIA_TYPE}, as browsers do.")
    try:
        fields = parse_qs(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        raise BadRequest("The form is not well-formed UTF-8.", code="body_malformed") from None
    if any("\x00" in value for values in fields.values() for value in values):
        raise BadRequest("A field of the form contains a NUL character.", code="body_malformed")
    # Browsers send line ends as CR LF; the catalogue stores LF.
    return Form(
        {name: [value.replace("\r\n", "\n") for value in values] for name, values in fields.items()}
    )


def _texts(value: str | int | bool | None | Iterable[str]) -> list[str]:
    if value is None or value is False:
        return []
    if value is True:
        return ["on"]
    return [str(value)] if isinstance(value, str | int) else list(value)


def wrong_fields(problem: Problem | None) -> dict[str, str]:
    """What is wrong with which field, by the field's name; `""` is the form as a whole."""
    if problem is None:
        return {}
    found = {error.field.partition("[")[0]: error.detail for error in problem.errors}
    return found or {"": problem.detail}
