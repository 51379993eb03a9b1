"""Staff's pages that end a user's sessions. A session that has ended cannot be restored, so each is
confirmed first."""

from goldenrod.base.errors import NotFound
from goldenrod.catalogue.accounts import sessions, users
from goldenrod.store.db import Row
from goldenrod.web.pages import confirm
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.visit import Page, Visit
from goldenrod.web.pages.staff.staff_home import look, require_staff


def _found(visit: Visit, key: str) -> tuple[Row, list[Row]]:
    """A user, and their sessions. Raises NotFound."""
    with look(visit) as (tx, actor):
        user = users.USERS.row(tx, actor, key)
        return user, sessions.list_sessions(tx, actor, user)


def _ask(visit: Visit, user: Row, title: str, lede: str, impact: list[str], *path: str) -> Page:
    page = urls.staff("users", user["id"])
    about = confirm.Confirmation(
        section="staff",
        crumbs=[(urls.staff("users"), "Users"), (page, user["username"])],
        title=title,
        lede=lede,
        impact=impact,
        after="Their tokens keep working. To keep them out, disable the user or change the password.",
        action=urls.staff("users", user["id"], "sessions", *path, "end"),
        button=title,
        cancel=page,
    )
    return confirm.ask(visit, about)


def confirm_end(visit: Visit, key: str, uuid: str) -> Page:
    """GET /staff/users/{key}/sessions/{uuid}/end: which session it is, for confirmation."""
    user, active = _found(visit, key)
    session = next((it for it in active if it["uuid"] == uuid.lower()), None)
    if session is None:
        raise NotFound()
    name, browser = user["username"], session["browser"] or "an unknown browser"
    return _ask(
        visit,
        user,
        f"Sign {name} out of {browser}",
        f"{name} has to sign in again in that browser.",
        [
            f"{browser} at {session['address'] or 'an unknown address'}",
            f"signed in on {session['created'][:10]}",
        ],
        session["uuid"],
    )


def confirm_end_all(visit: Visit, key: str) -> Page:
    """GET /staff/users/{key}/sessions/end: how many sessions there are, for confirmation."""
    user, active = _found(visit, key)
    name, count = user["username"], len(active)
    impact = [f"{count:,} browser{'s' * (count != 1)}"]
    return _ask(
        visit,
        user,
        f"Sign {name} out everywhere",
        f"{name} has to sign in again in each browser.",
        impact,
    )


def end(visit: Visit, key: str, uuid: str) -> Page:
    """POST /staff/users/{key}/sessions/{uuid}/end."""
    with visit.write_unversioned() as (tx, actor):
        require_staff(actor)
        user = users.USERS.row(tx, actor, key)
        sessions.end_session(tx, actor, uuid, user)
    return _ended(visit, user, f"{user['username']} is signed out in that browser.", uuid)


def end_all(visit: Visit, key: str) -> Page:
    """POST /staff/users/{key}/sessions/end."""
    with visit.write_unversioned() as (tx, actor):
        require_staff(actor)
        user = users.USERS.row(tx, actor, key)
        sessions.end_all_sessions(tx, actor, user)
    return _ended(visit, user, f"{user['username']} is signed out everywhere.", None)


def _ended(visit: Visit, user: Row, done: str, uuid: str | None) -> Page:
    """Back to the user's page; staff who ended their own session are signed out."""
    mine = visit.session if user["id"] == visit.actor.user_id else None
    if mine and uuid in (None, mine.uuid):
        visit.leave()
        return visit.redirect(urls.HOME)
    return visit.redirect(urls.staff("users", user["id"]), done=done)
