"""Revoking in a browser: what it would touch is shown first, and the button names the number.

Nothing is revoked but what was shown: where that differs by now, or another option was chosen since,
it is counted and shown again.
"""

import hashlib
import json
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import Problem
from goldenrod.catalogue.versions import impact, revocations
from goldenrod.catalogue.versions.lineage import lineage
from goldenrod.web.pages.kit import fields, references, urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form
from goldenrod.web.pages.kit.visit import Page, Undo, Visit

Thing = dict[str, Any]

LABELS = {
    "reason": "Reason",
    "at": "When",
    "descendants": "Also everything built from it",
    "roll_back_channels": "Channels fall back to what they offered before",
}
UNSAID = "not said yet"
"""Stands for the reason while it is tried what revoking would touch."""


def show_revoke(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/versions/{name}/revoke: the form, and what it would touch as it stands."""
    form = Form.of(when="now", descendants=visit.asked("descendants"), roll_back_channels=True)
    return _page(visit, slug, name, form)


def _page(
    visit: Visit, slug: str, name: str, form: Form, problem: Problem | None = None, note: str = ""
) -> Page:
    effect: Thing | None = None
    already = False
    with visit.preview() as (tx, actor, can_try):
        row, version = references.version_for_change(tx, actor, slug, name)
        line = lineage.get_lineage(tx, actor, version["id"], "descendants")
        try:
            body = _body(form, dry=True)
            if can_try:
                found = revocations.revoke(tx, actor, row, body)
                effect = revocations.shown(tx, actor, found, dry_run=True)
                effect["stops"] = not form.on("roll_back_channels")
        except REFUSALS as refused:
            already = refused.code == "version_already_revoked"
            problem = problem or (None if already else fields.placed(refused))
    with visit.read() as (tx, actor):
        ids = [one["version"]["id"] for one in effect["versions"]] if effect else []
        machines = impact.machines_of_versions(tx, actor, ids)
    return visit.page(
        "versions/version_revoke.html",
        image=version["image"],
        version=version,
        form=form.but(touched=_shown(effect, form)) if effect else form,
        problem=problem,
        labels=LABELS,
        note=note,
        effect=effect,
        busy=not can_try,
        already=already,
        tree=_tree(effect, line) if effect else [],
        below=len(line["nodes"]) - 1,
        machines=machines,
        images_count=len({one["version"]["image"]["id"] for one in effect["versions"]})
        if effect
        else 0,
    )


def _body(form: Form, *, dry: bool = False) -> wire.Revocation:
    """What the form asks for; tried without a reason, too. Raises BadRequest."""
    at = fields.instant(form.get("at")) if form.get("when") == "then" else None
    given = {
        "reason": UNSAID if dry else form.get("reason"),
        "at": at,
        "descendants": form.on("descendants"),
        "roll_back_channels": form.on("roll_back_channels"),
    }
    return decode.convert(given, wire.Revocation)


def _shown(effect: Thing, form: Form) -> str:
    """What a dry run told, so that the same can be told from another."""
    told = [
        *[(one["version"]["id"], one["after"]) for one in effect["versions"]],
        *[
            (one["image"]["id"], one["channel"], one["after"] and one["after"]["id"])
            for one in effect["channels"]
        ],
        effect["versions_count"],
        effect["channels_count"],
        form.on("roll_back_channels"),
    ]
    return hashlib.blake2b(json.dumps(told).encode(), digest_size=12).hexdigest()


def _tree(effect: Thing, line: Thing) -> list[tuple[int, Thing]]:
    """The versions that change, each below the one that it was built on, with their depth."""
    touched_ = {one["version"]["id"]: one["version"] for one in effect["versions"]}
    children: dict[str, list[str]] = {}
    for edge in line["edges"]:
        children.setdefault(edge["parent"], []).append(edge["child"])
    found: list[tuple[int, Thing]] = []
    waiting = [(line["root"], 0)]
    while waiting:
        key, depth = waiting.pop()
        if key in touched_:
            found.append((depth, touched_.pop(key)))
            depth += 1
        waiting += [(child, depth) for child in reversed(children.get(key, []))]
    # What hangs below a version that this visitor may not see.
    return found + [(1, version) for version in touched_.values()]


def revoke(visit: Visit, slug: str, name: str) -> Page:
    """POST /images/{slug}/versions/{name}/revoke."""
    visit.require_sent()
    if visit.form.get("do") == "count":
        return _page(visit, slug, name, visit.form)
    try:
        with visit.change() as (tx, actor):
            row, version = references.version_for_change(tx, actor, slug, name)
            found = revocations.revoke(tx, actor, row, _body(visit.form))
            effect = revocations.shown(tx, actor, found, dry_run=False)
            tx.undone = _shown(effect, visit.form) != visit.form.get("touched")
            unseen = tx.undone
    except REFUSALS as problem:
        return _page(visit, slug, name, visit.form, fields.placed(problem))
    if unseen:
        return _page(visit, slug, name, visit.form, note="What this touches differs from what was")
    return visit.redirect(
        urls.version(version),
        done=_done(version, effect),
        more=_snapshot_changed(effect),
        undo=Undo(urls.version(version, "restore"), {"what": "revocation"}),
    )


def _done(version: Thing, effect: Thing) -> str:
    others = effect["versions_count"] - 1
    built = f" and {others} built on it" if others > 0 else ""
    return f"{version['name']}{built} revoked."


def _snapshot_changed(effect: Thing) -> str:
    count = effect["channels_count"]
    return f"{count} channel{'s' * (count > 1)} moved." if count else ""
