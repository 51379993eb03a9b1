"""Reads a manifest of Packer: the builds of a run, each with the machines that it made.

Packer appends each run to the file. It writes the file whole but not atomically, and two builds that
write at once can lose one of them, so that the number of builds may be checked (`expect`).

The image of a build is declared, or in its `custom_data` as `image`, or read from the name of what it
made by rules for names, or else it is the name of the build. The version is declared, or in
`custom_data` as `version` or `git_tag`, or read by the rules, or else the instant of the first build of
that image in the run. `custom_data` may also have `architecture`, `change_log` and `parent`.
"""

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from goldenrod.base.clock import Instant, of_micros, to_datetime
from goldenrod.base.text import MOST_IDENTIFIER
from goldenrod.sources.found import FoundMachine, Listed, Skipped
from goldenrod.sources.name_rules import NameRules, clean_name
from goldenrod.sources.packer import artifacts
from goldenrod.sources.packer.artifacts import Artifact

MOST_BYTES = 64 * 1024 * 1024
_MOST_TEXT = 16 * 1024
_MOST_BUILDS = 100_000
_MOST_SECONDS = 253_402_300_799
"""The last second of the year 9999."""

_ARCHITECTURE = re.compile(
    r"(?:^|[-_. /])(x86_64|x86-64|amd64|x64|arm64|aarch64|i386|i686)(?:$|[-_. /])", re.IGNORECASE
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_FORBIDDEN_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_CHECKSUM = re.compile(r"([0-9a-fA-F]{32,128})[ \t]+\*?(\S.*)")
_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}

ReadFile = Callable[[str], bytes | None]
"""Reads a file that a manifest names, beside the manifest; null if it is not there."""


class InvalidManifest(ValueError):
    """The file is not a manifest, or does not have what is expected."""


class Options(Struct, frozen=True, kw_only=True):
    """What a manifest does not say. `run` is `last`, `all`, or the UUID of a run."""

    image: str | None = None
    version: str | None = None
    provider: str | None = None
    base_url: str | None = None
    architecture: str = ""
    run: str = "last"
    expect: int | None = None
    rules: NameRules | None = None


class Manifest(NamedTuple):
    """The builds that were read: the UUIDs of their runs, their number, and what they are."""

    runs: tuple[str, ...]
    builds: int
    rows: tuple[Listed | Skipped, ...]


class _File(Struct):
    name: str
    size: int = 0


class _Build(Struct):
    builder_type: Annotated[str, Meta(max_length=100)]
    artifact_id: str
    packer_run_uuid: str
    name: str = ""
    build_time: int | None = None
    files: Annotated[list[_File], Meta(max_length=10_000)] | None = None
    custom_data: dict[str, Any] | None = None


class _Manifest(Struct):
    builds: list[msgspec.Raw] | None
    last_run_uuid: str = ""


class _Run(Struct):
    packer_run_uuid: str = ""


class _Named(NamedTuple):
    """A build with its image and version; without a version, it is its time."""

    build: _Build
    where: str
    image: str
    version: str | None
    architecture: str
    source_name: str
    start_date: Instant | None


def read_manifest(
    raw: bytes, options: Options, read_file: ReadFile = lambda name: None
) -> Manifest:
    """The builds of the chosen runs. Raises InvalidManifest, nothing else."""
    builds = _chosen(raw, options.run)
    if options.expect is not None and len(builds) != options.expect:
        raise InvalidManifest(
            f"it has {len(builds)} builds of this run, but {options.expect} are expected: was Packer "
            "still running, or did another build write the file at the same time?"
        )
    rows: list[Listed | Skipped] = []
    named: list[_Named] = []
    for number, one in builds:
        build = _decoded(one, number)
        result = build if isinstance(build, Skipped) else _named(build, number, options)
        if isinstance(result, Skipped):
            rows.append(result)
        else:
            named.append(result)
    times = _first_times(named)
    for it in named:
        first = times.get((it.build.packer_run_uuid, it.image))
        version = it.version or (first and _as_version(first))
        if version:
            rows += _listed(it, version, options, read_file)
        else:
            rows.append(Skipped(it.where, "neither its version nor its time is known"))
    return Manifest(
        tuple(dict.fromkeys(_run_of(one) for _, one in builds)), len(builds), tuple(rows)
    )


def _chosen(raw: bytes, run: str) -> list[tuple[int, msgspec.Raw]]:
    """The builds of a run, or of all, with their numbers in the file. Raises InvalidManifest."""
    if len(raw) > MOST_BYTES:
        raise InvalidManifest(f"it is larger than {MOST_BYTES // 1024**2} MiB")
    try:
        manifest = msgspec.json.decode(raw, type=_Manifest)
    except msgspec.ValidationError as wrong:
        raise InvalidManifest(f"it is not a manifest of Packer: {wrong}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise InvalidManifest(f"it is not JSON: {wrong}. Was Packer still running?") from None
    builds = list(enumerate(manifest.builds or [], 1))
    if len(builds) > _MOST_BUILDS:
        raise InvalidManifest(f"it has more than {_MOST_BUILDS:,} builds")
    if run == "all":
        wanted, what = builds, "no builds"
    else:
        uuid = manifest.last_run_uuid if run == "last" else run
        wanted = [(number, one) for number, one in builds if _run_of(one) == uuid]
        what = f"no builds of the run {uuid[:100]!r}"
    if not wanted:
        raise InvalidManifest(f"it has {what}")
    return wanted


def _run_of(raw: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=_Run).packer_run_uuid
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def _decoded(raw: msgspec.Raw, number: int) -> _Build | Skipped:
    try:
        return msgspec.json.decode(raw, type=_Build)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        return Skipped(f"build {number}", str(wrong))


def _named(build: _Build, number: int, options: Options) -> _Named | Skipped:
    """The image and version of a build, or why it has none."""
    name = clean_name(build.name) or ""
    where = f"build {number}" + (f" ({name})" if name else "")
    image, version = options.image or _text(build, "image"), options.version
    version = version or _text(build, "version") or _text(build, "git_tag")
    source_name = _source_name(build) or name
    architecture = _text(build, "architecture") or options.architecture
    start_date = None
    if options.rules is not None and not (image and version):
        read = options.rules.read(source_name)
        if not isinstance(read, str):
            image, version = image or read.image, version or read.version
            architecture, start_date = architecture or read.architecture or "", read.date
        elif not image:
            return Skipped(where, f"{source_name[:100]!r}: {read}")
    if not image:
        image = name
        if re.fullmatch(r"[a-z]{2}(?:-[a-z]+)+-\d+", image):
            reason = "it is named like a region, so its image is not known: declare the image"
            return Skipped(where, reason)
    if not architecture and (found := _ARCHITECTURE.search(name) or _ARCHITECTURE.search(image)):
        architecture = found[1]
    for what, given in (("image", image), ("version", version)):
        if given is not None and clean_name(given) is None:
            return Skipped(where, f"its {what} is empty, too long, or has control characters")
    return _Named(build, where, image, version, architecture, source_name or image, start_date)


def _text(build: _Build, key: str) -> str | None:
    """A text of custom_data; null if it is empty or has control characters."""
    value = (build.custom_data or {}).get(key)
    if not isinstance(value, str) or not value.strip() or _FORBIDDEN_IN_TEXT.search(value):
        return None
    return value.strip()[:_MOST_TEXT]


def _source_name(build: _Build) -> str | None:
    """The name of what was made: builders have it in their id, others in custom_data."""
    if build.builder_type.startswith(("googlecompute", "vsphere")):
        return clean_name(build.artifact_id.rpartition("::")[2])
    return _text(build, "image_name") or _text(build, "vm_name") or _text(build, "identifier")


def _first_times(named: Iterable[_Named]) -> dict[tuple[str, str], Instant]:
    """When the first build of an image in a run was made."""
    times: dict[tuple[str, str], Instant] = {}
    for it in named:
        if time := _time(it.build):
            key = it.build.packer_run_uuid, it.image
            times[key] = min(time, times.get(key, time))
    return times


def _time(build: _Build) -> Instant | None:
    seconds = build.build_time
    return of_micros(seconds * 1_000_000) if seconds and 0 < seconds <= _MOST_SECONDS else None


def _as_version(time: Instant) -> str:
    return to_datetime(time).strftime("%Y%m%d-%H%M%S")


def _listed(
    it: _Named, version: str, options: Options, read_file: ReadFile
) -> Iterable[Listed | Skipped]:
    build = it.build
    files = tuple(artifacts.File(file.name, max(file.size, 0)) for file in build.files or ())
    made = artifacts.Build(build.builder_type, build.artifact_id, files)
    found = artifacts.machines(made, options.base_url, options.provider)
    if isinstance(found, str):
        yield Skipped(it.where, found)
        return
    checksums = _checksums(files, read_file) if any(one.file for one in found) else {}
    for one in found:
        provider = one.provider or options.provider
        if provider is None:
            reason = (
                f"the id of {build.builder_type} does not say the provider: declare the provider"
            )
            yield Skipped(it.where, reason)
        elif not 0 < len(one.identifier) <= MOST_IDENTIFIER or _CONTROL.search(one.identifier):
            reason = f"its id is empty, longer than {MOST_IDENTIFIER}, or has control characters"
            yield Skipped(it.where, reason)
        else:
            yield Listed(
                image=it.image,
                version=version,
                machine=_machine(it, one, provider, checksums),
                source_name=it.source_name,
                start_date=it.start_date,
                change_log=_text(build, "change_log") or "",
                parent=_text(build, "parent"),
            )


def _machine(it: _Named, one: Artifact, provider: str, checksums: dict[str, str]) -> FoundMachine:
    return FoundMachine(
        provider=provider,
        provider_type=artifacts.provider_type(it.build.builder_type, one),
        identifier=one.identifier,
        architecture=it.architecture,
        size_gb=one.size_gb,
        checksum=checksums.get(_base_name(one.file)) if one.file else None,
        created_at=_time(it.build),
    )


def _checksums(files: Iterable[artifacts.File], read_file: ReadFile) -> dict[str, str]:
    """Checksums by the names of files, from the files that the post-processor `checksum` wrote. The
    longest checksum of a file counts."""
    result: dict[str, str] = {}
    lengths: dict[str, int] = {}
    for file in files:
        if not artifacts.CHECKSUMS.search(file.name):
            continue
        text = (read_file(file.name) or b"").decode("utf-8", "replace")
        for found in filter(None, map(_CHECKSUM.fullmatch, text.splitlines())):
            name, digits = _base_name(found[2].strip()), found[1].lower()
            algorithm = _ALGORITHMS.get(len(digits))
            if algorithm and len(digits) > lengths.get(name, 0):
                lengths[name] = len(digits)
                result[name] = f"{algorithm}:{digits}"
    return result


def _base_name(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]
