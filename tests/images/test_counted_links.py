"""A link with a number leads to exactly what the number counted."""

import re

from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.lifecycle.steps import release, revoke
from tests.support.pages.visitor import Visitor

IMAGE = "/images/open-image"


def counted(page: str) -> dict[str, int]:
    """The links of a page to lists of versions, with the number that each one's text has."""
    found = re.findall(r'<a (?:class="gap" )?href="([^"]*/versions\?[^"]*)">(.*?)</a>', page, re.S)
    numbers = {}
    for href, content in found:
        text = re.sub(r"<title>.*?</title>|<[^>]*>|,", "", content, flags=re.S)
        if digits := re.findall(r"\d+", text):
            numbers[href.replace("&amp;", "&")] = int(digits[0])
    return numbers


def test_a_number_opens_that_many_versions(api: ApiClient, world: World, visitor: Visitor) -> None:
    """Also of versions with the same date, and without those that do not count as newer."""
    at, above = "2026-06-10T00:00:00Z", world.versions["open"]
    for number in range(60):
        more = {"exclude_from_latest": True} if number % 9 == 4 else {}
        made = release(api, f"1.{number}", start_date=at, parent=above, **more)
        above = above if number % 7 == 3 else made["id"]
        if number % 7 == 3:
            revoke(api, made)
        if number % 11 == 5:
            api.patch(made["url"], "alice", {"deprecation": {"reason": "old"}})
    checked = 0
    for who in (None, "alice"):
        if who:
            visitor.sign_in(who)
        for address in (
            IMAGE,
            f"{IMAGE}/lineage",
            *(f"{IMAGE}/versions/1.{n}" for n in (0, 5, 30)),
        ):
            for href, number in counted(visitor.get(address).text).items():
                page = visitor.get(href)
                words = f"{number} version{'' if number == 1 else 's'}"
                assert f"<h1>{words}</h1>" in page.text, (address, href, number)
                checked += 1
    assert checked >= 10
    hidden = visitor.get(f"{IMAGE}/versions?newer_than={world.versions['closed']}")
    assert "<h1>0 versions</h1>" in hidden.text
