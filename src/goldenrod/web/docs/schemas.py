"""The wire's types as JSON Schema, for the OpenAPI document: what msgspec derives from them, and
what the server asks beyond their shape.

Every type of `base/answers.py` and `base/bodies.py` that a route names becomes one component. Where
both have one of the same name, the answer's is called `…Answer`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from goldenrod.base import wire
from goldenrod.web.api.routes import Route
from goldenrod.web.request import COMPUTED

Schema = dict[str, Any]

REF = "#/components/schemas/{name}"

UUID_PATTERN = "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
ID_PATTERN = "[1-9][0-9]{0,17}"
SLUG_PATTERN = "[a-z0-9][a-z0-9-]{0,63}"
TEXT_PATTERN = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]*$"
"""A body's strings hold no control characters but tabs and line ends."""

_SLUG = {
    "type": "string",
    "description": "at least one letter, and no UUID",
    "pattern": "^(?:[a-z]|[0-9][0-9-]*[a-z])[a-z0-9-]*$",
    "maxLength": 64,
}

_REQUEST_TYPES = {
    name
    for name, of in vars(wire).items()
    if isinstance(of, type) and issubclass(of, msgspec.Struct)
    if of.__struct_config__.forbid_unknown_fields
}
"""The types of request bodies: only these refuse unknown fields."""


def named(*forms: str) -> Schema:
    """A string in one of the forms that name a thing."""
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
        link = {"type": ["string", "null"], "description": "an opaque address, or null at the end"}
        count = {"type": "integer", "minimum": 0, "description": "all that the reader may see"}
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
    """The schema with the pattern of a body's text wherever it takes any string."""
    if isinstance(schema, list):
        return [_only_text(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    known = {name: _only_text(item) for name, item in schema.items()}
    if known.get("type") == "string" and not known.keys() & {"format", "pattern", "enum"}:
        known["pattern"] = TEXT_PATTERN
    return known


def _sent_back(changeable: Mapping[str, Any], answer: type[Any]) -> dict[str, Schema]:
    """The fields that a GET gives and a PATCH takes back without changing them."""
    return {
        name: {
            "description": "Computed: taken back and ignored."
            if name in COMPUTED
            else "Cannot be changed: as GET gives it, or absent (400 field_read_only)."
        }
        for name in answer.__struct_fields__
        if name not in changeable
    }
