"""Search: the same words find the same things on both databases, and never a hidden one."""

from typing import Any

from goldenrod.store.db import Database
from tests.support.actions import made, publish
from tests.support.cast import World
from tests.support.client import Door, code

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


def fill(door: Door) -> None:
    for name, description, tags, versions in CATALOGUE:
        image = made(
            door, "/api/v2/images", "charlie", name=name, description=description, tags=tags
        )
        for version, log in versions.items():
            made(
                door, "/image_versions", "charlie", name=version, image=image["id"], change_log=log
            )


def search(door: Door, words: str, who: str | None, noun: str = "/image_versions") -> set[Any]:
    """The names of what is found; the count is theirs."""
    answer = door.client.simulate_get(
        noun,
        params={"search": words},
        headers={"Authorization": f"Token {door.world.secrets[who]}"} if who else {},
    )
    assert answer.status_code == 200, answer.text
    names = [result["name"] for result in answer.json["results"]]
    assert answer.json["count"] == len(names) == len(set(names))
    return set(names)


def test_anonymous_and_a_stranger_find_what_they_may_read(door: Door, world: World) -> None:
    """Every image and version of the cast says "image" or "first"."""
    for who in (None, "charlie"):
        assert search(door, "first", who) == {"open-1.0"}
        assert search(door, "image", who) == {"open-1.0"}
        assert search(door, "image", who, "/api/v2/images") == {"open image"}
        for hidden in ("closed", "closed-tag", "shared", "scheduled", "kept", "ended"):
            assert search(door, hidden, who) == set()
            assert search(door, hidden, who, "/api/v2/images") == set()
    assert search(door, "first", "bob") == {"open-1.0", "shared-1.0", "kept-1.0"}
    assert len(search(door, "first", "alice")) == len(search(door, "first", "dora")) == 6


def test_what_is_found(door: Door, world: World) -> None:
    fill(door)
    for words, expected in FOUND.items():
        assert search(door, words, "charlie") == expected, words
    # What is said of hidden images is found by nobody else.
    for words in ("al2023-ami", "kernel", "日本", "muller"):
        assert search(door, words, "bob") == search(door, words, None) == set()


def test_images_are_found_by_their_own_words(door: Door, world: World) -> None:
    fill(door)
    images = "/api/v2/images"
    assert search(door, "amazon linux", "charlie", images) == {"al2023-ami"}
    assert search(door, "rpm_based", "charlie", images) == {"al2023-ami"}
    assert search(door, "イメージ", "charlie", images) == {"日本語イメージ"}
    assert search(door, "kernel", "charlie", images) == set()


def test_edits_are_found_at_once_and_what_was_is_not(door: Door, world: World) -> None:
    version, image = f"/image_versions/{world.versions['open']}", "/api/v2/images/open-image"
    door.patch(version, "alice", {"change_log": "zebra"})
    assert search(door, "zebra", None) == {"open-1.0"}
    assert search(door, "first", None) == set()
    door.patch(version, "alice", {"name": "quagga"})
    assert search(door, "quagga zebra", None) == {"quagga"}
    door.patch(image, "alice", {"name": "okapi", "description": "dik-dik", "tags": ["gnu"]})
    for words in ("okapi", "dik", "gnu", "okapi gnu zebra"):
        assert search(door, words, None) == {"quagga"}, words
    assert search(door, "open-tag", None) == set()
    tag = door.get("/api/v2/tags?name=gnu", "dora").json["results"][0]
    door.patch(tag["url"], "dora", {"name": "kudu"})
    assert search(door, "kudu", None) == {"quagga"}
    assert search(door, "gnu", None) == set()


def test_a_version_that_moves_is_found_by_its_new_images_words(door: Door, world: World) -> None:
    version = f"/image_versions/{world.versions['open']}"
    door.patch(version, "alice", {"image": world.images["closed"]})
    assert search(door, "closed-tag first", "alice") == {"open-1.0", "closed-1.0"}
    assert search(door, "open-tag", "alice") == set()


def test_renaming_an_image_rewrites_one_row(door: Door, db: Database, world: World) -> None:
    for n in range(5):
        publish(door, f"v{n}")
    db.trace = []
    assert door.patch("/api/v2/images/open-image", "alice", {"name": "new"}).status_code == 200
    ran, db.trace = db.trace, None
    written = [text for text in ran if "_words" in text and not text.startswith("SELECT")]
    assert written
    assert all("image_words" in text for text in written)
    assert sum(text.startswith("INSERT") for text in written) == 1


def test_the_order_is_the_lists(door: Door, world: World) -> None:
    for n, day in enumerate((3, 1, 2)):
        publish(door, f"ordered {n}", start_date=f"2026-03-0{day}T00:00:00Z")
    for ordering, names in (
        ("start_date", ["ordered 1", "ordered 2", "ordered 0"]),
        ("-name", ["ordered 2", "ordered 1", "ordered 0"]),
    ):
        found = door.all(f"/image_versions?search=ordered&ordering={ordering}&page_size=2")
        assert [version["name"] for version in found] == names


def test_limits(door: Door, world: World) -> None:
    for words in ("+".join(["first"] * 16), "x" * 64, "%E6%97%A5" * 64):
        assert door.get(f"/image_versions?search={words}").status_code == 200
    refused = ("+".join(["a"] * 17), "x" * 65, "", "+", "!!!", "-", "%00", "_", "%E6%97%A5" * 65)
    for words in refused:
        answer = door.get(f"/image_versions?search={words}")
        assert code(answer) == "400 parameter_invalid", words
        assert answer.json["errors"][0]["field"] == "search"
