"""Completions of a name while it is typed, as the options of a `<datalist>`, for `complete.js`."""

from goldenrod.base.errors import BadRequest
from goldenrod.catalogue.completions import KINDS, complete
from goldenrod.web.pages.kit.visit import Page, Visit


def show_completions(visit: Visit) -> Page:
    """GET /complete?kind=user&q=al."""
    kind, text, image = visit.asked("kind"), visit.asked("q"), visit.asked("image")
    with visit.read() as (tx, actor):
        if kind not in KINDS:
            raise BadRequest(f"kind takes one of {', '.join(KINDS)}.", code="parameter_invalid")
        found = complete(tx, actor, kind, text, image)
    return visit.part("kit/completions.html", found=found)
