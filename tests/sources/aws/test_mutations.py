"""Mutated answers of EC2: a look is complete, or failed with a reason; each image is one row.

`python -m tests.sources.aws.test_mutations MINUTES` goes on for so long, with a new seed each time.
"""

import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from goldenrod.sources.aws import AwsSource
from goldenrod.sources.aws.images import Place, parse
from goldenrod.sources.declarations import Aws
from goldenrod.sources.found import Listed, Look, Skipped
from goldenrod.sources.name_rules import NameRules, RuleText
from tests.sources.fake_ec2 import ACCOUNT, Ec2, error
from tests.sources.fault_server import Answer, FaultServer, Request

DATA = Path(__file__).parents[1] / "data" / "aws"
SAMPLES: list[dict[str, Any]] = [
    image
    for path in sorted(DATA.glob("*.json"))
    for image in json.loads(path.read_text("utf-8")).get("Images", [])
]
RULES = NameRules([RuleText(name="all", match=r"(?P<name>.+)", image="{name}", version="1")])
OWNERS = (
    "self",
    "amazon",
    "099720109477",
    "111122223333",
    "222233334444",
    "123456789123",
    "679593333241",
)
SCOPE = f"{ACCOUNT}/us-east-1"
PLACE = Place(scope=SCOPE, region="us-east-1", account=ACCOUNT, owners=OWNERS, tags=("os",))

OTHERS = ("DescribeImageAttribute", "DescribeRegions", "GetCallerIdentity")
PIECES = (
    b"\x00", b"\x01", b"\xff", b"\xc3\x28", b"&#1;", b"&x;", b"&amp;", b"<", b">", b"</item>",
    b"<item>", b"<!DOCTYPE a [<!ENTITY x 'xxxxxxxxxx'>]>", b"<![CDATA[", b"]]>", b"<!--", b"-1",
    b"9" * 400, b"true", b"1e999", b"", b" " * 5000, b"x" * 40_000, "\u202e".encode(),
    "\ud7ff\U0001f4a9".encode(), b"<?pi?>", b"<imagesSet/>", b"<nextToken>again</nextToken>",
    b"2020-09-24T13:31:456.000Z",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**70, 1.5, float("nan"), "", "\x00", "\ud800", "x" * 40_000, [], {}, [None],
    {"": None}, [[]], b"bytes", "self", "amazon", "0001-01-01T00:00:00+23:59", ["a"] * 1000,
)  # fmt: skip


def mutated(body: bytes, chance: random.Random) -> bytes:
    """The body with one to four changes, half of them of texts, which leave it well-formed."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(body) + 1)
        end = min(len(body), start + int(chance.expovariate(1 / 40)))
        match chance.randrange(10):
            case 0:
                body = body[:start]
            case 1:
                body = body[:start] + body[end:]
            case 2:
                body = body[:start] + chance.choice(PIECES) + body[start:]
            case 3:
                body = body[:start] + chance.randbytes(end - start) + body[end:]
            case 4:
                body = body[:end] + body[start:end] * chance.randint(1, 50) + body[end:]
            case _:  # the text of one element
                if (opened := body.find(b">", start)) >= 0:
                    closed = body.find(b"<", opened)
                    body = body[: opened + 1] + chance.choice(PIECES) + body[closed:]
    return body.decode("utf-8", "replace").encode("utf-16") if chance.random() < 0.02 else body


def mutated_image(image: dict[str, Any], chance: random.Random) -> Any:
    """The image with one to four values replaced, at any depth."""
    for _ in range(chance.randint(1, 4)):
        place: Any = image
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = chance.choice(keys)
            if isinstance(place[key], dict | list) and chance.random() < 0.7:
                place = place[key]
                continue
            place[key] = deepcopy(chance.choice(VALUES))
            break
    return image if chance.random() < 0.98 else chance.choice(VALUES)


def check(look: Look) -> str:
    """That a look is in order. Returns what it is."""
    msgspec.json.encode(look)
    assert look.failed is None or (look.failed.startswith("a, us-east-1: ") and not look.rows)
    for row in look.rows:
        check_row(row)
    kinds = {type(row).__name__ for row in look.rows}
    return "failed" if look.failed else " and ".join(sorted(kinds)) or "empty"


def check_row(row: Listed | Skipped) -> None:
    msgspec.json.encode(row)
    if isinstance(row, Skipped):
        assert row.reason.isprintable() and len(row.reason) < 1000
        assert row.where.isprintable() and len(row.where) < 500


@contextmanager
def reading() -> Iterator[tuple[FaultServer, AwsSource, list[bytes]]]:
    """A server with the samples, a source that reads it, and bodies of answers to change."""
    import stamina

    stamina.set_testing(True, attempts=1)
    cloud = Ec2({"us-east-1": SAMPLES})
    with FaultServer(cloud) as server:
        fields = {"name": "a", "owners": OWNERS, "names": ["*"], "endpoint_url": server.url}
        source = AwsSource(msgspec.convert(fields, Aws), RULES)
        assert check(source.look(SCOPE)) == "Listed and Skipped"
        asked = next(one for one in server.requests if one.query["Action"] == "DescribeImages")
        bodies = [cloud(asked).body, (DATA / "moto-5.2.5-describe-images.xml").read_bytes()]
        yield server, source, bodies


def mutate(seed: int, server: FaultServer, source: AwsSource, bodies: list[bytes]) -> str:
    """Read one mutated answer. Returns what became of it."""
    chance = random.Random(seed)
    action = chance.choice(("DescribeImages",) * 6 + OTHERS)
    body = mutated(chance.choice(bodies), chance) if action == "DescribeImages" else b""
    framing = chance.choice(("length", "close", "chunked"))
    whole = Ec2({"us-east-1": SAMPLES})

    def cloud(request: Request) -> Answer:
        asked = request.query["Action"]
        if asked == "DescribeImageAttribute" != action:
            return error("UnauthorizedOperation")
        if asked != action or "NextToken" in request.query:
            return whole(request)
        return Answer(body or mutated(whole(request).body, chance), framing=framing)

    server.clear()
    server.cloud = cloud
    begun = time.monotonic()
    if action in ("GetCallerIdentity", "DescribeRegions"):
        source._known_account = ""
        outcome = check_scopes(*source.scopes())
        source._known_account = ACCOUNT
    else:
        outcome = check(source.look(SCOPE))
    assert time.monotonic() - begun < 20
    return outcome


def check_scopes(scopes: list[str], failed: list[Look]) -> str:
    assert bool(scopes) != bool(failed)
    assert all(len(scope) < 100 and scope.isprintable() for scope in scopes)
    assert all(look.failed and look.failed.startswith("a: ") for look in failed)
    return "no scopes" if failed else "scopes"


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("count", [40, pytest.param(1500, marks=pytest.mark.long)])
def test_mutated_answers_are_read_or_fail_and_never_raise(count: int) -> None:
    with reading() as (server, source, bodies):
        outcomes = Counter(mutate(seed, server, source, bodies) for seed in range(count))
    assert "failed" in outcomes and len(outcomes) > 1, outcomes


@pytest.mark.usefixtures("aws")
def test_an_answer_that_is_nested_deeply_or_expands_entities_is_no_trouble() -> None:
    deep = b"<a>" * 200_000 + b"</a>" * 200_000
    entities = b"".join(b"<!ENTITY e%d '%b'>" % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, 12))
    bomb = b"<!DOCTYPE a [<!ENTITY e0 'x'>" + entities + b"]><a>&e11;</a>"
    with reading() as (server, source, _):
        for body in (deep, bomb, b"<a/>" * 2, b"\xff\xfe<\x00", b"{}"):
            server.cloud = lambda _, body=body: Answer(body)
            assert check(source.look(SCOPE)) == "failed"


@pytest.mark.parametrize("count", [3000, pytest.param(50_000, marks=pytest.mark.long)])
def test_each_image_is_one_row_whatever_kinds_its_values_are(count: int) -> None:
    chance = random.Random(count)
    for _ in range(count // 10):
        images = [mutated_image(deepcopy(chance.choice(SAMPLES)), chance) for _ in range(10)]
        rows = list(parse(images, PLACE, RULES, set()))
        assert len(rows) == len(images)
        for row in rows:
            check_row(row)


def main(minutes: float) -> None:
    """Mutate answers for so many minutes, and print what became of them."""
    ends, seed, outcomes = time.monotonic() + 60 * minutes, random.randrange(2**32), Counter()
    print(f"first seed {seed}", flush=True)
    with reading() as (server, source, bodies):
        while time.monotonic() < ends:
            try:
                outcomes[mutate(seed, server, source, bodies)] += 1
            except BaseException:
                print(f"seed {seed}", flush=True)
                raise
            seed += 1
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{outcomes.total()} answers: {dict(outcomes)}; at most {memory} MiB")


if __name__ == "__main__":
    main(float(sys.argv[1]))
