"""Manifests of Packer: each builder's id, runs, groups, and what no input may do."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from goldenrod.sources.declarations import Packer, name_rules
from goldenrod.sources.found import Found, Listed, Skipped
from goldenrod.sources.name_rules import NameRules, RuleText
from goldenrod.sources.packer.manifest import InvalidManifest, Manifest, Options, read_manifest
from goldenrod.sources.packer.source import PackerSource, read_file
from goldenrod.sources.releases import releases

DATA = Path(__file__).parent / "data/packer"
HERE = {"image": "i", "version": "1", "provider": "here"}


def sample(name: str, **options: Any) -> Manifest:
    [file] = DATA.glob(f"*/{name}.json")
    return read_manifest(file.read_bytes(), Options(**options))


def manifest(*builds: dict[str, Any], last: str = "run") -> bytes:
    filled = [{"name": "b", "builder_type": "file", "packer_run_uuid": "run"} | b for b in builds]
    return json.dumps({"builds": filled, "last_run_uuid": last}).encode()


def build(builder: str, artifact_id: str, files: Any = None, **more: Any) -> dict[str, Any]:
    names = [{"name": f, "size": 1} if isinstance(f, str) else f for f in files or ()]
    given = {"builder_type": builder, "artifact_id": artifact_id, "build_time": 1_700_000_000}
    return given | {"files": names or None, "custom_data": None} | more


def placed(read: Manifest) -> list[str]:
    """`image/version provider=identifier`, or the reason why a build is skipped."""
    return [
        f"{row.image}/{row.version} {row.machine.provider}={row.machine.identifier}"
        if isinstance(row, Listed)
        else row.reason
        for row in read.rows
    ]


# ── what builders give ────────────────────────────────────────────────────────────────────

AMI, OTHER = "ami-0123456789abcdef0", "ami-12345678"
SHA = f"sha256:{'ab' * 32}"
GALLERY = "/subscriptions/0/resourceGroups/g/providers/Microsoft.Compute/galleries/x/images/y"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (build("amazon-ebs", f"us-east-1:{AMI},us-gov-west-1:{OTHER}"),
         [f"us-east-1={AMI}", f"us-gov-west-1={OTHER}"]),
        (build("amazon-ebssurrogate", f"eu-west-1:{AMI}"), [f"eu-west-1={AMI}"]),
        (build("virtualbox-iso", f"eu-west-1:{AMI}"), [f"eu-west-1={AMI}"]),  # amazon-import
        (build("amazon-ebsvolume", "us-east-1:vol-0123abcd"), "volumes or snapshots"),
        (build("amazon-ebsvolume", "us-east-1:snap-0123abcd"), "volumes or snapshots"),
        (build("amazon-ebs", "us-east-1"), "not a list of regions and AMIs"),
        (build("digitalocean", "lon1,nyc3:68784116"), ["lon1=68784116", "nyc3=68784116"]),
        (build("digitalocean", "68784116"), "not a list of regions"),
        (build("azure-arm", GALLERY), [f"here={GALLERY}"]),
        (build("azure-arm", ""), "neither an id nor files"),
        (build("azure-chroot", "/a, /b"), ["here=/a", "here=/b"]),
        (build("googlecompute", "base-1"), ["here=base-1"]),
        (build("proxmox-iso", "900"), ["here=900"]),
        (build("vsphere-iso", "vm"), ["here=vm"]),
        (build("vmware-iso", "store::folder::vm"), ["here=store::folder::vm"]),
        (build("docker", SHA), [f"here={SHA}"]),
        (build("docker", "registry/name"), "not the id of an image"),
        (build("docker", "Container", ["out/image.tar"]), ["here=out/image.tar"]),
        (build("qemu", "VM", ["a/disk", "a/disk-1"]), ["here=a/disk", "here=a/disk-1"]),
        (build("qemu", "VM", ["out/d.qcow2.xz", "out/log.txt"]), ["here=out/d.qcow2.xz"]),
        (build("qemu", "out/d.tar.gz", ["out/d.tar.gz"]), ["here=out/d.tar.gz"]),  # compress
        (build("qemu", "VM"), "neither an id nor files"),
        (build("qemu", "", ["a.sha256"]), "neither an id nor files"),  # googlecompute-import, checksum
        (build("qemu", "VM", ["../a.raw"]), "'..'"),
        (build("virtualbox-iso", "virtualbox", ["b\\package.box"]), ["here=b/package.box"]),
        (build("virtualbox-iso", "virtualbox"), "neither an id nor files"),
        (build("null", "Null"), "neither an id nor files"),
        (build("somebody.new", "id-1"), ["here=id-1"]),
        (build("openstack", "x" * 513), "longer than 512"),
        (build("openstack", "a\nb"), "control characters"),
    ],
)  # fmt: skip
def test_what_each_builder_made_is_read_from_its_id_or_files(given, expected):
    read = placed(read_manifest(manifest(given), Options(**HERE)))
    if isinstance(expected, str):
        assert len(read) == 1
        assert expected in read[0]
    else:
        assert read == [f"i/1 {one}" for one in expected]


def test_a_provider_that_no_id_names_must_be_declared():
    options = Options(image="i", version="1")
    ids = ("openstack", "u"), ("qemu", "VM"), ("oracle-oci", "ocid1.image.oc1.uk-london-1.aaa")
    raw = manifest(*(build(kind, given, ["a.raw"]) for kind, given in ids))
    assert placed(read_manifest(raw, options)) == [
        "the id of openstack does not say the provider: declare the provider",
        "the id of qemu does not say the provider: declare the provider",
        "i/1 uk-london-1=ocid1.image.oc1.uk-london-1.aaa",
    ]
    [whole] = placed(sample("googlecompute-two-builds-one-run", provider="gcp/p", version="1"))[:1]
    name = "influxdb-enterprise-data-1-8-2-ubuntu-1610532159"
    assert whole == f"enterprise-data/1 gcp/p=projects/p/global/images/{name}"


# ── whole manifests ───────────────────────────────────────────────────────────────────────


def test_published_manifests_are_read_whole():
    rules = RuleText(
        name="own", match="(?P<os>.+)-(?P<version>[0-9]+-[0-9]+-[0-9]+)-.+", image="{os}"
    )
    by_rule = {"rules": NameRules([rules]), "provider": "gcp/p"}
    shown = {
        name: placed(sample(name, **options))
        for name, options in {
            "amazon-ebs-multi-region-8-runs": {},
            "amazon-ebs-old-no-custom-data": {},
            "amazon-ebs-same-name-three-regions": {},
            "azure-arm-managed-image": {"provider": "azure"},
            "openstack-4-runs": {"provider": "lab"},
            "googlecompute-two-builds-one-run": by_rule,
            "proxmox-vm-id-900-first": {"provider": "px"},
            "proxmox-vm-id-900-second": {"provider": "px"},
            "virtualbox-ova": {"provider": "files", "base_url": "https://x.test/i/"},
            "vmware-iso-files": {"provider": "files"},
            "vagrant-windows-path": {"provider": "files", "base_url": "https://x.test"},
            "libvirt": {"provider": "host", "version": "1"},
            "yandex": {"provider": "ya"},
            "nutanix": {"provider": "nx"},
        }.items()
    }
    assert [len(rows) for rows in shown.values()] == [2, 1, 4, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1]
    assert "named like a region" in shown["amazon-ebs-old-no-custom-data"][0]
    weka = {row.split()[0] for row in shown["amazon-ebs-same-name-three-regions"]}
    assert len(weka) == 1
    assert [row.split("=")[0] for row in shown["googlecompute-two-builds-one-run"]] == [
        "influxdb-enterprise-data/1-8-2 gcp/p",
        "influxdb-enterprise-meta/1-8-2 gcp/p",
    ]
    assert shown["proxmox-vm-id-900-first"] == ["linux-13/v13.0.0.20250812140623 px=900"]
    assert shown["proxmox-vm-id-900-second"] == ["debian-13/v13.6.0.20260901112920 px=900"]
    assert shown["virtualbox-ova"] == [
        "linux-2204/20251031-003829 files=https://x.test/i/output-demo-box/demo-box.ova"
    ]
    assert shown["vmware-iso-files"] == ["vmware/20240321-144352 files=output-vmware/appliance.ovf"]
    assert shown["vagrant-windows-path"][0].endswith("=https://x.test/packer_build_dir/package.box")
    assert shown["libvirt"][0].startswith("build-linux/1 host=/var/lib/libvirt/images/")
    assert shown["yandex"][0].endswith(" ya=fd8pt8q5ri1ltp0mefl6")


def test_all_manifests_give_a_machine_for_each_build_of_all_runs():
    for file in sorted(DATA.glob("*/*.json")):
        raw = json.loads(file.read_bytes())
        read = sample(file.stem, run="all", image="i", provider="here")
        assert read.builds == len(raw["builds"]), file
        assert read.runs == tuple(dict.fromkeys(b["packer_run_uuid"] for b in raw["builds"]))
        assert all(isinstance(row, Listed) for row in read.rows), file
        assert len(read.rows) >= read.builds, file
        [first, *_] = read.rows
        last = sample(file.stem, image="i", provider="here")
        assert last.runs == (raw["last_run_uuid"],)
        again = sample(file.stem, image="i", provider="here", run=raw["last_run_uuid"])
        assert again == last
        assert isinstance(first, Listed)
        assert first.machine.provider_type, file


def test_one_run_is_one_version_of_each_image_and_contradictions_are_skipped():
    read = sample("amazon-ebs-same-name-three-regions")
    [version] = releases(row for row in read.rows if isinstance(row, Listed))
    assert isinstance(version, Found)
    assert sorted(machine.provider for machine in version.machines) == [
        "eu-west-1",
        "us-east-1",
        "us-west-1",
        "us-west-2",
    ]
    regions = sample("amazon-ebs-one-source-per-region", image="plural")
    [version] = releases(row for row in regions.rows if isinstance(row, Listed))
    assert isinstance(version, Found)
    assert len(version.machines) == 3
    # Two images in one run that are declared to be one.
    two = sample("googlecompute-two-builds-one-run", image="one", provider="gcp/p")
    found = releases(row for row in two.rows if isinstance(row, Listed))
    assert [type(one) for one in found] == [Skipped, Skipped]


def test_custom_data_options_and_rules_name_image_and_version():
    custom = {
        "image": "base",
        "version": "7",
        "architecture": "arm64",
        "change_log": "New.",
        "parent": "6",
    }
    raw = manifest(build("openstack", "u", name="x-amd64", custom_data=custom))
    [row] = read_manifest(raw, Options(provider="p")).rows
    assert isinstance(row, Listed)
    assert (row.image, row.version, row.change_log, row.parent) == ("base", "7", "New.", "6")
    assert row.machine.architecture == "arm64"
    [row] = read_manifest(raw, Options(**HERE)).rows
    assert isinstance(row, Listed)
    assert (row.image, row.version) == ("i", "1")
    # Values of other types, and control characters, count as absent.
    custom = {"image": 1, "version": "\x00", "git_tag": None, "x": {"y": []}}
    raw = manifest(build("openstack", "u", name="x-amd64", custom_data=custom))
    [row] = read_manifest(raw, Options(provider="p")).rows
    assert isinstance(row, Listed)
    assert (row.image, row.version) == ("x-amd64", "20231114-221320")
    assert (row.machine.architecture, row.machine.created_at) == (
        "amd64",
        "2023-11-14T22:13:20.000000Z",
    )
    timeless = manifest(build("openstack", "u", build_time=None))
    assert placed(read_manifest(timeless, Options(provider="p"))) == [
        "neither its version nor its time is known"
    ]
    strict = Options(
        provider="p", rules=NameRules([RuleText(name="r", match="(?P<version>[0-9]+)", image="n")])
    )
    assert placed(read_manifest(raw, strict)) == ["'x-amd64': no rule matches its name"]


def test_sizes_and_checksums_come_from_files(tmp_path):
    files = [{"name": f"out/{n}.raw", "size": n * 2**30 - 1} for n in (1, 3)]
    sums = f"{'0A' * 16}\t1.raw\n{'0b' * 32}  *out/1.raw\nnonsense\n{'0c' * 30} 3.raw\n"
    (tmp_path / "out").mkdir()
    (tmp_path / "out/x.checksum").write_text(sums)
    names = [*files, "out/x.checksum", "gone.sha256", "/etc/hostname.md5", "../up.sha1"]
    path = tmp_path / "m.json"
    path.write_bytes(manifest(build("qemu", "", names)))
    one, three = read_file(path, Options(**HERE)).rows
    assert isinstance(one, Listed)
    assert isinstance(three, Listed)
    assert (one.machine.size_gb, one.machine.checksum) == (1, f"sha256:{'0b' * 32}")
    assert (three.machine.size_gb, three.machine.checksum) == (3, None)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "Was Packer still running"),
        (manifest(build("qemu", "VM"))[:-40], "Was Packer still running"),
        (b"<html>", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"[]", "not a manifest"),
        (b'{"builds": 1}', "not a manifest"),
        (b'{"builds": null, "last_run_uuid": "x"}', "no builds of the run 'x'"),
        (manifest(build("qemu", "VM"), last="other"), "no builds of the run 'other'"),
        (b"[" * 100_000, "not a manifest"),
        (b'{"builds":' + b"[" * 100_000, "not JSON"),
        (b" " * (64 * 2**20 + 1), "larger than 64 MiB"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_whole_manifest_is_refused(raw, reason):
    with pytest.raises(InvalidManifest, match=reason):
        read_manifest(raw, Options())


def test_one_bad_build_is_one_skipped_row():
    good = build("openstack", "u")
    bad = [{"builder_type": "qemu"}, {"artifact_id": 1}, {"files": 3}, {"build_time": "now"}]
    raw = manifest(
        good, *(good | one | {"artifact_id": one.get("artifact_id")} for one in bad), good
    )
    rows = read_manifest(raw, Options(**HERE)).rows
    assert [type(row) for row in rows].count(Listed) == 2
    assert [row.where for row in rows if isinstance(row, Skipped)] == [
        f"build {n}" for n in (2, 3, 4, 5)
    ]


def test_a_lost_build_is_noticed():
    raw = manifest(build("openstack", "u"), build("openstack", "v"))
    assert read_manifest(raw, Options(expect=2, **HERE)).builds == 2
    with pytest.raises(InvalidManifest, match="has 2 builds of this run, but 3 are expected: was"):
        read_manifest(raw, Options(expect=3, **HERE))


def test_a_declared_source_reads_its_files(tmp_path):
    (tmp_path / "good.json").write_bytes(manifest(build("openstack", "u")))
    (tmp_path / "bad.json").write_bytes(b"{")
    declared = Packer(
        name="p", files=["good.json", "bad.json", "none.json", ".", "good.json"], provider="x"
    )
    source = PackerSource(declared, name_rules(declared, tmp_path), tmp_path)
    scopes, failed = source.scopes()
    assert (scopes, failed) == (["good.json", "bad.json", "none.json", "."], [])
    good, *others = map(source.look, scopes)
    assert (good.failed, len(good.rows), good.additions_only) == (None, 1, True)
    reasons = [look.failed or "" for look in others]
    assert [reason.split(":")[0] for reason in reasons] == [
        "it is not JSON",
        "No such file or directory",
        "Is a directory",
    ]
    assert source.presence("good.json", "x", "u") == "unknown"


def mutated(rng: random.Random, raw: bytes) -> bytes:
    data = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                data[at : at + rng.randrange(1, 40)] = b""
            case 1:
                data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 4)))
            case 2:
                start = rng.randrange(len(data) + 1)
                data[at:at] = data[start : start + rng.randrange(1, 200)]
            case 3:
                pieces = (
                    b"null",
                    b'""',
                    b"-1",
                    b"1e999",
                    b"[[[[",
                    b"{}",
                    b'"\\u0000"',
                    b"9" * 40,
                    b".",
                )
                data[at : at + rng.randrange(8)] = rng.choice(pieces)
            case 4:
                del data[at:]
    return bytes(data)


def check_mutations(rng: random.Random, count: int) -> None:
    samples = [file.read_bytes() for file in sorted(DATA.glob("*/*.json"))]
    read = 0
    for _ in range(count):
        raw = mutated(rng, rng.choice(samples))
        run, base = rng.choice(("last", "all")), rng.choice((None, "https://x.test"))
        try:
            result = read_manifest(raw, Options(run=run, base_url=base, provider="p"))
        except InvalidManifest as wrong:
            assert len(str(wrong)) < 1000
            continue
        read += 1
        assert all(isinstance(row, Listed | Skipped) for row in result.rows)
        list(releases(row for row in result.rows if isinstance(row, Listed)))
    assert read > count / 20


def test_mutated_manifests_are_read_or_refused():
    check_mutations(random.Random(18), 1500)


@pytest.mark.long
def test_many_mutated_manifests_are_read_or_refused():
    check_mutations(random.Random(), 60_000)
