"""The API's types as JSON Schema, for the OpenAPI document.

msgspec derives the schemas. This module adds the rules that the server checks beyond the types. Every
type of `base/wire/` that a route names becomes one component.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from goldenrod.base import wire
from goldenrod.web.api.routes import Route

Schema = dict[str, Any]

REF = "#/components/schemas/{name}"

UUID_PATTERN = "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
ID_PATTERN = "[1-9][0-9]{0,17}"
SLUG_PATTERN = "[a-z0-9][a-z0-9-]{0,63}"
TEXT_PATTERN = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"
"""Strings in a body have no control characters except tabs and line ends."""

_SLUG = {
    "type": "string",
    "description": "at least one letter; must not be a UUID",
    "pattern": "^(?:[a-z]|[0-9][0-9-]*[a-z])[a-z0-9-]*$",
    "maxLength": 64,
}

_REQUEST_TYPES = {
    name
    for name, of in vars(wire).items()
    if isinstance(of, type) and issubclass(of, msgspec.Struct)
    if of.__struct_config__.forbid_unknown_fields
}
"""The types of request bodies: only they refuse unknown fields."""


def named(*forms: str) -> Schema:
    """The schema of a string that matches one of these patterns."""
    return {"type": "string", "pattern": f"^(?:{'|'.join(forms)})$"}


class Components:
    """The schemas of all types that the routes name, and the reference to each."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        types = {of for route in routes for of in (route.answers, route.takes) if of}
        ordered = sorted(
            types | {wire.ProblemDocument}, key=lambda of: (of.__module__, of.__name__)
        )
        refs, schemas = msgspec.json.schema_components(ordered, ref_template=REF)
        self._refs = {
            of: ref["$ref"].rpartition("/")[2] for of, ref in zip(ordered, refs, strict=True)
        }
        self.schemas: dict[str, Schema] = schemas
        for name in self.schemas.keys() & _REQUEST_TYPES:
            fields = self.schemas[name]["properties"]
            self.schemas[name]["properties"] = {
                field: _SLUG if field == "slug" else _only_text(of) for field, of in fields.items()
            }
        for route in routes:
            if route.method == "PATCH" and route.takes and route.answers:
                fields = self.schemas[self._refs[route.takes]]["properties"]
                fields |= _sent_back(fields, route.answers)

    def ref(self, of: type[Any]) -> Schema:
        """The reference to a type's schema."""
        return {"$ref": REF.format(name=self._refs[of])}

    def page_ref(self, of: type[Any]) -> Schema:
        """The reference to the envelope of a list of `of`."""
        name = f"{self._refs[of]}List"
        link = {
            "type": ["string", "null"],
            "description": "an opaque address; null at the end of the list",
        }
        count = {
            "type": "integer",
            "minimum": 0,
            "description": "the number of all results that you can see",
        }
        self.schemas[name] = {
            "title": name,
            "description": "One page of a list.",
            "type": "object",
            "properties": {
                "count": count,
                "next": link,
                "previous": link,
                "results": {"type": "array", "items": self.ref(of)},
            },
            "required": ["count", "next", "previous", "results"],
        }
        return {"$ref": REF.format(name=name)}


def _only_text(schema: Any) -> Any:
    """The schema, with `TEXT_PATTERN` on every string that has no format, pattern or enum."""
    if isinstance(schema, list):
        return [_only_text(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    known = {name: _only_text(item) for name, item in schema.items()}
    if known.get("type") == "string" and not known.keys() & {"format", "pattern", "enum"}:
        known["pattern"] = TEXT_PATTERN
    return known


def _sent_back(changeable: Mapping[str, Any], answer: type[Any]) -> dict[str, Schema]:
    """The fields that GET answers and that PATCH accepts, but cannot change."""
    return {
        name: {
            "description": "Computed: accepted and ignored."
            if name in wire.COMPUTED
            else "Read-only: send it as GET answers it, or leave it out (400 field_read_only)."
        }
        for name in answer.__struct_fields__
        if name not in changeable
    }
