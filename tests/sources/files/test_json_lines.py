"""The end mark of JSON lines: only a file with one is read whole, and a wrong one is refused."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from goldenrod.base.clock import Instant
from goldenrod.sources.declarations import AwsFile
from goldenrod.sources.files import aws_lines
from goldenrod.sources.files.json_lines import DamagedFile, MarkedLines
from goldenrod.sources.found import Listed, Look, Skipped
from goldenrod.sources.name_rules import NameRules
from tests.support.processes.command_line import runner

NOW = Instant("2026-11-26T12:00:00.000000Z")
ROW = {
    "region": "us-east-1",
    "ami_id": "ami-01b701d1a348a0d00",
    "name": "al2023-ami-ecs-hvm-2023.0.20240305-kernel-6.1-x86_64",
    "description": "Amazon Linux AMI 2023.0.20240305 x86_64 ECS HVM EBS",
    "architecture": "x86_64",
    "virtualization_type": "hvm",
    "state": "available",
}
LINES = [json.dumps(ROW | {"region": region}).encode() for region in ("eu-west-1", "us-east-1")]


def look(lines: Iterable[bytes]) -> Look:
    return aws_lines.parse(lines, scope="amis.jsonl", read_at=NOW)


def test_a_file_is_read_whole_only_with_its_end_mark() -> None:
    unmarked = look(LINES)
    assert unmarked.failed is None and unmarked.additions_only
    assert unmarked.notes == (f"amis.jsonl: {aws_lines.NO_END_MARK}",)
    marked = look([*LINES, b'{"end": true, "lines": 2}', b""])
    assert marked.failed is None and not marked.additions_only and not marked.notes
    assert marked.rows == unmarked.rows
    assert [type(row) for row in marked.rows] == [Listed, Listed]
    assert {r.machine.scope for r in marked.rows if isinstance(r, Listed)} == {"amis.jsonl"}
    empty = look([b'{"end": true, "lines": 0}'])
    assert empty.failed is None and empty.rows == () and not empty.additions_only


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([LINES[0], b'{"end": true, "lines": 2}'], "has 1 lines, but its end mark says 2"),
        ([b'{"end": true, "lines": 0}', LINES[0]], "goes on after its end mark"),
    ],
)
def test_a_wrong_end_mark_fails_the_look(lines: list[bytes], reason: str) -> None:
    assert look(lines) == Look(scope="amis.jsonl", read_at=NOW, failed=f"amis.jsonl {reason}")
    with pytest.raises(DamagedFile, match=reason):
        list(MarkedLines(lines, "amis.jsonl"))


def test_what_is_no_end_mark_is_a_line() -> None:
    odd = [b'{"end": false, "lines": 0}', b'{"end": true}', b'{"end": true, "lines": "0"}']
    odd += [b'"end"', b'{"end": true, "lines": 1' + b" " * 300 + b"}", b'["end"' * 50]
    assert list(MarkedLines(odd, "f")) == odd
    assert all(isinstance(row, Skipped) for row in look(odd).rows)


def test_the_source_and_the_import_command_read_marked_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "amis.jsonl"
    file.write_bytes(b"\n".join([*LINES, b'{"end": true, "lines": 2}\n']))
    source = aws_lines.AwsFileSource(
        AwsFile(name="a", files=["amis.jsonl"]), NameRules([]), tmp_path
    )
    assert source.scopes() == (["amis.jsonl"], [])
    assert len(source.look("amis.jsonl").rows) == 2
    assert source.presence("amis.jsonl", "us-east-1", "ami-0") == "unknown"
    assert source.look("gone.jsonl").failed == "gone.jsonl: No such file or directory"
    (tmp_path / "cut.gz").write_bytes(b"\x1f\x8b\x08")
    assert "damaged gzip" in (source.look("cut.gz").failed or "")

    monkeypatch.setenv("GOLDENROD_DATABASE_URL", f"sqlite:///{tmp_path / 'goldenrod.db'}")
    run = runner(monkeypatch, capsys)
    file.write_bytes(b"\n".join([LINES[0], b'{"end": true, "lines": 2}']))
    refused = run("import", "aws", "--file", str(file))
    assert (refused.code, refused.err) == (
        1,
        f"goldenrod: {file} has 1 lines, but its end mark says 2\n",
    )
    file.write_bytes(b"\n".join([*LINES, b'{"end": true, "lines": 2}\n']))
    imported = run("import", "aws", "--file", str(file), "--json").json
    assert imported["skipped"] == []
    assert imported["counts"]["machine"]["created"] == 2
