"""The API's reference as pages: the operations (Swagger UI reads `/openapi.json`) and the errors."""

from dataclasses import replace
from functools import cache
from typing import Any

from goldenrod.base.errors import Problem
from goldenrod.web.docs.error_codes import CODES
from goldenrod.web.docs.reference import POLICY
from goldenrod.web.pages.kit.visit import HEADERS, Page, Visit


def show_reference(visit: Visit) -> Page:
    """GET /docs: every operation, each once, at its address below /api/v2."""
    return _page(visit, "help/api_reference.html")


def show_errors(visit: Visit) -> Page:
    """GET /docs/errors: every error code with its status and meaning."""
    return _page(visit, "help/errors.html", errors=_errors())


def _page(visit: Visit, template: str, **context: Any) -> Page:
    with visit.read():
        pass
    page = visit.page(template, **context)
    return replace(page, headers={**HEADERS, "Content-Security-Policy": POLICY})


@cache
def _errors() -> list[tuple[str, int, str, str]]:
    """Each error code with its status, the title of that status, and its meaning."""
    kinds: list[type[Problem]] = [Problem, *Problem.__subclasses__()]
    titles = {kind.status: kind.title for kind in kinds}
    return [(code, status, titles[status], meaning) for code, (status, meaning) in CODES.items()]
