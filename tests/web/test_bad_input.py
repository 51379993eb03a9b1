"""Bad input: refused with a problem document that names it, in one order, and nothing written.

Never a 500, and never a trace, a statement or a path in an answer.
"""

import io
import json
from typing import Any

import pytest
from falcon import testing

from goldenrod.store.db import Database
from tests.support.actions import everything
from tests.support.cast import World
from tests.support.client import ApiClient, Result, code

MIB = 1024 * 1024
VERSIONS = "/image_versions"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def nothing_changes(db: Database, world: World) -> Any:
    """No test here changes anything."""
    before = everything(db)
    yield
    assert everything(db) == before


def send(api: ApiClient, raw: bytes, method: str = "POST", address: str = VERSIONS) -> Result:
    return api.ask(method, address, "alice", raw=raw)


def version_of(world: World) -> str:
    return f"{VERSIONS}/{world.versions['open']}"


# ── who ────────────────────────────────────────────────────────────────────────────────────


def test_anonymous_is_refused_before_the_body_is_read(api: ApiClient, world: World) -> None:
    for raw in (b"{", b"", b"x" * (MIB + 1)):
        assert code(api.ask("POST", VERSIONS, raw=raw)) == "401 credentials_required"
        assert code(api.ask("PATCH", version_of(world), raw=raw)) == "401 credentials_required"


def test_a_stranger_is_refused_before_the_body_is_looked_at(api: ApiClient, world: World) -> None:
    closed = f"{VERSIONS}/{world.versions['closed']}"
    for raw in (b"{", b"", b"x" * (MIB + 1)):
        assert code(api.ask("PATCH", closed, "charlie", raw=raw)) == "404 not_found"
        answer = api.ask("PATCH", version_of(world), "charlie", raw=raw)
        assert code(answer) == "403 change_forbidden"


# ── the order of refusals ──────────────────────────────────────────────────────────────────


def test_the_first_of_several_refusals(api: ApiClient, world: World) -> None:
    """405, 401, 404, 403, 413, 415, 400, 412, 409: each with all that come after it wrong, too."""
    one, hidden = version_of(world), f"{VERSIONS}/{world.versions['closed']}"
    stale = {"If-Match": '"stale"'}
    other = stale | {"Content-Type": "text/plain"}
    huge, taken = b"x" * (MIB + 1), json.dumps({"parent": world.versions["open"]}).encode()
    rows = [
        ("PUT", one, "wrong", other, huge, "405 method_not_allowed"),
        ("PATCH", hidden, "wrong", other, huge, "401 token_invalid"),
        ("PATCH", hidden, None, other, huge, "401 credentials_required"),
        ("PATCH", hidden, "charlie", other, huge, "404 not_found"),
        ("PATCH", one, "charlie", other, huge, "403 change_forbidden"),
        ("PATCH", one, "alice", other, huge, "413 body_too_large"),
        ("PATCH", one, "alice", other, b"{", "415 media_type_unsupported"),
        ("PATCH", one, "alice", stale, b"{", "400 body_malformed"),
        ("PATCH", one, "alice", stale, b'{"colour": 1}', "400 field_invalid"),
        ("PATCH", one, "alice", stale, b'{"name": "."}', "400 field_invalid"),
        ("PATCH", f"{one}?x=1", "alice", stale, taken, "400 parameter_unknown"),
        ("PATCH", one, "alice", stale, taken, "412 precondition_failed"),
        ("PATCH", one, "alice", {}, taken, "409 parent_cycle"),
        ("DELETE", one, "alice", stale, b"", "412 precondition_failed"),
    ]
    for method, address, who, headers, raw, expected in rows:
        answer = api.ask(method, address, who, raw=raw, headers=headers)
        assert code(answer) == expected, (method, address, who)
        assert answer.headers["cache-control"] == "no-store"
        if expected.startswith("405"):
            allowed = {word.strip() for word in answer.headers["allow"].split(",")}
            assert {"GET", "PATCH", "DELETE"} <= allowed


def test_methods_that_an_address_does_not_take(api: ApiClient, world: World) -> None:
    for method, address in (("DELETE", VERSIONS), ("POST", version_of(world)), ("PUT", VERSIONS)):
        assert code(api.ask(method, address)) == "405 method_not_allowed"


# ── a body that is no JSON ─────────────────────────────────────────────────────────────────


def test_bodies_that_are_no_json_value(api: ApiClient, world: World) -> None:
    nested = [b'{"name": ' + b"[" * n + b"]" * n + b"}" for n in (32, 1000, 100_000)]
    objects = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    open_ended = b"[" * 100_000
    malformed = [
        b"", b" ", b"{", b"}", b'{"name": }', b"{'name': 1}", b'{"name": "a"} x', b"nul",
        b'{"name": "a",}', b'{"name": NaN}', b'{"min_cpu": Infinity}', b'{"min_cpu": -Infinity}',
        b'{"name": "\n"}', b'{"name": "\\x"}', b'{"name": "\\ud8"}', b'{"min_cpu": 01}',
        b'{"name": "a", "name": "b"}', b'{"image": {"id": 1, "id": 1}}',
        b'{"name": "\xff"}', b'{"name": "\xed\xa0\x80"}', b"\xff\xfe{}", "{}".encode("utf-16"),
        b'{"min_cpu": ' + b"9" * 5000 + b"}", b"\x00", b'{"a": 1}\x00',
        *nested, objects, open_ended,
    ]  # fmt: skip
    for raw in malformed:
        for method, address in (("POST", VERSIONS), ("PATCH", version_of(world))):
            answer = send(api, raw, method, address)
            assert code(answer) == "400 body_malformed", raw[:40]
            assert len(answer.content) < 1000


def test_bodies_that_are_no_object(api: ApiClient, world: World) -> None:
    for raw in (b"null", b"[]", b'"name"', b"7", b"true", b"1e400"):
        for method, address in (("POST", VERSIONS), ("PATCH", version_of(world))):
            assert code(send(api, raw, method, address)) == "400 field_invalid", raw


def test_32_levels_are_read(api: ApiClient) -> None:
    """The object itself is the first; what is wrong is then the field."""
    answer = send(api, b'{"name": ' + b"[" * 31 + b"]" * 31 + b"}")
    assert code(answer) == "400 field_invalid"


# ── fields ─────────────────────────────────────────────────────────────────────────────────


def test_fields_of_the_wrong_kind(api: ApiClient, world: World) -> None:
    numbers = ("1.5", "1e400", "-1", "4097", "9223372036854775808", "1e300", '"1"', "true", "[]")
    wrong = {
        "name": ("1", "null", "[]", "{}", "true", '""', '"\\u0000"', '"a\\u0007b"', '"\\ud800"'),
        "change_log": ("1", "null", '"\\u0000"', '"\\u001b[31m"', '"\\udc00"'),
        "allow_imaging": ("1", "null", '"true"', "0"),
        "min_cpu": numbers,
        "licenses": ("1", "null", "{}", '"x"', "[null]", "[1.5]", "[true]", "[[1]]"),
        "machines": ("1", "null", "{}", "[1]", "[{}]"),
        "parent": ("1.5", "true", "[]"),
        "identity": ("1.5", "true", "[]"),
        "start_date": ("0", "true", '""', "[]"),
        "colour": ("1",),
        "": ("1",),
        "\\ud800": ("1",),
        "a\\u0000": ("1",),
        "__class__": ("1",),
    }
    for field, values in wrong.items():
        for value in values:
            given = {"name": '"n"', "image": str(world.images["open"]), field: value}
            raw = ", ".join(f'"{name}": {text}' for name, text in given.items())
            answer = send(api, f"{{{raw}}}".encode())
            assert code(answer) == "400 field_invalid", (field, value)
            # A machine needs two fields; everything else here is one fault.
            assert len(answer.json["errors"]) == (2 if value == "[{}]" else 1)
    assert code(send(api, b"{}")) == "400 field_invalid"


@pytest.mark.long_on_postgresql
def test_references_of_every_wrong_shape(api: ApiClient, world: World) -> None:
    uuid = "0190a0b0-0000-7000-8000-000000000000"
    shapes: list[Any] = [
        0, -1, 2**63, 2**63 - 1, 2**64, 10**18, 10**30, "", "0", "-1", "1e3", "1 ", " 1", "01",
        "9" * 19, "1\n", "١", f"{{{uuid}}}", uuid.replace("-", ""), f"urn:uuid:{uuid}", uuid,
        uuid + "0", "'; --", {}, {"id": 0}, {"id": "x"}, {"uuid": "x"}, {"name": "x"},
        {"id": 2**63}, {"colour": 1},
    ]  # fmt: skip
    for shape in shapes:
        for field in ("image", "parent", "identity", "licenses", "scripts", "membership"):
            ref = [shape] if field.endswith("s") or field == "membership" else shape
            body = {"name": "n", "image": world.images["open"], field: ref}
            answer = api.post(VERSIONS, "charlie", body)
            assert answer.status_code in (400, 403), (field, shape)
            answer = api.post(VERSIONS, "alice", body)
            assert code(answer) == "400 reference_unknown", (field, shape)
    many = {"name": "n", "image": world.images["open"], "licenses": [1] * 501}
    assert code(api.post(VERSIONS, "alice", many)) == "400 field_invalid"


def test_dates_that_do_not_exist(api: ApiClient, world: World) -> None:
    wrong = (
        "2026-01-01T00:00:00", "2026-01-01", "2026-01-01T00:00Z", "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z", "2026-01-01T23:59:60Z", "2026-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
        "10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+00:60", "2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00.Z",
        "٢٠٢٦-01-01T00:00:00Z", "2026-01-01T00:00:00Z\n", " 2026-01-01T00:00:00Z", "now",
        "infinity", "1768521600", "2026-W01-1T00:00:00Z", "2026-01-01T00:00:00 UTC",
    )  # fmt: skip
    for date in wrong:
        for field in ("start_date", "end_date"):
            answer = api.patch(version_of(world), "alice", {field: date})
            assert code(answer) == "400 field_invalid", date
            assert answer.json["errors"][0]["field"] == field


# ── addresses ──────────────────────────────────────────────────────────────────────────────


def test_ids_of_every_wrong_shape_are_not_there(api: ApiClient, world: World) -> None:
    uuid = "0190a0b0-0000-7000-8000-000000000000"
    shapes = (
        "0", "-1", "+1", "01", "1e3", "1.0", "9" * 18, "9" * 19, "9" * 400, "%00", "1%00", "1%0A",
        "%20", "%D9%A1", "%FF", "%ED%A0%80", "..%2F..", "%2e%2e", f"%7B{uuid}%7D", uuid,
        uuid.replace("-", ""), f"{uuid}%0A", "open-image%20", "OPEN-IMAGE", "'%20OR%201=1", "*",
    )  # fmt: skip
    for noun in (VERSIONS, "/api/v2/images", "/api/v2/provider_machines", "/api/v2/licenses"):
        for shape in shapes:
            for method in ("GET", "PATCH", "DELETE"):
                raw = b"{}" if method == "PATCH" else None
                answer = api.ask(method, f"{noun}/{shape}", "alice", raw=raw)
                assert answer.status_code == 404, (method, noun, shape)
                assert code(answer) == "404 not_found"
    assert api.get(f"{VERSIONS}/1").status_code == 404
    assert code(api.get("/nowhere")) == code(api.get("/api/v2/nowhere")) == "404 not_found"


def test_a_trailing_slash_is_redirected_to_one_slash(api: ApiClient) -> None:
    for asked, target in (
        ("/image_versions/", "/image_versions"),
        ("/api/v2/images/open-image//?a=1", "/api/v2/images/open-image?a=1"),
        ("//evil.example/", "/evil.example"),
        ("///evil.example//", "/evil.example"),
        ("/\\evil.example/", "/%5Cevil.example"),
        ("/%0d%0aX:1/", "/%0D%0AX:1"),
    ):
        answer = api.get(asked)
        assert answer.status_code == 308, asked
        assert answer.headers["location"] == target


# ── size and kind of the body ──────────────────────────────────────────────────────────────


def body_of(size: int) -> bytes:
    start = b'{"colour": "'
    return start + b"x" * (size - len(start) - 2) + b'"}'


def test_a_body_has_at_most_a_mebibyte(api: ApiClient, world: World) -> None:
    for method, address in (("POST", VERSIONS), ("PATCH", version_of(world))):
        assert code(send(api, body_of(MIB), method, address)) == "400 field_invalid"
        assert code(send(api, body_of(MIB + 1), method, address)) == "413 body_too_large"


class Endless(io.RawIOBase):
    """A body that is sent on and on, and notes how much of it was taken."""

    taken = 0

    def read(self, size: int = -1) -> bytes:
        assert 0 <= size <= 2 * MIB, "read without a limit"
        self.taken += size
        return b" " * size


@pytest.mark.parametrize("declared", [None, str(10**12)])
def test_a_body_without_an_end_is_not_read_to_it(
    api: ApiClient, world: World, declared: str | None
) -> None:
    """Sent in chunks there is no Content-Length to go by; with one nothing is read at all."""
    token = {"Authorization": f"Token {world.secrets['alice']}"}
    environ = testing.create_environ(path=VERSIONS, method="POST", headers=JSON | token)
    environ["wsgi.input"] = body = Endless()
    environ.pop("CONTENT_LENGTH", None)
    if declared:
        environ["CONTENT_LENGTH"] = declared
    else:
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    started = testing.StartResponseMock()
    answer = json.loads(b"".join(api.client.app(environ, started)))
    assert (started.status[:3], answer["code"]) == ("413", "body_too_large")
    assert body.taken == (0 if declared else MIB + 1)


def test_content_types(api: ApiClient, world: World) -> None:
    def refused(method: str, kind: str | None, **more: str) -> str | int:
        headers = {"Authorization": f"Token {world.secrets['alice']}"} | more
        if kind is not None:
            headers["Content-Type"] = kind
        address = VERSIONS if method == "POST" else version_of(world)
        answer = api.client.simulate_request(method, address, headers=headers, body=b'{"x": 1}')
        return code(answer)

    wrong = (
        None, "", "text/plain", "text/json", "application/jsonx", "application/xml",
        "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "*/*",
        "application/json; charset=latin-1", "application/json; charset=utf-16",
        "application/json-patch+json",
    )  # fmt: skip
    for kind in wrong:
        for method in ("POST", "PATCH"):
            assert refused(method, kind) == "415 media_type_unsupported", kind
    merge = "application/merge-patch+json"
    assert refused("POST", merge) == "415 media_type_unsupported"
    assert refused("PATCH", merge) == "400 field_invalid"
    for kind in ("application/json", "Application/JSON; charset=UTF-8", "application/json ;"):
        assert refused("POST", kind) == "400 field_invalid", kind
    packed = refused("POST", "application/json", **{"Content-Encoding": "gzip"})
    assert packed == "415 media_type_unsupported"


# ── credentials ────────────────────────────────────────────────────────────────────────────


def test_an_authorization_header_that_is_not_one_valid_token(api: ApiClient, world: World) -> None:
    secret = world.secrets["alice"]
    wrong = (
        "", "Token", "Token ", secret, f"Basic {secret}", f"Token {secret} x", f"Token {secret}x",
        f"Token {secret}, Token {secret}", "Bearer", "Token null", "Token " + "x" * 600,
        f"Token\t{secret}", "Token é",
    )  # fmt: skip
    addresses = (VERSIONS, version_of(world), "/api/v2/images", "/nowhere", f"{VERSIONS}?x=1")
    for header in wrong:
        for address in addresses:
            answer = api.get(address, headers={"Authorization": header})
            assert code(answer) == "401 token_invalid", (header, address)
            assert answer.headers["www-authenticate"] == "Token, Bearer"
            assert secret not in answer.text
    for scheme in ("Token", "token", "Bearer", "BEARER"):
        answer = api.get("/api/v2/images", headers={"Authorization": f"{scheme} {secret}"})
        assert answer.json["count"] == 6


def test_problems_tell_nothing_of_the_inside(api: ApiClient, world: World) -> None:
    answers = [
        send(api, b"{"),
        send(api, b'{"name": 1}'),
        api.get(f"{VERSIONS}?x=1"),
        api.get("/nowhere"),
        api.ask("PUT", VERSIONS),
    ]
    for answer in answers:
        code(answer)
        assert {"type", "title", "status", "detail", "code"} <= answer.json.keys()
        assert answer.json["type"] == f"/docs/errors#{answer.json['code']}"
        for word in ("Traceback", "SELECT", ".py", "sqlite", "psycopg", "msgspec"):
            assert word not in answer.text
