"""Products of simplestreams: what becomes a machine, under which name, and what is skipped.

`ubuntu-aws-cn.json` is one record of Ubuntu's list; the trimmed files are test data of
meigma/go-simplestreams (Apache-2.0 or MIT). The other trees have the shapes of real ones.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from goldenrod.sources.files.document import Unreadable
from goldenrod.sources.found import FoundMachine, Listed, Skipped
from goldenrod.sources.releases import releases
from goldenrod.sources.simplestreams.products import Products, parse_index, parse_products
from tests.sources.simplestreams.trees import DISK, IDS, INCUS, digest, index, products

DATA = Path(__file__).parents[1] / "data" / "simplestreams"


def parsed(document: Any, content_id: str | None = None, **options: Any) -> Products:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    name = content_id or str(json.loads(raw)["content_id"])
    return parse_products(raw, "p.json", content_id=name, mirror="images.example.org", **options)


def listed(found: Products) -> list[Listed]:
    return [row for row in found.listing.rows if isinstance(row, Listed)]


def skipped(found: Products) -> dict[str, str]:
    return {row.where: row.reason for row in found.listing.rows if isinstance(row, Skipped)}


def test_aliases_and_inherited_fields_of_a_real_record() -> None:
    (row,) = listed(parsed((DATA / "ubuntu-aws-cn.json").read_bytes(), tags=["label"]))
    assert row == Listed(
        image="com.ubuntu.cloud:server:14.10:pv:ssd",
        version="20150708",
        start_date="2015-07-08T00:00:00.000000Z",
        source_name="com.ubuntu.cloud:server:14.10:i386 20150708 cnnn1es",
        change_log="ubuntu-utopic-14.10-i386-server-20150708, release",
        image_description="ubuntu 14.10",
        tags=("ubuntu", "utopic", "release"),
        machine=FoundMachine(
            provider="cn-north-1",
            provider_type="aws",
            virtualization="pv",
            identifier="ami-bc71ec85",
            architecture="i386",
            deprecated_at="2015-07-23T00:00:00.000000Z",
            created_at="2015-07-08T00:00:00.000000Z",
            scope="com.ubuntu.cloud:released:aws-cn",
        ),
    )


def test_ids_are_machines_of_the_regions_that_they_inherit() -> None:
    found = parsed(IDS)
    places = {
        row.machine.identifier: (row.image, row.machine.provider, row.machine.provider_type)
        for row in listed(found)
    }
    assert places == {
        # Two stores of one version in one region would be two machines of one place: two images.
        "ami-00000001": ("org.example:server:9:paravirtual:ebs", "us-east-1", "aws"),
        "ami-00000002": ("org.example:server:9:paravirtual:instance-store", "us-east-1", "aws"),
        "Example 9 (latest)": (
            "org.example:server:9:7",
            "images.cloud.example/eu-de",
            "",
        ),
        # Daily builds are an image of their own, a mirror of releases is not.
        "org:offer:sku:9.20251027": ("org.example.daily:server:9", "westeurope", "azure"),
    }
    undated = next(row for row in listed(found) if row.version == "9.0.4-LTS")
    assert undated.start_date is None
    assert undated.machine.created_at == "2025-07-24T08:01:48.000000Z"  # the tree's `updated`
    key = "org.example.released:server:9:amd64"
    assert skipped(found) == {
        f"{key} 9.0.4-LTS d": "it has neither an id nor a path",
        f"{key} 9.0.4-LTS e": "its id or path is too long, or has control characters",
        f"{key} 20259999": "it has no items",
        f"{key} ": "its version is empty, too long, or has control characters",
        "broken": "Expected `object`, got `array`",
        "empty": "it has no versions",
    }
    assert found.identifiers is None  # something could not be read, so nothing is known to be gone


def test_incus_containers_and_virtual_machines_are_known_by_their_fingerprints() -> None:
    found = parsed(INCUS)
    container, vm = listed(found)
    assert (container.image, vm.image) == ("exampleos:9:default", "exampleos:9:default:vm")
    assert container.version == vm.version == "20251027_05:24"
    assert container.machine == FoundMachine(
        provider="images.example.org",
        provider_type="simplestreams",
        identifier=digest(10),  # of the squashfs: Incus prefers it
        architecture="amd64",
        size_gb=1,
        checksum=f"sha256:{digest(2)}",
        created_at="2025-10-27T00:00:00.000000Z",
        scope="images",
    )
    assert (vm.machine.identifier, vm.machine.size_gb) == (digest(12), 4)
    assert vm.image_description == "Exampleos 9 (pinky)"
    assert vm.tags == ("Exampleos", "9", "default")
    key = "exampleos:9:amd64:default"
    assert skipped(found) == {
        f"{key} 202510260524": "it has no root file system and no disk",
        f"{key} 20251025": "its metadata has no combined hash, by which Incus and LXD know an image",
    }
    assert (
        found.identifiers and digest(12) in found.identifiers and DISK["path"] in found.identifiers
    )


@pytest.mark.parametrize(
    ("name", "fingerprints"),
    [
        ("incus", ["7f23d644c828708104084e80c6697f409670b5ba6fd386aae22778e1915e3055"]),
        ("linuxcontainers", ["fa7f9ee35c0a6666ac3f0c549a030386dcc79dcf6ddde9891d98a3417034d54a"]),
        (
            "lxd",
            [
                "cfc89fd421b1e9adcf1ca2189841c822eb99dd9b4f21d187e9de926ad4104633",
                "307028f999c8a0ae93ed65f1444069bc154ad41ba988382d16b1cf7cdecc35da",
            ],
        ),
    ],
)
def test_real_items_of_mirrors_of_images(name: str, fingerprints: list[str]) -> None:
    found = parsed((DATA / f"trimmed-{name}-products.json").read_bytes())
    assert [row.machine.identifier for row in listed(found)] == fingerprints
    assert not skipped(found)
    assert {row.image for row in listed(found)} <= {
        "debian:bookworm:default",
        "debian:bookworm:default:vm",
    }


def test_plain_downloads_are_known_by_their_paths() -> None:
    def version(*items: dict[str, Any]) -> dict[str, Any]:
        return {"items": {f"item{number}": item for number, item in enumerate(items)}}

    found = parsed(
        products(
            "downloads",
            {
                "org.example.stable:v3:boot:9:amd64:ga-9": {
                    "arch": "amd64",
                    "support_eol": "2029-05-31",
                    "versions": {
                        "20251001": version(
                            {"ftype": "boot-kernel", "path": "9/kernel"},
                            {"ftype": "squashfs", "path": "9/squashfs", "sha256": "no"},
                        ),
                        "20251002": version({"ftype": "archive.tar.xz", "path": "9/shim.tar.xz"}),
                        "20251003": version({"ftype": "disk1.img", "path": "../9/disk1.img"}),
                        "20251004": version({"ftype": "disk1.img", "path": "/etc/passwd"}),
                        "20251005": version({"ftype": "disk1.img", "path": "http://other/d"}),
                        "samepath": version({"ftype": "squashfs", "path": "9/squashfs"}),
                    },
                },
                "org.example.stable:v3:boot:9:arm64:ga-9": {
                    "arch": "arm64",
                    "supported": False,
                    "versions": {"20251001": version({"ftype": "root-tgz", "path": "9/arm.tgz"})},
                },
            },
        )
    )
    first, second = listed(found)
    assert first.image == second.image == "org.example:v3:boot:9:ga-9"
    assert (first.machine.identifier, first.machine.checksum) == ("9/squashfs", None)
    assert first.machine.deprecated_at == "2029-05-31T00:00:00.000000Z"
    assert second.machine.deprecated_at == "2025-10-01T00:00:00.000000Z"
    (release,) = releases([first, second])
    assert not isinstance(release, Skipped) and len(release.machines) == 2
    reasons = list(skipped(found).values())
    assert reasons[0] == "it has no file of a known format"
    assert all("does not lead to a file of the mirror" in reason for reason in reasons[1:4])
    assert reasons[4].startswith("its machine is already listed as org.example.stable:v3")


def test_other_documents_are_refused_and_bad_entries_of_an_index_are_named() -> None:
    for document, reason in [
        (b"<html></html>", "p.json: is HTML or XML, not JSON"),
        (index({}), "p.json: Object missing required field `products`"),
        (products("other", {}), "p.json: is other, not c"),
        ({"format": "products:2.0", "products": {}}, "p.json: its format is products:2.0"),
        (products("c", {}, _aliases=[]), "p.json: its _aliases cannot be read"),
        (products("c", {}, _aliases={str(key): {} for key in range(30)}), "more than 20"),
    ]:
        with pytest.raises(Unreadable, match=reason):
            parsed(document, "c")
    entries = parse_index(
        json.dumps(
            {
                "format": "index:1.0",
                "index": {
                    "good": {"path": "streams/v1/good.json"},
                    "pathless": {},
                    "future": {"path": "p", "format": "products:2.0"},
                },
            }
        ).encode(),
        "i.json",
    )
    assert not isinstance(entries["good"], str)
    assert entries["pathless"] == "Object missing required field `path`"
    assert entries["future"] == "its format is products:2.0"
    with pytest.raises(Unreadable, match=r"not index:1\.0"):
        parse_index(b'{"format": "index:9", "index": {}}', "i.json")


def test_long_texts_are_not_copied_to_each_item() -> None:
    many = {f"i{number}": {"id": f"ami-{number:08x}"} for number in range(2_000)}
    tree = products(
        "c",
        {"p": {"arch": "x" * 1_000_000, "versions": {"20250101": {"items": many}}}, "k" * 5000: {}},
        junk="y" * 1_000_000,
    )
    found = parsed(tree)
    assert len(listed(found)) == 2_000
    assert {row.machine.architecture for row in listed(found)} == {""}
    assert [(len(where) < 300, reason) for where, reason in skipped(found).items()] == [
        (True, "its key is too long")
    ]
