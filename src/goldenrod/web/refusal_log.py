"""Refusals by rights (403), recorded in the security log after they were decided."""

from contextlib import suppress

from goldenrod.base.errors import Problem, Unavailable
from goldenrod.rules.changes import security_log
from goldenrod.web.request import Request


def note_refusal(request: Request, path: str, problem: Problem) -> None:
    """Record that a request was refused; `path` is its route's. The answer never waits on whether it
    could be recorded."""
    method = request.req.method
    with suppress(Unavailable), request.db.write_unversioned() as tx:
        tx.address = request.address
        security_log.record(
            tx,
            "access:refused",
            request.actor,
            alike=(method, path),
            method=method,
            route=path,
            code=problem.code,
        )
