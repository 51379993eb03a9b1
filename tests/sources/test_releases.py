"""Listed machines become releases: copies belong together, names that contradict each other do not."""

from typing import Any

from goldenrod.sources.found import Found, FoundMachine, Listed, Origin, Skipped
from goldenrod.sources.releases import releases


def listed(
    identifier: str, name: str = "base-7", provider: str = "us-east-1", **fields: Any
) -> Listed:
    return Listed(
        image="base",
        version="7",
        source_name=name,
        machine=FoundMachine(
            provider=provider,
            provider_type="aws",
            identifier=identifier,
            architecture=fields.pop("architecture", "x86_64"),
            **fields,
        ),
    )


def copy_of(identifier: str, kind: Any = "copy") -> Origin:
    return Origin(provider="us-east-1", identifier=identifier, kind=kind)


def found(*machines: Listed) -> set[str]:
    """The machines of the one release that there is."""
    [release] = releases(machines)
    assert isinstance(release, Found)
    return {machine.identifier for machine in release.machines}


def test_copies_of_one_version_are_one_release_that_begins_when_the_first_was_created() -> None:
    there = listed("ami-1", created_at="2026-03-02T00:00:00.000000Z")
    here = listed("ami-2", provider="eu-west-1", created_at="2026-03-01T00:00:00.000000Z")
    [release] = releases([there, here])
    assert isinstance(release, Found)
    assert release.start_date == "2026-03-01T00:00:00.000000Z"
    assert [machine.identifier for machine in release.machines] == ["ami-1", "ami-2"]
    assert found(listed("ami-1"), listed("ami-2")) == {"ami-1", "ami-2"}  # the same name twice


def test_two_names_for_one_version_at_one_place_contradict_each_other() -> None:
    rows = releases([listed("ami-1"), listed("ami-2", "BASE-7", architecture="amd64")])
    assert [type(row) for row in rows] == [Skipped, Skipped]
    assert "'BASE-7' gives the same version 7 of base on us-east-1" in rows[0].reason
    assert "'base-7' gives the same version" in rows[1].reason
    built = listed("ami-2", "base-7-new", origin=copy_of("ami-1", "build"))
    assert len(releases([listed("ami-1"), built])) == 2  # a build on it is another version


def test_a_renamed_copy_and_two_copies_of_one_original_are_the_same_release() -> None:
    copy = listed("ami-2", "base-7-copy", origin=copy_of("ami-1"))
    assert found(listed("ami-1"), copy) == {"ami-1", "ami-2"}
    # Packer copies from a temporary image, even inside its region, and then removes that.
    other = listed("ami-3", "base-7-encrypted", origin=copy_of("ami-1"))
    assert found(copy, other) == {"ami-2", "ami-3"}
