"""Labels on the pages of a version: shown, edited as lines, compared; and on the command line."""

from tests.support.actions import publish, version_of
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import Visitor

PAGE = "/images/open-image/versions/labelled"
EDIT = f"{PAGE}/edit"


def test_labels_are_lines_in_the_forms_of_a_version(
    visitor: Visitor, api: ApiClient, world: World
) -> None:
    visitor.sign_in("alice")
    new = "/images/open-image/versions/new"
    page = visitor.get(new)
    page = visitor.submit(page, new, name="labelled", labels="Team: web\nno colon\n a : 1:2 \na:3")
    assert "line 2 must be key: value" in page.words
    page = visitor.submit(page, new, labels="Team: web\r\n\r\n a : 1:2 \nid:x")
    assert (page.status, "Team: has a key of 1 to 63 of a-z" in page.words) == (400, True)
    assert page.form(new).fields["labels"] == ["Team: web\n\n a : 1:2 \nid:x"]
    assert visitor.submit(page, new, labels="team: web\n a : 1:2 \nid:x").status == 200
    [found] = api.all("/image_versions?label=team:web")
    assert found["labels"] == {"a": "1:2", "id": "x", "team": "web"}

    page = visitor.get(EDIT)
    assert page.form(EDIT).fields["labels"] == ["a: 1:2\nid: x\nteam: web"]
    assert "again" in visitor.submit(page, EDIT, labels="a: 1\na: 2").words
    shown = visitor.submit(page, EDIT, labels="a: 1:2\nteam: ops\nnew:")
    assert version_of(api, found["id"])["labels"] == {"a": "1:2", "new": "", "team": "ops"}
    assert "/images/open-image/versions?label=team%3Aops" in shown.links
    assert "Labels: id: x, team: web → new: , team: ops" in shown.words
    # Without a change of the labels, nothing is sent of them.
    assert "Nothing to save." in visitor.submit(visitor.get(EDIT), EDIT).words
    visitor.submit(visitor.get(EDIT), EDIT, labels="")
    assert version_of(api, found["id"])["labels"] == {}


def test_labels_are_compared(visitor: Visitor, api: ApiClient, world: World) -> None:
    publish(api, "one", image="open", labels={"id": "7", "team": "web"})
    publish(api, "two", image="open", labels={"id": "7", "team": "ops"})
    page = visitor.get("/images/open-image/compare/one...two")
    assert "Labels" in page.words and "team: ops" in page.words
