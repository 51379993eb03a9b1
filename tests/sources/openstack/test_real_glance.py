"""Looks at a real Glance, a process with SQLite and files: 1,000 images, and changes between looks."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from goldenrod.sources.declarations import OpenStack
from goldenrod.sources.found import Listed, Look, Skipped
from goldenrod.sources.openstack import OpenStackSource, source
from goldenrod.sources.openstack.images import Page
from goldenrod.sources.openstack.service import Service
from tests.sources.fault_server import FaultServer
from tests.sources.openstack.conftest import RULES
from tests.sources.openstack.keystone import NAME, PROJECT, Keystone, write_clouds_yaml
from tests.sources.openstack.real_glance import RealGlance, real_glance

pytestmark = pytest.mark.long

SCOPE = f"office/north/{PROJECT}"
ME = f"alice:{PROJECT}:member,reader"
THEIRS = "6e1b6e1b6e1b4e1b8e1b6e1b6e1b6e1b"
THEM = f"bob:{THEIRS}:member,reader"
ADMIN = "root:00000000000000000000000000000001:admin,member,reader"


@pytest.fixture(scope="module")
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


def reading(**declared: object) -> OpenStackSource:
    made = OpenStackSource(OpenStack(name="ours", cloud=NAME, **declared), RULES)  # type: ignore[arg-type]
    assert made.scopes() == ([SCOPE], [])
    return made


def machines(look: Look) -> dict[str, Listed]:
    assert look.failed is None, look.failed
    return {row.machine.identifier: row for row in look.rows if isinstance(row, Listed)}


def named(number: int) -> str:
    return f"debian-12-amd64-20260101-{number}"


def test_hidden_community_shared_deactivated_and_deleted_images(
    glance: RealGlance, keystone: Keystone
) -> None:
    private, hidden, community, shared, alone, withdrawn, deleted = (
        glance.create(ME, name=named(n), visibility=visibility)
        for n, visibility in enumerate(
            ("private", "private", "community", "shared", "shared", "private", "private")
        )
    )
    public = glance.create(ADMIN, name=named(7), visibility="public")
    foreign = glance.create(THEM, name=named(8), visibility="community")
    queued = glance.create(ME, data=None, name=named(9))
    before = machines(reading().look(SCOPE))
    kinds = {key: row.machine.visibility for key, row in before.items()}
    assert kinds == {
        private: "private",
        hidden: "private",
        community: "community",
        shared: "private",
        alone: "private",
        withdrawn: "private",
        deleted: "private",
    }
    assert {row.machine.deprecated_at for row in before.values()} == {None}

    glance.change(ME, hidden, "os_hidden", True)
    glance.ask("POST", f"/v2/images/{shared}/members", ME, json={"member": THEIRS})
    glance.ask("POST", f"/v2/images/{withdrawn}/actions/deactivate", ADMIN)
    glance.ask("DELETE", f"/v2/images/{deleted}", ME)
    ours = reading()
    look = ours.look(SCOPE)
    after = machines(look)
    assert set(after) == set(before) - {deleted}
    assert after[hidden].machine.deprecated_at is not None
    assert after[withdrawn].machine.status == "deactivated"
    assert [row for row in look.rows if isinstance(row, Skipped)] == [
        Skipped(f"{named(9)} ({queued})", "its status is 'queued'"),
        Skipped("images of other projects", source.OTHERS, 2),
    ]
    assert ours.presence(SCOPE, "office/north", deleted) == "gone"
    assert ours.presence(SCOPE, "office/north", str(uuid4())) == "gone"
    for there in (hidden, withdrawn, foreign):
        assert ours.presence(SCOPE, "office/north", there) == "there"

    # A member that has not accepted, or has refused, does not list the image, but may use it by its id.
    for status in ("pending", "rejected", "accepted"):
        member = f"/v2/images/{shared}/members/{THEIRS}"
        glance.ask("PUT", member, THEM, json={"status": status})
        headers = {"X-Auth-Token": THEM}
        assert glance.client.get(f"/v2/images/{shared}/file", headers=headers).content
        theirs = {one["id"] for one in glance.ask("GET", "/v2/images", THEM)["images"]}
        assert (shared in theirs) == (status == "accepted")
        seen = ours.look(SCOPE)
        accepted = status == "accepted"
        assert machines(seen)[shared].machine.visibility == ("shared" if accepted else "private")
        assert bool(seen.notes) != accepted
    wide = machines(reading(public_images=True, project_owners=[THEIRS]).look(SCOPE))
    assert set(wide) == {public, foreign}
    # An administrator is shown everything, and reads only what is declared.
    keystone.roles = "admin,member,reader"
    assert set(machines(reading().look(SCOPE))) == set(after)
    for made in (private, hidden, community, shared, alone, withdrawn, public, foreign, queued):
        glance.ask("DELETE", f"/v2/images/{made}", ADMIN)
    assert machines(reading().look(SCOPE)) == {}


def test_a_thousand_images_and_some_deleted_while_they_are_listed(
    glance: RealGlance, keystone: Keystone, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = glance.create(ME, name=named(0), visibility="shared")
    copies = [(named(n), "shared" if n < 100 else "private") for n in range(1, 1000)]
    ids = [first, *glance.copies(first, copies)]
    ours = reading()
    assert set(machines(ours.look(SCOPE))) == set(ids)
    monkeypatch.setattr(source, "PAGE_SIZE", 100)
    assert set(machines(ours.look(SCOPE))) == set(ids)

    # The last image of the first page is deleted before the second is asked for.
    asked = Service.page
    pages = 0

    def page(service: Service, query: dict[str, str]) -> Page:
        nonlocal pages
        pages += 1
        if pages == 2:
            glance.ask("DELETE", f"/v2/images/{query['marker']}", ME)
            ids.remove(query["marker"])
        return asked(service, query)

    monkeypatch.setattr(Service, "page", page)
    assert set(machines(ours.look(SCOPE))) == set(ids)
    assert pages == 2 + 10 + 1  # two that were in vain, then all, then the hidden ones
    for gone in ids[:10]:
        glance.ask("DELETE", f"/v2/images/{gone}", ME)
    assert set(machines(ours.look(SCOPE))) == set(ids[10:])
    assert {ours.presence(SCOPE, "office/north", gone) for gone in ids[:10]} == {"gone"}
