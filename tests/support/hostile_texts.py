"""Hostile texts, and every input that takes a text from outside, for `test_request_cost.py`.

The inputs are derived. Those of the API come from its routes, their lists and their bodies. Those
of pages come from their addresses, from the fields of their forms, and from the names that handlers
read from a form or a query, which are recorded while they answer.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import inspect

from goldenrod.web.api.routes import ROUTES, Route
from goldenrod.web.pages.kit.forms import Form
from goldenrod.web.pages.kit.visit import Visit
from tests.support.cast import World


def _repeated(unit: str, start: str = "", end: str = "") -> Callable[[int], str]:
    def made(size: int) -> str:
        return start + unit * max(1, size // len(unit.encode())) + end

    return made


def _numbered(unit: str) -> Callable[[int], str]:
    """Many parts, all of them different."""
    return lambda size: "".join(unit.format(i) for i in range(max(1, size // (len(unit) + 3))))


TEXTS: dict[str, Callable[[int], str]] = {
    "marks of two classes": _repeated("\u0301\u0316", "a"),
    "marks of four classes": _repeated("\u0301\u0316\u0315\u0334", "a"),
    "marks that decompose": _repeated("\u0344\u0f73\uff9e", "a"),
    "runs of marks": _repeated("a" + "\u0301\u0316" * 20),
    "one long word": _repeated("a"),
    "letters that expand": _repeated("\ufdfa"),
    "digits": _repeated("1"),
    "zeros": _repeated("0"),
    "superscript digits": _repeated("²"),
    "joined words": _repeated("a-b.c_"),
    "ideographs": _repeated("漢字"),
    "many words": _numbered("w{} "),
    "many lines": _numbered("l{}\n"),
    "many names": _numbered("n{},"),
    "not base64": _repeated("e30="),
    "quoted tags": _repeated('W/"a",'),
    "cookies": _numbered("c{}=1; "),
    "media types": _numbered("a/b;q=0.{},"),
    **{f"repeated {sign!r}": _repeated(sign) for sign in (*",;/-._ &=%~:\"'\\", "\t", "\n")},
}
MARKDOWN: dict[str, Callable[[int], str]] = {
    "table": lambda size: "|" * (size // 2) + "\n" + "|-" * (size // 4) + "\n",
    "rows of a table": _repeated("|\n", "|a" * 60 + "\n" + "|-" * 60 + "\n"),
    "nested lists": lambda size: "".join("  " * depth + "- a\n" for depth in range(int(size**0.5))),
    "list in a line": _repeated("- "),
    "nested quotes": _repeated(">"),
    "lines of quotes": _repeated("> > > a\n"),
    "open links": _repeated("["),
    "links": _repeated("[a](b)"),
    "half links": _repeated("[a]("),
    "emphasis": _repeated("*a_ "),
    "open emphasis": _repeated("**a *b "),
    "struck out": _repeated("~~a "),
    "code": _repeated("`a``"),
    "fences": _repeated("```\n~~~\n"),
    "definitions": _numbered("[r{}]: /a\n"),
    "references": _repeated("[a][b]", "[b]: /c\n\n"),
    "autolinks": _repeated("<http://a>"),
    "open tags": _repeated("<a "),
    "comments": _repeated("<!--"),
    "pictures": _repeated("![a](b)"),
    "escapes": _repeated("\\*"),
    "entities": _repeated("&amp;&#1;"),
    "headings": _repeated("# a\n"),
    "rules": _repeated("a\n---\n"),
}
SHAPES = TEXTS | MARKDOWN
BODIES: dict[str, Callable[[int], str]] = {
    "wide array": _repeated("1,", '{"k":[', "1]}"),
    "long key over an array": lambda size: (
        '{"' + "k" * (size // 2) + '":[' + "1," * (size // 4) + "1]}"
    ),
    "deep array": lambda size: '{"k":' + "[" * (size // 2) + "]" * (size // 2) + "}",
    "deep object": lambda size: '{"a":' * (size // 6) + "1" + "}" * (size // 6),
    "many arrays": _repeated("[],", '{"k":[', "1]}"),
    "many objects": _repeated("{},", '{"k":[', "1]}"),
    "many texts": _repeated('"a",', '{"identifiers":[', '"a"]}'),
    "many keys": lambda size: "{" + ",".join(f'"{i}":1' for i in range(max(1, size // 10))) + "}",
    "the same key": lambda size: "{" + ",".join(['"a":1'] * max(1, size // 6)) + "}",
    "a control character last": _repeated('"a",', '{"k":[', '"\\u0001"]}'),
    "fractions": _repeated("1e1,", '{"k":[', "1]}"),
    "long numbers": _repeated("1" * 4299 + ",", '{"k":[', "1]}"),
    "digits in JSON": _repeated("1", '{"k":', "}"),
    "escapes in JSON": _repeated("\\u0301\\u0316", '{"k":"', '"}'),
    "one text": _repeated("a", '{"k":"', '"}'),
    "an unknown key": _repeated(" - at `x", '{"', '":1}'),
}

HEADERS = (
    "Accept",
    "Accept-Encoding",
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "Cookie",
    "Goldenrod-Min-Revision",
    "Host",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Origin",
    "Referer",
    "Sec-Fetch-Site",
    "Traceparent",
    "Tracestate",
    "Transfer-Encoding",
    "User-Agent",
    "X-Forwarded-For",
    "X-Request-Id",
)
"""All headers that the code reads. A test checks that none is missing."""


Steps = tuple[str | int, ...]
"""The path of a field in a body: names, and positions in lists."""


@dataclass(frozen=True)
class Input:
    """An input that takes a text. `where` is `path`, `query`, `header`, `body` (a JSON field),
    `json` (the whole body) or `form`. `path` is the route's; `steps` lead to a field of a JSON
    body."""

    method: str
    path: str
    where: str
    name: str
    route: Route | None = field(default=None, compare=False, repr=False)
    steps: Steps = ()

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.where} {self.name}"

    @property
    def shapes(self) -> dict[str, Callable[[int], str]]:
        return BODIES if self.where == "json" else SHAPES


def of_route(route: Route) -> Iterator[Input]:
    """The inputs of a route of the API."""
    path = f"/api/v2{route.path}"
    for key in re.findall(r"{(\w+)}", path):
        yield Input(route.method, path, "path", key, route)
    for name in [*(route.lists.parameters() if route.lists else ()), *route.options, "unknown"]:
        yield Input(route.method, path, "query", name, route)
    if route.takes:
        yield Input(route.method, path, "json", "", route)
        for steps in text_fields(inspect.type_info(route.takes)):
            yield Input(route.method, path, "body", ".".join(map(str, steps)), route, steps)


def real_things(world: World) -> dict[str, Any]:
    """Things of the cast, by the words that stand for them in addresses and bodies."""
    version = world.versions["open"]
    image = world.images["open"]
    return {
        "images": image,
        "image": image,
        "image_versions": version,
        "image_version": version,
        "version": version,
        "providers": world.providers["east"],
        "provider": world.providers["east"],
        "groups": world.groups["lab"],
        "group": world.groups["lab"],
        "users": world.users["bob"],
        "user": world.users["bob"],
        "licenses": next(iter(world.licenses.values())),
        "license": next(iter(world.licenses.values())),
        "boot_scripts": next(iter(world.scripts.values())),
        "boot_script": next(iter(world.scripts.values())),
        "identities": next(iter(world.identities.values())),
        "channel": "latest",
        "name": "latest",
        "two": "open-1.0...open-1.0",
    }


def fields_where(
    wanted: Callable[[inspect.Type, Steps], bool], shape: inspect.Type, before: Steps = ()
) -> Iterator[Steps]:
    """The paths of the fields of a body that are wanted, in objects and lists too. What is in a wanted
    field is not looked at."""
    if wanted(shape, before):
        yield before
        return
    match shape:
        case inspect.Metadata(type=inner):
            yield from fields_where(wanted, inner, before)
        case inspect.UnionType(types=types):
            for one in types:
                yield from fields_where(wanted, one, before)
        case inspect.ListType(item_type=inner):
            yield from fields_where(wanted, inner, (*before, 0))
        case inspect.StructType(fields=fields):
            for one in fields:
                yield from fields_where(wanted, one.type, (*before, one.encode_name))


def text_fields(shape: inspect.Type) -> Iterator[Steps]:
    """The paths of all fields of a body that take text."""
    return fields_where(
        lambda one, _: isinstance(one, inspect.StrType | inspect.LiteralType), shape
    )


def of_headers() -> list[Input]:
    """Each header, with routes of each kind that reads it."""
    routes = ("GET /api/v2/images", "POST /api/v2/images", "GET /", "POST /sign-in")
    routes = (*routes, "PATCH /api/v2/images/{key}", "POST /api/v2/lookup", "GET /openapi.json")
    resolve = "GET /api/v2/resolve/{image}/{channel}/{provider}"
    return [
        Input(*route.split(" "), "header", name)
        for route in (*routes, resolve, "POST /api/v2/tokens")
        for name in HEADERS
    ]


def of_api() -> list[Input]:
    return [place for route in ROUTES for place in of_route(route)]


def least(shape: Any, real: dict[str, Any]) -> Any:
    """The smallest valid body of this type. It names existing things if `real` has them."""
    info = inspect.type_info(shape) if not isinstance(shape, inspect.Type) else shape
    match info:
        case inspect.StructType(fields=fields):
            return {
                one.encode_name: real.get(one.encode_name, least(one.type, real))
                for one in fields
                if one.required
            }
        case inspect.Metadata(type=inner):
            return least(inner, real)
        case inspect.UnionType(types=types):
            return least(types[0], real)
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.ListType(item_type=inner):
            return [least(inner, real)]
        case inspect.IntType():
            return 1
        case inspect.StrType(max_length=most):
            return "http://127.0.0.1/" if most == 2048 else "text"
    return None


def with_text(body: Any, steps: tuple[str | int, ...], text: str) -> Any:
    """A body with a text at the end of these steps. Missing objects on the way are created."""
    if not steps:
        return text
    step, *rest = steps
    if isinstance(step, int):
        return [with_text(None, tuple(rest), text)]
    before = body if isinstance(body, dict) else {}
    return {**before, step: with_text(before.get(step), tuple(rest), text)}


class Asked:
    """Records the names that handlers of pages read from a form or a query."""

    def __init__(self, patch: Any) -> None:
        self.form: set[str] = set()
        self.query: set[str] = set()
        for name in ("get", "all", "has", "on", "words"):
            patch.setattr(Form, name, self._recording(getattr(Form, name), "form"))
        # `asked` reads with `asked_all`.
        patch.setattr(Visit, "asked_all", self._recording(Visit.asked_all, "query"))

    def _recording(self, original: Callable[..., Any], kind: str) -> Callable[..., Any]:
        def recording(it: Any, name: str, *rest: Any) -> Any:
            getattr(self, kind).add(name)
            return original(it, name, *rest)

        return recording

    def forget(self) -> None:
        self.form.clear()
        self.query.clear()


def to_json(body: Any) -> bytes:
    return msgspec.json.encode(body)
