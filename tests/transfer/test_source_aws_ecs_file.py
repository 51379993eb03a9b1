"""Amazon's images from JSON lines: each form of name, each reason to skip, and no line is lost."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldenrod import demo
from goldenrod.sources import aws_ecs_file
from goldenrod.sources.found import Found, FoundMachine, Skipped

NAME = "al2023-ami-ecs-hvm-2023.0.20240305-kernel-6.1-x86_64"


def row(**changes) -> bytes:
    """A valid line with changes; `...` as a value leaves the key out."""
    values = {
        "region": "us-east-1",
        "ami_id": "ami-01b701d1a348a0d00",
        "name": NAME,
        "description": "Amazon Linux AMI 2023.0.20240305 x86_64 ECS HVM EBS",
        "architecture": "x86_64",
        "owner_id": "591542846629",
        "platform": None,
        "virtualization_type": "hvm",
        "state": "available",
    } | changes
    return json.dumps({key: value for key, value in values.items() if value is not ...}).encode()


def accounted(outcomes) -> int:
    return sum(len(one.machines) if isinstance(one, Found) else one.machines for one in outcomes)


def only(*lines: bytes) -> Found | Skipped:
    outcomes = list(aws_ecs_file.parse(lines))
    assert len(outcomes) == 1, outcomes
    return outcomes[0]


# Names


@pytest.mark.parametrize(
    ("name", "image", "version", "day", "tags"),
    [
        (
            "al2022-ami-ecs-hvm-2022.0.20220411-x86_64-ebs",
            "al2022-ami-ecs-hvm-x86_64-ebs",
            "2022.0.20220411",
            "2022-04-11",
            "amazon-linux amazon-linux-2022 ecs x86_64",
        ),
        (
            "al2022-ami-ecs-neuron-hvm-2022.0.20221102-kernel-5.15-x86_64",
            "al2022-ami-ecs-neuron-hvm-kernel-5.15-x86_64",
            "2022.0.20221102",
            "2022-11-02",
            "amazon-linux amazon-linux-2022 ecs neuron kernel-5.15 x86_64",
        ),
        (
            "al2023-ami-ecs-hvm-2023.0.20230301-kernel-6.1-x86_64",
            "al2023-ami-ecs-hvm-kernel-6.1-x86_64",
            "2023.0.20230301",
            "2023-03-01",
            "amazon-linux amazon-linux-2023 ecs kernel-6.1 x86_64",
        ),
        (
            "al2023-ami-ecs-hvm-2023.0.20240305-kernel-6.1-arm64",
            "al2023-ami-ecs-hvm-kernel-6.1-arm64",
            "2023.0.20240305",
            "2024-03-05",
            "amazon-linux amazon-linux-2023 ecs kernel-6.1 arm64",
        ),
        (
            "al2023-ami-ecs-gpu-hvm-2023.0.20250224-kernel-6.1-x86_64-ebs",
            "al2023-ami-ecs-gpu-hvm-kernel-6.1-x86_64-ebs",
            "2023.0.20250224",
            "2025-02-24",
            "amazon-linux amazon-linux-2023 ecs gpu kernel-6.1 x86_64",
        ),
        (
            "amzn2-ami-ecs-hvm-2.0.20240227-arm64-ebs",
            "amzn2-ami-ecs-hvm-arm64-ebs",
            "2.0.20240227",
            "2024-02-27",
            "amazon-linux amazon-linux-2 ecs arm64",
        ),
        (
            "amzn2-ami-ecs-inf-hvm-2.0.20240227-x86_64-ebs",
            "amzn2-ami-ecs-inf-hvm-x86_64-ebs",
            "2.0.20240227",
            "2024-02-27",
            "amazon-linux amazon-linux-2 ecs inf x86_64",
        ),
        (
            "amzn2-ami-ecs-kernel-5.10-hvm-2.0.20240227-x86_64-ebs",
            "amzn2-ami-ecs-kernel-5.10-hvm-x86_64-ebs",
            "2.0.20240227",
            "2024-02-27",
            "amazon-linux amazon-linux-2 ecs kernel-5.10 x86_64",
        ),
        (
            "amzn2-ami-ecs-kernel-5.10-gpu-hvm-2.0.20240312-x86_64-ebs",
            "amzn2-ami-ecs-kernel-5.10-gpu-hvm-x86_64-ebs",
            "2.0.20240312",
            "2024-03-12",
            "amazon-linux amazon-linux-2 ecs gpu kernel-5.10 x86_64",
        ),
        (
            "amzn-ami-2018.03.20191031-amazon-ecs-optimized",
            "amzn-ami-amazon-ecs-optimized",
            "2018.03.20191031",
            "2019-10-31",
            "amazon-linux amazon-linux-1 ecs x86_64",
        ),
        (
            "Windows_Server-2016-English-Full-ECS_Optimized-2018.05.17",
            "Windows_Server-2016-English-Full-ECS_Optimized",
            "2018.05.17",
            "2018-05-17",
            "windows windows-server-2016 ecs x86_64",
        ),
    ],
)
def test_a_name_gives_image_version_and_start_date(name, image, version, day, tags):
    found = only(row(name=name, architecture=tags.split()[-1]))
    assert isinstance(found, Found), found
    assert (found.image, found.version) == (image, version)
    assert found.start_date == f"{day}T00:00:00.000000Z"
    assert found.tags == tuple(tags.split())
    assert found.source_name == name


@pytest.mark.parametrize(
    "others",
    [
        ("amzn2-ami-ecs-hvm-2.0.20240227-x86_64-ebs", "amzn2-ami-ecs-hvm-2.0.20240227-x86_64"),
        (
            "al2023-ami-ecs-hvm-2023.0.20240305-kernel-6.1-x86_64",
            "al2023-ami-ecs-hvm-2023.0.20240305-kernel-6.12-x86_64",
        ),
        (
            "amzn2-ami-ecs-kernel-5.10-hvm-2.0.20240227-x86_64-ebs",
            "amzn2-ami-ecs-hvm-2.0.20240227-kernel-5.10-x86_64-ebs",
        ),
    ],
)
def test_names_that_differ_in_more_than_the_version_are_different_images(others):
    found = list(aws_ecs_file.parse([row(name=name) for name in others]))
    assert all(isinstance(one, Found) for one in found), found
    assert len({one.image for one in found}) == 2
    assert len({one.version for one in found}) == 1


def test_a_release_is_all_lines_of_one_name():
    found = only(
        row(),
        b"\n",
        row(region="eu-west-1", ami_id="ami-810ddce3"),
    )
    assert isinstance(found, Found)
    assert found.machines == (
        FoundMachine(
            provider="us-east-1",
            provider_type="aws",
            virtualization="hvm",
            identifier="ami-01b701d1a348a0d00",
            architecture="x86_64",
        ),
        FoundMachine(
            provider="eu-west-1",
            provider_type="aws",
            virtualization="hvm",
            identifier="ami-810ddce3",
            architecture="x86_64",
        ),
    )
    assert found.change_log == "Amazon Linux AMI 2023.0.20240305 x86_64 ECS HVM EBS"
    assert found.image_description == "Amazon Linux AMI x86_64 ECS HVM EBS"


def test_an_image_description_does_not_name_the_release_in_any_spelling():
    first = "amzn-ami-2018.03.20191031-amazon-ecs-optimized"
    description = "Amazon Linux AMI amzn-ami-2018.03.20191031 x86_64 ECS HVM GP2"
    found = only(row(name=first, description=description))
    assert found.image_description == "Amazon Linux AMI x86_64 ECS HVM GP2"
    assert found.change_log == description


# Rows that do not fit


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "Input data was truncated"),
        (b"not json", "JSON is malformed"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"name": "\xff"}', "not UTF-8"),
        (b'{"name": "\\ud800 and more"}', "JSON is malformed"),
        (b'{"x":' + b"[" * 50_000, "nested too deeply"),
        (b" " * (aws_ecs_file.MOST_LINE_BYTES + 1), "longer than 1048576 bytes"),
        *(
            (row(**{key: ...}), f"missing required field `{key}`")
            for key in ("region", "ami_id", "name", "description", "architecture", "state")
        ),
        (row(virtualization_type=...), "missing required field `virtualization_type`"),
        *(
            (row(**{key: 7}), f"Expected `str`, got `int` - at `$.{key}`")
            for key in ("region", "ami_id", "name", "description", "architecture", "state")
        ),
        (row(description=None), "got `null` - at `$.description`"),
        (row(region="Virginia"), "at `$.region`"),
        (row(region="us-east-1\n"), "at `$.region`"),
        (row(ami_id="i-01b701d1a348a0d00"), "at `$.ami_id`"),
        (row(name=""), "at `$.name`"),
        (row(name="a" * 257), "at `$.name`"),
        (row(description="nul \0"), "at `$.description`"),
        (row(description="a" * 20_000), "at `$.description`"),
        (row(virtualization_type="lxc"), "at `$.virtualization_type`"),
        (row(state="pending"), "state is 'pending', not 'available'"),
        (row(architecture="arm64"), "architecture is 'arm64', but the name says x86_64"),
        (row(), "ami-01b701d1a348a0d00 in us-east-1 is a duplicate of an earlier line"),
    ],
)
def test_an_invalid_row_is_skipped_alone(line, reason):
    good = row(region="us-west-2", ami_id="ami-00c56e74f090d6f65")
    outcomes = list(aws_ecs_file.parse([row(), b"", line, good]))
    (skipped,) = [one for one in outcomes if isinstance(one, Skipped)]
    (found,) = [one for one in outcomes if isinstance(one, Found)]
    assert reason in skipped.reason
    assert (skipped.where, skipped.machines) == ("line 3", 1)
    assert [machine.provider for machine in found.machines] == ["us-east-1", "us-west-2"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("amzn-ami-2018.03.u-amazon-ecs-optimized", "a letter in place of a date"),
        ("amzn-ami-2017.09.l-amazon-ecs-optimized", "a letter in place of a date"),
        ("al2023-ami-ecs-hvm-2023.0.20240230-kernel-6.1-x86_64", "20240230, does not exist"),
        ("amzn2-ami-ecs-hvm-2.0.00000101-arm64-ebs", "00000101, does not exist"),
        ("Windows_Server-2016-English-Full-ECS_Optimized-2018.13.17", "2018.13.17, does not exist"),
        ("debian-12-amd64-20240717-1811", "no known form"),
        (NAME + "\n", "no known form"),
        (NAME.replace("2023.0.2024", "2023.0.٢٠٢٤"), "no known form"),
        ("x" + NAME, "no known form"),
    ],
)
def test_an_unknown_name_is_skipped_once_with_all_its_rows(name, reason):
    skipped = only(row(name=name), row(name=name, region="eu-west-1"), row(name=name))
    assert isinstance(skipped, Skipped)
    assert reason in skipped.reason
    assert skipped.machines == 3
    assert skipped.where == (name if name.isprintable() else ascii(name))


def test_a_repeated_name_is_skipped_so_that_each_release_is_found_once():
    other = NAME.replace("20240305", "20240312")
    outcomes = list(aws_ecs_file.parse([row(), row(name=other), row(region="eu-west-1")]))
    assert [type(one) for one in outcomes] == [Found, Found, Skipped]
    assert (outcomes[2].where, outcomes[2].machines) == (NAME, 1)
    assert "must follow one another" in outcomes[2].reason


def test_a_release_without_valid_rows_is_not_found():
    outcomes = list(aws_ecs_file.parse([row(state="failed"), row(architecture="arm64")]))
    assert [one.where for one in outcomes] == ["line 1", "line 2"]


def test_the_number_of_machines_of_a_release_is_limited():
    lines = [row(ami_id=f"ami-{number:017x}") for number in range(503)]
    outcomes = list(aws_ecs_file.parse(lines))
    assert [one.where for one in outcomes[:3]] == ["line 501", "line 502", "line 503"]
    assert "at most 500 machines" in outcomes[0].reason
    assert accounted(outcomes) == 503


def test_lines_are_read_one_at_a_time():
    def endless():
        for day in range(1, 29):
            yield row(name=NAME.replace("20240305", f"202402{day:02}"))
        raise AssertionError("read to the end before giving the first release")

    assert next(aws_ecs_file.parse(endless())).version == "2023.0.20240201"


# Accounting, whatever comes


_names = st.sampled_from(
    [
        NAME,
        NAME.replace("20240305", "20240312"),
        NAME.replace("x86_64", "arm64"),
        NAME.replace("20240305", "20241332"),
        "amzn-ami-2018.03.u-amazon-ecs-optimized",
        "else",
    ]
)
_rows = st.builds(
    row,
    name=_names | st.text(max_size=5) | st.none(),
    region=st.sampled_from(["us-east-1", "eu-west-1", "here"]),
    ami_id=st.sampled_from(["ami-810ddce3", "ami-884e41f7"]),
    architecture=st.sampled_from(["x86_64", "x86_64", "arm64"]),
    state=st.sampled_from(["available", "available", "available", "pending"]),
    description=st.text(max_size=40),
)


@given(st.lists(st.binary(max_size=60) | _rows))
def test_no_input_raises_and_each_line_is_found_or_skipped(lines):
    outcomes = list(aws_ecs_file.parse(lines))
    assert accounted(outcomes) == sum(1 for line in lines if line.strip())
    found = [one for one in outcomes if isinstance(one, Found)]
    assert len({(one.image, one.version) for one in found}) == len(found)
    for one in found:
        copies = {(machine.provider, machine.identifier) for machine in one.machines}
        assert len(copies) == len(one.machines) > 0
    assert all(one.reason and one.machines for one in outcomes if isinstance(one, Skipped))


@given(st.lists(_rows, max_size=12))
def test_found_machines_are_those_of_the_rows(lines):
    given_rows = {
        (values["name"], values["region"], values["ami_id"], values["architecture"])
        for values in map(json.loads, lines)
        if values["state"] == "available"
    }
    for one in aws_ecs_file.parse(lines):
        if isinstance(one, Found):
            for machine in one.machines:
                assert (
                    one.source_name,
                    machine.provider,
                    machine.identifier,
                    machine.architecture,
                ) in given_rows


# Files


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_plain_and_gzipped_files_are_read(tmp_path: Path, pack):
    path = tmp_path / "amis"
    path.write_bytes(pack(row() + b"\n\n" + row(region="eu-west-1")))
    assert list(aws_ecs_file.open_lines(path)) == [row() + b"\n", b"\n", row(region="eu-west-1")]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("end", [b"", b"\n", b"\n" + row() + b"\n"])
def test_a_line_that_is_too_long_is_skipped_without_reading_it_into_memory(
    tmp_path: Path, pack, end
):
    path = tmp_path / "amis"
    path.write_bytes(pack(b"\n" + b" " * (3 * aws_ecs_file.MOST_LINE_BYTES) + end))
    lines = list(aws_ecs_file.open_lines(path))
    assert max(map(len, lines)) == aws_ecs_file.MOST_LINE_BYTES + 1
    outcomes = list(aws_ecs_file.parse(lines))
    assert outcomes[0] == Skipped("line 2", "longer than 1048576 bytes")
    assert [type(one) for one in outcomes[1:]] == ([Found] if b"{" in end else [])


def test_the_longest_allowed_line_is_read(tmp_path: Path):
    path = tmp_path / "amis"
    path.write_bytes(
        row().ljust(aws_ecs_file.MOST_LINE_BYTES - 1) + b"\n" + row(region="eu-west-1")
    )
    assert len(only(*aws_ecs_file.open_lines(path)).machines) == 2


def test_a_damaged_gzip_file_is_an_error_not_a_shorter_file(tmp_path: Path):
    path = tmp_path / "amis.gz"
    whole = gzip.compress(b"".join(demo.ami_lines()), mtime=0)
    flipped = whole[:5000] + bytes(byte ^ 0xFF for byte in whole[5000:5100]) + whole[5100:]
    for damaged in (whole[:-9], whole[:-3] + b"abc", flipped):
        path.write_bytes(damaged)
        with pytest.raises(OSError):
            list(aws_ecs_file.open_lines(path))
    with pytest.raises(FileNotFoundError):
        list(aws_ecs_file.open_lines(tmp_path / "nothing"))


# The demonstration's data


def test_the_demonstration_has_six_images_and_nothing_is_skipped():
    lines = list(demo.ami_lines())
    found = list(aws_ecs_file.parse(lines))
    assert all(isinstance(one, Found) for one in found)
    assert accounted(found) == len(lines) == 1413
    assert Counter(one.image for one in found) == {
        "al2023-ami-ecs-hvm-kernel-6.1-x86_64": 36,
        "al2023-ami-ecs-hvm-kernel-6.1-arm64": 24,
        "al2023-ami-ecs-gpu-hvm-kernel-6.1-x86_64-ebs": 18,
        "amzn2-ami-ecs-kernel-5.10-hvm-arm64-ebs": 30,
        "amzn2-ami-ecs-inf-hvm-x86_64-ebs": 14,
        "amzn-ami-amazon-ecs-optimized": 24,
    }
    assert len({(one.image, one.version) for one in found}) == len(found)
    assert len({machine.provider for one in found for machine in one.machines}) == 12


def test_an_image_of_the_demonstration_leaves_a_region():
    image = "al2023-ami-ecs-hvm-kernel-6.1-x86_64"
    releases = [one for one in aws_ecs_file.parse(demo.ami_lines()) if one.image == image]
    there = [
        one.start_date[:10]
        for one in releases
        if "me-central-1" in {machine.provider for machine in one.machines}
    ]
    assert max(there) == "2026-02-26" < releases[-1].start_date[:10]
