"""Mutates documents and gives them to the parsers that read files.

    python -m tests.sources.files.mutations 10      # for ten minutes, from a new seed

Nothing may raise, every row must be one that can be stored, and the time and memory that a document
takes may not grow far beyond its size.
"""

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from goldenrod.base.clock import Instant
from goldenrod.sources.files import aws_lines, azure, gcp, image_builder, vagrant
from goldenrod.sources.files.document import MOST_IDENTIFIER, Listing, look_at
from goldenrod.sources.found import Listed, Look
from goldenrod.sources.name_rules import NameRules, RuleText
from goldenrod.sources.releases import releases
from goldenrod.sources.simplestreams import signature
from goldenrod.sources.simplestreams.products import parse_index, parse_products
from tests.sources.simplestreams.trees import IDS, INCUS, TREE

DATA = Path(__file__).parents[1] / "data"
NOW = Instant("2026-11-26T12:00:00.000000Z")
RULES = NameRules([RuleText(name="any", match=r".*?(?P<version>(?P<date>\d{8})?[^-]*)", image="i")])
BOX = {
    "name": "team/base",
    "versions": [
        {
            "version": "1.0.0",
            "status": "active",
            "providers": [{"name": "kvm", "url": "https://b/1.box", "checksum_type": "md5"}],
        }
    ],
}
LINE = {
    "region": "us-east-1",
    "ami_id": "ami-01b701d1a348a0d00",
    "name": "al2023-ami-ecs-hvm-2023.0.20240305-kernel-6.1-x86_64",
    "description": "x",
    "architecture": "x86_64",
    "virtualization_type": "hvm",
    "state": "available",
}
SIGNED = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n%b\n-----BEGIN PGP SIGNATURE-----\n=\n-----END PGP SIGNATURE-----\n"  # noqa: E501

ODD = [
    None,
    10**4000,
    True,
    -1,
    0,
    2**70,
    1.5,
    "",
    "\0",
    "x" * 3000,
    "é\u202e",
    [],
    {},
    [[]],
    {"id": []},
]
Parse = Callable[[bytes], Look]


def _simplestreams(raw: bytes) -> Look:
    def read() -> Listing:
        text = signature.signed_part(raw) if signature.is_signed(raw) else raw
        if b'"index"' in text:
            parse_index(text, "index")
            return Listing()
        return parse_products(text, "p", content_id="images", mirror="m").listing

    return look_at("images", NOW, read)


PARSERS: dict[str, Parse] = {
    "gcp": lambda raw: gcp.parse([("f", raw)], project="p", rules=RULES, read_at=NOW, tags=["foo"]),
    "azure": lambda raw: azure.parse([("f", raw), ("g", raw)], read_at=NOW, tags=["foo"]),
    "image_builder": lambda raw: image_builder.parse([("f", raw)], read_at=NOW),
    "vagrant": lambda raw: vagrant.parse(raw, scope="f", provider="v", read_at=NOW),
    "lines": lambda raw: aws_lines.parse(raw.splitlines(), scope="f", read_at=NOW),
    "simplestreams": _simplestreams,
}


def samples() -> list[tuple[str, bytes]]:
    """The name of a parser and a document for it."""
    found = [
        (folder, path.read_bytes())
        for folder in ("gcp", "azure", "image_builder")
        for path in sorted((DATA / folder).iterdir())
    ]
    trimmed = [path.read_bytes() for path in sorted((DATA / "simplestreams").iterdir())]
    trees = [json.dumps(one).encode() for one in (IDS, INCUS, TREE["streams/v1/index.json"])]
    found += [("simplestreams", raw) for raw in (*trimmed, *trees, SIGNED % trees[1])]
    mark = b'\n{"end": true, "lines": 2}'
    lines = b"\n".join([json.dumps(LINE).encode()] * 2)
    return [
        *found,
        ("vagrant", json.dumps(BOX).encode()),
        ("lines", lines),
        ("lines", lines + mark),
    ]


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """A document that differs in some bytes, or in some values."""
    if chance.random() < 0.5:
        try:
            return json.dumps(_with_odd_values(json.loads(raw), chance)).encode()
        except ValueError:
            pass
    changed = bytearray(raw)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) + 1)
        end = min(len(changed), at + chance.choice((0, 1, 3, 40)))
        new = chance.choice((b"", b"\xff", b"\0", b'"', b"{", b"]", b"9" * 5000, raw[at : at + 60]))
        changed[at:end] = new
    return bytes(
        changed[: chance.randrange(len(changed) + 1)] if chance.random() < 0.1 else changed
    )


def _with_odd_values(value: Any, chance: random.Random) -> Any:
    """The value, with some of the values inside it replaced by odd ones."""
    if chance.random() < 0.03:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {
            (key if chance.random() > 0.01 else str(chance.choice(ODD))): _with_odd_values(
                v, chance
            )
            for key, v in value.items()
        }
    if isinstance(value, list):
        return [_with_odd_values(one, chance) for one in value]
    return value


def check(name: str, raw: bytes) -> Look:
    """Parse a document. Raises AssertionError for an answer that could not be stored."""
    look = PARSERS[name](raw)
    assert look.failed is None or (not look.rows and len(look.failed) < 1000)
    machines = [row for row in look.rows if isinstance(row, Listed)]
    found = releases(machines)
    written = msgspec.json.encode([look, found])
    assert b"\\u0000" not in written
    for row in machines:
        machine = row.machine
        assert 0 < len(machine.identifier) <= MOST_IDENTIFIER >= len(machine.replacement or "")
        assert 0 < len(machine.provider) <= 256 >= len(machine.owner)
        assert 0 < len(row.image) <= 256 and 0 < len(row.version) <= 256
        assert len(machine.architecture) <= 256 and len(machine.checksum or "") <= 256
        assert machine.size_gb is None or 0 < machine.size_gb < 2**31
        assert row.source_name.isprintable() and len(row.source_name) < 2000
    return look


def run(seed: int, rounds: int | None, seconds: float) -> tuple[int, int]:
    """Check so many mutations of each sample. Returns how many were read, and how many failed."""
    chance = random.Random(seed)
    until = time.monotonic() + seconds
    read = failed = 0
    for name, raw in _cycle(rounds):
        if time.monotonic() > until:
            break
        document = mutated(raw, chance)
        try:
            look = check(name, document)
        except Exception as wrong:
            wrong.add_note(f"{name}, seed {seed}: {document[:5000]!r}")
            raise
        failed += look.failed is not None
        read += look.failed is None
    return read, failed


def _cycle(rounds: int | None) -> Iterator[tuple[str, bytes]]:
    every = samples()
    done = 0
    while rounds is None or done < rounds:
        yield from every
        done += 1


if __name__ == "__main__":
    seed = random.SystemRandom().randrange(10**9)
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(f"seed {seed}: {minutes:g} minutes", flush=True)
    print("read {}, failed {}".format(*run(seed, None, minutes * 60)))
