"""The page of drift, and the marks on the pages of images and versions."""

import pytest

from goldenrod.store.db import Database
from tests.support.cast import World
from tests.support.clouds import Cloud
from tests.support.pages.releases import words_of
from tests.support.pages.visitor import Visitor

IMAGE = "/images/kept-image"
VERSION = f"{IMAGE}/versions/kept-1.0"
MARKS = ("differ", "on the cloud", "drift", 'class="x')


@pytest.fixture
def cloud(db: Database, world: World) -> Cloud:
    return Cloud(db, world.providers["east"])


def test_the_page_shows_first_what_too_many_people_see(visitor: Visitor, cloud: Cloud) -> None:
    assert visitor.get("/drift").status == 401
    visitor.sign_in("bob")
    cloud.scope(
        "never", failing_since="2026-03-01T00:00:00.000000Z", failed_reason="no such region"
    )
    assert "No differences." in (first := visitor.get("/drift").words) and "never" not in first
    cloud.lists("kept-west", size_gb=3, missed=1, missing_since="2026-03-01T00:00:00.000000Z")
    cloud.lists("kept-east", visibility="public")
    cloud.lists("closed-east", visibility="public")
    cloud.lists("stranger")
    page = visitor.get("/drift")
    wider, _, others = page.words.partition("Other differences")
    assert "Wider on the cloud than here" in wider
    assert "kept-east" in wider and "public there , private here" in wider
    assert "kept-west" in others and "missing there since" in others and "1 look" in others
    assert "closed-east" not in page.text and "stranger" not in page.text
    assert "kept-east" not in visitor.get("/drift?kind=missing").words
    assert "No machine matches." in visitor.get("/drift?image=closed-image").words
    assert "takes one of" in visitor.get("/drift?kind=odd").words
    visitor.sign_in("dora")
    page = visitor.get("/drift")
    assert "not in this catalogue" in page.words and "the stranger" in page.words
    assert "prod: all" in page.words
    assert "Not read" in page.words and "no such region" in page.words


def test_editors_alone_see_marks_of_drifted_machines(
    db: Database, world: World, visitor: Visitor, cloud: Cloud
) -> None:
    cloud.lists("kept-east", visibility="public")
    cloud.lists("kept-west", visibility="shared", status="deactivated")
    cloud.lists("open-east", visibility="private")
    visitor.sign_in("bob")
    said = "2 machines are visible to more people on the cloud than here."
    page = visitor.get(IMAGE)
    assert said in page.words
    assert '<td class="x "><i>1; visible to more people there</i>' in page.text
    assert "differs from the cloud" in words_of(page, "where")
    assert 'href="/drift?image=kept-image"' in page.text
    page = visitor.get(VERSION)
    assert said in page.words
    assert "visible to more people there, cannot be launched there" in words_of(page, "machines")
    # open is not bob's; what the cloud says about it is not for him.
    for address in ("/images/open-image", "/images/open-image/versions/open-1.0"):
        text = visitor.get(address).text.replace('href="/drift"', "")
        assert not [mark for mark in MARKS if mark in text]
    visitor.sign_in("alice")
    assert "1 machine differs from the cloud" in visitor.get("/images/open-image").words
