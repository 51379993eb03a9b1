"""What Glance's answers say, by real ones, by rows with one other field, and by mutated ones."""

import json
import random
import re
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from goldenrod.base.text import first_invisible
from goldenrod.sources.declarations import Declaration, OpenStack, load
from goldenrod.sources.found import Listed, Origin, Skipped
from goldenrod.sources.name_rules import NameRules
from goldenrod.sources.openstack.images import (
    OTHERS,
    Members,
    Page,
    Reading,
    id_of,
    read_image,
    read_members,
    read_page,
    read_presence,
)
from goldenrod.sources.releases import releases
from tests.sources.openstack.conftest import DEBIAN, image
from tests.sources.openstack.keystone import PROJECT

SAMPLES = Path(__file__).parent.parent / "data" / "openstack"
ADMIN_PROJECT = "00000000000000000000000000000001"


def reading(**declared: Any) -> Reading:
    return Reading(
        declaration=OpenStack(name="o", cloud="office", **declared),
        rules=NameRules([DEBIAN]),
        provider="office/north",
        scope="office/north/p",
        owners=frozenset({PROJECT}),
        read_at="2026-11-26T00:00:00.000000Z",
    )


def read(one: dict[str, Any], **declared: Any) -> Listed | Skipped:
    return read_image(json.dumps(one).encode(), reading(**declared))


def listed(one: dict[str, Any], **declared: Any) -> Listed:
    result = read(one, **declared)
    assert isinstance(result, Listed), result
    return result


def skipped(one: dict[str, Any], **declared: Any) -> str:
    result = read(one, **declared)
    assert isinstance(result, Skipped), result
    return result.reason


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def rows(name: str, **declared: Any) -> list[Listed | Skipped]:
    page = read_page(sample(name))
    assert isinstance(page, Page)
    return [read_image(raw, reading(**declared)) for raw in page.images]


def test_real_lists_are_read() -> None:
    found = rows("glance33/admin-list-all.json", public_images=True)
    assert [(row.where, row.reason) for row in found if isinstance(row, Skipped)] == [
        ("not uploaded yet (edead940-d897-4055-81a1-02be66d42327)", "its status is 'queued'"),
        (
            "withdrawn 1.0 (b7b83302-0d93-4710-93f6-d892b90f20fb)",
            "no rule matches its name, and it has not both properties os_distro and os_version",
        ),
    ]
    machines = [row for row in found if isinstance(row, Listed)]
    ubuntu = next(row for row in machines if row.source_name == "Ubuntu 24.04")
    assert (ubuntu.image, ubuntu.version) == ("ubuntu-24.04-arm64", "20260904")
    assert (ubuntu.machine.architecture, ubuntu.machine.visibility) == ("aarch64", "public")
    assert ubuntu.machine.checksum is not None and ubuntu.machine.checksum[:11] == "sha512:df62"
    assert (ubuntu.machine.size_gb, ubuntu.machine.min_mem, ubuntu.start_date) == (1, None, None)
    debian = next(row for row in machines if row.version == "20260901-2588")
    assert debian.image == "debian-12-amd64"
    assert set(debian.tags) == {"golden", "stable"}
    assert (debian.machine.size_gb, debian.machine.min_mem) == (2, 512)
    assert debian.start_date == "2026-09-01T00:00:00.000000Z"
    assert debian.machine.created_at == "2026-11-26T05:28:46.000000Z"
    assert len(releases(machines)) == len(machines)

    hidden = rows("glance33/owner-list-hidden.json")
    assert [isinstance(row, Listed) for row in hidden] == [False, True]
    assert isinstance(hidden[0], Skipped) and hidden[0].reason == OTHERS
    assert isinstance(hidden[1], Listed) and hidden[1].machine.deprecated_at is not None
    for name in ("owner-visibility-all", "owner-list-page1", "member-list", "member-pending"):
        assert rows(f"glance33/{name}.json")
    page = read_page(sample("glance33/owner-list-page1.json"))
    assert isinstance(page, Page) and page.marker == "cffdbeeb-e4cc-435e-99d3-a7c4c0b574ff"
    documented = rows("api-ref-images-list-response.json")
    assert {row.reason for row in documented if isinstance(row, Skipped)} == {OTHERS}


def test_other_real_answers_are_no_lists() -> None:
    pages = [
        path for path in SAMPLES.rglob("*.[jh]*") if isinstance(read_page(path.read_bytes()), Page)
    ]
    assert sorted(path.stem for path in pages) == [
        "admin-list-all",
        "api-ref-images-list-response",
        "member-list",
        "member-pending",
        "owner-list-hidden",
        "owner-list-page1",
        "owner-visibility-all",
    ]
    assert read_members(sample("glance33/members.json")) == Members([], 1)
    documented = read_members(sample("api-ref-image-members-list-response.json"))
    assert documented == Members(["987654321"], 1)
    assert isinstance(read_members(sample("glance33/versions.json")), str)
    cirros = "1bea47ed-f6a9-463b-b423-14b9cca9ad27"
    for name in ("show", "details-deactivate"):
        answer = sample(f"api-ref-image-{name}-response.json")
        assert read_presence(answer, cirros) == "there"
        assert read_presence(answer, cirros[:-1] + "0") == "unknown"
    assert read_presence(sample("glance33/versions.json"), cirros) == "unknown"


def test_an_answer_of_many_values_takes_no_memory() -> None:
    begin = b'{"first": "", "images": ['
    large = [begin + values for values in (b"0," * 10_000_000, b"{}," * 7_000_000)]
    tracemalloc.start()
    assert {read_page(body) for body in large} == {"it has too many values"}
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100_000
    page = read_page(begin + b"0," * 400_000 + b"0]}")
    assert isinstance(page, Page) and len(page.images) == 400_001


def test_what_an_image_must_be_to_be_a_machine() -> None:
    assert skipped(image(1, owner="other")) == OTHERS
    assert skipped(image(1, owner=None, visibility="public")) == OTHERS
    assert listed(image(1, owner=None, visibility="public"), public_images=True)
    assert skipped(image(1, owner="other", visibility="community"), public_images=True) == OTHERS
    for status in ("queued", "saving", "importing", "uploading", "killed", "deleted", "x\x00"):
        assert skipped(image(1, status=status)).startswith("its status is")
    assert listed(image(1, status="deactivated")).machine.status == "deactivated"
    assert skipped(image(1, image_type="snapshot")) == "it is a snapshot of a server"
    assert listed(image(1, image_type="image")).image == "debian-12-amd64"
    for part in ("aki", "ari"):
        assert skipped(image(1, container_format=part)).startswith("it is a kernel")
    assert skipped(image(1, id="ami-1")).endswith("at `$.id`")
    assert skipped(image(1, min_disk=-1)).endswith("at `$.min_disk`")
    assert skipped(image(1, tags=[1])).endswith("at `$.tags[0]`")
    assert listed(image(1, visibility="restricted")).machine.visibility is None


def test_name_and_properties_say_image_and_version() -> None:
    named = {"os_distro": "ubuntu", "os_version": "24.04", "architecture": "x86_64"}
    plain = image(1, name="Ubuntu 24.04", image_build_date="2026-09-04", **named)
    assert (listed(plain).image, listed(plain).version) == ("ubuntu-24.04-x86_64", "2026-09-04")
    assert listed(plain | {"internal_version": "7"}).version == "7"
    assert listed(plain | {"architecture": "AMD64"}).image == "ubuntu-24.04-x86_64"
    assert listed(plain | {"architecture": "AMD64"}).machine.architecture == "AMD64"
    assert listed(plain | {"architecture": ""}).image == "ubuntu-24.04"
    for nameless in (None, "", "  "):
        one = listed(plain | {"name": nameless})
        assert (one.image, one.source_name) == ("ubuntu-24.04-x86_64", plain["id"])
    # What the rules read holds. A name that they refuse is not guessed from the properties.
    both = image(1, internal_version="7", **named)
    assert (listed(both).image, listed(both).version) == ("debian-12-amd64", "20260101-1")
    assert listed(both).machine.architecture == "x86_64"
    wrong_day = both | {"name": "debian-12-amd64-20261301-1"}
    assert skipped(wrong_day) == "the date in its name, 20261301, does not exist"
    for unusable in ("a" * 40_000, "a\x00b", ".."):
        assert "characters" in skipped(plain | {"name": unusable})
        assert len(read(plain | {"name": unusable}).where) < 300  # type: ignore[union-attr]
    other = skipped(both | {"architecture": "arm64"})
    assert other == "its architecture is arm64, but its name says amd64"
    assert "property architecture" in skipped(both | {"architecture": "a\nb"})
    assert "neither property" in skipped(plain | {"image_build_date": ""})
    assert "not both properties" in skipped(plain | {"os_version": None})
    for wrong in ("2\x1b", "2\u200b", "2\u202e"):
        assert "a property that names" in skipped(plain | {"os_version": wrong})
        assert "property architecture" in skipped(plain | {"architecture": wrong})
    twins = [listed(plain | {"id": image(n)["id"], "internal_version": f"{n}"}) for n in (1, 2)]
    assert [one.version for one in releases(twins) if not isinstance(one, Skipped)] == ["1", "2"]


def test_facts_of_a_machine() -> None:
    gib = 2**30
    assert listed(image(1, min_disk=3, size=gib + 1, virtual_size=4 * gib)).machine.size_gb == 4
    assert listed(image(1, min_disk=9, size=gib + 1, virtual_size=None)).machine.size_gb == 9
    assert listed(image(1, size=gib + 1, virtual_size=None)).machine.size_gb == 2
    assert listed(image(1, size=None, virtual_size=None)).machine.size_gb is None
    assert listed(image(1)).machine.checksum == "sha512:" + "0a" * 64
    old = image(1, os_hash_algo=None, os_hash_value=None)
    assert listed(old).machine.checksum == "md5:ba7acd026bc40ea9d374ec4d6b3f0134"
    assert listed(old | {"checksum": None}).machine.checksum is None
    assert listed(image(1, os_hash_value="0a")).machine.checksum is None
    assert listed(image(1, os_hash_algo="crc", os_hash_value="0a")).machine.checksum is None
    assert listed(image(1, created_at="soon")).machine.created_at is None
    unreadable = image(1, created_at=None, updated_at="2026-01-01", os_hidden=True)
    assert listed(unreadable).machine.deprecated_at == reading().read_at
    one = image(1, tags=["a", "a", "\x00"], hw_firmware_type="uefi", description="New.\x00\n")
    assert listed(one, tags=["hw_firmware_type", "os_type"]).tags == ("a", "uefi")
    assert (listed(one).tags, listed(one).change_log) == (("a",), "New.")
    built = image(1, base_image_ref=image(2)["id"])
    assert listed(built).machine.origin is None
    origin = Origin(provider="office/north", identifier=image(2)["id"], kind="build")
    assert listed(built, parent_property="base_image_ref").machine.origin == origin


HOSTILE_VALUES: list[Any] = [
    *(None, True, -1, 0, 2**31, 2**63, 2**200, 1e308, "", [], {}, [[]], ["\ud800", "a\x00b"]),
    *("\ud800", "a" * 40_000, "\u0301" * 40_000, "\u202e\u200b", "..", "2026-13-01T00:00:00Z"),
]


@pytest.mark.parametrize("times", [400, pytest.param(60_000, marks=pytest.mark.long)])
def test_mutated_answers_are_machines_or_skipped(times: int) -> None:
    chance = random.Random(18)
    answers = [path.read_bytes() for path in sorted(SAMPLES.rglob("*.[jh]*"))]
    for _ in range(times):
        body = bytearray(chance.choice(answers))
        if chance.random() < 0.5:
            _change_a_value(body, chance)
        for _ in range(chance.choice((0, 1, 1, 2, 8))):
            _change_bytes(body, chance)
        raw = bytes(body)
        page = read_page(raw)
        images = [raw] if isinstance(page, str) else page.images
        for one in images:
            row = read_image(one, reading(public_images=True, tags=["os_distro", "stores"]))
            said = (row.where, row.reason) if isinstance(row, Skipped) else (row.source_name,)
            assert all(0 < len(text) < 1000 for text in said), (said, raw)
            assert isinstance(row, Skipped) or not first_invisible("".join(row.tags))
            assert isinstance(row, Skipped) or id_of(one) == row.machine.identifier.lower()
            if isinstance(row, Skipped):
                assert row.where.isprintable() and row.reason.isprintable(), raw
        members = read_members(raw)
        assert isinstance(members, (str, Members))
        assert read_presence(raw, "1") == "unknown"


def _change_bytes(body: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(body) + 1)
    end = min(len(body), at + chance.choice((0, 1, 1, 2, 40)))
    piece = chance.choice(
        (b"", b"\x00", b"\xff", b'"', b"[", b"{", b"\\u0000", b"\\ud800", b"9" * 30)
    )
    if chance.random() < 0.1:
        del body[at:]
    elif chance.random() < 0.1:
        body[at:at] = b"[" * 3000
    else:
        body[at:end] = piece


def _change_a_value(body: bytearray, chance: random.Random) -> None:
    try:
        content = json.loads(body)
    except ValueError:
        return
    images = content.get("images") if isinstance(content, dict) else None
    one = chance.choice(images) if isinstance(images, list) and images else content
    if isinstance(one, dict) and one:
        key = chance.choice(sorted(one))
        one[key] = chance.choice(HOSTILE_VALUES)
    body[:] = json.dumps(content).encode()


def test_the_document_has_all_keys_and_an_example_that_loads(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "openstack.md").read_text("utf-8")
    example = text.split("```toml\n")[1].split("```")[0]
    (tmp_path / "sources.toml").write_text(example)
    (loaded,) = load(tmp_path / "sources.toml")
    assert isinstance(loaded, OpenStack) and loaded.parent_property == "base_image_ref"
    own = set(OpenStack.__struct_fields__) - set(Declaration.__struct_fields__)
    assert own | {"tags"} == set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
