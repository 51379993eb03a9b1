"""What a sync does to one image, as data: first planned (`sources/sync/plan.py`), then applied.

A plan is made from an `ImageState` (`image_state.py`) and what a source found. It is made twice: to be
shown, and again in the transaction that applies it (`apply.py`), from the rows read there. So what
somebody else changed in between is taken into account, and two runs at once do each thing once.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct, field

from goldenrod.base.clock import Instant

Place = tuple[str, str]
"""A provider, by its slug, and the key of a machine's identifier there."""


class KnownMachine(Struct, frozen=True):
    """A machine of the catalogue. `live`: it has not ended. `ended_by_source`: the source ended it, so
    the source may restore it. `deprecated_at` is what its cloud last said."""

    id: int
    version: int
    image: int
    place: Place
    architecture: str
    size_gb: int | None
    checksum: str
    live: bool
    ended_by_source: bool = False
    deprecated_at: Instant | None = None


class KnownVersion(Struct, frozen=True):
    """A version of the catalogue. `moved`: to another image by a person. `follows`: nobody but the
    source changed its deprecation. `replacement` is a version's key."""

    n: int
    name: str
    start_date: Instant
    moved: bool = False
    revoked: bool = False
    deprecated_at: Instant | None = None
    replacement: int | None = None
    follows: bool = True


class ImageState(Struct):
    """What the catalogue has of an image that a source names.

    `versions` are by the key of each name that they have or had. `machines` are those at each place, of
    this image and of versions that were moved. `linked` are machines of other images that the cloud
    listed under a place until now. `known` are the versions of other machines that releases refer to.
    `held_back`: the image is public because every machine found was public on its cloud, so a machine
    that is not must not show in it.
    """

    id: int | None = None
    held_back: bool = False
    versions: dict[str, KnownVersion] = field(default_factory=dict)
    machines: dict[Place, list[KnownMachine]] = field(default_factory=lambda: defaultdict(list))
    linked: dict[Place, KnownMachine] = field(default_factory=dict)
    known: dict[Place, int] = field(default_factory=dict)

    def all_machines(self) -> Iterator[KnownMachine]:
        """Every machine, of every place."""
        for machines in self.machines.values():
            yield from machines


class CreateImage(Struct, frozen=True, tag="create_image"):
    """Create the image."""

    name: str
    description: str
    tags: tuple[str, ...]
    public: bool


VersionRef = int | str
"""A version: its internal key, or the name of one that the same plan creates."""


class CreateVersion(Struct, frozen=True, tag="create_version"):
    """Publish a version. `machines` is the number of its machines, for the report."""

    name: str
    start_date: Instant
    change_log: str
    parent: VersionRef | None
    min_mem: int | None
    owners: tuple[str, ...]
    deprecated_at: Instant | None
    replacement: int | None
    source_name: str


class CreateMachine(Struct, frozen=True, tag="create_machine"):
    """Add a machine to a version."""

    version: VersionRef
    place: Place
    identifier: str
    provider: str
    architecture: str
    size_gb: int | None
    checksum: str
    start_date: Instant
    source_name: str


class UpdateMachine(Struct, frozen=True, tag="update_machine"):
    """Facts of a machine are others on its cloud."""

    id: int
    place: Place
    facts: dict[str, str | int]


class EndMachine(Struct, frozen=True, tag="end_machine"):
    """End a machine now. `scope` is whose brake counts it; null where another machine takes its id."""

    id: int
    place: Place
    reason: str
    scope: str | None = None


class RestoreMachine(Struct, frozen=True, tag="restore_machine"):
    """A machine that the source ended is back."""

    id: int
    place: Place
    facts: dict[str, str | int]


class Deprecate(Struct, frozen=True, tag="deprecate"):
    """The deprecation of a version is another on its cloud, or (`at` null) was undone there."""

    version: int
    name: str
    at: Instant | None
    replacement: int | None


Action = (
    CreateImage
    | CreateVersion
    | CreateMachine
    | UpdateMachine
    | EndMachine
    | RestoreMachine
    | Deprecate
)


class Passed(Struct, frozen=True):
    """What a plan leaves as it is although the cloud says something else, and why.

    `skipped` was never taken in, `kept` is in the catalogue and stays. `machines` is how many machines
    of the source it stands for.
    """

    kind: Literal["skipped", "kept"]
    subject: str
    reason: str
    machines: int = 1
    version: int | None = None


class ImagePlan(Struct):
    """What is to be done to one image, in this order, and what is not."""

    image: str
    actions: list[Action] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    unchanged_machines: int = 0
    unchanged_versions: int = 0
    changed_versions: int = 0
