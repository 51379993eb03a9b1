"""`goldenrod sync` reads a real Glance with 1,000 images, which change between syncs."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from goldenrod.catalogue.sync import drift
from goldenrod.rules.access import CONSOLE
from goldenrod.store import paging
from goldenrod.store.db import Database
from tests.sources.fault_server import FaultServer
from tests.sources.openstack.keystone import PROJECT, Keystone, write_clouds_yaml
from tests.sources.openstack.real_glance import RealGlance, real_glance
from tests.sync.real.syncing import Catalogue, report

pytestmark = pytest.mark.long

ME = f"alice:{PROJECT}:member,reader"
THEIRS = "6e1b6e1b6e1b4e1b8e1b6e1b6e1b6e1b"
THEM = f"bob:{THEIRS}:member,reader"
ADMIN = "root:00000000000000000000000000000001:admin,member,reader"

SOURCES = r"""
[[source]]
name = "office"
type = "openstack"
cloud = "office"
public_images = true

[[source.rules.rule]]
name = "all"
match = '(?P<name>[a-z]+-\d+)-(?P<architecture>amd64|arm64)-(?P<version>(?P<date>20\d{6})-\d+)'
image = "{name}-{architecture}"
"""

IMAGES, EACH, OTHERS = 1000, 20, 5


@pytest.fixture
def glance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealGlance]:
    with real_glance(tmp_path_factory.mktemp("glance")) as running:
        yield running


@pytest.fixture
def keystone(glance: RealGlance, clouds_yaml: Path) -> Iterator[Keystone]:
    """A cloud whose region `north` is the real Glance."""
    stand_in = Keystone({"north": glance.url})
    with FaultServer(stand_in) as server:
        write_clouds_yaml(clouds_yaml, server.url)
        yield stand_in


def drifted(catalogue: Catalogue, *kinds: str) -> set[str]:
    """The identifiers that differ in one of these ways; without kinds, in any."""
    query = paging.parse(drift.LIST, {"page_size": ["1000"]})
    with catalogue.db.read() as tx:
        found = [json.loads(text) for text in drift.list_drift(tx, CONSOLE, query).results]
    return {one["identifier"] for one in found if not kinds or set(kinds) & set(one["kinds"])}


def deprecated(catalogue: Catalogue) -> set[str]:
    """The identifiers of machines whose version is deprecated."""
    found = catalogue.rows(
        "SELECT m.identifier FROM machines m JOIN versions v ON v.n = m.version_n "
        "WHERE v.deprecated_at IS NOT NULL"
    )
    return {identifier for (identifier,) in found}


def ids(machines: set[tuple[str, str]]) -> set[str]:
    assert {provider for provider, _ in machines} <= {"office/north"}
    return {identifier for _, identifier in machines}


@pytest.mark.usefixtures("keystone")
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_what_becomes_of_a_thousand_images_of_glance(
    backend: str,
    new_database: Callable[[str], Database],
    glance: RealGlance,
    tmp_path: Path,
) -> None:
    (tmp_path / "sources.toml").write_text(SOURCES)
    catalogue = Catalogue(new_database(backend), tmp_path)
    names = [f"{backend}-{n % 20}-amd64-20260101-{n}" for n in range(IMAGES)]
    first_id = glance.create(ME, name=names[0], visibility="private")
    mine = [first_id, *glance.copies(first_id, [(name, "private") for name in names[1:]])]
    theirs = [
        glance.create(THEM, name=f"lender-1-amd64-20260201-{n}", visibility="shared")
        for n in range(OTHERS)
    ]
    for one in theirs:
        glance.change(ADMIN, one, "visibility", "public")
    everything = {*mine, *theirs}

    first = catalogue.sync()
    assert (first.code, first.entries) == (0, [])
    assert ids(catalogue.live()) == everything
    assert first.counts["images"] == 20 + 1
    again = catalogue.sync()
    assert (again.code, again.done, again.counts["unchanged"]) == (0, {}, len(everything))
    assert drifted(catalogue) == set()

    chosen = Random(backend).sample(mine, 6 * EACH)
    hidden, community, shared, asked, withdrawn, deleted = (
        set(chosen[at : at + EACH]) for at in range(0, 6 * EACH, EACH)
    )
    for one in hidden:
        glance.change(ME, one, "os_hidden", True)
    for one in community:
        glance.change(ME, one, "visibility", "community")
    for one in shared | asked:
        glance.change(ME, one, "visibility", "shared")
        glance.ask("POST", f"/v2/images/{one}/members", ME, json={"member": THEIRS})
    for one in shared:
        member = f"/v2/images/{one}/members/{THEIRS}"
        glance.ask("PUT", member, THEM, json={"status": "accepted"})
    for one in withdrawn:
        glance.ask("POST", f"/v2/images/{one}/actions/deactivate", ADMIN)
    for one in deleted:
        glance.ask("DELETE", f"/v2/images/{one}", ME)
    for one in theirs:
        glance.change(ADMIN, one, "visibility", "community")

    changed = catalogue.sync()
    assert (changed.code, changed.done) == (0, {"ended": EACH, "deprecations": EACH})
    assert ids(catalogue.ended()) == withdrawn
    assert deprecated(catalogue) == hidden
    assert changed.counts["kept"] == EACH + OTHERS
    # A member that has not accepted does not list the image.
    assert drifted(catalogue, "wider") == community | shared
    assert drifted(catalogue, "missing") == deleted | set(theirs)
    assert drifted(catalogue) == community | shared | deleted | set(theirs)

    # Undone there, undone here; what is deleted waits for enough looks and a day.
    for one in hidden:
        glance.change(ME, one, "os_hidden", False)
    for one in withdrawn:
        glance.ask("POST", f"/v2/images/{one}/actions/reactivate", ADMIN)
    undone = catalogue.sync()
    assert (undone.code, undone.done) == (0, {"restored": EACH, "deprecations": EACH})
    assert (ids(catalogue.live()), deprecated(catalogue)) == (everything, set())
    for _ in range(2):
        soon = catalogue.sync()
        assert (soon.code, soon.done, soon.counts["kept"]) == (0, {}, EACH + OTHERS)
    catalogue.a_day_passes()
    ends = catalogue.sync()
    assert (ends.code, ends.done) == (0, {"ended": EACH})
    assert ids(catalogue.ended()) == deleted
    # Images of others that are no longer public are there by their ids.
    assert ends.counts["kept"] == OTHERS
    assert drifted(catalogue, "missing") == set(theirs)
    last = catalogue.sync()
    assert (last.code, last.done) == (0, {})
    assert ids(catalogue.live()) == everything - deleted
    report(first=first, again=again, changed=changed, undone=undone, ends=ends)
