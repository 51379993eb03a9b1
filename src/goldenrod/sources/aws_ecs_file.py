"""Reads Amazon's ECS-optimized machine images (AMIs) from JSON lines, one AMI in one region per line.

A line is an object with `region`, `ami_id`, `name`, `description`, `architecture`,
`virtualization_type` and `state`; other keys are ignored. Successive lines of one name are one release.
Everything else comes from the name:

    al2023-ami-ecs-gpu-hvm-2023.0.20250224-kernel-6.1-x86_64-ebs
                           ╰── version ──╯ its date starts it; the rest of the name is the image

The image's name is the whole name without the version. So an image has one architecture and one
kernel, and two AMI names never give the same version of the same image. A region is a provider.

Every line that is not blank is either a machine of a `Found` or counted by a `Skipped` (`found.py`); no
input raises an exception. One release, and the names of earlier ones, are in memory at a time.
"""

import gzip
import re
import zlib
from codecs import BOM_UTF8
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
    """The facts in the name of an AMI."""

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
_WITH_LETTER = re.compile(r"amzn-ami-\d{4}\.\d\d\.[a-z]+-amazon-ecs-optimized", re.ASCII)
_decoder = msgspec.json.Decoder(_Row)


def parse(lines: Iterable[bytes]) -> Iterator[Found | Skipped]:
    """The releases in the lines, and what had to be skipped, in the order of the lines."""
    found: set[str] = set()
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
                yield from run.outcome(found)
            run = _Run(row, found)
        if reason := run.add(row):
            yield Skipped(f"line {number}", reason)
    if run is not None:
        yield from run.outcome(found)


def open_lines(path: Path | str) -> Iterator[bytes]:
    """The lines of a plain or gzipped file. Of a line that is too long, only the beginning is read.

    Raises OSError for a file that cannot be read, or a damaged gzip file.
    """
    with Path(path).open("rb") as raw:
        zipped = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw) if zipped else raw
        try:
            if stream.read(len(BOM_UTF8)) != BOM_UTF8:
                stream.seek(0)
            while line := stream.readline(MOST_LINE_BYTES + 1):
                yield line
                while len(line) > MOST_LINE_BYTES and not line.endswith(b"\n"):
                    line = stream.readline(MOST_LINE_BYTES + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as damage:
            raise gzip.BadGzipFile(f"{path} is a damaged gzip file: {damage}") from damage


class _Run:
    """Successive lines of one name: a release, or the reason why the name gives none."""

    def __init__(self, first: _Row, found: set[str]) -> None:
        self.name = first.name
        self.description = first.description
        self.release = _read_name(first.name)
        if first.name in found:
            self.release = (
                "appears again after other names: lines of one name must follow one another"
            )
        self.machines: dict[tuple[str, str], FoundMachine] = {}
        self.refused = 0

    def add(self, row: _Row) -> str | None:
        """Add a row to the release. Returns why not, where only this row is invalid."""
        release = self.release
        if isinstance(release, str):
            self.refused += 1
            return None
        if row.architecture != release.architecture:
            return f"architecture is {row.architecture!r}, but the name says {release.architecture}"
        copy = (row.region, row.ami_id)
        if copy in self.machines:
            return f"{row.ami_id} in {row.region} is a duplicate of an earlier line of this name"
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

    def outcome(self, found: set[str]) -> Iterator[Found | Skipped]:
        """The release, or why it was skipped; nothing where each row was skipped by itself."""
        if isinstance(self.release, str):
            where = self.name if self.name.isprintable() else ascii(self.name)
            yield Skipped(where, self.release, self.refused)
        elif self.machines:
            found.add(self.name)
            yield Found(
                image=self.release.image,
                version=self.release.version,
                start_date=self.release.start_date,
                change_log=self.description,
                image_description=_image_description(self.description, self.release.version),
                tags=self.release.tags,
                machines=tuple(self.machines.values()),
                source_name=self.name,
            )


def _read_row(line: bytes) -> _Row | str:
    """The row of a line, or why it is skipped."""
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
    """The facts in the name of an AMI, or why it is skipped."""
    matches = ((shape.fullmatch(name), tags) for shape, tags in _SHAPES)
    found, tags = next((match for match in matches if match[0]), (None, ()))
    if found is None:
        if _WITH_LETTER.fullmatch(name):
            return "its name has a letter in place of a date, so the day of the release is unknown"
        return "its name has no known form"
    parts = found.groupdict()
    day = parts["date"].replace(".", "")
    try:
        start_date = parse_instant(f"{day[:4]}-{day[4:6]}-{day[6:]}T00:00:00Z")
    except ValueError:
        return f"the date in its name, {parts['date']}, does not exist"
    # Names without an architecture are from the time when there was only this one.
    architecture = parts.get("architecture") or "x86_64"
    kernel = parts.get("kernel") or parts.get("later_kernel")
    all_tags = (*tags, "ecs", parts.get("variant"), kernel, architecture)
    return _Release(
        image=name[: found.start("version") - 1] + name[found.end("version") :],
        version=parts["version"],
        start_date=start_date,
        architecture=architecture,
        tags=tuple(tag.format_map(parts) for tag in all_tags if tag),
    )


def _image_description(description: str, version: str) -> str:
    """The description without the words that contain the version."""
    return " ".join(word for word in description.split() if version not in word)
