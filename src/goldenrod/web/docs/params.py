"""The OpenAPI parameters of a route: path keys, query parameters, request headers.

They are derived from the route and its `Listing`. `openapi.py` puts them into the document.
"""

import re

from goldenrod.base.wire import NewToken, NewWebhook
from goldenrod.catalogue.channels.channels import NAME
from goldenrod.catalogue.channels.lookup import MOST_CHARACTERS
from goldenrod.catalogue.versions.lineage.lineage import DIRECTIONS, MOST_DEPTH
from goldenrod.rules.changes.idempotency import MOST_KEY
from goldenrod.rules.filters import MOST_VALUES
from goldenrod.store.paging import MOST_PER_PAGE, PAGE_SIZE, Filter, Listing
from goldenrod.web.api.routes import Route
from goldenrod.web.docs.schemas import ID_PATTERN, SLUG_PATTERN, UUID_PATTERN, Schema, named

FOR_A_SECRET = (NewToken, NewWebhook)
"""Bodies whose answer has a secret that is shown only once. Such an answer has no ETag."""
_WITHOUT_KEY = ("tokens", "webhooks")
"""Resources that accept no Idempotency-Key, because their answers have a secret."""

ANY_NAME = r"[^\u0000]+"
NUMBER_PATTERN = r"[0-9]+(?:\.[0-9]+)+(?:-[0-9A-Za-z.-]+)?"
_KEYS = {
    "image_versions": (UUID_PATTERN,),
    "images": (ID_PATTERN, UUID_PATTERN, SLUG_PATTERN),
    "providers": (ID_PATTERN, UUID_PATTERN, SLUG_PATTERN),
}
_NAMED = {
    "name": (NAME.pattern,),
    "channel": (NAME.pattern,),
    "image": _KEYS["images"],
    "provider": _KEYS["providers"],
    "version": (UUID_PATTERN, ANY_NAME),
    "namespace": (SLUG_PATTERN,),
    "system": ("channel|version",),
    "number": (NUMBER_PATTERN,),
}
_PATTERN_NAMES = {
    ID_PATTERN: "id",
    UUID_PATTERN: "UUID",
    SLUG_PATTERN: "slug",
    NAME.pattern: "name",
    ANY_NAME: "name",
    "channel|version": "kind, channel or version",
    NUMBER_PATTERN: "number, such as 1.2.0",
}
_FILTER_PATTERNS = {
    "a uuid": (UUID_PATTERN,),
    "an id or uuid": (ID_PATTERN, UUID_PATTERN),
    "an id or uuid or slug": (ID_PATTERN, UUID_PATTERN, SLUG_PATTERN),
}
_TEXT: Schema = {"type": "string", "pattern": r"^[^\u0000]*$"}
_OPTIONS: dict[str, Schema] = {
    "against": named(UUID_PATTERN),
    "allow_revoked": {"type": "boolean", "default": False},
    "depth": {"type": "integer", "minimum": 0, "maximum": MOST_DEPTH},
    "direction": {"type": "string", "enum": list(DIRECTIONS), "default": "both"},
    "identifier": _TEXT | {"minLength": 1, "maxLength": MOST_CHARACTERS},
    "provider": named(*_KEYS["providers"]),
}
"""Schemas of the route options that are not free text."""
_REQUIRED: dict[str, Schema] = {"identifier": {"required": True}}


def tag_of(route: Route) -> str:
    """The resource that a route belongs to."""
    return route.path.split("/")[1]


def of_path(route: Route) -> list[Schema]:
    """The path parameters: the names in braces."""
    found = []
    for name in re.findall(r"{(\w+)}", route.path):
        forms = _NAMED.get(name) or _KEYS.get(tag_of(route), (ID_PATTERN, UUID_PATTERN))
        found.append(
            {
                "name": "id" if name == "key" else name,
                "in": "path",
                "required": True,
                "description": "its " + " or ".join(_PATTERN_NAMES[form] for form in forms),
                "schema": named(*forms),
            }
        )
    return found


def of_query(route: Route) -> list[Schema]:
    """The query parameters: a route's options, or a list's filters, order and paging."""
    if route.lists is None:
        return [
            _query(name, words, _OPTIONS.get(name, _TEXT)) | _REQUIRED.get(name, {})
            for name, words in route.options.items()
        ]
    filters = [_filter(name, filter_) for name, filter_ in route.lists.filters.items()]
    return [*filters, *_paging(route.lists)]


def _filter(name: str, filter_: Filter) -> Schema:
    if filter_.single is None:
        return _query(name, filter_.takes, _filter_schema(filter_))
    items = _filter_schema(filter_.single)
    several = {"type": "array", "items": items, "minItems": 1, "maxItems": MOST_VALUES}
    return _query(name, filter_.takes, several) | {"style": "form", "explode": False}


def _filter_schema(filter_: Filter) -> Schema:
    forms = _FILTER_PATTERNS.get(filter_.takes)
    if forms:
        return named(*forms)
    if filter_.schema == {"type": "string"}:
        return _TEXT
    return dict(filter_.schema)


def _paging(listing: Listing) -> list[Schema]:
    orders = [order for name in listing.orders for order in (name, f"-{name}")]
    size = {"type": "integer", "minimum": 1, "maximum": MOST_PER_PAGE, "default": PAGE_SIZE}
    return [
        _query(
            "ordering",
            "put - before the name for descending order",
            {"type": "string", "enum": orders, "default": listing.default},
        ),
        _query("page_size", "the number of results on a page", size),
        _query(
            "page",
            "a page number; later pages are slower, so follow next in long lists",
            {"type": "integer", "minimum": 1},
        ),
        _query(
            "cursor",
            "taken from next or previous; cannot be combined with page",
            {"type": "string"},
        ),
    ]


def _query(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def headers(route: Route) -> list[Schema]:
    """The conditional and idempotency headers of a route's method."""
    text = {"type": "string"}
    if_match = _header("If-Match", "an ETag: 412 if GET no longer answers it", text)
    if route.method == "GET":
        return [_header("If-None-Match", "an ETag: 304 if the answer still has it", text), if_match]
    if route.method != "POST":
        there = "an ETag, or * for any: 412 if GET answers it now"
        return [if_match, _header("If-None-Match", there, text)]
    if route.asks or tag_of(route) in _WITHOUT_KEY:
        return []
    return [
        _header(
            "Idempotency-Key",
            "for 24 hours, repeating the request with this key returns the first result",
            text | {"minLength": 1, "maxLength": MOST_KEY},
        )
    ]


def _header(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "header", "description": description, "schema": schema}
