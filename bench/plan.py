"""The plan of a measured catalogue: the numbers and words from which its rows are computed.

Images are released in turn, as over the years: the key, the UUID and the start date of versions grow
together, and the versions of one image are spread over the table. Everything is computed from a
version's image and its position among the releases of that image. Nothing is random, so the same plan
gives the same catalogue on both databases.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal, NamedTuple

from goldenrod.base.clock import END_OF_TIME, Instant

Seed = Literal["most", "few"]
"""How much is public: 90 % of the images, or one image in a thousand."""

PER_IMAGE = 100
LARGEST = 10_000
"""Versions of the one image that is larger than the others (a tenth of a smaller catalogue)."""
IMAGES_OF_AN_OWNER = 20
REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
    *("eu-west-1", "eu-central-1", "eu-north-1", "ap-south-1", "ap-northeast-1", "ap-southeast-2"),
)
CAMPUS = "campus"
"""A private provider: only users with an identity there see its machines."""
LICENSES = 30
SCRIPTS = 40
TAGS = 60
GROUPS = ("lab", "platform", "security")
"""The groups of the reader who is a member of three."""
OTHER_GROUPS = 20
FEW_GROUP = "guests"
"""The group of the reader who sees few."""

BEGAN = datetime(2018, 1, 1, tzinfo=UTC)
SPAN = timedelta(days=365 * 6)
BEGAN_MS = int(BEGAN.timestamp() * 1000)
SPAN_MS = SPAN // timedelta(milliseconds=1)
ASSIGNED = Instant("2024-06-01T00:00:00.000000Z")
ENDED = Instant("2025-01-01T00:00:00.000000Z")
SCHEDULED = Instant("2040-01-01T00:00:00.000000Z")
LEAVES = Instant("2041-01-01T00:00:00.000000Z")


BASES = 10
"""Images 1 to 10: the first release of every other image was built on one of them."""
OF_READER = (2, 14)
"""Images of the reader: a public and a private one."""
MAINTAINED = 9
"""An image that the reader's first group maintains."""
FOR_GUESTS = 5
"""The image that guests may read in the seed `few`."""


class Version(NamedTuple):
    """The computed facts of a version. Images count from 0 here, and from 1 in the database."""

    n: int
    image: int
    release: int
    public: bool
    start: Instant
    end: Instant | None
    revoked: bool

    @property
    def closes(self) -> Instant:
        return self.end or END_OF_TIME

    def is_current(self, now: Instant) -> bool:
        return self.start <= now < self.closes


@dataclass(frozen=True)
class Plan:
    """The number of versions, and how much of them is public."""

    versions: int
    seed: Seed = "most"

    @cached_property
    def per_image(self) -> int:
        return min(PER_IMAGE, max(10, self.versions // 20))

    @cached_property
    def large(self) -> int:
        """The number of versions of the large image (image 0) in one turn of all images."""
        return min(LARGEST, self.versions // 10) // self.per_image

    @cached_property
    def images(self) -> int:
        """The number of images, including the large one."""
        return 1 + self.versions // self.per_image - self.large

    @cached_property
    def turn(self) -> int:
        """The number of versions in one turn of all images."""
        return self.large + self.images - 1

    @cached_property
    def total(self) -> int:
        """The number of versions in the catalogue."""
        return self.turn * self.per_image

    @property
    def owners(self) -> int:
        return max(3, self.images // IMAGES_OF_AN_OWNER)

    @property
    def name(self) -> str:
        return f"{self.versions}-{self.seed}"

    def all(self) -> Iterator[Version]:
        """All versions, in the order of their release."""
        return map(self.version, range(1, self.total + 1))

    def version(self, n: int) -> Version:
        """The n-th version in the order of release."""
        turn, slot = divmod(n - 1, self.turn)
        if slot < self.large:
            image, release, last = 0, turn * self.large + slot, slot + 1 == self.large
        else:
            image, release, last = slot - self.large + 1, turn, True
        last = last and turn + 1 == self.per_image
        public, revoked = self.is_public(image), False
        start, end = self.started(n), None
        if self.seed == "few" and (public or image == FOR_GUESTS):
            # Four in five public versions have ended.
            end = ENDED if public and turn * 5 < self.per_image * 4 else None
        elif last and image % 4 == 0:
            start = SCHEDULED
        else:
            end = ENDED if release % 20 == 3 else LEAVES if release % 25 == 7 else None
            revoked = image % 2 == 1 and release % 100 == 60
            revoked = revoked or self.withdrawn_from(image, release)
        return Version(n, image, release, public, start, end, revoked)

    def withdrawn_from(self, image: int, release: int) -> bool:
        """The last three releases of one image in two hundred: revoked with what was built on."""
        return image % 200 == 151 and release >= self.per_image - 3

    def key(self, image: int, turn: int) -> int:
        """The key of an image's (first) version in a turn."""
        return turn * self.turn + (1 if image == 0 else self.large + image)

    def keys(self, image: int) -> Iterator[int]:
        """The keys of an image's versions, in the order of their release."""
        for turn in range(self.per_image):
            first = self.key(image, turn)
            yield from range(first, first + (1 if image else self.large))

    def before(self, version: Version) -> int | None:
        """The key of a version's parent: the release before it, or the first one of a base image."""
        if version.release == 0:
            return None if version.image <= BASES else self.key(1 + version.image % BASES, 0)
        if version.image:
            return version.n - self.turn
        first = version.release % self.large == 0
        return version.n - 1 - (self.turn - self.large if first else 0)

    def started(self, n: int) -> Instant:
        """When the n-th version was released."""
        moment = BEGAN + SPAN * (n / self.total)
        return Instant(moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))

    def started_ms(self, n: int) -> int:
        """The same, in milliseconds since 1970."""
        return BEGAN_MS + SPAN_MS * n // self.total

    def is_public(self, image: int) -> bool:
        if self.seed == "few":
            return image % 1000 == 1
        return image % 10 != 4


FAMILIES = ("ubuntu-24.04", "debian-12", "rocky-9", "alma-9", "amazon-linux-2023", "suse-15")
ROLES = ("base", "web", "postgres", "kafka", "gpu", "ci-runner", "bastion", "jupyter", "hpc")
PACKAGES = (
    *("openssl 3.5", "kernel 6.1", "glibc 2.39", "containerd 1.7", "runc 1.2", "systemd 255"),
    *("curl 8.9", "python 3.12", "openssh 9.8", "cloud-init 24.2", "nvidia-driver 550", "sudo 1.9"),
)
LOGS = 5_000
MANY = "openssl"
"""A word in the change logs of a sixth of all versions."""


def log(k: int) -> str:
    """The k-th change log."""
    first, second = PACKAGES[k % 12], PACKAGES[(k // 12 + 1 + k) % 12]
    return (
        f"Security updates for {first}.{k % 40} and {second}.{k % 27}; fixes CVE-2024-{10_000 + k}.\n"
        f"Rebuilt on the base of week {k % 52 + 1}; boot time and size are as before."
    )


def image_name(image: int) -> str:
    return f"{FAMILIES[image % 6]} {ROLES[image % 9]} {image:05d}"


def image_description(image: int) -> str:
    return (
        f"{FAMILIES[image % 6]} for {ROLES[image % 9]} machines, hardened and with our agents. "
        "Built every month, and whenever a security update needs it."
    )


def uuid(kind: int, at: int, key: int) -> str:
    """The UUIDv7 of a thing made at `at` (milliseconds); of the same moment they grow with the key."""
    return f"{at >> 16:08x}-{at & 0xFFFF:04x}-7{kind:03x}-8000-{key:012x}"
