"""The files of Amazon's machine images that `aws_ecs_file.py` parses, read as a source.

Each file is a scope. Only a file with an end mark (`json_lines.py`) is read whole: what another one
does not list may exist all the same.
"""

from collections.abc import Iterable

from msgspec import structs

from goldenrod.base.clock import Instant, now
from goldenrod.sources import aws_ecs_file
from goldenrod.sources.declarations import AwsFile
from goldenrod.sources.files.document import Listing, Rows, Unreadable, look_at
from goldenrod.sources.files.json_lines import DamagedFile, MarkedLines
from goldenrod.sources.files.saved_answers import SavedAnswers
from goldenrod.sources.found import Found, Listed, Look, Skipped

NO_END_MARK = "the file has no end mark and may be cut, so nothing counts as missing"


class AwsFileSource(SavedAnswers[AwsFile]):
    """Files with lines of JSON, each one machine image in one region. It needs no rules for names."""

    def look(self, scope: str) -> Look:
        return parse(aws_ecs_file.open_lines(self._directory / scope), scope=scope, read_at=now())


def parse(lines: Iterable[bytes], *, scope: str, read_at: Instant) -> Look:
    """The machine images in these lines of the file that is named like the scope."""

    def read() -> Listing:
        marked, rows = MarkedLines(lines, scope), Rows()
        try:
            for release in aws_ecs_file.parse(marked):
                for row in [release] if isinstance(release, Skipped) else _machines(release, scope):
                    rows.add(row)
        except DamagedFile as wrong:
            raise Unreadable(str(wrong)) from None
        except (OSError, ValueError) as wrong:
            raise Unreadable(f"{scope}: {getattr(wrong, 'strerror', None) or wrong}") from None
        notes = [] if marked.ended else [f"{scope}: {NO_END_MARK}"]
        return Listing(rows.rows, notes, additions_only=not marked.ended)

    return look_at(scope, read_at, read)


def _machines(release: Found, scope: str) -> list[Listed]:
    return [
        Listed(
            image=release.image,
            version=release.version,
            machine=structs.replace(machine, scope=scope),
            source_name=release.source_name,
            start_date=release.start_date,
            change_log=release.change_log,
            image_description=release.image_description,
            tags=release.tags,
        )
        for machine in release.machines
    ]
