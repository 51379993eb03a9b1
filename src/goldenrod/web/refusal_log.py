"""Records in the security log that a request was refused with 403."""

from contextlib import suppress

from goldenrod.base.errors import Problem, Unavailable
from goldenrod.rules.changes import security_log
from goldenrod.web.request import Request


def record_refusal(request: Request, path: str, problem: Problem) -> None:
    """Record that a request was refused; `path` is that of its route. The request is answered even
    where this cannot be recorded."""
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
