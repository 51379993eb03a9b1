"""The page of an image: which id to use, channels, versions, where they run, lineage."""

import re
from itertools import product
from urllib.parse import quote

import pytest

from goldenrod.base import config, wire
from goldenrod.catalogue.accounts import identities
from goldenrod.catalogue.channels import assign, channels
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import providers
from goldenrod.rules.access import CONSOLE
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.releases import HOSTILE, chosen, edit, promote, publish, revoke, words_of
from tests.support.pages.visitor import PageResponse, Visitor

OPEN = "/images/open-image"


# ── who sees it ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("who", [None, "charlie"])
def test_a_stranger_sees_the_public_image_and_no_way_to_change_it(
    visitor: Visitor, who: str | None
) -> None:
    if who:
        visitor.sign_in(who)
    page = visitor.get(OPEN)
    assert page.status == 200
    assert "<title>open image · Goldenrod</title>" in page.text
    assert chosen(page) == "open-east"
    for text in ("Manage", "/edit", "versions/new", "open-west", ">west<", '"west"', "=west"):
        assert text not in page.text


@pytest.mark.parametrize("name", ["closed", "ended", "scheduled", "shared", "kept"])
@pytest.mark.parametrize("below", ["", "/versions", "/lineage", "/feed.atom", "/compare"])
def test_a_hidden_image_looks_like_a_missing_one(
    visitor: Visitor, world: World, name: str, below: str
) -> None:
    hidden, missing = f"{name}-image", f"{name[::-1]}-egami"
    for who in (None, "charlie"):
        if who:
            visitor.sign_in(who)
        for slug in (hidden, str(world.images[name])):
            page = visitor.get(f"/images/{slug}{below}")
            other = visitor.get(f"/images/{missing}{below}")
            assert (page.status, other.status) == (404, 404)
            asked, also = f"/images/{slug}", f"/images/{missing}"
            for form in (str, lambda it: quote(it, safe="")):
                page.text = page.text.replace(form(asked), "")
                other.text = other.text.replace(form(also), "")
            assert page.text == other.text


def test_only_editors_are_offered_to_manage_it(db: Database, visitor: Visitor) -> None:
    visitor.sign_in("alice")
    page = visitor.get(OPEN)
    assert {f"{OPEN}/edit", f"{OPEN}/channels", f"{OPEN}/versions/new"} <= {*page.links}
    other = Visitor(db, config.load({}))
    other.sign_in("bob")
    assert "Manage" not in other.get("/images/shared-image").text
    assert "Manage" in other.get("/images/kept-image").text


def test_an_old_slug_and_an_id_redirect_with_their_query(
    db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        row = images.IMAGES.row_for_change(tx, alice, "open-image")
        images.edit_image(tx, alice, row, wire.ImagePatch(slug="new-slug"))
    for key in ("open-image", str(world.images["open"])):
        for page, query in (
            ("", "?channel=latest"),
            ("/versions", "?start_date__lt=2026-06-16"),
            ("/lineage", ""),
            ("/feed.atom", ""),
        ):
            answer = visitor.get(f"/images/{key}{page}{query}", follow=False)
            assert answer.status == 303
            assert answer.headers["location"] == f"/images/new-slug{page}{query}"


@pytest.mark.parametrize(
    "key", ["0", "-", "A", "a" * 65, "%00", "open-image%2F", "..", "%F0%9F%98%80"]
)
def test_invalid_names_are_not_found(visitor: Visitor, key: str) -> None:
    assert visitor.get(f"/images/{key}").status in (404, 308)
    assert visitor.get(f"/images/{key}/versions/1").status == 404


def test_states_of_an_image(visitor: Visitor) -> None:
    visitor.sign_in("alice")
    ended, scheduled = visitor.get("/images/ended-image"), visitor.get("/images/scheduled-image")
    assert "Ended 2026-06-14." in ended.words
    assert "Scheduled for 2026-06-16" in scheduled.words
    assert "Until then only editors and staff see it." in scheduled.words


def test_an_image_without_versions_says_how_to_begin(
    db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        body = wire.NewImage(name="empty", is_public=True)
        images.create_image(tx, world.actor(tx, "alice"), body)
    page = visitor.get("/images/empty")
    assert "No versions visible to you yet." in page.words
    assert "publish" not in page.text
    assert "This image does not have two versions" in visitor.get("/images/empty/compare").words
    visitor.sign_in("alice")
    page = visitor.get("/images/empty")
    assert "goldenrod version create 1.0 --image empty" in page.words


# ── Use it ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def offered(db: Database, world: World) -> dict[str, str]:
    """The open image with three channels besides latest: versions of several ages and places."""
    with db.write() as tx:
        providers.create_provider(
            tx, CONSOLE, wire.NewProvider(name="north", type="aws", public=True)
        )
    found = {}
    with db.write() as tx:
        body = wire.NewIdentity(user="alice", provider="north", key="alice@north")
        identities.create_identity(tx, CONSOLE, body)
    with db.write() as tx:
        both = ("east/x86_64", "east/arm64", "north/x86_64")
        found["2.0"] = publish(tx, world, "2.0", 10, *both)
        found["3.0"] = publish(tx, world, "3.0", 5, "east/x86_64", "west/x86_64")
        found["4.0"] = publish(tx, world, "4.0", 2, "east/arm64", exclude_from_latest=True)
        found["5.0"] = publish(tx, world, "5.0", 1)
        promote(tx, world, "stable", found["2.0"])
        promote(tx, world, "candidate", found["4.0"])
        promote(tx, world, "inner", found["3.0"])
        alice = world.actor(tx, "alice")
        channel = channels.channel_for_change(tx, alice, "open-image", "inner")
        patch = wire.ChannelPatch(restricted=True, groups=["lab"])
        assign.edit_channel(tx, alice, channel, patch)
    return found


@pytest.mark.parametrize("who", [None, "bob", "alice", "dora"])
def test_the_machine_picker_shows_what_resolving_answers(
    offered: dict[str, str], visitor: Visitor, api: ApiClient, who: str | None
) -> None:
    if who:
        visitor.sign_in(who)
    told = 0
    names = ("stable", "candidate", "inner", "latest", "none")
    for channel, provider, kind in product(
        names, ("east", "west", "north", "none"), ("x86_64", "arm64", "riscv")
    ):
        asked = f"provider={provider}&architecture={kind}"
        answer = api.get(f"/resolve/open-image/{channel}/{provider}?architecture={kind}", who)
        page = visitor.get(f"{OPEN}?channel={channel}&{asked}")
        assert page.status == 200
        expected = answer.json["machine"]["identifier"] if answer.status_code == 200 else None
        assert chosen(page) == expected, (channel, provider, kind)
        told += expected is not None
        form = page.form(f"{OPEN}#use").fields
        assert form["channel"] == [channel]
        assert form["provider"] == [provider]
        assert form["architecture"] == [kind]
    assert told >= 6


def test_the_default_choice_of_the_machine_picker(
    offered: dict[str, str], visitor: Visitor
) -> None:
    page = visitor.get(OPEN)
    form = page.form(f"{OPEN}#use").fields
    assert form["channel"] == ["stable"]
    assert (form["provider"], form["architecture"]) == (["east"], ["x86_64"])
    assert chosen(page) == "2.0@east/x86_64"
    only = visitor.get(f"{OPEN}?channel=candidate")
    assert chosen(only) == "4.0@east/arm64", "the architecture that there is"


def test_snippets_follow_the_channel(
    offered: dict[str, str], db: Database, visitor: Visitor
) -> None:
    page = visitor.get(f"{OPEN}?provider=north&as=packer")
    assert "Terraform AWS CLI Packer cloud-init curl goldenrod" in page.words
    assert page.form(f"{OPEN}#use").fields["as"] == ["packer"]
    assert "goldenrod resolve open-image stable north --architecture x86_64" in page.words
    assert "/resolve/open-image/stable/north?architecture=x86_64" in page.text
    assert visitor.get(f"{OPEN}?as=nonsense").form(f"{OPEN}#use").fields["as"] == ["terraform"]
    public = Visitor(db, config.load({"GOLDENROD_PUBLIC_URL": "https://images.example.org"}))
    page = public.get(OPEN)
    assert "https://images.example.org/resolve/open-image/stable/east" in page.text
    address = "https://images.example.org/images/open-image"
    assert f'<meta property="og:url" content="{address}">' in page.text


def test_the_machine_picker_says_why_there_is_no_machine(
    offered: dict[str, str], db: Database, world: World, visitor: Visitor
) -> None:
    page = visitor.get(f"{OPEN}?channel=inner")
    assert "This image has no channel inner visible to you." in page.words
    page = visitor.get(f"{OPEN}?channel=stable&provider=west&architecture=x86_64")
    assert "stable has no x86_64 machine on west visible to you." in page.words
    with db.write() as tx:
        revoke(tx, world, offered["2.0"], "It leaks.", roll_back_channels=False)
    page = visitor.get(f"{OPEN}?channel=stable")
    assert "stable stopped at 2.0, which is revoked: It leaks." in page.words
    assert chosen(page) is None
    assert "stopped here: It leaks." in page.words


def test_channels_show_what_they_offer(offered: dict[str, str], visitor: Visitor) -> None:
    words = words_of(visitor.get(OPEN), "channels")
    assert "stable current 2.0 2 of 2 providers, 2 newer versions, assigned just now" in words
    assert "inner" not in words
    assert words.index("stable") < words.index("candidate") < words.index("latest")
    visitor.sign_in("bob")
    words = words_of(visitor.get(OPEN), "channels")
    assert "inner current 3.0" in words
    assert "only for lab" in words


# ── versions ───────────────────────────────────────────────────────────────────────────────


def rows(page: PageResponse) -> list[str]:
    """Each row of the list of versions, as words."""
    found = re.findall(r'<tr role="row"><td role="cell">.*?(?=<tr|</tbody>)', page.text, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", row).split()) for row in found]


def test_versions_are_listed_newest_first_with_their_facts(
    offered: dict[str, str], db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        publish(tx, world, "6.0", -2, change_log="# Later\n\nmore")
        revoke(tx, world, offered["3.0"], "bad")
        edit(tx, world, offered["4.0"], deprecation=wire.NewDeprecation(reason="old"))
    assert rows(visitor.get(OPEN)) == [
        "current 5.0 0 0 2026-06-14 24 hours ago",
        "deprecated 4.0 candidate 1 1 2026-06-13 2 days ago",
        "revoked 3.0 1 1 2026-06-10 5 days ago",
        "current 2.0 stable latest 2 1 2026-06-05 10 days ago",
        "current open-1.0 first of open 1 2 2026-05-26 2 weeks ago",
    ]
    visitor.sign_in("alice")
    first, *_ = rows(visitor.get(OPEN))
    assert first == "scheduled 6.0 Later 0 2026-06-17 in 2 days"


def test_many_versions_are_paged_without_gaps(db: Database, world: World, visitor: Visitor) -> None:
    with db.write() as tx:
        for number in range(120):
            publish(tx, world, f"v{number:03}", number / 10)
    page = visitor.get(OPEN)
    assert len(rows(page)) == 12
    assert "121, newest first" in page.words
    [older] = re.findall(r'<a href="([^"]+)">109 older versions</a>', page.text)
    seen = rows(page)
    while older:
        page = visitor.get(older.replace("&amp;", "&"))
        seen += rows(page)
        nexts = re.findall(r'rel="next" href="([^"]+)"', page.text)
        older = nexts[0].replace("&amp;", "&") if nexts else ""
    names = [row.split()[1] for row in seen]
    assert names == [*(f"v{number:03}" for number in range(120)), "open-1.0"]
    behind = [int(row.split()[3 if "latest" not in row else 4]) for row in seen[:-1]]
    assert behind == list(range(120)), "how far each is behind, over the pages"
    back = re.findall(r'rel="prev" href="([^"]+)"', page.text)[0].replace("&amp;", "&")
    assert visitor.get(back).status == 200
    whole = visitor.get(f"{OPEN}/versions")
    assert len(rows(whole)) == 50


def test_versions_between_two_instants(db: Database, world: World, visitor: Visitor) -> None:
    with db.write() as tx:
        for number in range(5):
            publish(tx, world, f"v{number}", number)
    since = "start_date__gte=2026-06-12T00:00:00Z&start_date__lt=2026-06-14T00:00:00Z"
    page = visitor.get(f"{OPEN}/versions?{since}")
    assert [row.split()[1] for row in rows(page)] == ["v2", "v3"]
    assert "From 2026-06-12, before 2026-06-14" in page.words
    assert visitor.get(f"{OPEN}/versions?start_date__lt=x").status == 400
    assert visitor.get(f"{OPEN}/versions?cursor=x").status == 400


# ── where it runs ──────────────────────────────────────────────────────────────────────────


def grid(page: PageResponse) -> dict[str, list[str]]:
    """The look and number of each cell, by the heading of its row."""
    table = re.search(r'<table class="grid">(.*?)</table>', page.text, re.DOTALL)
    assert table
    found = {}
    for row in table[1].split("<tr")[2:]:
        name = re.search(r'<th scope="row"><a [^>]*>([^<]*)</a>', row)
        assert name
        found[name[1]] = [
            f"{look or ''}{count}"
            for look, count in re.findall(r"<td(?: class=(\w))?><i>(\d+)</i>", row)
        ]
    return found


def test_where_it_runs(offered: dict[str, str], visitor: Visitor) -> None:
    page = visitor.get(OPEN)
    assert grid(page) == {
        # 5.0, 4.0, 3.0, 2.0, open-1.0; those with the least come first
        "north": ["o0", "o0", "o0", "h1", "o0"],
        "east": ["o0", "1", "1", "2", "1"],
    }
    where = words_of(page, "where")
    assert "All 2 providers have stable. 5.0 has no machines yet." in where
    assert "north has had no version since 2026-06-05." in where
    assert '<th scope="col">' in page.text
    visitor.sign_in("alice")
    assert grid(visitor.get(OPEN))["west"] == ["o0", "o0", "1", "o0", "1"]


def test_revoked_and_deprecated_versions_are_tinted_in_the_grid(
    offered: dict[str, str], db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        revoke(tx, world, offered["2.0"], "bad")
        edit(tx, world, offered["3.0"], deprecation=wire.NewDeprecation(reason="old"))
    assert grid(visitor.get(OPEN))["east"] == ["o0", "1", "d1", "r2", "1"]


# ── what is written ────────────────────────────────────────────────────────────────────────


def test_hostile_texts_are_escaped(db: Database, world: World, visitor: Visitor) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        row = images.IMAGES.row_for_change(tx, alice, "open-image")
        patch = wire.ImagePatch(name=HOSTILE, description=HOSTILE * 2, tags=["<b>tag</b>"])
        images.edit_image(tx, alice, row, patch)
        dangerous = "javascript:alert(1)"
        publish(
            tx,
            world,
            "<mark>1</mark>",
            1,
            "east/<u>x</u>",
            change_log=f"{HOSTILE}\n\n[x]({dangerous})",
        )
    for below in ("", "/versions", "/lineage", "/compare"):
        page = visitor.get(f"{OPEN}{below}")
        assert page.status == 200
        for text in (
            "<script>alert",
            "<mark>1</mark>",
            "<b>tag",
            "<u>x",
            'href="javascript',
            "54439",
        ):
            assert text not in page.text, (below, text)
        assert not re.search(r"<[^>]+\son\w+=", page.text)
        assert " style=" not in page.text


def test_the_description_is_rendered(db: Database, world: World, visitor: Visitor) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        row = images.IMAGES.row_for_change(tx, alice, "open-image")
        text = "One line.\n\n## Inside\n\n- *kernel*\n- <img src=x onerror=y>\n"
        images.edit_image(tx, alice, row, wire.ImagePatch(description=text))
    page = visitor.get(OPEN)
    assert '<p class="lede">One line.</p>' in page.text
    assert "<h3>Inside</h3>" in page.text
    assert "<em>kernel</em>" in page.text
    assert "<img src=x" not in page.text
    assert '<meta property="og:description" content="One line.">' in page.text


# ── what it costs ──────────────────────────────────────────────────────────────────────────


def test_how_many_statements_an_image_takes(db: Database, world: World, visitor: Visitor) -> None:
    def statements(address: str) -> int:
        db.trace = []
        assert visitor.get(address, follow=False).status in (200, 303)
        ran, db.trace = db.trace, None
        return len(ran)

    addresses = (
        OPEN,
        f"{OPEN}/versions",
        f"{OPEN}/lineage",
        f"{OPEN}/compare",
        f"{OPEN}/feed.atom",
    )

    def all_of_them() -> list[int]:
        return [statements(address) for address in addresses]

    with db.write() as tx:
        for number in range(3):
            publish(tx, world, f"a{number}", number, "east/x86_64")
    # head, channels, versions (rows, newer ones), cells, machines, scripts, lineage (8), and the dates
    # of all releases, for their number per month
    # the feed: head, versions, and when the feed and its entries changed (3)
    assert all_of_them() == [16, 4, 9, 4, 5]

    def publish_many(prefix: str, count: int) -> None:
        with db.write() as tx:
            parent = None
            for number in range(count):
                more = {"parent": parent} if parent else {}
                name = f"{prefix}{number}"
                parent = publish(tx, world, name, 50 - number, "east/arm64", **more)
                promote(tx, world, f"c{name}", parent)

    publish_many("b", 21)
    # Of more versions than a page shows, it counts all: in one statement more.
    many = all_of_them()
    assert many == [17, 4, 9, 4, 6]
    publish_many("d", 21)
    assert all_of_them() == many
    visitor.sign_in("bob")
    assert all_of_them() == [count + 1 for count in many]
    visitor.sign_in("alice")  # an editor, who is shown drift
    assert all_of_them() == [many[0] + 2, *(count + 1 for count in many[1:])]


def test_it_is_cached_until_it_changes(
    db: Database, world: World, visitor: Visitor, clock: Clock
) -> None:
    page = visitor.get(OPEN)
    assert page.headers["cache-control"] == "public, no-cache"
    etag = {"If-None-Match": page.headers["etag"]}
    assert visitor.get(OPEN, headers=etag).status == 304
    with db.write() as tx:
        publish(tx, world, "9", 0)
    assert visitor.get(OPEN, headers=etag).status == 200


def test_the_page_of_an_image_is_small(
    offered: dict[str, str], db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        for number in range(30):
            log = "Amazon Linux AMI 2023.0.20260918 x86_64 ECS HVM EBS"
            publish(tx, world, f"2023.0.{number}", 50 - number, "east/x86_64", change_log=log)
    page = visitor.get(OPEN)
    [style] = re.findall(r'"(/static/[^"]+\.css)"', page.text)
    assert len(page.text.encode()) + len(visitor.get(style).text.encode()) < 60 * 1024


def test_tags_and_providers_redirect_to_their_images(visitor: Visitor) -> None:
    assert visitor.get("/tags/a%20b", follow=False).headers["location"] == "/?tag=a+b"
    assert visitor.get("/providers/east", follow=False).headers["location"] == "/?provider=east"
    assert "1 image" in visitor.get("/tags/open-tag").words
    assert "1 image" in visitor.get("/images?tag=open-tag").words
