"""The pages of the help: the table of contents, its search, and each document."""

from goldenrod.base.errors import NotFound
from goldenrod.web.pages.help import documents
from goldenrod.web.pages.kit.visit import Page, Visit

MOST_CHARACTERS = 200
"""How many characters of a search are read."""


def show_help(visit: Visit) -> Page:
    """GET /help: all documents; with `q`, the sections that have these words."""
    with visit.read():
        words = visit.asked("q")[:MOST_CHARACTERS].strip()
    found = documents.find(words) if words else None
    return visit.page("help/help.html", q=words, found=found, contents=documents.contents())


def show_document(visit: Visit, name: str) -> Page:
    """GET /help/{name}: a document with its table of contents."""
    with visit.read():
        if name not in documents.names():
            raise NotFound("There is no such document.")
    return visit.page("help/document.html", document=documents.document(name))
