"""Refusals by rights (403), recorded in the security log after they were decided."""

from contextlib import suppress

from goldenrod.base.errors import Problem, Unavailable
from goldenrod.rules.changes import security_log
from goldenrod.web.request import Call


def note_refusal(call: Call, path: str, problem: Problem) -> None:
    """Record that a request was refused; `path` is its route's. The answer never waits on whether it
    could be recorded."""
    method = call.req.method
    with suppress(Unavailable), call.db.note() as tx:
        tx.address = call.address
        security_log.record(
            tx,
            "access:refused",
            call.actor,
            alike=(method, path),
            method=method,
            route=path,
            code=problem.code,
        )
