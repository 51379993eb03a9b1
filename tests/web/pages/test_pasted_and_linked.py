"""What a page gives to paste or to follow works for whoever sees the page."""

import json

import pytest

from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.lifecycle.steps import API, assign, release
from tests.support.pages.visitor import Visitor


def test_lines_name_the_tokens_variable_where_the_catalogue_answers_not_everybody(
    api: ApiClient, world: World, visitor: Visitor
) -> None:
    release(api, "2", on=("west",))
    assign(api, world.versions["open"])
    assign(api, world.versions["open"], "inner")
    api.patch(f"{API}/images/open-image/channels/inner", "alice", {"restricted": True})
    visitor.sign_in("alice")
    for address, needed in (
        ("/images/open-image?channel=stable&provider=east", False),
        ("/images/open-image?channel=inner&provider=east", True),
        ("/images/open-image/versions/open-1.0?provider=east", False),
        ("/images/open-image/versions/2?provider=west", True),
        ("/images/closed-image?channel=latest&provider=east", True),
        ("/images/closed-image/versions/closed-1.0?provider=east", True),
    ):
        page = visitor.get(address)
        assert "curl -fsS" in page.words, address
        assert ("${GOLDENROD_TOKEN:?}" in page.words) == needed, address


@pytest.mark.parametrize("who", [None, "alice", "dora", "charlie"])
def test_the_json_of_a_page_is_there_for_whoever_sees_the_page(
    world: World, visitor: Visitor, who: str | None
) -> None:
    if who:
        visitor.sign_in(who)
    for image in ("open", "closed", "shared"):
        for address in (f"/images/{image}-image", f"/images/{image}-image/versions/{image}-1.0"):
            page = visitor.get(address)
            if page.status == 404:
                assert (image, who) not in (("open", who), (image, "alice"), (image, "dora"))
                continue
            links = [it for it in page.links if it.startswith("/json/")]
            assert links and not [it for it in page.links if it.startswith("/api/v2/")]
            for link in links:
                answer = visitor.get(link)
                assert answer.status == 200 and answer.headers["content-type"] == "application/json"
                assert json.loads(answer.text)
    for hidden in (
        f"image_versions/{world.versions['closed']}",
        f"images/{world.images['closed']}",
    ):
        seen = visitor.get(f"/json/{hidden}").status
        assert seen == (200 if who in ("alice", "dora") else 404)
    history = visitor.get(f"/json/image_versions/{world.versions['open']}/history").status
    assert history == (200 if who in ("alice", "dora") else 403 if who else 401)
    assert visitor.get("/json/users/1").status == 404
