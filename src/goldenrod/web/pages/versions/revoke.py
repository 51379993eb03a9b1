"""The page that revokes a version. It shows the impact first; the button names the number.

Only the shown impact is carried out. If it has changed meanwhile, or another option was chosen, the
page shows the new impact instead.
"""

import hashlib
import json
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import Problem, field_problem
from goldenrod.base.faults import Faults
from goldenrod.catalogue.versions import impact, revocations
from goldenrod.catalogue.versions.lineage import lineage
from goldenrod.web.pages.kit import address_targets, fields, urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form
from goldenrod.web.pages.kit.visit import Page, Undo, Visit

Thing = dict[str, Any]

LABELS = {
    "reason": "Reason",
    "at": "When",
    "descendants": "Also revoke everything built on it",
    "roll_back_channels": "Roll channels back to their previous version",
}
UNSAID = "not given yet"
"""The reason used for the preview."""


def show_revoke(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/versions/{name}/revoke: the form and its impact."""
    form = Form.of(when="now", descendants=visit.asked("descendants"), roll_back_channels=True)
    return _page(visit, slug, name, form)


def _page(
    visit: Visit, slug: str, name: str, form: Form, problem: Problem | None = None, note: str = ""
) -> Page:
    effect: Thing | None = None
    already = False
    with visit.preview() as (tx, actor, can_try):
        row, version = address_targets.version_for_change(tx, actor, slug, name)
        descendants = lineage.get_lineage(tx, actor, version["id"], "descendants")
        try:
            faults = Faults()
            body = _body(form, faults, dry=True)
            faults.report()
            if can_try:
                found = revocations.revoke(tx, actor, row, body)
                effect = revocations.describe(tx, actor, found, dry_run=True)
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
        form=form.but(touched=_fingerprint(effect, form)) if effect else form,
        problem=problem,
        labels=LABELS,
        note=note,
        effect=effect,
        busy=not can_try,
        already=already,
        tree=_tree(effect, descendants) if effect else [],
        below=len(descendants["nodes"]) - 1,
        machines=machines,
        images_count=len({one["version"]["image"]["id"] for one in effect["versions"]})
        if effect
        else 0,
    )


def _body(form: Form, faults: Faults, *, dry: bool = False) -> wire.Revocation:
    return decode.convert_with(faults, terms(form, faults, dry=dry), wire.Revocation)


def terms(form: Form, faults: Faults, *, dry: bool = False) -> Thing:
    """The terms of a revocation as a form gives them; the preview needs no reason."""
    at, scheduled = fields.instant(form.get("at")), form.get("when") == "then"
    if scheduled and at is None and not dry:
        faults.add(field_problem("at", "is required to schedule; or choose Now"))
    if at is not None and not scheduled:
        faults.add(field_problem("at", "is not now: choose Schedule, or leave the time empty"))
    return {
        "reason": UNSAID if dry else form.get("reason"),
        "at": at,
        "descendants": form.on("descendants"),
        "roll_back_channels": form.on("roll_back_channels"),
    }


def _fingerprint(effect: Thing, form: Form) -> str:
    """A fingerprint of the impact, to notice when it changes."""
    facts = [
        *[(one["version"]["id"], one["after"]) for one in effect["versions"]],
        *[
            (one["image"]["id"], one["channel"], one["after"] and one["after"]["id"])
            for one in effect["channels"]
        ],
        effect["versions_count"],
        effect["channels_count"],
        form.on("roll_back_channels"),
    ]
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=12).hexdigest()


def _tree(effect: Thing, descendants: Thing) -> list[tuple[int, Thing]]:
    """The versions that change, each below its parent, with their depth."""
    changed = {one["version"]["id"]: one["version"] for one in effect["versions"]}
    children: dict[str, list[str]] = {}
    for edge in descendants["edges"]:
        children.setdefault(edge["parent"], []).append(edge["child"])
    found: list[tuple[int, Thing]] = []
    waiting = [(descendants["root"], 0)]
    while waiting:
        key, depth = waiting.pop()
        if key in changed:
            found.append((depth, changed.pop(key)))
            depth += 1
        waiting += [(child, depth) for child in reversed(children.get(key, []))]
    # Descendants of a version that is hidden from this visitor.
    return found + [(1, version) for version in changed.values()]


def revoke(visit: Visit, slug: str, name: str) -> Page:
    """POST /images/{slug}/versions/{name}/revoke."""
    visit.require_sent()
    if visit.form.get("do") == "count":
        return _page(visit, slug, name, visit.form)
    try:
        with visit.change() as (tx, actor):
            row, version = address_targets.version_for_change(tx, actor, slug, name)
            faults = Faults()
            body = _body(visit.form, faults)
            found = faults.then(revocations.revoke, tx, actor, row, body)
            effect = revocations.describe(tx, actor, found, dry_run=False)
            tx.dry_run = _fingerprint(effect, visit.form) != visit.form.get("touched")
            outdated, now = tx.dry_run, tx.now
    except REFUSALS as problem:
        return _page(visit, slug, name, visit.form, fields.placed(problem))
    if outdated:
        return _page(visit, slug, name, visit.form, note="The impact has changed.")
    return visit.redirect(
        urls.version(version),
        done=_done(version, effect, now),
        more=_channels_changed(effect, now),
        undo=Undo(urls.version(version, "restore"), {"what": "revocation"}),
    )


def _done(version: Thing, effect: Thing, now: str) -> str:
    others = effect["versions_count"] - 1
    built = f" and {others} version{'s' * (others > 1)} built on it" if others > 0 else ""
    if effect["at"] > now:
        return f"{version['name']}{built} will be revoked {fields.spoken(effect['at'])}."
    return f"{version['name']}{built} revoked."


def _channels_changed(effect: Thing, now: str) -> str:
    count = effect["channels_count"]
    change = "will change then" if effect["at"] > now else "changed"
    return f"{count} channel{'s' * (count > 1)} {change}." if count else ""
