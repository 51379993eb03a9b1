"""The answers to requests that are refused before anything is done for them.

They cost little, because there may be very many. So they are not rendered for their reader: a browser
gets a page without its name, anybody else a problem document.
"""

import json
from functools import cache
from typing import Any

from goldenrod.base import clock
from goldenrod.base.errors import Problem, TooManyRequests
from goldenrod.web.limits.rate_limit import Exceeded
from goldenrod.web.pages.kit import render
from goldenrod.web.pages.kit.visit import HEADERS, HTML
from goldenrod.web.response_cache import Headers


def too_many(exceeded: Exceeded) -> TooManyRequests:
    """The problem of a client that has spent its allowance."""
    return TooManyRequests(
        "You have sent too many requests. Try again in a few seconds.",
        code="rate_limited",
        retry_after=exceeded.seconds,
        headers=exceeded.headers,
    )


def refusal(problem: Problem, environ: dict[str, Any]) -> tuple[str, Headers, bytes]:
    """The answer with this problem: status, headers and body."""
    headers = [*problem.headers.items(), ("cache-control", "no-store")]
    if "text/html" in environ.get("HTTP_ACCEPT", ""):
        headers += [*HEADERS.items(), ("content-type", HTML)]
        body = _page(problem.status)
    else:
        headers.append(("content-type", "application/problem+json"))
        body = json.dumps(problem.document(), ensure_ascii=False).encode()
    headers.append(("content-length", str(len(body))))
    return f"{problem.status} {problem.title}", headers, body


@cache
def _page(status: int) -> bytes:
    return render.render("kit/refused.html", {"status": status, "now": clock.now()}).encode()
