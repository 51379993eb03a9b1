"""The pages of licenses and boot scripts."""

import pytest

from goldenrod.store.db import Database
from tests.support.actions import everything, made, publish
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import Visitor

API = "/api/v2"


@pytest.fixture
def alice(visitor: Visitor) -> Visitor:
    visitor.sign_in("alice")
    return visitor


def test_a_license_is_made_edited_and_removed(alice: Visitor, api: ApiClient) -> None:
    new = "/licenses/new"
    assert new in alice.get("/licenses").links
    page = alice.get(new)
    wrong = alice.submit(page, new, title="", type="SPDX", text="no such thing!")
    assert (wrong.status, {"f-title-e", "f-text-e"} <= wrong.ids) == (400, True)
    done = alice.submit(page, new, title="Lab terms", type="URL", text="https://lab.example/t \n")
    assert "Lab terms was created." in done.words
    assert alice.submit(page, new, title="Lab terms", type="URL", text="https://lab.example/t \n")
    [license] = api.all(f"{API}/licenses?name=Lab terms", "alice")
    assert license["text"] == "https://lab.example/t", "and sending it twice makes one"
    assert "https://lab.example/t" in done.links
    address = f"/licenses/{license['id']}"
    edit = f"{address}/edit"
    shown = alice.get(edit)
    # Somebody else saves first: both changes are kept.
    api.patch(license["url"], "dora", {"title": "Terms of the lab"})
    lost = alice.submit(shown, edit, text="https://lab.example/terms")
    assert (lost.status, lost.form(edit).fields["title"]) == (412, ["Terms of the lab"])
    alice.submit(lost, edit)
    after = api.get(license["url"], "alice").json
    assert (after["title"], after["text"]) == ("Terms of the lab", "https://lab.example/terms")
    gone = alice.submit(alice.get(f"{address}/remove"), f"{address}/remove")
    assert "Terms of the lab was removed." in gone.words
    assert alice.get(address).status == 404


def test_the_text_of_what_a_version_uses_is_fixed(
    alice: Visitor, api: ApiClient, world: World, db: Database
) -> None:
    address = f"/scripts/{world.scripts['setup']}"
    shown = alice.get(address)
    assert "#!/bin/sh" in shown.text
    assert "1 version" in shown.words
    assert f"{address}/remove" not in shown.links
    edit = f"{address}/edit"
    page = alice.get(edit)
    assert "its text and type cannot change" in page.words
    assert "text" not in page.form(edit).fields
    before = everything(db)
    stale = alice.submit(page, edit, text="other")
    assert (stale.status, everything(db)) == (409, before)
    token = page.form(edit).fields["token"][0]
    assert alice.ask("POST", f"{address}/remove", body=f"token={token}").status == 409
    done = alice.submit(page, edit, title="Set up", run_every_deploy=["on", ""])
    assert "Saved." in done.words
    assert "every boot" in done.words


def test_a_page_lists_the_versions_that_its_reader_may_see(
    visitor: Visitor, api: ApiClient, world: World
) -> None:
    script = made(api, f"{API}/boot_scripts", "alice", title="s", type="Raw Text", text="echo")
    for image in ("open", "closed"):
        publish(api, f"{image}-5", image=image, scripts=[script["id"]])
    address = f"/scripts/{script['id']}"
    seen = visitor.get(address).words
    assert ("open-5" in seen, "closed-5" in seen, "1 version" in seen) == (True, False, True)
    assert f"{address}/edit" not in visitor.get(address).links
    visitor.sign_in("alice")
    assert "2 versions" in visitor.get(address).words
    [both, one] = (
        {version["name"] for version in api.all(f"/image_versions?script={script['id']}", who)}
        for who in ("alice", "bob")
    )
    assert (both, one) == ({"open-5", "closed-5"}, {"open-5"})
    assert not api.all(f"/image_versions?script={world.scripts['setup']}", "bob")
