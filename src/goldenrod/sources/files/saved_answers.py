"""What sources of saved answers share: their files, which cannot be asked for one machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

from goldenrod.sources.declarations import Files
from goldenrod.sources.files.document import read_file
from goldenrod.sources.found import Look, Presence
from goldenrod.sources.name_rules import NameRules

D = TypeVar("D", bound=Files)


class SavedAnswers(Generic[D]):
    """A source of files. Each file is a scope, unless a source reads them together."""

    def __init__(self, declaration: D, rules: NameRules, directory: Path) -> None:
        self._declaration = declaration
        self._rules = rules
        self._directory = directory

    def scopes(self) -> tuple[list[str], list[Look]]:
        return list(dict.fromkeys(self._declaration.files)), []

    def presence(self, scope: str, provider: str, identifier: str) -> Presence:
        return "unknown"

    def _documents(self) -> Iterator[tuple[str, bytes]]:
        """The files' contents, each with its name, read one at a time."""
        return ((name, read_file(self._directory / name, name)) for name in self._declaration.files)
