"""Saved answers of clouds: real ones of GCP, Azure and Image Builder, and catalogues of Vagrant boxes.

The files in `tests/sources/data` are recorded or documented answers: of apache/libcloud and aws/aws-cli
(Apache-2.0), Azure/azure-cli and Azure/azure-rest-api-specs (MIT).
"""

import json
import os
from pathlib import Path

import pytest

from goldenrod.base.clock import Instant
from goldenrod.sources.declarations import Azure, Gcp, ImageBuilder, Vagrant
from goldenrod.sources.files import azure, document, gcp, image_builder, vagrant
from goldenrod.sources.found import Found, FoundMachine, Listed, Look, Origin, Skipped
from goldenrod.sources.name_rules import NameRules, RuleText
from goldenrod.sources.releases import releases

DATA = Path(__file__).parents[1] / "data"
NOW = Instant("2026-11-26T12:00:00.000000Z")
RULES = NameRules(
    [
        RuleText(name="dated", match=r"[a-z0-9-]+-v(?P<version>(?P<date>20\d{6})[a-z]?)"),
        RuleText(name="cos", match=r"cos-(?P<channel>[a-z]+)-(?P<version>\d+(?:-\d+)+)"),
        RuleText(name="custom", match=r"(?P<version>custom-image\d*)", image="custom"),
    ]
)


def documents(*names: str) -> list[tuple[str, bytes]]:
    return [(name, (DATA / name).read_bytes()) for name in names]


def of_gcp(project: str, *names: str, **options) -> Look:
    return gcp.parse(documents(*names), project=project, rules=RULES, read_at=NOW, **options)


def listed(look: Look) -> dict[str, Listed]:
    return {row.source_name: row for row in look.rows if isinstance(row, Listed)}


def skipped(look: Look) -> list[tuple[str, str]]:
    return [(row.where, row.reason) for row in look.rows if isinstance(row, Skipped)]


# GCP


def test_gcp_images_of_four_projects_are_all_read() -> None:
    seen = {}
    for project in ("debian-cloud", "suse-cloud", "ubuntu-os-cloud", "cos-cloud"):
        look = of_gcp(project, f"gcp/projects_{project}_global_images.json")
        assert look.failed is None and not look.additions_only and not look.notes
        assert not skipped(look)
        seen[project] = len(listed(look))
        assert not [r for r in releases(listed(look).values()) if isinstance(r, Skipped)]
    assert seen == {"debian-cloud": 19, "suse-cloud": 7, "ubuntu-os-cloud": 9, "cos-cloud": 4}


def test_gcp_facts_and_deprecation_follow_the_state_not_the_announced_dates() -> None:
    suse = listed(of_gcp("suse-cloud", "gcp/projects_suse-cloud_global_images.json"))
    assert suse["sles-11-sp3-v20140306"] == Listed(
        image="sles-11-sp3",
        version="20140306",
        start_date=Instant("2014-03-06T00:00:00.000000Z"),
        source_name="sles-11-sp3-v20140306",
        machine=FoundMachine(
            provider="gcp/suse-cloud",
            provider_type="gcp",
            identifier="projects/suse-cloud/global/images/sles-11-sp3-v20140306",
            architecture="",
            size_gb=8,
            checksum="id:3727805086509383287",
            deprecated_at=Instant("2014-06-09T00:00:00.000000Z"),
            # Written there on another host: content.googleapis.com.
            replacement="projects/suse-cloud/global/images/sles-11-sp3-v20140609",
            owner="suse-cloud",
            created_at=Instant("2014-03-06T21:13:29.791000Z"),
            scope="gcp/suse-cloud",
        ),
    )
    assert suse["sles-12-v20141023"].machine.deprecated_at is None

    debian = listed(of_gcp("debian-cloud", "gcp/projects_debian-cloud_global_images.json"))
    announced_for_2064 = debian["debian-6-squeeze-v20130509"].machine
    assert announced_for_2064.deprecated_at == announced_for_2064.created_at
    ubuntu = listed(of_gcp("ubuntu-os-cloud", "gcp/projects_ubuntu-os-cloud_global_images.json"))
    without_date = ubuntu["ubuntu-1404-trusty-v20141031a"].machine
    assert without_date.deprecated_at == without_date.created_at is not None

    cos = listed(of_gcp("cos-cloud", "gcp/projects_cos-cloud_global_images.json"))
    assert cos["cos-stable-63-10032-88-0"].image == "cos-stable"  # its family
    assert cos["cos-stable-63-10032-88-0"].version == "63-10032-88-0"
    assert cos["cos-stable-63-10032-88-0"].change_log.startswith("Google, Container-Optimized OS")


def test_gcp_a_name_that_stands_twice_and_a_missing_page() -> None:
    twice = of_gcp("project_name", "gcp/global_images.json", tags=["foo", "absent"])
    assert listed(twice)["custom-image"].tags == ("foo=bar",)
    assert skipped(twice) == [("custom-image", "its machine is already listed as custom-image")]
    first_page = of_gcp("project_name", "gcp/global_images_paged.json")
    assert first_page.additions_only and "next page" in first_page.notes[0]
    both = of_gcp("project_name", "gcp/global_images_paged.json", "gcp/global_images.json")
    assert not both.additions_only and not both.notes


def one_gcp(**values) -> Listed | Skipped:
    row = {"kind": "compute#image", "id": "7", "name": "base-v20260102", "status": "READY"}
    raw = json.dumps(row | values).encode()
    (only,) = gcp.parse([("one.json", raw)], project="p", rules=RULES, read_at=NOW).rows
    return only


def test_gcp_single_images() -> None:
    obsolete = one_gcp(deprecated={"state": "OBSOLETE"}, architecture="ARM64")
    assert isinstance(obsolete, Listed)
    assert obsolete.machine.status == "deactivated"
    assert obsolete.machine.architecture == "ARM64"
    planned = one_gcp(deprecated={"state": "ACTIVE", "deprecated": "2020-01-01T00:00:00Z"})
    assert isinstance(planned, Listed) and planned.machine.deprecated_at is None
    built = one_gcp(
        sourceImage="https://h/compute/v1/projects/debian-cloud/global/images/debian-12"
    )
    assert isinstance(built, Listed) and built.machine.origin == Origin(
        provider="gcp/debian-cloud",
        identifier="projects/debian-cloud/global/images/debian-12",
        kind="build",
    )
    for values, reason in [
        ({"status": "PENDING"}, "status is PENDING"),
        ({"name": "no version"}, "no rule"),
        ({"name": "x" * 40_000}, "longer than 256"),
        ({"name": 7}, "Expected `str`"),
        ({"selfLink": "https://h/compute/v1/projects/q/global/images/base"}, "another project"),
    ]:
        row = one_gcp(**values)
        assert isinstance(row, Skipped) and reason in row.reason and len(row.where) < 300


def test_an_answer_that_is_no_list_fails_the_look() -> None:
    gcp_look = of_gcp("project_name", "gcp/global_images_family_notfound.json")
    assert gcp_look.rows == () and "error that the cloud answered" in (gcp_look.failed or "")
    assert "not of projects/other" in (of_gcp("other", "gcp/global_images.json").failed or "")
    for raw, reason in [
        (b"", "is empty"),
        (b"  <html>Sign in</html>", "HTML"),
        (b"{", "is not JSON"),
        (b"{}", "is not a list"),
        (b'"text"', "Expected"),
        (b"[" * 100_000, "nested too deeply"),
        ('{"kind": "é"}'.encode("latin-1"), "UTF-8"),
        ("{}".encode("utf-16"), "UTF-16"),
        (b'{"kind": "compute#imageList", "items": [{"name": "b-v2026', "is not JSON"),
    ]:
        look = gcp.parse([("page.json", raw)], project="p", rules=RULES, read_at=NOW)
        assert look.rows == () and look.failed, raw[:40]
        assert look.failed.startswith("page.json: ") and reason in look.failed
        assert azure.parse([("page.json", raw)], read_at=NOW).failed
        assert image_builder.parse([("page.json", raw)], read_at=NOW).failed
        assert vagrant.parse(raw, scope="page.json", provider="v", read_at=NOW).failed
    # An empty list says that it is one.
    for raw in (
        b"[]",
        b'\xef\xbb\xbf{"kind": "compute#imageList", "id": "projects/p/global/images"}',
    ):
        look = gcp.parse([("page.json", raw)], project="p", rules=RULES, read_at=NOW)
        assert look.failed is None and look.rows == () and not look.additions_only


# Azure


def test_azure_versions_are_joined_to_their_definition_whatever_the_case() -> None:
    definition, version = documents(
        "azure/gallery-image-definition-2026.json", "azure/gallery-image-version-2026.json"
    )
    shouted = (version[0], version[1].replace(b"/galleries/gallery_", b"/Galleries/GALLERY_"))
    look = azure.parse([shouted, definition], read_at=NOW)
    (row,) = listed(look).values()
    assert (row.image, row.version) == ("image000004", "1.1.1")
    assert row.machine.provider == "eastus"
    assert row.machine.architecture == "x64"
    assert row.machine.size_gb == 30
    assert row.machine.deprecated_at == "2026-12-31T12:59:59.000000Z"
    assert row.machine.created_at == "2026-04-23T03:08:11.555903Z"
    assert row.machine.owner == "00000000-0000-0000-0000-000000000000"
    assert row.machine.origin is None  # a managed image, not one of a gallery
    # The same version twice, in another case, is one machine.
    again = azure.parse([shouted, version, definition], read_at=NOW)
    assert len(listed(again)) == 1 and "already listed" in skipped(again)[0][1]
    # az prints the same fields without `properties`.
    flat = json.loads(version[1])
    flat |= flat.pop("properties")
    printed = azure.parse([("az.json", json.dumps([flat]).encode()), definition], read_at=NOW)
    assert listed(printed).keys() == listed(look).keys() == {"gallery_000003/image000004/1.1.1"}
    assert next(iter(listed(printed).values())) == next(
        iter(listed(azure.parse([version, definition], read_at=NOW)).values())
    )


def test_azure_a_version_is_a_machine_in_each_region() -> None:
    look = azure.parse(documents("azure/spec-list-by-gallery-image.json"), read_at=NOW)
    rows = [row for row in look.rows if isinstance(row, Listed)]
    assert [row.machine.provider for row in rows] == ["westus", "eastus"]
    assert {(row.image, row.version) for row in rows} == {("myGalleryImageName", "1.0.0")}
    assert look.additions_only  # it has a nextLink
    assert any("policy violation: ImageFlaggedUnsafe" in note for note in look.notes)
    (release,) = releases(rows)
    assert isinstance(release, Found) and len(release.machines) == 2

    (_, raw), *_ = documents("azure/spec-list-by-gallery-image.json")
    excluded = raw.replace(b'"excludeFromLatest": false', b'"excludeFromLatest": true', 1)
    west, east = azure.parse([("v.json", excluded)], read_at=NOW).rows
    assert isinstance(west, Listed) and isinstance(east, Listed)
    assert west.machine.deprecated_at == west.machine.created_at
    assert east.machine.deprecated_at is None
    failed = raw.replace(b'"provisioningState": "Succeeded"', b'"provisioningState": "Failed"')
    (row,) = azure.parse([("v.json", failed)], read_at=NOW).rows
    assert isinstance(row, Skipped) and row.machines == 2 and "Failed" in row.reason


# EC2 Image Builder


def test_image_builder_only_builds_that_are_available_give_machines() -> None:
    look = image_builder.parse(
        documents("image_builder/list-image-build-versions.json"), read_at=NOW
    )
    assert look.failed is None
    # The example repeats one id in each build, which no real account has.
    (row,) = listed(look).values()
    assert (row.image, row.version) == ("MyBasicRecipe", "2019.12.03/5")
    assert (row.machine.provider, row.machine.identifier) == ("us-west-2", "ami-a1b2c3d4567890ab")
    assert row.machine.owner == "123456789012"
    reasons = [reason for _, reason in skipped(look)]
    assert reasons.count("its build is FAILED") == 3
    assert [r.machines for r in look.rows if isinstance(r, Skipped)] == [1, 3, 1, 1, 1]

    building = image_builder.parse(documents("image_builder/get-image.json"), read_at=NOW)
    assert skipped(building) == [("MyBasicRecipe 2019.12.03/1", "its build is BUILDING")]
    versions = image_builder.parse(documents("image_builder/list-images.json"), read_at=NOW)
    assert "lists no builds" in (versions.failed or "")


# Vagrant


def box(**values) -> bytes:
    provider = {
        "name": "virtualbox",
        "url": "https://boxes.example/base-1.0.0.box",
        "checksum_type": "sha1",
        "checksum": "5B" * 20,
    }
    versions = [{"version": "1.0.0", "providers": [provider | values.pop("provider_values", {})]}]
    return json.dumps({"name": "team/base", "versions": versions} | values).encode()


def of_vagrant(raw: bytes) -> Look:
    return vagrant.parse(raw, scope="base.json", provider="vagrant", read_at=NOW)


def test_vagrant_catalogues() -> None:
    (row,) = of_vagrant(box(description="A base.")).rows
    assert row == Listed(
        image="team/base",
        version="1.0.0",
        source_name="team/base 1.0.0",
        image_description="A base.",
        machine=FoundMachine(
            provider="vagrant/virtualbox",
            provider_type="vagrant",
            virtualization="virtualbox",
            identifier="https://boxes.example/base-1.0.0.box",
            architecture="",
            checksum="sha1:" + "5b" * 20,
            scope="base.json",
        ),
    )
    unknown = {"architecture": "unknown", "checksum": "", "checksum_type": "none"}
    (row,) = of_vagrant(box(provider_values=unknown)).rows
    assert isinstance(row, Listed)
    assert (row.machine.architecture, row.machine.checksum) == ("", None)


def test_vagrant_files_that_are_no_catalogue_fail_and_bad_boxes_are_skipped() -> None:
    inside = b'{"provider": "libvirt", "format": "qcow2", "virtual_size": 16}'
    assert "inside a box" in (of_vagrant(inside).failed or "")
    assert "inside a box" in (of_vagrant(box(provider="hyperv")).failed or "")
    assert "name of its box" in (of_vagrant(box(name="")).failed or "")
    for values, reason in [
        ({"url": None}, "no url"),
        ({"url": "https://user:hunter2@boxes.example/b.box"}, "to sign in with"),
        ({"url": "https://boxes.example/" + "x" * 600}, "too long"),
        ({"name": ""}, "no usable name"),
        ({"name": 3}, "Expected `str`"),
    ]:
        (row,) = of_vagrant(box(provider_values=values)).rows
        assert isinstance(row, Skipped) and reason in row.reason and "hunter2" not in row.reason


# Files


def test_sources_read_their_files_and_never_say_that_a_machine_is_gone(tmp_path: Path) -> None:
    for name in ("gcp/global_images.json", "azure/gallery-image-version-2026.json"):
        (tmp_path / Path(name).name).write_bytes((DATA / name).read_bytes())
    (tmp_path / "builds.json").write_bytes(
        (DATA / "image_builder/list-image-build-versions.json").read_bytes()
    )
    (tmp_path / "box.json").write_bytes(box())
    sources = [
        gcp.GcpSource(
            Gcp(name="g", project="project_name", files=["global_images.json"]), RULES, tmp_path
        ),
        azure.AzureSource(
            Azure(name="a", files=["gallery-image-version-2026.json"]), RULES, tmp_path
        ),
        image_builder.ImageBuilderSource(
            ImageBuilder(name="i", files=[str(tmp_path / "builds.json")]), RULES, tmp_path
        ),
        vagrant.VagrantSource(Vagrant(name="v", files=["box.json"]), RULES, tmp_path),
    ]
    for source in sources:
        (scope,), failures = source.scopes()
        assert not failures
        look = source.look(scope)
        assert look.failed is None and look.scope == scope and listed(look)
        assert all(row.machine.scope == scope for row in listed(look).values())
        assert source.presence(scope, "us-west-2", "ami-0") == "unknown"


def test_a_file_that_is_missing_no_file_or_too_large_fails_the_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failed(name: str) -> str:
        source = azure.AzureSource(Azure(name="a", files=[name]), RULES, tmp_path)
        return source.look("galleries").failed or ""

    assert failed("missing.json") == "missing.json: No such file or directory"
    (tmp_path / "folder").mkdir()
    assert "folder: " in failed("folder")
    os.mkfifo(tmp_path / "pipe")
    assert failed("pipe") == "pipe: is not a file"
    assert failed("nul\0") and failed("/dev/zero") == "/dev/zero: is not a file"
    monkeypatch.setattr(document, "MOST_SEPARATORS", 10)
    (tmp_path / "many.json").write_bytes(b"[" + b"1," * 20 + b"1]")
    assert failed("many.json") == "many.json: has too many values"
    monkeypatch.undo()
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(document.MOST_BYTES + 1)
    assert failed("huge.json") == "huge.json: is larger than 64 MiB"
    monkeypatch.setattr(document, "MOST_ROWS", 3)
    (tmp_path / "rows.json").write_bytes(b"[1, 1, 1, 1]")
    assert failed("rows.json") == "lists more than 3 machines"
