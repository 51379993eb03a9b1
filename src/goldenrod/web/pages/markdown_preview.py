"""How a text in Markdown will look, for a script that shows it beside the field it is typed in."""

from goldenrod.base import decode
from goldenrod.web.pages.kit.visit import Page, Visit


def preview(visit: Visit) -> Page:
    """POST /preview: the field `text`, rendered and sanitised as on the page that will show it."""
    visit.require_sent()
    text = decode.text("text", visit.form.get("text"))
    return visit.part("kit/markdown_preview.html", text=text)
