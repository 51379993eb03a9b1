"""Amazon's ECS-optimized machine images (AMIs), read from JSON lines: one AMI in one region a line.

A line is an object with `region`, `ami_id`, `name`, `description`, `architecture`,
`virtualization_type` and `state`; other keys are not read. Lines of one name stand together and are
one release, whose name says everything else:

    al2023-ami-ecs-gpu-hvm-2023.0.20250224-kernel-6.1-x86_64-ebs
                           ╰── version ──╯ its date starts it; the rest of the name is the image

Nothing but the version is taken out of a name, so that an image is one architecture and one kernel,
and two AMI names never become the same version of the same image. A region is a provider.

Every line that is not blank is in the machines of one Found or counted by one Skipped; no input
raises. Memory holds one release and the names of those before it. `found.py` has the two outcomes.
"""

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from goldenrod.base.clock import Instant, parse_instant
from goldenrod.base.decode import MOST_ITEMS
from goldenrod.base.text import MOST_NAME
from goldenrod.sources.found import Found, FoundMachine, Skipped

MOST_LINE_BYTES = 1024 * 1024
"""A longer line is skipped without being read into memory."""

_MOST_DESCRIPTION = 16 * 1024
_TEXT = r"\A[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*\Z"
_GZIP_MAGIC = b"\x1f\x8b"


class _Row(Struct):
    region: Annotated[str, Meta(pattern=r"\A[a-z]+(-[a-z]+)+-[0-9]+\Z", max_length=64)]
    ami_id: Annotated[str, Meta(pattern=r"\Aami-[0-9a-f]{8,17}\Z")]
    name: Annotated[str, Meta(min_length=1, max_length=MOST_NAME)]
    description: Annotated[str, Meta(pattern=_TEXT, max_length=_MOST_DESCRIPTION)]
    architecture: Annotated[str, Meta(max_length=64)]
    virtualization_type: Annotated[str, Meta(pattern=r"\A(hvm|paravirtual)\Z")]
    state: Annotated[str, Meta(max_length=64)]


class _Release(Struct, frozen=True):
    """What the name of an AMI says."""

    image: str
    version: str
    start_date: Instant
    architecture: str
    tags: tuple[str, ...]


_SHAPES = tuple(
    (re.compile(shape, re.ASCII | re.VERBOSE), tags)
    for shape, tags in (
        (
            r"""(?:al|amzn)(?P<edition>20\d\d|2)-ami-ecs
            (?:-(?P<kernel>kernel-\d+\.\d+))? (?:-(?P<variant>[a-z]+))? -hvm
            -(?P<version>\d+\.\d+\.(?P<date>\d{8}))
            (?:-(?P<later_kernel>kernel-\d+\.\d+))? -(?P<architecture>x86_64|arm64) (?:-ebs)?""",
            ("amazon-linux", "amazon-linux-{edition}"),
        ),
        (
            r"amzn-ami-(?P<version>\d{4}\.\d\d\.(?P<date>\d{8}))-amazon-ecs-optimized",
            ("amazon-linux", "amazon-linux-1"),
        ),
        (
            r"""Windows_Server-(?P<edition>\d{4})-[A-Za-z]+-[A-Za-z]+-ECS_Optimized
            -(?P<version>(?P<date>\d{4}\.\d\d\.\d\d))""",
            ("windows", "windows-server-{edition}"),
        ),
    )
)
_LETTERED = re.compile(r"amzn-ami-\d{4}\.\d\d\.[a-z]+-amazon-ecs-optimized", re.ASCII)
_decoder = msgspec.json.Decoder(_Row)


def parse(lines: Iterable[bytes]) -> Iterator[Found | Skipped]:
    """The releases that the lines hold, and everything that could not be taken, in their order."""
    given: set[str] = set()
    run: _Run | None = None
    for number, line in enumerate(lines, 1):
        if len(line) <= MOST_LINE_BYTES and not line.strip():
            continue
        row = _read_row(line)
        if isinstance(row, str):
            yield Skipped(f"line {number}", row)
            continue
        if run is None or run.name != row.name:
            if run is not None:
                yield from run.outcome(given)
            run = _Run(row, given)
        if reason := run.add(row):
            yield Skipped(f"line {number}", reason)
    if run is not None:
        yield from run.outcome(given)


def open_lines(path: Path | str) -> Iterator[bytes]:
    """The raw lines of a plain or gzipped file; of one that is too long, only its beginning.

    Raises OSError where the file cannot be read, or is a damaged gzip file.
    """
    with Path(path).open("rb") as raw:
        zipped = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw) if zipped else raw
        try:
            while line := stream.readline(MOST_LINE_BYTES + 1):
                yield line
                while len(line) > MOST_LINE_BYTES and not line.endswith(b"\n"):
                    line = stream.readline(MOST_LINE_BYTES + 1)
        except (EOFError, zlib.error) as damage:
            raise gzip.BadGzipFile(f"{path} is a damaged gzip file: {damage}") from damage


class _Run:
    """The lines of one name, as they come: a release, or the reason why its name gives none."""

    def __init__(self, first: _Row, given: set[str]) -> None:
        self.name = first.name
        self.description = first.description
        self.release = _read_name(first.name)
        if first.name in given:
            self.release = "comes back after other names: lines of one name must stand together"
        self.machines: dict[tuple[str, str], FoundMachine] = {}
        self.refused = 0

    def add(self, row: _Row) -> str | None:
        """Take a row into the release. Answers why not, where only the row is at fault."""
        release = self.release
        if isinstance(release, str):
            self.refused += 1
            return None
        if row.architecture != release.architecture:
            return f"architecture is {row.architecture!r}, its name says {release.architecture}"
        copy = (row.region, row.ami_id)
        if copy in self.machines:
            return f"{row.ami_id} in {row.region} stands in an earlier line of this name"
        if len(self.machines) == MOST_ITEMS:
            return f"a release has at most {MOST_ITEMS} machines"
        self.machines[copy] = FoundMachine(
            provider=row.region,
            provider_type="aws",
            virtualization=row.virtualization_type,
            identifier=row.ami_id,
            architecture=row.architecture,
        )
        return None

    def outcome(self, given: set[str]) -> Iterator[Found | Skipped]:
        """What the run came to: nothing, where each of its rows was skipped by itself."""
        if isinstance(self.release, str):
            where = self.name if self.name.isprintable() else ascii(self.name)
            yield Skipped(where, self.release, self.refused)
        elif self.machines:
            given.add(self.name)
            yield Found(
                image=self.release.image,
                version=self.release.version,
                start_date=self.release.start_date,
                change_log=self.description,
                image_description=_lasting(self.description, self.release.version),
                tags=self.release.tags,
                machines=tuple(self.machines.values()),
                source_name=self.name,
            )


def _read_row(line: bytes) -> _Row | str:
    """The row of a line, or the reason why it gives none."""
    if len(line) > MOST_LINE_BYTES:
        return f"longer than {MOST_LINE_BYTES} bytes"
    try:
        row = _decoder.decode(line)
    except UnicodeDecodeError:
        return "not UTF-8"
    except RecursionError:
        return "nested too deeply"
    except msgspec.MsgspecError as wrong:
        return str(wrong)
    return row if row.state == "available" else f"state is {row.state!r}, not 'available'"


def _read_name(name: str) -> _Release | str:
    """What an AMI's name says, or the reason why it does not fit."""
    fitting = ((shape.fullmatch(name), tags) for shape, tags in _SHAPES)
    found, tags = next((one for one in fitting if one[0]), (None, ()))
    if found is None:
        if _LETTERED.fullmatch(name):
            return "its name has a letter in place of a date: the day of this release is not known"
        return "its name has no known shape"
    parts = found.groupdict()
    day = parts["date"].replace(".", "")
    try:
        start_date = parse_instant(f"{day[:4]}-{day[4:6]}-{day[6:]}T00:00:00Z")
    except ValueError:
        return f"the date in its name, {parts['date']}, does not exist"
    # Names without an architecture are from when there was only one.
    architecture = parts.get("architecture") or "x86_64"
    kernel = parts.get("kernel") or parts.get("later_kernel")
    about = (*tags, "ecs", parts.get("variant"), kernel, architecture)
    return _Release(
        image=name[: found.start("version") - 1] + name[found.end("version") :],
        version=parts["version"],
        start_date=start_date,
        architecture=architecture,
        tags=tuple(tag.format_map(parts) for tag in about if tag),
    )


def _lasting(description: str, version: str) -> str:
    """The description without the words that name the release."""
    return " ".join(word for word in description.split() if version not in word)
