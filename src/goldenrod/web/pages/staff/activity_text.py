"""Activity in plain sentences: who did what to which thing, with links."""

from dataclasses import dataclass

from goldenrod.catalogue.accounts.activity import ACTIONS, RESOURCES
from goldenrod.store.db import Row
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.versions.history_text import Change, changes_of, in_sync

RESULTS = {
    "changes": "changes",
    "sign_ins": "sign-ins",
    "refusals": "refusals",
    "exports": "exports and backups",
}
_VERBS = {
    "channel:assign": "assigned",
    "channel:hide": "removed",
    "user:link": "linked a single sign-on account to",
    "user:unlink": "unlinked a single sign-on account from",
    "version:create": "published",
    "sign_in:success": "signed in",
    "sign_in:failure": "failed to sign in",
    "sign_in:limited": "was kept from signing in after too many failures",
    "session:end": "signed out",
    "access:refused": "was refused",
    "export:run": "exported the catalogue",
    "backup:run": "backed up the database",
}
_ACTS = {
    "assign": "assigned",
    "create": "created",
    "edit": "changed",
    "end": "ended",
    "remove": "removed",
    "restore": "restored",
    "revoke": "revoked",
}
_NAMES = {"script": "boot script", "identity": "provider account"}
_FORMER_NAMES = ("name", "title", "username", "key", "target", "identifier")
"""The fields that have the name of what was removed."""
_WHO = {"console": "The console", "source": "An import"}


@dataclass(frozen=True)
class Entry:
    """One entry in parts: `who` `verb` `kind` `name` `more`. `who_href`, `href`: links, or empty."""

    at: str
    last_at: str
    who: str
    who_href: str
    verb: str
    kind: str
    name: str
    href: str
    more: str
    changes: tuple[Change, ...]
    address: str
    source: str
    count: int
    action: str

    @property
    def sentence(self) -> str:
        """The entry as one line of text."""
        words = (self.who, self.verb, self.kind, self.name, self.more)
        return " ".join(word for word in words if word)

    @property
    def changed(self) -> str:
        """The changed fields as one line of text."""
        return "; ".join(
            f"{it.field}: {it.before} → {it.after}" if it.before or it.after else it.field
            for it in self.changes
        )


def entry(row: Row) -> Entry:
    """An entry of the activity list, in words."""
    name, href = _subject(row)
    is_change = row["changes"] is not None
    by = row["by"]
    return Entry(
        at=row["at"],
        last_at=row["last_at"],
        who=by["username"] if by else _WHO.get(row["via"], "Somebody"),
        who_href=urls.staff("users", by["id"]) if by else "",
        verb=verb(row["action"]),
        kind=_kind(row["action"]) if is_change else "",
        name=name,
        href=href,
        more=in_sync(row) if is_change else _detail(row),
        changes=changes_of(row) if is_change else (),
        address=row["address"] or "",
        source=row["source"] or "",
        count=row["count"],
        action=row["action"],
    )


def verb(action: str) -> str:
    """What was done, without to what: `published`."""
    return _VERBS.get(action) or _ACTS[action.partition(":")[2]]


def _kind(action: str) -> str:
    resource = action.partition(":")[0]
    return f"the {resource_name(resource)}"


def resource_name(resource: str) -> str:
    """A kind of thing in words."""
    return _NAMES.get(resource, resource)


def _subject(row: Row) -> tuple[str, str]:
    """The name of what was changed, and the address of its page; empty if it has none."""
    subject = row["subject"]
    if row["changes"] is None:
        return "", ""
    if subject is None:
        before = (row["changes"].get(field, {}).get("before") for field in _FORMER_NAMES)
        return str(next((it for it in before if it), "")), ""
    name, image, key = subject["name"] or "unnamed", subject["image"], subject["id"]
    resource = subject["url"].split("/")[-2]
    if resource == "images":
        return name, urls.image(image)
    if resource == "image_versions":
        return f"{image['slug']} {name}", urls.version(subject)
    if resource == "provider_machines":
        version = subject["version"]
        return f"{name} of {version['image']['slug']} {version['name']}", urls.version(version)
    if resource == "channels":
        return f"{name} of {image['slug']}", urls.channel(image, name)
    if resource in ("providers", "users", "identities", "tags"):
        return name, urls.staff(resource, key)
    if resource == "tokens":
        user = subject["user"]
        return f"{name} of {user['username']}", urls.staff("users", user["id"])
    pages = {"groups": urls.group, "webhooks": urls.webhook}
    return name, pages[resource](subject) if resource in pages else ""


_WAYS = {"password": "with a password", "oidc": "with single sign-on"}  # nosec B105 # texts


def _detail(row: Row) -> str:
    detail = row["detail"]
    if detail.get("rest_of_hour"):
        return "(all others of that hour)"
    if row["action"] == "access:refused":
        return f"{detail['method']} {detail['route']} ({detail['code']})"
    if row["action"] == "session:end":
        of = f" of {detail['username']}" if "username" in detail else ""
        count = detail["sessions"]
        return f"of {count} browser{'s' * (count != 1)}{of}" if count != 1 or of else ""
    if "operator" in detail:
        return f"as {detail['operator']}" + " with credentials" * bool(detail.get("credentials"))
    unknown = " as an unknown user" if detail.get("reason") == "unknown user" else ""
    by = str(detail.get("by", ""))
    return (_WAYS.get(by) or (f"for a {by}" if by else "")) + unknown


ACTION_CHOICES = [
    (action, f"{resource_name(action.partition(':')[0])}: {verb(action)}".replace("_", " "))
    for action in ACTIONS
]
"""The choices of the filter by action: each with its words."""
RESOURCE_CHOICES = [(resource, resource_name(resource)) for resource in RESOURCES]
