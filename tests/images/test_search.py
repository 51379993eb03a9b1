"""Search: the same words find the same things on both databases, and never a hidden one."""

from typing import Any
from urllib.parse import quote

from goldenrod.store.db import Database
from tests.support.actions import made, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.pages.visitor import Visitor

# Image: name, description, tags, and its versions with their change logs.
CATALOGUE: list[tuple[str, str, list[str], dict[str, str]]] = [
    (
        "al2023-ami",
        "Amazon Linux for the general public",
        ["Amazon", "rpm_based"],
        {
            "2.0.20251112": "Kernel 6.1.158, OpenSSL fixed (CVE-2025-15467).",
            "2.0.20251201": "Only rebuilt",
        },
    ),
    ("Müller's Café", "Straße Ångström naïve", ["ÉLITE"], {"1.0": "été à la plage", "ﬁnal": ""}),
    ("日本語イメージ", "東京の標準イメージ", ["標準"], {"初版": "セキュリティ更新", "v2": "ガギ"}),
    ("ubuntu-24.04_lts", "noble; numbat!", [], {"24.04.1": "linux-image-6.8.0-45-generic"}),
]

# What is looked for, and the names of the versions found, in any order.
FOUND: dict[str, set[str]] = {
    "al2023-ami": {"2.0.20251112", "2.0.20251201"},
    "AL2023": {"2.0.20251112", "2.0.20251201"},
    "ami": {"2.0.20251112", "2.0.20251201"},
    "2.0.20251112": {"2.0.20251112"},
    "20251112": {"2.0.20251112"},
    "2.0.2025": {"2.0.20251112", "2.0.20251201"},
    "0.20251201": {"2.0.20251201"},
    "251112": set(),
    "2.0 kernel": {"2.0.20251112"},
    # The last word may be the beginning of one, the others may not.
    "amaz": {"2.0.20251112", "2.0.20251201"},
    "amaz linux": set(),
    "linux amaz": {"2.0.20251112", "2.0.20251201"},
    "amazon linux ker": {"2.0.20251112"},
    "ker amazon": set(),
    # One word in the version, the other in its image.
    "general openssl": {"2.0.20251112"},
    "rebuilt amazon": {"2.0.20251201"},
    "rebuilt openssl": set(),
    "cve-2025-15467": {"2.0.20251112"},
    "rpm_based": {"2.0.20251112", "2.0.20251201"},
    "based": {"2.0.20251112", "2.0.20251201"},
    # Accents, compatible forms, case.
    "muller": {"1.0", "ﬁnal"},
    "MÜLLER": {"1.0", "ﬁnal"},
    "cafe\u0301": {"1.0", "ﬁnal"},
    "strasse angstrom": {"1.0", "ﬁnal"},
    "elite": {"1.0", "ﬁnal"},
    "ete": {"1.0"},
    "final": {"ﬁnal"},
    "ＦＩＮＡＬ": {"ﬁnal"},
    # Chinese and Japanese know no spaces; pairs of characters stand for words.
    "日本": {"初版", "v2"},
    "本語": {"初版", "v2"},
    "標準イメージ": {"初版", "v2"},
    "日": {"初版", "v2"},
    "更新": {"初版"},
    "更新 東京": {"初版"},
    "大阪": set(),
    "更語": set(),
    # Joints, and what is no letter or digit.
    "linux-image-6.8.0-45-generic": {"24.04.1"},
    "6.8.0-45": {"24.04.1"},
    "generic": {"24.04.1"},
    "numbat": {"24.04.1"},
    "noble; numbat!": {"24.04.1"},
    "'numbat'": {"24.04.1"},
    '"numbat" OR': set(),
    "numbat:*": {"24.04.1"},
    "(numbat) & !x": set(),
    "numbat \\": {"24.04.1"},
    "nu*": {"24.04.1"},
    "24.04_lts": {"24.04.1"},
    "lts": {"24.04.1"},
    "words that are not here": set(),
}


def fill(api: ApiClient) -> None:
    for name, description, tags, versions in CATALOGUE:
        image = made(
            api, "/api/v2/images", "charlie", name=name, description=description, tags=tags
        )
        for version, log in versions.items():
            made(api, "/image_versions", "charlie", name=version, image=image["id"], change_log=log)


def search(api: ApiClient, words: str, who: str | None, noun: str = "/image_versions") -> set[Any]:
    """The names of what is found; the count is theirs."""
    answer = api.client.simulate_get(
        noun,
        params={"search": words},
        headers={"Authorization": f"Token {api.world.secrets[who]}"} if who else {},
    )
    assert answer.status_code == 200, answer.text
    names = [result["name"] for result in answer.json["results"]]
    assert answer.json["count"] == len(names) == len(set(names))
    return set(names)


def test_anonymous_and_a_stranger_find_what_they_may_read(api: ApiClient, world: World) -> None:
    """Every image and version of the cast says "image" or "first"."""
    for who in (None, "charlie"):
        assert search(api, "first", who) == {"open-1.0"}
        assert search(api, "image", who) == {"open-1.0"}
        assert search(api, "image", who, "/api/v2/images") == {"open image"}
        for hidden in ("closed", "closed-tag", "shared", "scheduled", "kept", "ended"):
            assert search(api, hidden, who) == set()
            assert search(api, hidden, who, "/api/v2/images") == set()
    assert search(api, "first", "bob") == {"open-1.0", "shared-1.0", "kept-1.0"}
    assert len(search(api, "first", "alice")) == len(search(api, "first", "dora")) == 6


def test_what_is_found(api: ApiClient, world: World) -> None:
    fill(api)
    for words, expected in FOUND.items():
        assert search(api, words, "charlie") == expected, words
    # What is said of hidden images is found by nobody else.
    for words in ("al2023-ami", "kernel", "日本", "muller"):
        assert search(api, words, "bob") == search(api, words, None) == set()


def test_images_are_found_by_their_own_words(api: ApiClient, world: World) -> None:
    fill(api)
    images = "/api/v2/images"
    assert search(api, "amazon linux", "charlie", images) == {"al2023-ami"}
    assert search(api, "rpm_based", "charlie", images) == {"al2023-ami"}
    assert search(api, "イメージ", "charlie", images) == {"日本語イメージ"}
    assert search(api, "kernel", "charlie", images) == set()


def test_search_follows_edits_at_once(api: ApiClient, world: World) -> None:
    version, image = f"/image_versions/{world.versions['open']}", "/api/v2/images/open-image"
    api.patch(version, "alice", {"change_log": "zebra"})
    assert search(api, "zebra", None) == {"open-1.0"}
    assert search(api, "first", None) == set()
    api.patch(version, "alice", {"name": "quagga"})
    assert search(api, "quagga zebra", None) == {"quagga"}
    api.patch(image, "alice", {"name": "okapi", "description": "dik-dik", "tags": ["gnu"]})
    for words in ("okapi", "dik", "gnu", "okapi gnu zebra"):
        assert search(api, words, None) == {"quagga"}, words
    assert search(api, "open-tag", None) == set()
    tag = api.get("/api/v2/tags?name=gnu", "dora").json["results"][0]
    api.patch(tag["url"], "dora", {"name": "kudu"})
    assert search(api, "kudu", None) == {"quagga"}
    assert search(api, "gnu", None) == set()


def test_a_slug_finds_its_image_and_slug_slash_version_its_version(
    api: ApiClient, visitor: Visitor, world: World
) -> None:
    """In the API's lists, on the pages and while typing. Nothing hidden is found by its slug."""
    long = "x" * 40 + "-" + "y" * 23
    image = made(api, "/api/v2/images", "alice", name="東京", slug=long, is_public=True)
    shop = made(api, "/api/v2/images", "alice", name="Café", slug="shop-front", is_public=True)
    made(api, "/image_versions", "alice", name="1.0/rc 1", image=image["id"])
    for name in ("2.1", "2.10", "→"):
        made(api, "/image_versions", "alice", name=name, image=shop["id"])
    address = f"/api/v2/images/{shop['id']}"
    assert api.patch(address, "alice", {"slug": "shop-window"}).status_code == 200
    images = "/api/v2/images"
    for words in (long, "x" * 40):
        assert search(api, words, None, images) == {"東京"}
    for words in ("shop-window", "window", "shop-front", "SHOP-WIN", "shop"):
        assert search(api, words, None, images) == {"Café"}, words
        assert "Café" in visitor.get(f"/search?q={words}").text
    assert search(api, f"{long}/1.0/rc 1", None) == {"1.0/rc 1"}
    assert search(api, "shop-window/2.1", None) == {"2.1", "2.10"}
    assert search(api, "shop-window/2.10", None) == {"2.10"}
    assert search(api, "shop-window/→", None) == {"2.1", "2.10", "→"}
    for page in ("/search", "/search/suggest"):
        for asked, at in (
            ("shop-window/2.1", "shop-window/versions/2.1"),
            ("shop-front/→", "shop-window/versions/%E2%86%92"),
            (f"{long}/1.0/rc 1", f"{long}/versions/"),
        ):
            found = visitor.get(f"{page}?q={quote(asked)}")
            first = next(link for link in found.links if "/versions/" in link)
            assert first.startswith(f"/images/{at}"), (page, asked)
    for hidden in ("closed-image", "closed-image/closed-1.0"):
        for page in ("/search", "/search/suggest"):
            assert "closed-1.0</code>" not in visitor.get(f"{page}?q={hidden}").text
        assert search(api, hidden, None, images) == search(api, hidden, None) == set()
    # A provider's slug finds it, too.
    east = f"/api/v2/providers/{world.providers['east']}"
    assert api.patch(east, "dora", {"slug": "frankfurt"}).status_code == 200
    assert search(api, "frankfurt", None, "/api/v2/providers") == {"east"}


def test_a_moved_version_is_found_by_the_words_of_its_new_image(
    api: ApiClient, world: World
) -> None:
    version = f"/image_versions/{world.versions['open']}"
    api.patch(version, "alice", {"image": world.images["closed"]})
    assert search(api, "closed-tag first", "alice") == {"open-1.0", "closed-1.0"}
    assert search(api, "open-tag", "alice") == set()


def test_renaming_an_image_rewrites_one_row(api: ApiClient, db: Database, world: World) -> None:
    for n in range(5):
        publish(api, f"v{n}")
    db.trace = []
    assert api.patch("/api/v2/images/open-image", "alice", {"name": "new"}).status_code == 200
    ran, db.trace = db.trace, None
    written = [text for text in ran if "_words" in text and not text.startswith("SELECT")]
    assert written
    assert all("image_words" in text for text in written)
    assert sum(text.startswith("INSERT") for text in written) == 1


def test_the_order_is_the_lists(api: ApiClient, world: World) -> None:
    for n, day in enumerate((3, 1, 2)):
        publish(api, f"ordered {n}", start_date=f"2026-03-0{day}T00:00:00Z")
    for ordering, names in (
        ("start_date", ["ordered 1", "ordered 2", "ordered 0"]),
        ("-name", ["ordered 2", "ordered 1", "ordered 0"]),
    ):
        found = api.all(f"/image_versions?search=ordered&ordering={ordering}&page_size=2")
        assert [version["name"] for version in found] == names


def test_limits(api: ApiClient, world: World) -> None:
    for words in ("+".join(["first"] * 16), "x" * 64, "%E6%97%A5" * 64):
        assert api.get(f"/image_versions?search={words}").status_code == 200
    refused = ("+".join(["a"] * 17), "x" * 65, "", "+", "!!!", "-", "%00", "_", "%E6%97%A5" * 65)
    for words in refused:
        answer = api.get(f"/image_versions?search={words}")
        assert code(answer) == "400 parameter_invalid", words
        assert answer.json["errors"][0]["field"] == "search"
