"""The preview of a Markdown text. A script shows it below the field."""

from goldenrod.base import decode
from goldenrod.web.pages.kit.visit import Page, Visit


def preview(visit: Visit) -> Page:
    """POST /preview: the field `text`, rendered and sanitised as on the page that will show it."""
    visit.require_sent()
    text = decode.text("text", visit.form.get("text"))
    return visit.part("kit/markdown_preview.html", text=text)
