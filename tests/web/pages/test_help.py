"""The help: the documents as pages, their search, and the links that lead to them."""

import re
from pathlib import Path

import pytest

from goldenrod.web.pages.help import documents
from goldenrod.web.pages.kit import assets
from goldenrod.web.pages.kit.render import TEMPLATES
from tests.support.pages.visitor import Visitor
from tests.test_docs import DOCS, anchors, text

TO_HELP = re.compile(
    r'm\.help\("([a-z]+)"(?:, "([^"]*)")?[,)]|link\.help\("([a-z]+)"(?:, "([^"]*)")?\)'
)


def test_each_document_is_a_page_whose_links_and_pictures_lead_somewhere(visitor: Visitor) -> None:
    listed = visitor.get("/help")
    for path in DOCS.glob("*.md"):
        address = f"/help/{path.stem}"
        assert f'href="{address}"' in listed.text
        page = visitor.get(address)
        ids = {*re.findall(r'\sid="([^"]+)"', page.text)}
        assert anchors(path.read_text("utf-8")) <= ids, "GitHub's anchors work here too"
        shown = page.text.partition("<main")[2].partition("</main>")[0]
        assert shown.count("<table>") == len(re.findall(r"^\|-", path.read_text(), re.MULTILINE))
        for link in re.findall(r'href="([^"]+)"', shown):
            target, _, anchor = link.partition("#")
            if "://" in target:
                continue
            there = visitor.get(target) if target else page
            assert there.status == 200, link
            assert not anchor or f'id="{anchor}"' in there.text, link
        for picture in re.findall(r'src="([^"]+)"', shown):
            found = visitor.client.simulate_get(picture)
            assert (found.status_code, found.headers["content-type"][:6]) == (200, "image/"), (
                picture
            )
            assert "immutable" in found.headers["cache-control"]
    assert visitor.get("/help/no-such").status == visitor.get("/help/..%2fREADME").status == 404


def test_the_search_of_the_help_finds_headings_first(visitor: Visitor) -> None:
    found = re.findall(r'<li><a href="(/help/[^"]+)"', visitor.get("/help?q=Channels").text)
    assert found.index("/help/lifecycle#channels") < 5
    both = visitor.get("/help?q=revoke+descendants")
    assert "/help/commands#goldenrod-revoke" in both.text
    nothing = visitor.get("/help?q=%3Cb%3Enothing")
    assert "No section has all of these words" in nothing.words
    assert "<b>nothing" not in nothing.text
    assert visitor.get("/help?q=%00").status == 400
    assert "Automate" in visitor.get("/help?q=+").words


def test_a_document_is_rendered_once_in_each_process(visitor: Visitor) -> None:
    for _ in range(3):
        assert visitor.get("/help/api").status == 200
    assert documents.document("api") is documents.document("api")


def test_links_to_the_help_lead_to_documents_and_headings() -> None:
    asked: set[tuple[str, str]] = set()
    for template in TEMPLATES.rglob("*.html"):
        for found in TO_HELP.findall(template.read_text("utf-8")):
            asked.add((found[0] or found[2], found[1] or found[3]))
    for name, anchor in asked:
        assert name in documents.names(), name
        assert not anchor or anchor in anchors(text(f"docs/{name}.md")), (name, anchor)
    assert {name for name, _ in asked} >= {"access", "api", "lifecycle", "operating", "webhooks"}


@pytest.mark.parametrize("where", ["/", "/nowhere", "/sign-in", "/images/open-image"])
def test_help_is_one_click_away(visitor: Visitor, where: str) -> None:
    page = visitor.get(where)
    assert page.text.count('href="/help') >= 2
    if where == "/nowhere":
        assert "/help" in page.text.partition("<main")[2].partition("</main>")[0]


def test_the_documents_are_part_of_the_package() -> None:
    inside = Path(assets.__file__).parents[2] / "documents"
    assert inside == assets.DOCUMENTS
    assert {path.name for path in inside.glob("*.md")} == {path.name for path in DOCS.glob("*.md")}
