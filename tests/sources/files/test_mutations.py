"""Documents from outside never raise, never hang, and take a limited amount of memory."""

import random
import subprocess
import sys

import pytest

from tests.sources.files import mutations

# Documents of megabytes that are built to take a multiple of their size. Each is parsed in a process of
# its own, which reports how much its memory grew.
HOSTILE = {
    "rows of nothing": "b'[' + b'1,' * 3_000_000 + b'1]'",
    "objects of nothing": "b'{\"value\": [' + b'{},' * 3_000_000 + b'{}]}'",
    "keys": 'b\'{"format": "products:1.0", "products": {\' + '
    "b','.join(b'\"%x\":1' % i for i in range(2_000_000)) + b'}}'",
    "one long text": "b'{\"name\": \"' + b'x' * 50_000_000 + b'\", \"versions\": []}'",
    "deep": "b'[' * 20_000_000",
    "deep objects": "b'{\"items\":' * 3_000_000",
}
MEASURE = """
import resource, sys
from tests.sources.files import mutations
raw = eval(sys.argv[1])
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
for name in ("gcp", "azure", "image_builder", "vagrant", "simplestreams"):
    mutations.PARSERS[name](raw)
print(peak() - before)
"""


def test_mutated_documents_are_read_skipped_or_refused() -> None:
    for name, raw in mutations.samples():
        assert mutations.check(name, raw).scope
    read, failed = mutations.run(seed=18, rounds=12, seconds=60)
    assert read > 50 and failed > 50


@pytest.mark.long
def test_many_mutated_documents_are_read_skipped_or_refused() -> None:
    read, failed = mutations.run(seed=random.randrange(10**9), rounds=None, seconds=60)
    assert read > 500 and failed > 500


@pytest.mark.long
@pytest.mark.parametrize("document", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_documents_take_a_limited_amount_of_memory(document: str) -> None:
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, document], capture_output=True, text=True, timeout=300
    )
    assert measured.returncode == 0, measured.stderr[-2000:]
    assert int(measured.stdout) < 600, "MiB"
