"""The OpenAPI document and the reference pages: whole, valid, and the same as the code."""

import ast
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from falcon import testing

import goldenrod
from goldenrod.base import config, errors
from goldenrod.store.db import Database
from goldenrod.web.api.routes import ROUTES
from goldenrod.web.app import API, build_app
from goldenrod.web.docs import examples
from goldenrod.web.docs.error_codes import CODES
from goldenrod.web.docs.openapi import document, operation_id
from goldenrod.web.docs.reference import ASSETS
from tests.support.contract import contract_bodies

DOCUMENT = document("/", API)
SOURCE = Path(goldenrod.__file__).parent


@pytest.fixture
def client(sqlite_db: Database) -> testing.TestClient:
    return testing.TestClient(build_app(sqlite_db, config.load({})))


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    """Every operation of the document, by method and path."""
    return {
        (method.upper(), path): operation
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }


def valid(name: str, value: Any) -> None:
    """Hold a value against one of the document's schemas."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(value)


# ── the document ───────────────────────────────────────────────────────────────────────────


def test_it_is_openapi_3_1() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid(schema), name


def test_every_reference_leads_somewhere() -> None:
    for ref in set(re.findall(r'"\$ref": "(.*?)"', json.dumps(DOCUMENT))):
        place: Any = DOCUMENT
        for step in ref.removeprefix("#/").split("/"):
            place = place[step]


def test_it_has_every_route_and_nothing_else() -> None:
    expected = {
        (route.method, path.replace("{key}", "{id}"))
        for route in ROUTES
        for path in route.paths(API)
    }
    assert operations().keys() == expected


def test_every_route_of_the_application_is_in_it(client: testing.TestClient) -> None:
    """A method that the document does not have is 405; one that it has is not."""
    for path, methods in DOCUMENT["paths"].items():
        answer = client.simulate_request("TRACE", path.replace("{id}", "1"))
        assert answer.status_code == 405, path
        allowed = set(answer.headers["allow"].split(", ")) - {"OPTIONS", "HEAD"}
        assert allowed == {method.upper() for method in methods}, path


def test_a_new_route_appears_by_being_in_the_table() -> None:
    new = replace(ROUTES[0], path="/colours", summary="List colours", at_root=False)
    found = document("/", API, (*ROUTES, new))["paths"][f"{API}/colours"]["get"]
    assert found["operationId"] == "list_colours"
    assert found["summary"] == "List colours"


OPEN_TO_ALL = (f"{API}/tokens", f"{API}/lookup", "/lookup")
"""What is posted to without a token: signing in, and what changes nothing."""


def test_operations_are_named_once_and_said_whole() -> None:
    names = [operation["operationId"] for operation in operations().values()]
    assert len(names) == len(set(names))
    for (method, path), operation in operations().items():
        assert operation["summary"], path
        assert operation["tags"] == [path.removeprefix(API).split("/")[1]]
        assert {"401", "503"} <= operation["responses"].keys()
        if method != "GET":
            assert {"400", "403", "409"} <= operation["responses"].keys()
        if method in ("POST", "PATCH"):
            assert {"413", "415"} <= operation["responses"].keys()
        open_to_all = {} in operation["security"]
        assert open_to_all == (method == "GET" or path in OPEN_TO_ALL), path


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/image_versions", "list_image_versions"),
        ("GET", "/identities/{key}", "get_identity"),
        ("POST", "/boot_scripts", "create_boot_script"),
        ("GET", "/image_versions/{key}/history", "list_image_version_history"),
    ],
)
def test_operation_ids(method: str, path: str, name: str) -> None:
    (route,) = [route for route in ROUTES if (route.method, route.path) == (method, path)]
    assert operation_id(route) == name


def test_lists_say_what_they_take() -> None:
    for route in ROUTES:
        if route.lists is None:
            continue
        path = route.paths(API)[0].replace("{key}", "{id}")
        parameters = operations()["GET", path]["parameters"]
        query = [p["name"] for p in parameters if p["in"] == "query"]
        assert query == route.lists.parameters(), path
        assert all(p["description"] for p in parameters), path


def test_things_are_named_by_a_pattern() -> None:
    for name in ("image_id", "parent", "provider", "license"):
        (found,) = [
            p for p in operations()["GET", "/image_versions"]["parameters"] if p["name"] == name
        ]
        # Most take several, with commas.
        one = found["schema"].get("items", found["schema"])
        assert "0-9a-fA-F" in one["pattern"], name
        assert (found.get("explode") is False) is (name != "license"), name


def test_a_patch_names_all_that_get_gives() -> None:
    schema = DOCUMENT["components"]["schemas"]["VersionPatch"]
    assert schema["additionalProperties"] is False
    assert {"id", "url", "state", "machines", "user", "name"} <= schema["properties"].keys()
    valid("VersionPatch", {"state": "ended", "name": "new name"})
    with pytest.raises(jsonschema_rs.ValidationError):
        valid("VersionPatch", {"colour": "red"})


# ── the contract's examples ────────────────────────────────────────────────────────────────


def holds(whole: Any, part: Any, path: str) -> None:
    """`whole` has all of `part`, its fields first and in its order."""
    if isinstance(part, dict):
        assert list(whole)[: len(part)] == list(part), path
        for name, value in part.items():
            holds(whole[name], value, f"{path}.{name}")
    elif isinstance(part, list):
        assert len(whole) == len(part), path
        for ours, theirs in zip(whole, part, strict=True):
            holds(ours, theirs, path)
    else:
        assert whole == part, path


def test_the_examples_are_the_contracts_and_whole_answers() -> None:
    version, collection = contract_bodies()
    collection["next"] = None  # the contract's "null" is a slip
    holds(examples.VERSION, version, "version")
    holds(examples.COLLECTION, collection, "collection")
    valid("Version", examples.VERSION)
    valid("VersionList", examples.COLLECTION)
    valid("VersionPatch", examples.EDIT)


def test_the_examples_stand_at_the_contracts_addresses() -> None:
    def shown(method: str, path: str) -> Any:
        media = operations()[method, path]["responses"]["200"]["content"]["application/json"]
        return media["example"]

    assert shown("GET", "/image_versions") == examples.COLLECTION
    assert shown("GET", "/image_versions/{id}") == examples.VERSION
    assert shown("PATCH", "/image_versions/{id}") == examples.VERSION


# ── as it is served ────────────────────────────────────────────────────────────────────────


def test_it_is_served_with_an_etag(client: testing.TestClient) -> None:
    first = client.simulate_get("/openapi.json")
    assert first.status_code == 200
    assert first.headers["content-type"] == "application/json"
    assert first.json == json.loads(json.dumps(DOCUMENT))
    again = client.simulate_get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.simulate_get("/openapi.json?a=b").json["code"] == "parameter_unknown"
    refused = client.simulate_get("/openapi.json", headers={"Authorization": "Token wrong"})
    assert refused.status_code == 401


def test_the_server_address_is_the_public_one() -> None:
    assert DOCUMENT["servers"] == [{"url": "/"}]
    assert document("https://images.example.org", API)["servers"] == [
        {"url": "https://images.example.org"}
    ]


@pytest.mark.parametrize("page", ["/docs", "/docs/errors"])
def test_pages_load_only_what_this_server_has(client: testing.TestClient, page: str) -> None:
    answer = client.simulate_get(page)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "//" not in answer.text.replace("<!doctype html>", "")
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=", answer.text)
    links = re.findall(r'(?:src|href)="([^"#]+)"', answer.text)
    assert any(link.startswith("/static/") for link in links)
    for link in links:
        found = client.simulate_get(link)
        assert found.status_code == 200, link
        assert found.content


def test_assets_have_their_types(client: testing.TestClient) -> None:
    for name, (folder, media_type) in ASSETS.items():
        answer = client.simulate_get(f"/docs/assets/{name}")
        assert answer.content == (folder / name).read_bytes()
        assert answer.headers["content-type"] == media_type
        assert answer.headers["etag"]
    assert b"http" not in (ASSETS["reference.js"][0] / "reference.js").read_bytes()
    assert client.simulate_get("/docs/assets/..%2fapp.py").status_code == 404
    assert client.simulate_get("/docs/assets/other.js").status_code == 404


def test_the_interactive_page_reads_this_version_of_openapi() -> None:
    """Swagger UI renders OpenAPI 3.1 since its version 5."""
    script = (ASSETS["swagger-ui-bundle.js"][0] / "swagger-ui-bundle.js").read_text()
    found = re.search(r'PACKAGE_VERSION:"(\d+)\.', script)
    assert found
    assert int(found[1]) >= 5


# ── error codes ────────────────────────────────────────────────────────────────────────────

HELPERS = {"field_problem": 400, "_malformed": 400}


def codes_in_the_source() -> dict[str, set[int]]:
    """Every code that the source can raise, `*` for a part filled in, with its statuses."""
    statuses = {kind.__name__: kind.status for kind in errors.Problem.__subclasses__()}
    found = {kind.default_code: {kind.status} for kind in errors.Problem.__subclasses__()}
    found[errors.Problem.default_code] = {errors.Problem.status}
    for path in SOURCE.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call):
                continue
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            status = (statuses | HELPERS).get(name)
            for keyword in call.keywords:
                if keyword.arg == "code" and (code := _written(keyword.value)):
                    found.setdefault(code, set()).update([status] if status else [])
    return found


def _written(value: ast.expr) -> str | None:
    if isinstance(value, ast.Constant):
        return str(value.value)
    if isinstance(value, ast.JoinedStr):
        return "".join(str(p.value) if isinstance(p, ast.Constant) else "*" for p in value.values)
    return None


def matches(pattern: str, code: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", r"\w+"), code) is not None


def test_every_code_is_in_the_table_with_its_status() -> None:
    for code, statuses in codes_in_the_source().items():
        listed = [name for name in CODES if matches(code, name)]
        assert listed, f"{code} is missing in web/docs/error_codes.py"
        for name in listed:
            assert statuses <= {CODES[name].status}, name


def test_the_table_has_no_code_that_nothing_raises() -> None:
    source = codes_in_the_source()
    assert [code for code in CODES if not any(matches(s, code) for s in source)] == []


def test_the_type_of_a_problem_leads_to_its_row(client: testing.TestClient) -> None:
    problem = client.simulate_get(f"{API}/images/999").json
    path, _, anchor = problem["type"].partition("#")
    page = client.simulate_get(path).text
    assert anchor == "not_found"
    assert f'id="{anchor}"' in page
    assert all(f'id="{code}"' in page for code in CODES)
