"""Home and search: which images a visitor finds, in which order, and what an id they paste is."""

import re

import pytest

from goldenrod.base import config, wire
from goldenrod.base.clock import later
from goldenrod.catalogue.channels import assign
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import publish, revocations, versions
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.pages.visitor import PageResponse, Visitor

RESULT = re.compile(r'<a data-result href="/images/([a-z0-9-]+)"')


def found(page: PageResponse) -> list[str]:
    """The slugs of the images that a page lists, in their order."""
    assert page.status == 200, page.text
    return RESULT.findall(page.text)


def add(
    db: Database, world: World, name: str, days_ago: int, *, offered: bool = False, **more: object
) -> str:
    """An image of alice's, public, with a version so many days old; the version's id. If it is
    `offered`, it has a machine, so that `latest` offers it."""
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        image = wire.NewImage(name=name, is_public=True, **more)  # type: ignore[arg-type]
        key = images.create_image(tx, alice, image).key
        version = wire.NewVersion(
            name="1", image=int(key), start_date=later(tx.now, days=-days_ago)
        )
        if offered:
            version.machines = [wire.NestedMachine(provider="east", identifier=f"{name}-1")]
        return publish.create_version(tx, alice, version).key


# ── who finds what ─────────────────────────────────────────────────────────────────────────

SEEN = {
    None: ["open-image"],
    "charlie": ["open-image"],
    "bob": ["kept-image", "open-image", "shared-image"],
    "alice": [f"{name}-image" for name in sorted(("open", "closed", "shared", "kept"))]
    + ["ended-image", "scheduled-image"],
    "dora": [f"{name}-image" for name in sorted(("open", "closed", "shared", "kept"))]
    + ["ended-image", "scheduled-image"],
}


@pytest.mark.parametrize("who", SEEN)
def test_home_shows_only_readable_images(visitor: Visitor, who: str | None) -> None:
    if who:
        visitor.sign_in(who)
    page = visitor.get("/")
    assert sorted(found(page)) == sorted(SEEN[who])
    assert f"{len(SEEN[who])} image" in page.words
    assert ("Sign in to see more" in page.words) == (who is None)
    for name in ("closed", "shared", "kept", "ended", "scheduled"):
        if f"{name}-image" not in SEEN[who]:
            assert name not in page.text
    if who in (None, "charlie"):
        assert not re.search(r"\bwest\b", page.text), (
            "nor is a provider offered that they may not see"
        )


@pytest.mark.parametrize("address", ["/search?q=first", "/search/suggest?q=first"])
@pytest.mark.parametrize("who", SEEN)
def test_search_finds_only_readable_images(visitor: Visitor, who: str | None, address: str) -> None:
    """Each version's change log has this word, so it is the rule that tells them apart."""
    if who:
        visitor.sign_in(who)
    page = visitor.get(address)
    assert sorted(found(page)) == sorted(SEEN[who])
    for name in ("closed", "shared", "kept"):
        if f"{name}-image" not in SEEN[who]:
            assert name not in page.text


def test_no_word_finds_a_hidden_image(visitor: Visitor, world: World) -> None:
    for words in ("closed", "closed-1.0", "closed-tag", "closed-east", world.versions["closed"]):
        page = visitor.get(f"/search?q={words}")
        assert found(page) == []
        assert "closed image" not in page.text
        unknown = visitor.get(f"/search?q={words[::-1]}")
        assert page.text.replace(words, "") == unknown.text.replace(words[::-1], "")


def test_a_word_of_a_hidden_versions_log_does_not_find_its_public_image(
    db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        body = wire.NewVersion(
            name="2",
            image=world.images["open"],
            change_log="The word is xylophone.",
            start_date=later(tx.now, days=1),
        )
        publish.create_version(tx, world.actor(tx, "alice"), body)
    assert found(visitor.get("/search?q=xylophone")) == []
    visitor.sign_in("alice")
    page = visitor.get("/search?q=xylophone")
    assert found(page) == ["open-image"]
    assert "scheduled 2 The word is xylophone" in page.words


# ── order, filters, pages ──────────────────────────────────────────────────────────────────


def test_order_is_exact_name_then_prefix_then_newest_release(
    db: Database, world: World, visitor: Visitor
) -> None:
    add(db, world, "my base", 1, offered=True)
    add(db, world, "base two", 5, offered=True)
    add(db, world, "Base", 9, offered=True)
    add(db, world, "base one", 3, offered=True)
    for address in ("/search?q=base", "/search/suggest?q=BASE", "/search?q=%20base%20"):
        assert found(visitor.get(address)) == ["base", "base-one", "base-two", "my-base"]
    assert found(visitor.get("/")) == ["my-base", "base-one", "base-two", "base", "open-image"]


def test_home_orders_by_what_is_offered_and_begins_with_what_is_good(
    db: Database, world: World, visitor: Visitor
) -> None:
    bad = add(db, world, "bad", 1, offered=True)
    add(db, world, "good", 3, offered=True)
    add(db, world, "empty", 2)
    add(db, world, "to come", -2, offered=True)
    rolled = add(db, world, "rolled", 2, offered=True)
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        older = wire.NewVersion(
            name="0",
            image="rolled",
            start_date=later(tx.now, days=-7),
            machines=[wire.NestedMachine(provider="east", identifier="rolled-0")],
        )
        publish.create_version(tx, alice, older)
        for key in (bad, rolled):
            row = versions.VERSIONS.row_for_change(tx, alice, key)
            revocations.revoke(tx, alice, row, wire.Revocation(reason="bad"))
    page = visitor.get("/")
    # Rolled offers what is a week old; then come those that offer nothing, newest release first.
    assert found(page) == ["good", "rolled", "open-image", "to-come", "bad", "empty"]
    assert re.findall(r"newest release </span><time[^>]*>([^<]*)<", page.text) == [
        "3 days ago", "7 days ago", "2 weeks ago",
    ]  # fmt: skip
    [new] = re.findall(r'id="new-h".*?</ul>', page.text, re.S)
    assert re.findall(r'/images/([\w-]+)"', new) == ["empty", "good", "rolled", "open-image"]
    visitor.sign_in("alice")
    assert found(visitor.get("/?tag=none")) == []
    assert found(visitor.get("/"))[:2] == ["good", "rolled"]


def test_filters_are_in_the_address(db: Database, world: World, visitor: Visitor) -> None:
    add(db, world, "other", 1, tags=["blue"])
    assert found(visitor.get("/?tag=blue")) == ["other"]
    assert found(visitor.get("/search?tag=BLUE&q=oth")) == ["other"]
    assert found(visitor.get("/search?tag=blue&q=open")) == []
    assert found(visitor.get("/?provider=east")) == ["open-image"]
    assert found(visitor.get("/?architecture=x86_64")) == ["open-image"]
    assert found(visitor.get("/?owner=alice")) == ["open-image", "other"]
    assert found(visitor.get("/?owner=bob")) == []
    page = visitor.get("/?tag=blue&owner=alice")
    form = page.form("/search")
    assert form.fields["tag"] == ["blue"]
    assert form.fields["owner"] == ["alice"]
    assert "/search" in page.links, "and they can be cleared"
    # What is hidden is filtered by like what does not exist, and shown as it was asked.
    for address in ("/?provider=west", "/?provider=nowhere", "/?tag=closed-tag"):
        assert found(visitor.get(address)) == []


def test_a_filter_with_many_choices_is_a_text_field(
    db: Database, world: World, visitor: Visitor
) -> None:
    add(db, world, "other", 1, tags=[f"t{number:03}" for number in range(150)])
    page = visitor.get("/?tag=t149")
    assert found(page) == ["other"]
    assert page.form("/search").fields["tag"] == ["t149"]
    assert '<input type="text" id="n-tag"' in page.text
    assert '<option value="open-tag">' in page.text


def test_long_lists_are_paged(db: Database, world: World, visitor: Visitor) -> None:
    for number in range(24):
        add(db, world, f"many {number}", number + 1)
    first = visitor.get("/")
    assert len(found(first)) == 20
    assert "25 images" in first.words
    assert "/search?page=2" in first.links
    second = visitor.get("/search?page=2")
    assert len(found(second)) == 5
    assert not set(found(first)) & set(found(second))
    assert "/search?page=1" in second.links
    filtered = visitor.get("/search?q=many&owner=alice")
    assert "/search?q=many&owner=alice&page=2" in filtered.links
    assert len(found(visitor.get("/search/suggest?q=many"))) == 8
    assert visitor.get("/?page=3").status == 404


@pytest.mark.parametrize("page", ["x", "-1", "1.5"])
def test_a_page_that_is_no_number_is_refused(visitor: Visitor, page: str) -> None:
    assert visitor.get(f"/?page={page}").status == 400
    refused = visitor.get(f"/search?q=open&page={page}")
    assert (refused.status, "takes a whole number" in refused.words) == (400, True)


@pytest.mark.parametrize("words", ["%21%3F", "a+" * 17, "x" * 65])
def test_invalid_search_words_are_explained(visitor: Visitor, words: str) -> None:
    page = visitor.get(f"/search?q={words}")
    assert page.status == 400
    assert "takes" in page.words
    part = visitor.get(f"/search/suggest?q={words}")
    assert (part.status, "takes" in part.words) == (200, True)


def test_matching_versions_have_their_own_page(
    db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        for number in range(60):
            body = wire.NewVersion(
                name=f"n{number}",
                image=world.images["open"],
                change_log="tinned zebra\nand more",
                start_date=later(tx.now, minutes=number - 60),
            )
            publish.create_version(tx, alice, body)
    page = visitor.get("/search?q=more")
    assert "n59 and more" in page.words, "the newest, and the line of its log that has the word"
    page = visitor.get("/search?q=zebra")
    assert "n59 tinned zebra" in page.words
    assert "/search/versions?q=zebra" in page.links
    # What the image's own words have needs no version to tell why.
    assert 'class="in"' not in visitor.get("/search?q=open+image").text
    listed = visitor.get("/search/versions?q=zebra")
    assert listed.text.count("<mark>zebra</mark>") == 25
    [more] = [link for link in listed.links if "cursor=" in link]
    rest = visitor.get(more)
    assert rest.text.count("<mark>zebra</mark>") == 25
    assert "60 versions" in rest.words
    back, more = (link for link in rest.links if "cursor=" in link)
    assert visitor.get(back).text.count("<mark>zebra</mark>") == 25
    rest = visitor.get(more)
    assert rest.text.count("<mark>zebra</mark>") == 10
    [back] = [link for link in rest.links if "cursor=" in link]
    assert visitor.get(back).text.count("<mark>zebra</mark>") == 25
    assert "0 versions" in visitor.get("/search/versions?q=closed").words


# ── look-up of a pasted id ─────────────────────────────────────────────────────


def test_a_pasted_machine_id_finds_its_version(
    db: Database, world: World, visitor: Visitor
) -> None:
    page = visitor.get("/search?q=open-east")
    assert "/images/open-image/versions/open-1.0" in page.links
    assert "open-east on east, x86_64" in page.words
    assert "the newest" in page.words
    assert "latest this one" in page.words
    assert (
        "/images/open-image/versions/open-1.0"
        in visitor.get("/search/suggest?q=%20open-east%20").links
    )


def test_look_up_shows_state_and_what_to_use_instead(
    db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        machine = wire.NestedMachine(provider="east", identifier="new", architecture="x86_64")
        body = wire.NewVersion(name="2.0", image=world.images["open"], machines=[machine])
        newer = publish.create_version(tx, alice, body).key
        image, channel = assign.channel_for_assigning(tx, alice, "open-image", "stable")
        assign.assign(tx, alice, image, channel, "stable", wire.NewAssignment(version=newer))
        row = versions.VERSIONS.row_for_change(tx, alice, world.versions["open"])
        revocations.revoke(tx, alice, row, wire.Revocation(reason="It leaks keys."))
    page = visitor.get("/search?q=open-east")
    assert "revoked open image open-1.0" in page.words
    assert "It leaks keys." in page.words
    assert "1 newer version" in page.words
    assert "Available in east now: latest 2.0 new Copy stable 2.0 new Copy" in page.words
    home = visitor.get("/").words
    assert "Recently withdrawn revoked open image open-1.0 It leaks keys." in home
    assert "current stable 2.0" in home


def test_a_version_revoked_twice_is_listed_once_and_a_restored_one_not_at_all(
    db: Database, world: World, visitor: Visitor, clock: Clock
) -> None:
    def revoke(key: str, reason: str, **more: bool) -> None:
        clock.move(minutes=1)
        with db.write() as tx:
            alice = world.actor(tx, "alice")
            row = versions.VERSIONS.row_for_change(tx, alice, key)
            body = wire.Revocation(reason=reason, **more)
            revocations.revoke(tx, alice, row, body)

    with db.write() as tx:
        body = wire.NewVersion(
            name="2.0", image=world.images["open"], parent=world.versions["open"]
        )
        child = publish.create_version(tx, world.actor(tx, "alice"), body).key
    revoke(world.versions["closed"], "A secret hole.")
    revoke(child, "Its own fault.")
    revoke(world.versions["open"], "From above.", descendants=True)
    _, _, told = visitor.get("/").words.partition("Recently withdrawn")
    assert told.count("revoked open image") == 2
    assert told.count("2.0") == 1
    assert "A secret hole." not in told
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        row = versions.VERSIONS.row_for_change(tx, alice, world.versions["open"])
        revocations.restore(tx, alice, row, wire.Restoring())
    _, _, told = visitor.get("/").words.partition("Recently withdrawn")
    assert told.count("revoked open image") == 1
    assert "From above." not in told


def test_a_replacement_is_named_only_to_its_readers(
    db: Database, world: World, visitor: Visitor
) -> None:
    better = add(db, world, "better", 1)

    def deprecate(replacement: str) -> None:
        with db.write() as tx:
            alice = world.actor(tx, "alice")
            row = versions.VERSIONS.row_for_change(tx, alice, world.versions["open"])
            advice = wire.NewDeprecation(reason="Old.", replacement=replacement)
            publish.edit_version(tx, alice, row, wire.VersionPatch(deprecation=advice))

    deprecate(better)
    assert "Use better 1 instead." in visitor.get("/search?q=open-east").words
    assert "deprecated open image open-1.0 Old. · use 1" in visitor.get("/").words
    deprecate(world.versions["closed"])
    for address in ("/search?q=open-east", "/", "/search/suggest?q=open-east"):
        page = visitor.get(address)
        assert "deprecated" in page.words
        assert "closed" not in page.text
        assert world.versions["closed"] not in page.text


def test_a_pasted_version_id_finds_the_version(visitor: Visitor, world: World) -> None:
    page = visitor.get(f"/search?q={world.versions['open'].upper()}")
    assert "/images/open-image/versions/open-1.0" in page.links
    assert "current open image open-1.0 the newest" in page.words


def test_look_up_of_an_ended_version_shows_only_name_and_state(
    db: Database, world: World, visitor: Visitor, clock: Clock
) -> None:
    clock.move(hours=1)
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        row = versions.VERSIONS.row_for_change(tx, alice, world.versions["open"])
        publish.end_version(tx, alice, row)
    page = visitor.get("/search?q=open-east")
    assert "ended open image open-1.0" in page.words
    for hidden in ("first of open", "on east", "newer"):
        assert hidden not in page.words


# ── beginnings, validators, cost ───────────────────────────────────────────────────────────


def test_an_empty_catalogue_says_how_to_begin(db: Database) -> None:
    page = Visitor(db, config.load({})).get("/")
    assert page.status == 200
    assert "No public image yet." in page.words
    assert "goldenrod user create ada --staff" in page.words


def test_an_empty_home_explains_how_to_create_an_image(
    db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        row = images.IMAGES.row_for_change(tx, alice, "open-image")
        images.edit_image(tx, alice, row, wire.ImagePatch(is_public=False))
    visitor.sign_in("charlie")
    words = visitor.get("/").words
    assert "No image yet." in words
    assert "goldenrod image create" in words


def test_a_shared_cache_may_keep_the_anonymous_page(
    db: Database, world: World, visitor: Visitor, clock: Clock
) -> None:
    page = visitor.get("/")
    assert page.headers["cache-control"] == "public, no-cache"
    assert page.headers["vary"] == "Cookie, Authorization, Accept-Encoding"
    assert page.cookies == {}
    etag = {"If-None-Match": page.headers["etag"]}
    again = visitor.get("/", headers=etag)
    assert (again.status, again.text) == (304, "")
    # As time passes the page says something else.
    clock.move(days=1)
    assert visitor.get("/", headers=etag).status == 200
    add(db, world, "other", 1)
    assert "other" in visitor.get("/", headers=etag).words
    visitor.sign_in("charlie")
    assert visitor.get("/").headers["cache-control"] == "private, no-cache"


def test_the_first_page_is_small(db: Database, world: World, visitor: Visitor) -> None:
    for number in range(30):
        add(db, world, f"an image with a name that is not short {number}", number)
    page = visitor.get("/")
    loaded = re.findall(r'"(/static/[^"]+)"', page.text)
    sizes = [len(visitor.get(address).text.encode()) for address in {*loaded}]
    names = ("copy", "forms", "find", "keys", "sift", "use")
    modules = [visitor.get(f"/static/x/{name}.js") for name in names]
    sizes += [len(module.text) for module in modules]
    assert len(page.text) + sum(sizes) < 60_000


def test_how_many_statements_finding_takes(db: Database, world: World, visitor: Visitor) -> None:
    def statements(address: str) -> int:
        db.trace = []
        assert visitor.get(address).status == 200
        ran, db.trace = db.trace, None
        return len(ran)

    def all_of_them() -> list[int]:
        addresses = ("/", "/search?q=im", "/search/suggest?q=im", "/search/versions?q=image")
        return [statements(address) for address in addresses]

    # home: images, versions, choices, withdrawn; with a search word, look-up takes three, and how
    # frequent the words are takes one. Versions are counted first: few are found otherwise than many.
    assert all_of_them() == [4, 6, 5, 3]
    for number in range(30):
        add(db, world, f"image {number}", number, tags=[f"t{number}"])
    # Of more versions than home reads, it counts all: in two statements more.
    many = all_of_them()
    assert many == [6, 6, 5, 3]
    for number in range(12):
        add(db, world, f"another image {number}", number, tags=[f"u{number}"])
    assert all_of_them() == many
    visitor.sign_in("bob")
    # Home also asks for the last visit; then for what is new to those who follow an image.
    assert all_of_them() == [many[0] + 2, *(count + 1 for count in many[1:])]
