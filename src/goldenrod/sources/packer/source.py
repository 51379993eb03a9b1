"""Manifests of Packer as a source for `goldenrod sync`: each file is a scope.

Nothing that is missing in a manifest is gone: a later run may have replaced the file.
"""

from pathlib import Path, PurePosixPath

from goldenrod.base.clock import now
from goldenrod.sources.declarations import Packer
from goldenrod.sources.found import Look, Presence
from goldenrod.sources.name_rules import NameRules
from goldenrod.sources.packer.manifest import (
    MOST_BYTES,
    InvalidManifest,
    Manifest,
    Options,
    read_manifest,
)

_MOST_CHECKSUM_BYTES = 1024 * 1024


class PackerSource:
    """Manifests as declared; names of files are relative to `directory`. Where there are rules, each
    name must match one, unless image and version are known without."""

    def __init__(self, declaration: Packer, rules: NameRules, directory: Path) -> None:
        self._files = list(dict.fromkeys(declaration.files))
        self._directory = directory
        self._options = Options(
            image=declaration.image,
            provider=declaration.provider,
            base_url=declaration.base_url,
            run=declaration.run,
            expect=declaration.expect,
            rules=rules if len(rules) else None,
        )

    def scopes(self) -> tuple[list[str], list[Look]]:
        """The files."""
        return list(self._files), []

    def look(self, scope: str) -> Look:
        """Read one file."""
        read_at = now()
        try:
            rows = read_file(self._directory / scope, self._options).rows
        except InvalidManifest as wrong:
            return Look(scope=scope, read_at=read_at, failed=str(wrong), additions_only=True)
        except OSError as wrong:
            reason = wrong.strerror or "it cannot be read"
            return Look(scope=scope, read_at=read_at, failed=reason, additions_only=True)
        return Look(scope=scope, read_at=read_at, rows=rows, additions_only=True)

    def presence(self, scope: str, provider: str, identifier: str) -> Presence:
        """A manifest does not say what has become of a machine."""
        return "unknown"


def read_file(path: Path, options: Options) -> Manifest:
    """The builds of a manifest, with the checksums in files beside it.

    Raises InvalidManifest, OSError.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except ValueError as wrong:  # a zero byte in the name
        raise InvalidManifest(str(wrong)) from None
    return read_manifest(raw, options, lambda name: _beside(path.parent, name))


def _beside(directory: Path, name: str) -> bytes | None:
    """The content of a file below the manifest's directory; null if it is not one."""
    relative = PurePosixPath(name.replace("\\", "/"))
    if relative.is_absolute() or ".." in relative.parts:
        return None
    try:
        with (directory / relative).open("rb") as file:
            return file.read(_MOST_CHECKSUM_BYTES)
    except (OSError, ValueError):
        return None
