"""Syncs a large fake cloud, in a process that a test kills: `python -m tests.sync.killed_sync URL N`,
where N is the number of images."""

import sys

from goldenrod.base import clock
from goldenrod.store.db import Database
from tests.sync.fake_cloud import FakeCloud, declared, synced

VERSIONS = 3
REGIONS = ("north", "south")


def cloud(images: int) -> FakeCloud:
    """A cloud with the same number of machines of each image."""
    made = FakeCloud(clock.now)
    for image in range(images):
        for version in range(1, VERSIONS + 1):
            for region in REGIONS:
                made.put(region, f"{image}-{version}-{region}", f"image {image}", str(version))
    return made


if __name__ == "__main__":
    db = Database(sys.argv[1])
    result = synced(db, cloud(int(sys.argv[2])), declared(owner="import"), lease_s=0.5)
    print(result.state, result.counts["created"], flush=True)
