"""What cannot be undone is confirmed first: its page says the impact, and nothing is changed yet."""

from goldenrod.store.db import Database
from tests.support.actions import everything
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.lifecycle.steps import API, assign, release, target
from tests.support.pages.visitor import Visitor


def test_each_is_asked_with_its_impact_before_it_is_done(
    db: Database, api: ApiClient, world: World, visitor: Visitor
) -> None:
    version = release(api, "2")
    assign(api, version)
    machine = version["machines"][0]["id"]
    identity = api.post(
        f"{API}/identities", "dora", {"user": "bob", "provider": "east", "key": "b1"}
    ).json["id"]
    channel, bob = "/images/open-image/channels/stable", f"/staff/users/{world.users['bob']}"
    machines = "/images/open-image/versions/2/machines"
    visitor.sign_in("dora")
    before = everything(db)
    for address, action, found_on, words in (
        (f"{channel}/unassign", channel, channel, "it offers 2 on 1 provider now"),
        (f"{channel}/hide", f"{channel}/hide", channel, "resolving stable fails with 404"),
        (f"{machines}/{machine}/end", "", machines, "2 channels of the image offer it there now"),
        (
            f"/staff/identities/{identity}/remove",
            "",
            f"/staff/identities/{identity}",
            "machines on",
        ),
        (f"{bob}/staff", "", bob, "6 images, 3 of them private"),
    ):
        linked = visitor.get(found_on)
        assert address in linked.links, address
        assert not [it for it in linked.forms if it.action == address and it.method == "post"]
        page = visitor.get(address)
        assert page.status == 200 and words in page.words, page.words
        assert everything(db) == before
        done = visitor.submit(page, action or address, follow=False)
        assert done.status == 303
        assert everything(db) != before
        before = everything(db)
        if found_on == channel:
            assign(api, version)
            before = everything(db)
    assert target(api) == "2"
    assert api.get(f"{API}/users/{world.users['bob']}", "dora").json["is_staff"]
    visitor.cookies.clear()
    visitor.sign_in("charlie")
    for address in (f"{channel}/hide", f"{machines}/{machine}/end", f"{bob}/staff"):
        assert visitor.get(address).status in (403, 404)


def test_ending_a_provider_counts_the_channels_that_lose_their_machine(
    api: ApiClient, world: World, visitor: Visitor
) -> None:
    assign(api, release(api, "2", on=("west",)))
    visitor.sign_in("dora")
    for name, channels in (("east", 4), ("west", 5)):
        page = visitor.get(f"/staff/providers/{world.providers[name]}/end")
        [button] = [it for it in page.text.splitlines() if "btn danger" in it]
        words = f"{channels} channels"
        assert f"{words} lose their machine there" in page.words and words in button, page.words
