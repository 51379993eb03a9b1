"""The page of a version: state, identifiers, texts, lineage, and who can use it."""

import re

import pytest

from goldenrod.base import config, wire
from goldenrod.base.clock import later
from goldenrod.catalogue.versions import licenses_scripts
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.pages.releases import HOSTILE, chosen, edit, promote, publish, revoke, words_of
from tests.support.pages.visitor import PageResponse, Visitor

OPEN = "/images/open-image/versions/open-1.0"
CLOSED = "/images/closed-image/versions/closed-1.0"


def facts(page: PageResponse) -> dict[str, str]:
    """The facts beside the text."""
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page.text, re.DOTALL)
    return {name: " ".join(re.sub("<[^>]*>", " ", text).split()) for name, text in found}


def banners(page: PageResponse) -> list[str]:
    found = re.findall(r'<div class="banner [^"]*">(.*?)</div>', page.text, re.DOTALL)
    return [" ".join(re.sub("<[^>]*>", " ", text).split()) for text in found]


# ── who sees it ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("who", [None, "charlie"])
def test_a_stranger_sees_only_public_parts_of_a_version(visitor: Visitor, who: str | None) -> None:
    if who:
        visitor.sign_in(who)
    page = visitor.get(OPEN)
    assert page.status == 200
    assert "<title>open image open-1.0 · Goldenrod</title>" in page.text
    assert chosen(page) == "open-east"
    begin = "You can see this" if who else "Everyone can see this"
    assert words_of(page, "who") == (f"Who can use it {begin} because the image is public.")
    for text in ("Manage", "/edit", "revoke", "History", "open-west", ">west<", "Owned by"):
        assert text not in page.text


@pytest.mark.parametrize("name", ["closed", "shared", "kept", "ended", "scheduled"])
@pytest.mark.parametrize("below", ["", "/lineage"])
def test_hidden_versions_are_not_found(
    visitor: Visitor, world: World, name: str, below: str
) -> None:
    for who in (None, "charlie"):
        if who:
            visitor.sign_in(who)
        for image in (f"{name}-image", "open-image"):
            for key in (f"{name}-1.0", world.versions[name], world.versions[name].upper()):
                page = visitor.get(f"/images/{image}/versions/{key}{below}")
                assert page.status == 404
                assert f"what {name} is for" not in page.text


def test_a_group_member_sees_why_they_can_see_it(visitor: Visitor) -> None:
    visitor.sign_in("bob")
    page = visitor.get("/images/shared-image/versions/shared-1.0")
    assert words_of(page, "who") == (
        "Who can use it You can see this because it is shared with one of your groups. "
        "It is shared with lab."
    )
    assert chosen(page) == "shared-east"
    assert "shared-west" in page.text, "bob has an identity there"
    assert "Manage" not in page.text


def test_an_editor_sees_access_and_history(db: Database, world: World, visitor: Visitor) -> None:
    visitor.sign_in("alice")
    page = visitor.get("/images/shared-image/versions/shared-1.0")
    assert words_of(page, "who") == "Who can use it Owned by alice Shared with lab"
    closed = visitor.get(CLOSED)
    assert words_of(closed, "who") == "Who can use it Owned by alice Shared with Not shared"
    assert words_of(visitor.get(OPEN), "who").endswith("Shared with everyone: the image is public")
    kept = visitor.get("/images/kept-image/versions/kept-1.0")
    assert "Owned by alice Other editors lab" in words_of(kept, "who")
    with db.write() as tx:
        edit(tx, world, world.versions["shared"], min_cpu=4, change_log="anew", membership=[])
    text = words_of(visitor.get("/images/shared-image/versions/shared-1.0"), "history")
    assert "Edited by alice" in text
    assert "Minimum CPUs: 4" in text
    assert "Shared with: lab → none" in text
    assert "anew" not in text, "long texts are left out"
    assert text.index("Edited") < text.index("Published by alice")


@pytest.mark.parametrize("below", ["edit", "deprecate", "revoke", "end"])
def test_the_links_of_an_editor(visitor: Visitor, below: str) -> None:
    assert f"{OPEN}/{below}" not in visitor.get(OPEN).links
    visitor.sign_in("alice")
    assert f"{OPEN}/{below}" in visitor.get(OPEN).links


def test_withdrawn_versions_have_a_restore_link(
    db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        revoke(tx, world, world.versions["open"], "bad")
    visitor.sign_in("alice")
    links = visitor.get(OPEN).links
    assert f"{OPEN}/restore" in links
    assert f"{OPEN}/revoke" not in links


# ── its address ────────────────────────────────────────────────────────────────────────────


def test_other_addresses_redirect_to_the_name(db: Database, world: World, visitor: Visitor) -> None:
    key = world.versions["open"]
    for asked in (
        f"/images/open-image/versions/{key}",
        f"/images/closed-image/versions/{key}",
        f"/images/open-image/versions/{key.upper()}",
        "/images/open-image/versions/OPEN-1.0",
        f"/images/{world.images['open']}/versions/open-1.0",
    ):
        led = visitor.get(f"{asked}?provider=east", follow=False)
        assert (led.status, led.headers["location"]) == (303, f"{OPEN}?provider=east")
        assert (
            visitor.get(f"{asked}/lineage", follow=False).headers["location"] == f"{OPEN}/lineage"
        )


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("a b", "a%20b"),
        ("ü?#%&+", "%C3%BC%3F%23%25%26%2B"),
        ("a...b", "a...b"),
        ("%2e%2e", "%252e%252e"),
        ("a/b", "{id}"),
        ("/", "{id}"),
        ("new", "{id}"),
        ("a\\b", "a%5Cb"),
    ],
)
def test_names_in_addresses(
    db: Database, world: World, visitor: Visitor, name: str, address: str
) -> None:
    with db.write() as tx:
        key = publish(tx, world, name, 1)
    [link] = {
        link
        for link in visitor.get("/images/open-image").links
        if "/versions/" in link and "open-1.0" not in link
    }
    assert link == f"/images/open-image/versions/{address.format(id=key)}"
    page = visitor.get(link, follow=False)
    assert page.status == 200
    assert facts(page)["ID"].startswith(key)
    assert visitor.get(f"{link}/lineage", follow=False).status == 200


@pytest.mark.parametrize("key", ["open-2", "%00", "%FF%FE", "..", "x" * 300])
def test_unknown_versions_are_not_found(visitor: Visitor, key: str) -> None:
    assert visitor.get(f"/images/open-image/versions/{key}").status in (400, 404)


def test_an_address_with_space_around_the_name_redirects_to_the_version(visitor: Visitor) -> None:
    for key in ("open-1.0%0A", "%20open-1.0"):
        page = visitor.get(f"/images/open-image/versions/{key}", follow=False)
        assert (page.status, page.headers["location"]) == (303, OPEN)


# ── what it says ───────────────────────────────────────────────────────────────────────────


def test_every_field_of_the_contract(db: Database, world: World, visitor: Visitor) -> None:
    with db.write() as tx:
        key = publish(
            tx,
            world,
            "2.0",
            1,
            "east/x86_64",
            image="closed-image",
            parent=world.versions["closed"],
            change_log="# Kernel\n\n- **6.1**",
            allow_imaging=False,
            scripts=[world.scripts["setup"]],
            identity=world.identities["alice@west"],
            end_date=later(tx.now, days=9),
        )
        edit(tx, world, key, doc_object_id="10.5072/a b", min_cpu=2, min_mem=4096)
    visitor.sign_in("alice")
    page = visitor.get("/images/closed-image/versions/2.0")
    assert facts(page) == {
        "State": "current",
        "Released": "2026-06-14 12:00 UTC 24 hours ago",
        "End": "2026-06-24 12:00 UTC in 9 days",
        "Newer versions": "none",
        "Parent": "closed-1.0",
        "Channels": "latest",
        "Published": "by alice with an account on west",
        "Others may build on it": "no, only editors",
        "Minimum CPUs": "2",
        "Minimum memory (MiB)": "4,096",
        "Licenses": "1",
        "Scripts": "1",
        "DOI": "10.5072/a b",
        "Labels": "none",
        "ID": f"{key} Copy",
    }
    assert 'href="https://doi.org/10.5072/a%20b"' in page.text
    assert "<h3>Kernel</h3>" in page.text
    assert "<strong>6.1</strong>" in page.text
    assert (
        words_of(page, "machines")
        == "Machines 1 on 1 provider Machines by provider Provider x86_64 east 2.0@east/x86_64 Copy"
    )
    assert "Apache 2.0 license, SPDX" in words_of(page, "texts")
    assert 'href="https://spdx.org/licenses/Apache-2.0.html"' in page.text
    assert "setup boot script, Raw Text, first boot only" in words_of(page, "texts")
    assert "echo ready" in words_of(page, "texts")
    assert banners(page) == [
        "Ends 2026-06-24 12:00 UTC in 9 days . It is not available after that."
    ]
    assert f"/json/image_versions/{key}" in page.links


def test_its_parent_and_children(db: Database, world: World, visitor: Visitor) -> None:
    with db.write() as tx:
        two = publish(tx, world, "2", 9, parent=world.versions["open"])
        publish(tx, world, "3", 8, parent=two)
        publish(tx, world, "c2", 7, image="closed-image", parent=two)
        publish(tx, world, "c3", 6, parent=world.versions["closed"])
        for number in range(15):
            publish(tx, world, f"n{number}", 5 - number / 10, parent=world.versions["open"])
    page = visitor.get("/images/open-image/versions/2")
    assert words_of(page, "built") == (
        "Lineage Full view Parent open-1.0 current 16 newer versions "
        "Built from this 3 current 16 newer versions"
    )
    assert facts(page)["Newer versions"] == "17"
    page = visitor.get("/images/open-image/versions/c3")
    assert "Parent a version hidden from you" in words_of(page, "built")
    assert "closed" not in page.text
    built = words_of(visitor.get(OPEN), "built")
    assert built.count("Built from this") == 12
    assert "… 4 more" in built
    visitor.sign_in("alice")
    assert "closed-image c2 current" in words_of(
        visitor.get("/images/open-image/versions/2"), "built"
    )


def test_a_deprecated_version_names_its_replacement(
    db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        better = publish(tx, world, "2.0", 1, "east/x86_64")
        deprecation = wire.NewDeprecation(reason="Its kernel is old.", replacement=better)
        edit(tx, world, world.versions["open"], deprecation=deprecation)
    page = visitor.get(OPEN)
    assert banners(page) == [
        "Deprecated on 2026-06-15. Its kernel is old. Still available. "
        "Replacement: 2.0 current Use 2.0"
    ]
    assert '<span class="state s-deprecated big">deprecated</span>' in page.text
    with db.write() as tx:
        revoke(tx, world, world.versions["open"], "It leaks.")
    first, second = banners(visitor.get(OPEN))
    assert first == (
        "Revoked on 2026-06-15 by alice. It leaks. No channel offers it. Replace anything still "
        "running it. Use 2.0"
    )
    assert second.startswith("Deprecated on 2026-06-15.")


def test_a_hidden_replacement_and_a_hidden_origin_stay_hidden(
    db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        key = publish(tx, world, "2.0", 1, parent=world.versions["closed"])
        deprecation = wire.NewDeprecation(reason="old", replacement=world.versions["closed"])
        edit(tx, world, key, deprecation=deprecation)
        revoke(tx, world, world.versions["closed"], "hole in closed", descendants=True)
    page = visitor.get("/images/open-image/versions/2.0")
    first, second = banners(page)
    assert (
        first
        == (
            "Revoked on 2026-06-15 . Inherited from a version hidden from you , which this version is "
            "built on. No channel offers it. Replace anything still running it."
        ).replace(" .", ".")
        + " latest offers open-1.0 . Use open-1.0"
    )
    assert "Replacement: a version hidden from you" in second
    assert "closed" not in page.text
    visitor.sign_in("alice")
    assert (
        "hole in closed Inherited from closed-image closed-1.0"
        in banners(visitor.get("/images/open-image/versions/2.0"))[0]
    )


def test_scheduled_ended_and_future_changes(db: Database, world: World, visitor: Visitor) -> None:
    with db.write() as tx:
        key = publish(tx, world, "2.0", 1)
        at = later(tx.now, days=3)
        edit(tx, world, key, deprecation=wire.NewDeprecation(at=at, reason="soon"))
        revoke(tx, world, key, "later", at=at)
    first, second = banners(visitor.get("/images/open-image/versions/2.0"))
    assert first == "Will be revoked on 2026-06-18 by alice. later Channels offer it until then."
    assert second == "Will be deprecated on 2026-06-18. soon"
    visitor.sign_in("alice")
    [ended] = banners(visitor.get("/images/ended-image/versions/ended-1.0"))
    assert ended.startswith("Ended 2026-06-14 12:00 UTC")
    [waits] = banners(visitor.get("/images/scheduled-image/versions/scheduled-1.0"))
    assert waits.startswith("Scheduled for 2026-06-16 12:00 UTC")


def test_machines_are_filtered_by_provider(db: Database, world: World, visitor: Visitor) -> None:
    with db.write() as tx:
        publish(tx, world, "2.0", 1, "east/x86_64", "east/arm64", "west/x86_64")
    visitor.sign_in("alice")
    address = "/images/open-image/versions/2.0"
    page = visitor.get(address)
    assert "Machines 3 on 2 providers" in words_of(page, "machines")
    assert "data-sift" not in page.text, "there are few"
    assert f"{address}?provider=west#use" in page.links
    only = visitor.get(f"{address}?on=EAST")
    assert "2.0@east/arm64" in words_of(only, "machines")
    assert "2.0@west/x86_64" not in words_of(only, "machines")
    assert "data-sift" in only.text
    none = visitor.get(f"{address}?on=<b>")
    assert "No provider matches <b>" in none.words
    assert "<b>&lt;b&gt;</b>" in none.text


def test_the_machine_picker_of_a_version(db: Database, world: World, visitor: Visitor) -> None:
    with db.write() as tx:
        publish(tx, world, "2.0", 1, "east/x86_64", "east/arm64", "west/x86_64")
        publish(tx, world, "3.0", 1)
    address = "/images/open-image/versions/2.0"
    assert chosen(visitor.get(f"{address}?architecture=arm64")) == "2.0@east/arm64"
    page = visitor.get(f"{address}?provider=west")
    assert chosen(page) is None
    assert "This version has no x86_64 machine on west visible to you." in page.words
    page = visitor.get("/images/open-image/versions/3.0")
    assert "This version has no machine visible to you." in page.words
    lines = visitor.get(address).words
    assert "goldenrod whatis --provider east 2.0@east/x86_64" in lines
    assert "/resolve/" not in visitor.get(address).text


def test_long_scripts_are_not_cut_into_ready_lines(
    db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        script = wire.NewScript(title="long", type="Raw Text", text="#" * 30_000)
        long = int(licenses_scripts.create_script(tx, alice, script).key)
        publish(tx, world, "2.0", 1, "east/x86_64", scripts=[long])
    page = visitor.get("/images/open-image/versions/2.0")
    assert "#cloud-config" not in page.words
    assert "/user-data > user-data" in page.words
    assert "Full text (30,000 characters)" in words_of(page, "texts")
    assert f"/scripts/{long}" in page.links
    assert "#cloud-config" in visitor.get(OPEN).words


def test_texts_are_escaped(db: Database, world: World, visitor: Visitor) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        script = wire.NewScript(title=HOSTILE, type="Raw Text", text=HOSTILE)
        license = wire.NewLicense(title=HOSTILE, type="Full Text", text=HOSTILE)
        key = publish(
            tx,
            world,
            HOSTILE.replace("/", ""),
            1,
            f"east/{HOSTILE[:20]}",
            change_log=f"{HOSTILE}\n[x](javascript:alert(1))",
            scripts=[int(licenses_scripts.create_script(tx, alice, script).key)],
            licenses=[int(licenses_scripts.create_license(tx, alice, license).key)],
        )
        deprecation = wire.NewDeprecation(reason=HOSTILE)
        edit(tx, world, key, deprecation=deprecation, doc_object_id='10.1/"><script>alert')
        revoke(tx, world, key, HOSTILE)
    visitor.sign_in("alice")
    [link] = {
        link
        for link in visitor.get("/images/open-image").links
        if "/versions/" in link and "open-1.0" not in link and "new" not in link
    }
    for below in (
        "",
        "/lineage",
        "?on=<script>alert&provider=<script>alert&architecture=<script>alert",
    ):
        page = visitor.get(f"{link}{below}")
        assert page.status == 200
        assert "<script>alert" not in page.text
        assert 'href="javascript' not in page.text
        assert "54439" not in page.text
        assert " style=" not in page.text


# ── its lineage, its cost ──────────────────────────────────────────────────────────────────


def test_its_lineage_as_picture_and_list(db: Database, world: World, visitor: Visitor) -> None:
    with db.write() as tx:
        two = publish(tx, world, "2", 9, parent=world.versions["open"])
        publish(tx, world, "c2", 7, image="closed-image", parent=two)
        promote(tx, world, "stable", two)
    page = visitor.get("/images/open-image/versions/2/lineage")
    assert "<svg" in page.text
    assert "closed" not in page.text
    assert 'aria-current="true"><code>2</code>' in page.text
    visitor.sign_in("alice")
    page = visitor.get("/images/open-image/versions/2/lineage")
    assert "closed image" in page.words
    assert "parent of closed image c2" in page.words


def test_how_many_statements_a_version_takes(db: Database, world: World, visitor: Visitor) -> None:
    def statements(address: str) -> int:
        db.trace = []
        assert visitor.get(address, follow=False).status == 200
        ran, db.trace = db.trace, None
        return len(ran)

    address = "/images/open-image/versions/x"
    with db.write() as tx:
        key = publish(tx, world, "x", 10, "east/x86_64", parent=world.versions["open"])
    # version, image, machines, texts and channels, children, and why a reader may see it
    few = [statements(address), statements(f"{address}/lineage")]
    assert few == [6, 10]
    with db.write() as tx:
        for number in range(20):
            publish(tx, world, f"b{number}", 9, "east/arm64", parent=key)
            promote(tx, world, f"c{number}", key)
    assert [statements(address), statements(f"{address}/lineage")] == few
    visitor.sign_in("alice")
    # For an editor: no reason, but the session, drift, the history and the names in it.
    assert statements(address) == 9


def test_the_page_changes_with_time(
    db: Database, world: World, visitor: Visitor, clock: Clock
) -> None:
    with db.write() as tx:
        edit(tx, world, world.versions["open"], end_date=later(tx.now, days=1))
    assert visitor.get(OPEN).status == 200
    clock.move(days=2)
    assert visitor.get(OPEN).status == 404
    other = Visitor(db, config.load({}))
    other.sign_in("alice")
    assert banners(other.get(OPEN))[0].startswith("Ended 2026-06-16 12:00 UTC 24 hours ago")
