"""What reading a source gives: looks at its scopes, listed machines, and rows that were skipped.

A scope is the smallest part of a source that is read whole, such as one region of one account. A
`Look` at a scope is complete, or it failed; a failed look says nothing about which machines exist.
Every row of a complete look is a `Listed` machine or counted by a `Skipped`, whose reason a person can
act on.

Machines that are copies of one release are grouped into a `Found` (`releases.py`).
"""

from typing import Literal, Protocol

from msgspec import Struct

from goldenrod.base.clock import Instant

Status = Literal["active", "deactivated"]
"""Whether the cloud would launch the machine now."""

Visibility = Literal["private", "shared", "community", "public"]
"""Who may use the machine on its cloud, from the fewest to everybody."""

VISIBILITIES: tuple[Visibility, ...] = ("private", "shared", "community", "public")

Presence = Literal["gone", "there", "unknown"]
"""What a cloud answers when it is asked for one machine by its id."""


class Origin(Struct, frozen=True, kw_only=True):
    """The machine that this one was made from, as its cloud says.

    A copy has the same contents; a build was made by launching the other one and saving it.
    """

    provider: str
    identifier: str
    kind: Literal["copy", "build"]


class FoundMachine(Struct, frozen=True, kw_only=True):
    """One copy of a release on one provider. `identifier` is its id there.

    `min_mem` is in MiB. `visibility` is null where the source does not say it. `deprecated_at` is when
    the cloud deprecates it, and `replacement` the identifier that the cloud recommends in its place.
    `owner` is the account or project that it belongs to there; `members` are those that it is shared
    with, as far as the source says.
    """

    provider: str
    provider_type: str
    virtualization: str = ""
    identifier: str
    architecture: str
    size_gb: int | None = None
    checksum: str | None = None
    min_mem: int | None = None
    status: Status = "active"
    visibility: Visibility | None = None
    deprecated_at: Instant | None = None
    replacement: str | None = None
    owner: str = ""
    members: tuple[str, ...] = ()
    origin: Origin | None = None
    created_at: Instant | None = None
    scope: str = ""


class Listed(Struct, frozen=True, kw_only=True):
    """One machine that a scope lists, with the image and version that its name or properties say.

    `start_date` is the date in the name, if it has one; else the earliest `created_at` of the copies
    counts. `parent` is the name of the version that it was built on, where the source declares it.
    `source_name` is the source's name for it.
    """

    image: str
    version: str
    machine: FoundMachine
    source_name: str
    start_date: Instant | None = None
    change_log: str = ""
    image_description: str = ""
    tags: tuple[str, ...] = ()
    parent: str | None = None


class Found(Struct, frozen=True):
    """One release of one image. A source gives each pair of image and version once.

    `source_name` is the source's name for it. Where `parent` is null, the parent is the release before
    it (by start date, then version), which is known once all releases of the image have been read.
    """

    image: str
    version: str
    start_date: Instant
    change_log: str
    image_description: str
    tags: tuple[str, ...]
    machines: tuple[FoundMachine, ...]
    source_name: str
    parent: str | None = None


class Skipped(Struct, frozen=True):
    """What could not be imported: where it is (a line, or the name of a release), why, and how many
    rows of the source it stands for."""

    where: str
    reason: str
    machines: int = 1


class Look(Struct, frozen=True, kw_only=True):
    """The result of reading one scope at one time.

    `failed` is the reason why the scope could not be read whole; then `rows` is empty. `additions_only`
    says that a machine which is not listed may exist all the same, as with a file that has no end mark:
    then nothing is ever missing. `notes` are remarks for the report, such as "not signed".
    """

    scope: str
    read_at: Instant
    rows: tuple[Listed | Skipped, ...] = ()
    failed: str | None = None
    additions_only: bool = False
    notes: tuple[str, ...] = ()


class Source(Protocol):
    """Something that is read scope by scope. It raises nothing: a failure is a failed look."""

    def scopes(self) -> tuple[list[str], list[Look]]:
        """The scopes that can be read, and failed looks at those that cannot even be asked."""

    def look(self, scope: str) -> Look:
        """Read one scope. Different scopes may be read from different threads at once."""

    def presence(self, scope: str, provider: str, identifier: str) -> Presence:
        """Ask for one machine by its id: gone, there (perhaps not listed any more), or not answered."""
