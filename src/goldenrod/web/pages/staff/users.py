"""Staff's pages of users: create and disable them, set rights and password, link accounts.

The pages do not offer to disable oneself or to remove one's own staff rights, so that staff cannot
lock themselves out.
"""

from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import Problem, field_problem
from goldenrod.base.faults import Faults
from goldenrod.catalogue.accounts import (
    groups,
    identities,
    oidc_accounts,
    oidc_claims,
    sessions,
    tokens,
    users,
)
from goldenrod.catalogue.images import images
from goldenrod.rules.access import Actor
from goldenrod.store.db import Tx
from goldenrod.web.pages import confirm
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form, refused
from goldenrod.web.pages.kit.listing import listed
from goldenrod.web.pages.kit.visit import Page, Undo, Visit
from goldenrod.web.pages.staff.staff_home import change, look, require_fields

LABELS = {
    "username": "Username",
    "password": "Password",  # nosec B105 # the label of a field
    "is_staff": "Staff",
    "issuer": "Issuer",
    "subject": "Subject",
}
MOST_SHOWN = "100"

User = dict[str, Any]


def show_users(visit: Visit) -> Page:
    """GET /staff/users."""
    with look(visit) as (tx, actor):
        fixed, asked = {"ordering": "username"}, ("prefix", "active", "is_staff")
        found = listed(visit, tx, actor, users.USERS.page, users.USERS.listing, *asked, **fixed)
    return visit.page("staff/users.html", list=found)


def show_new(visit: Visit) -> Page:
    """GET /staff/users/new."""
    with look(visit):
        pass
    return _new(visit, Form.of())


def _new(visit: Visit, form: Form, problem: Problem | None = None) -> Page:
    return visit.page("staff/user_new.html", form=form, problem=problem, labels=LABELS)


def create_user(visit: Visit) -> Page:
    """POST /staff/users/new."""
    _require_sent_by_staff(visit)
    fields = {
        "username": visit.form.get("username"),
        "is_staff": visit.form.on("is_staff"),
        "password": visit.form.get("password") or None,
    }
    try:
        faults = Faults()
        require_fields(faults, visit.form, "username")
        body = decode.convert_with(faults, fields, wire.NewUser)
        password_hash = faults.of(users.hash_password, body.username, body.password)
        with change(visit) as (tx, actor):
            created = faults.then(users.create_user, tx, actor, body, password_hash=password_hash)
            user = users.USERS.read(tx, actor, created.key)
    except REFUSALS as problem:
        return _new(visit, visit.form, refused(problem))
    return visit.redirect(_page(user), done=f"User {user['username']} created.")


def _require_sent_by_staff(visit: Visit) -> None:
    """Raise Unauthorized, NotFound or Forbidden unless staff sent this form. For what is done before
    the transaction: hashing a password in it would make all other writers wait."""
    visit.require_sent()
    with look(visit):
        pass


def _page(user: User, *rest: object) -> str:
    return urls.staff("users", user["id"], *rest)


def show_user(visit: Visit, key: str) -> Page:
    """GET /staff/users/{key}."""
    return _show(visit, key, Form.of(issuer=visit.settings.oidc_issuer))


def _show(visit: Visit, key: str, form: Form, problem: Problem | None = None) -> Page:
    with look(visit) as (tx, actor):
        user = users.USERS.read(tx, actor, key)
        accounts = oidc_accounts.list_accounts(tx, actor, user["id"])
        by_user = {"user": user["username"], "page_size": MOST_SHOWN}
        provider_accounts = identities.IDENTITIES.read_list(tx, actor, **by_user)
        of_user = tokens.TOKENS.read_list(tx, actor, **by_user, ordering="-created")
        owned = _owned(tx, actor, user)
        asked = {"user": user["username"], "personal": "false", "ordering": "name"}
        of_groups = groups.GROUPS.read_list(tx, actor, **asked, page_size=MOST_SHOWN)
        active = sessions.list_sessions(tx, actor, user)
        claimed = oidc_claims.claimed_groups(tx, actor, user["id"])
    return visit.page(
        "staff/user.html",
        groups=of_groups,
        sessions=active,
        current=visit.session.uuid if visit.session else None,
        claimed_groups=claimed,
        oidc_name=visit.settings.oidc_name,
        user=user,
        myself=user["id"] == visit.actor.user_id,
        accounts=accounts,
        provider_accounts=provider_accounts,
        tokens=of_user,
        owned=owned,
        oidc_enabled=bool(visit.settings.oidc_issuer),
        form=form,
        problem=problem,
        labels=LABELS,
    )


def _owned(tx: Tx, actor: Actor, user: User) -> int:
    """How many images a user owns."""
    return images.IMAGES.count(tx, actor, owner=user["username"])


def _edit(
    tx: Tx, actor: Actor, key: str, patch: wire.UserPatch, password_hash: str | None = None
) -> User:
    row = users.USERS.row_for_change(tx, actor, key)
    users.edit_user(tx, actor, row, patch, password_hash=password_hash)
    user: User = users.USERS.read(tx, actor, key)
    return user


def confirm_staff(visit: Visit, key: str) -> Page:
    """GET /staff/users/{key}/staff: what staff can see and do, for confirmation."""
    with look(visit) as (tx, actor):
        user = users.USERS.read(tx, actor, key)
        private = images.IMAGES.count(tx, actor, is_public="false")
        every = images.IMAGES.count(tx, actor)
        accounts = users.USERS.count(tx, actor)
    name = user["username"]
    about = confirm.Confirmation(
        section="staff",
        crumbs=[(urls.staff("users"), "Users"), (_page(user), name)],
        title=f"Make {name} staff",
        lede=f"{name} can see and change everything in this catalogue, at once.",
        impact=[
            f"{every:,} image{'s' * (every != 1)}, {private:,} of them private",
            f"{accounts:,} user{'s' * (accounts != 1)}, their rights and their sign-ins",
            "all groups, providers, identities, tags and webhooks",
        ],
        after="What they see until this is taken back cannot be unseen.",
        fields={"on": "on"},
        action=_page(user, "staff"),
        button=f"Make {name} staff",
        cancel=_page(user),
    )
    return confirm.ask(visit, about)


def set_staff(visit: Visit, key: str) -> Page:
    """POST /staff/users/{key}/staff: give or remove staff rights."""
    on = visit.form.on("on")
    with change(visit) as (tx, actor):
        from_claims = users.USERS.read(tx, actor, key)["staff_from_claims"]
        user = _edit(tx, actor, key, wire.UserPatch(is_staff=on))
    verb = "is now" if on else "is no longer"
    # Undoing would give by hand what a claim gave.
    undo = None if from_claims else Undo(_page(user, "staff"), {} if on else {"on": "on"})
    return visit.redirect(_page(user), done=f"{user['username']} {verb} staff.", undo=undo)


def show_disable(visit: Visit, key: str) -> Page:
    """GET /staff/users/{key}/disable: the impact, for confirmation."""
    with look(visit) as (tx, actor):
        user = users.USERS.read(tx, actor, key)
        owned = _owned(tx, actor, user)
        of_user = tokens.TOKENS.read_list(tx, actor, user=user["username"], page_size=1000)
        now = tx.now
    usable = [token for token in of_user if tokens.is_usable(token, now)]
    return visit.page("staff/user_disable.html", user=user, owned=owned, usable=len(usable))


def set_active(visit: Visit, key: str) -> Page:
    """POST /staff/users/{key}/active: disable or enable a user."""
    on = visit.form.on("on")
    with change(visit) as (tx, actor):
        user = _edit(tx, actor, key, wire.UserPatch(active=on))
    state = "enabled" if on else "disabled"
    undo = Undo(_page(user, "active"), {} if on else {"on": "on"})
    return visit.redirect(_page(user), done=f"User {user['username']} {state}.", undo=undo)


def set_password(visit: Visit, key: str) -> Page:
    """POST /staff/users/{key}/password: set or remove the password."""
    _require_sent_by_staff(visit)
    password = None if visit.form.on("none") else visit.form.get("password")
    try:
        if password == "":  # nosec B105 # compared with nothing
            raise field_problem("password", "is required")
        patch = decode.convert({"password": password}, wire.UserPatch)
        with look(visit) as (tx, actor):
            username = users.USERS.read(tx, actor, key)["username"]
        password_hash = users.hash_password(username, password)
        with change(visit) as (tx, actor):
            user = _edit(tx, actor, key, patch, password_hash)
    except REFUSALS as problem:
        return _show(visit, key, visit.form, refused(problem))
    state = "changed" if password else "removed"
    return visit.redirect(
        _page(user), done=f"Password {state}. {user['username']} is signed out everywhere."
    )


def link_account(visit: Visit, key: str) -> Page:
    """POST /staff/users/{key}/accounts: link an OpenID Connect account to the user."""
    try:
        with change(visit) as (tx, actor):
            row = users.USERS.row_for_change(tx, actor, key)
            issuer, subject = visit.form.get("issuer"), visit.form.get("subject")
            oidc_accounts.link(tx, actor, row, issuer, subject)
            user = users.USERS.read(tx, actor, key)
    except REFUSALS as problem:
        return _show(visit, key, visit.form, refused(problem))
    return visit.redirect(_page(user), done=f"Account linked to {user['username']}.")


def unlink_account(visit: Visit, key: str, uuid: str) -> Page:
    """POST /staff/users/{key}/accounts/{uuid}/unlink."""
    with change(visit) as (tx, actor):
        row = users.USERS.row_for_change(tx, actor, key)
        account = oidc_accounts.unlink(tx, actor, row, uuid)
        user = users.USERS.read(tx, actor, key)
    back = {"issuer": account["issuer"], "subject": account["subject"]}
    return visit.redirect(
        _page(user),
        done=f"Account unlinked. {user['username']} is signed out everywhere.",
        undo=Undo(_page(user, "accounts"), back),
    )
