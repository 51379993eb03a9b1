"""Records in the security log that a request was refused with 403."""

from typing import Any

from goldenrod.base.errors import Problem, Unavailable
from goldenrod.rules.changes import security_log
from goldenrod.web.request import Request


def record_refusal(request: Request, path: str, problem: Problem) -> None:
    """Record that a request was refused; `path` is that of its route. The answer does not wait for a
    writer: while somebody else is writing, the refusal is a line of the log only."""
    kind, actor, address = "access:refused", request.actor, request.address
    method = request.req.method
    detail: dict[str, Any] = {"method": method, "route": path, "code": problem.code}
    try:
        with request.db.write_unversioned(wait=False) as tx:
            tx.address = address
            security_log.record(tx, kind, actor, alike=(method, path), **detail)
    except Unavailable:
        security_log.write_line(kind, actor, address, detail)
