"""Format and invisible characters: refused in whatever is newly named, ignored where a stored name is
compared or searched for."""

import unicodedata
from collections.abc import Iterator

import pytest
from msgspec import inspect

from goldenrod.base import decode
from goldenrod.base.errors import BadRequest
from goldenrod.base.text import first_invisible, index_tokens, name_key, query_terms, sought_key
from goldenrod.catalogue.accounts import oidc_accounts
from goldenrod.store import schema
from goldenrod.store.db import Database
from goldenrod.web.api.routes import ROUTES
from tests.support import hostile_texts
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.hostile_texts import Steps

API = "/api/v2"
INVISIBLE = (
    "\u200b\u200c\u200d\u2060\ufeff"  # zero width, joiners, the byte order mark
    "\u200e\u200f\u202a\u202e\u2066\u2069\u061c"  # direction
    "\u00ad\u034f\u115f\u1160\u3164\uffa0\u2800\U0001d159"  # soft hyphen, fillers, blanks
    "\U000e0001\U000e0041\ufe0f\U000e0100\u180b"  # tags, variation selectors
)
NAMES = {"Name", "Label"}
NOT_NAMED_HERE = {
    ("/tokens", "username"),  # who signs in
    ("/lookup", "identifiers.0"),  # an id to look up
    ("/lookup", "identifiers.0.identifier"),
}
"""Short texts that name what exists."""


def short_texts(shape: inspect.Type) -> Iterator[Steps]:
    """The paths of a body's fields that take a name: texts of at most 256 characters, and tags."""

    def is_name(one: inspect.Type, steps: Steps) -> bool:
        is_tag = steps[:1] == ("tags",)
        return isinstance(one, inspect.StrType) and (is_tag or one.max_length == 256)

    # What names a tag that exists is no new name.
    return (
        steps
        for steps in hostile_texts.fields_where(is_name, shape)
        if steps[0] != "tags" or len(steps) == 2
    )


def test_every_format_ignorable_and_blank_character_is_known() -> None:
    for character in INVISIBLE:
        assert first_invisible(f"a{character}b") == character
    for number in range(0x110000):
        if unicodedata.category(chr(number)) == "Cf":
            assert first_invisible(chr(number)), hex(number)
    for visible in "aé漢字🌾\u0301\u0e33 \u00a0\u3000ｱﾞ":
        assert first_invisible(visible) is None, hex(ord(visible))


def test_the_name_of_anything_is_refused_with_a_sentence(api: ApiClient, world: World) -> None:
    real = {
        "image": world.images["open"],
        "version": world.versions["open"],
        "provider": world.providers["east"],
        "user": "alice",
    }
    keys = hostile_texts.real_things(world) | {
        "provider_machines": api.get(f"{API}/provider_machines").json["results"][0]["id"],
        "identities": world.identities["alice@east"],
        "tags": api.get(f"{API}/tags").json["results"][0]["id"],
    }
    asked = set()
    for route in ROUTES:
        for steps in short_texts(inspect.type_info(route.takes)) if route.takes else ():
            field = ".".join(map(str, steps))
            if (route.path, field) in NOT_NAMED_HERE:
                continue
            for text in ("a\u200bb", "\u3164"):
                body = hostile_texts.with_text(hostile_texts.least(route.takes, real), steps, text)
                if steps[0] == "machines":
                    body["machines"][0] |= {"provider": real["provider"]}
                    body["machines"][0].setdefault("identifier", "x")
                address = API + route.path.replace("{key}", str(keys.get(route.path.split("/")[1])))
                answer = api.ask(route.method, address, "dora", body)
                assert code(answer) == "400 field_invalid", (route.path, field, answer.text)
                told = answer.json["errors"][0]
                assert told["field"].replace("[0]", ".0") == field
                assert "must not have format or invisible characters, such as U+" in told["detail"]
            asked.add(f"{route.method} {route.path} {field}")
    assert {
        "POST /image_versions name",
        "PATCH /image_versions/{key} doc_object_id",
        "POST /image_versions machines.0.architecture",
        "POST /images tags.0",
        "POST /users username",
        "POST /providers virtualization",
        "PATCH /groups/{key} name",
        "POST /boot_scripts title",
        "POST /tokens name",
        "POST /identities key",
    } <= asked
    assert len(asked) > 30


def test_a_name_of_which_nothing_is_visible_is_refused() -> None:
    for text in ("\u0301", "\u0301 \u0316", "\ue000"):
        with pytest.raises(BadRequest, match="can be seen"):
            decode.name("name", text)
    assert decode.name("name", " re\u0301seau 🌾 ") == "re\u0301seau 🌾"


def test_an_account_of_a_provider_gives_a_visible_username() -> None:
    assert next(oidc_accounts._names("\ufeffan\u200bna\u3164 ")) == "anna"
    assert next(oidc_accounts._names("\u3164\u0301")) == "user"


def test_stored_names_are_compared_and_found_without_them(
    api: ApiClient, db: Database, world: World
) -> None:
    assert name_key("\ufeff1.0\u200b") == name_key("1.0") == sought_key("1\u00ad.0")
    for hidden in INVISIBLE:
        assert name_key(f"Re{hidden}\u0301seau") == name_key("RÉSEAU")
    terms = {term.text for term in query_terms("ubu\u200bntu")}
    assert terms == {"ubuntu"} <= set(index_tokens("ubun\u200btu"))
    assert {"one", "two"} <= set(index_tokens("one\u200btwo"))
    name = "open\u200b-1.0"
    with db.write() as tx:
        tx.update(
            schema.versions,
            {"id": world.versions["open"]},
            name=name,
            name_key=name_key(name),
        )
    for asked in ("open-1.0", "open%E2%80%8B-1.0", "OPEN-1%C2%AD.0"):
        found = api.get(f"/image_versions?name={asked}").json["results"]
        assert [version["id"] for version in found] == [world.versions["open"]]
    again = {"name": "open-1.0", "image": world.images["open"]}
    assert code(api.post("/image_versions", "alice", again)) == "409 version_name_taken"
    # Sending back what GET answered changes nothing, so a stored name is no fault in it.
    stored = api.get(f"/image_versions/{world.versions['open']}", "alice").json
    answer = api.patch(f"/image_versions/{world.versions['open']}", "alice", stored)
    assert answer.status_code in (200, 204), answer.text
