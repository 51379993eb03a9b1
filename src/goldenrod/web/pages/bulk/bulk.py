"""Pages that deprecate, revoke or share several versions of an image: choose, preview, confirm.

Only the shown impact is carried out, all of it or nothing. If it has changed meanwhile, or another
option was chosen, the page shows the new impact instead.
"""

import hashlib
import json
import uuid
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import BadRequest, Problem, field_problem
from goldenrod.base.faults import Faults
from goldenrod.base.numbers import is_id
from goldenrod.base.text import is_uuid
from goldenrod.catalogue.versions import versions
from goldenrod.catalogue.versions.bulk import bulk
from goldenrod.rules.access import Actor
from goldenrod.rules.changes.mutations import Created
from goldenrod.rules.lifecycle import states
from goldenrod.store import paging
from goldenrod.store.db import Tx
from goldenrod.web.pages.kit import address_targets, fields, urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form
from goldenrod.web.pages.kit.listing import listed
from goldenrod.web.pages.kit.render import plural
from goldenrod.web.pages.kit.visit import Page, Visit
from goldenrod.web.pages.versions import deprecate, revoke

Thing = dict[str, Any]

FILTERS = ("state", "search", "cursor")
TAKES = (*FILTERS, "pick", "action")
ACTIONS = {"deprecate": "Deprecate", "revoke": "Revoke", "share": "Share"}
LABELS = {"versions": "Versions", "action": "Action", "groups": "Groups or people"}
REVOKE_LABELS = revoke.LABELS | {"descendants": "Also revoke everything built on them"}
UNDONE = {
    "deprecate": "not deprecated any more",
    "revoke": "restored",
    "share": "no longer shared with those groups",
}
DONE = {"deprecate": "deprecated", "revoke": "revoked", "share": "shared"}


def show_bulk(visit: Visit, slug: str) -> Page:
    """GET /images/{slug}/bulk: the versions, to choose some and an action."""
    visit.require_user()
    ticked = [key for key in visit.asked_all("pick") if is_uuid(key)]
    return _choose(visit, slug, Form.of(versions=ticked, action=visit.asked("action")))


def _choose(visit: Visit, slug: str, form: Form, problem: Problem | None = None) -> Page:
    with visit.read() as (tx, actor):
        _, image = address_targets.image_for_change(tx, actor, slug)
        found = listed(
            visit,
            tx,
            actor,
            bulk.list_choices,
            versions.VERSIONS.listing,
            *("state", "search"),
            **_fixed(image),
        )
    if visit.req.method == "GET" and slug != image["slug"]:
        return visit.redirect(urls.image(image, "bulk"))
    return visit.page(
        "bulk/bulk.html",
        image=image,
        list=found,
        form=form,
        problem=problem,
        labels=LABELS,
        actions=ACTIONS,
        most=wire.MOST_IN_BULK,
        states=[("", "any"), *((state, state) for state in states.STATES)],
    )


def _fixed(image: Thing) -> dict[str, str]:
    size = str(wire.MOST_IN_BULK)
    return {"image_id": str(image["id"]), "ordering": "-start_date", "page_size": size}


def change(visit: Visit, slug: str) -> Page:
    """POST /images/{slug}/bulk: `do` "choose" and "count" show the impact, "apply" changes."""
    visit.require_sent()
    if visit.form.get("do") == "apply":
        return _apply(visit, slug)
    return _confirm(visit, slug, visit.form)


def _confirm(
    visit: Visit, slug: str, form: Form, problem: Problem | None = None, note: str = ""
) -> Page:
    effect: Thing | None = None
    first = form.get("do") == "choose"
    try:
        with visit.preview() as (tx, actor, can_try):
            row, image = address_targets.image_for_change(tx, actor, slug)
            form = _with_defaults(visit, tx, actor, image, form) if first else form
            chosen = _named(tx, actor, image, form)
            # Sharing asks for groups first.
            ready = form.get("action") != "share" or bool(form.words("groups")) or not first
            try:
                faults = Faults()
                body = _body(faults, tx, actor, image, form, dry=True)
                if can_try and ready:
                    outcome = faults.then(bulk.change, tx, actor, row, body)
                    effect = bulk.describe(tx, actor, outcome, dry_run=True)
                    effect["stops"] = form.get("action") == "revoke" and not form.on(
                        "roll_back_channels"
                    )
                    effect["built_on"] = outcome.built_on
            except REFUSALS as refused:
                problem = problem or fields.placed(refused)
    except _NothingChosen as refused:
        return _choose(visit, slug, form, refused.problem)
    return visit.page(
        "bulk/bulk_confirm.html",
        image=image,
        chosen=chosen,
        form=form.but(touched=_fingerprint(effect, form)) if effect else form,
        problem=problem,
        labels=LABELS | (REVOKE_LABELS if form.get("action") == "revoke" else deprecate.LABELS),
        action=form.get("action"),
        verb=ACTIONS[form.get("action")],
        done=DONE[form.get("action")],
        effect=effect,
        busy=not can_try,
        ready=ready,
        note=note,
    )


class _NothingChosen(Exception):
    """The form does not say which versions or which action."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


def _with_defaults(visit: Visit, tx: Tx, actor: Actor, image: Thing, form: Form) -> Form:
    """The form of the second step, with the versions that the first one chose."""
    faults = Faults()
    ids = form.all("versions")
    if form.on("all"):
        ids = faults.of(_all_matching, visit, tx, actor, image)
    elif not ids:
        faults.add(field_problem("versions", "choose at least one"))
    elif len(ids) > wire.MOST_IN_BULK:
        faults.add(field_problem("versions", _too_many(len(ids))))
    if form.get("action") not in ACTIONS:
        faults.add(field_problem("action", "choose one"))
    try:
        faults.report()
    except BadRequest as wrong:
        raise _NothingChosen(wrong) from None
    return form.but(versions=ids, when="now", roll_back_channels=True, key=str(uuid.uuid4()))


def _all_matching(visit: Visit, tx: Tx, actor: Actor, image: Thing) -> list[str]:
    asked = {name: visit.asked(name).strip() for name in ("state", "search")}
    given = _fixed(image) | {name: text for name, text in asked.items() if text}
    query = paging.parse(versions.VERSIONS.listing, {name: [it] for name, it in given.items()})
    page = bulk.list_choices(tx, actor, query)
    if page.count > wire.MOST_IN_BULK:
        raise field_problem("versions", _too_many(page.count))
    if not page.results:
        raise field_problem("versions", "none match")
    return [json.loads(one)["id"] for one in page.results]


def _too_many(count: int) -> str:
    return f"at most {wire.MOST_IN_BULK} at once, and these are {count:,}: narrow the filters"


def _named(tx: Tx, actor: Actor, image: Thing, form: Form) -> list[Thing]:
    """The chosen versions, for the page. Raises _NothingChosen."""
    ids = [key for key in form.all("versions") if is_uuid(key)][: wire.MOST_IN_BULK]
    found = bulk.summaries_of(tx, actor, ids)
    if not found or form.get("action") not in ACTIONS:
        raise _NothingChosen(field_problem("versions", "choose at least one"))
    return found


def _body(
    faults: Faults, tx: Tx, actor: Actor, image: Thing, form: Form, *, dry: bool = False
) -> wire.Bulk:
    """The request body of the form; the preview needs no reason."""
    action = form.get("action")
    given: Thing = {"action": action, "versions": form.all("versions")}
    if action == "revoke":
        given |= revoke.terms(form, faults, dry=dry)
    elif action == "share":
        given["groups"] = form.words("groups")
    else:
        given |= {
            "reason": form.get("reason").strip() or None,
            "at": fields.instant(form.get("at")),
        }
        with faults.noted():
            given["replacement"] = address_targets.meant(
                tx, actor, image, "replacement", form.get("replacement")
            )
    return decode.convert_with(faults, given, wire.Bulk)


def _fingerprint(effect: Thing, form: Form) -> str:
    """A fingerprint of the impact, to notice when it changes."""
    facts = [
        form.get("action"),
        [one["id"] for one in effect["chosen"]],
        [(one["version"]["id"], one["reason"]) for one in effect["left_out"]],
        [(one["version"]["id"], one["after"]) for one in effect["versions"]],
        [
            (one["image"]["id"], one["channel"], one["after"] and one["after"]["id"])
            for one in effect["channels"]
        ],
        [group["id"] for group in effect["groups"]],
        [number for name, number in effect.items() if name.endswith("_count")],
        form.on("roll_back_channels"),
    ]
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=12).hexdigest()


def _apply(visit: Visit, slug: str) -> Page:
    try:
        with visit.change() as (tx, actor):
            row, image = address_targets.image_for_change(tx, actor, slug)
            is_new = False

            def create() -> Created:
                nonlocal is_new
                is_new = True
                faults = Faults()
                body = _body(faults, tx, actor, image, visit.form)
                outcome = faults.then(bulk.change, tx, actor, row, body)
                return Created(str(image["id"]), False, outcome._asdict())

            made = fields.once(visit, tx, actor, create)
            outcome = bulk.Outcome(**made.extra)
            effect = bulk.describe(tx, actor, outcome, dry_run=False)
            tx.dry_run = is_new and _fingerprint(effect, visit.form) != visit.form.get("touched")
            outdated, now = tx.dry_run, tx.now
            # A form that is sent again shows the same, but others may have changed the versions since.
            changed = bulk.changed_versions(tx, actor, row, outcome) if is_new else []
    except REFUSALS as problem:
        return _confirm(visit, slug, visit.form, fields.placed(problem))
    if outdated:
        return _confirm(visit, slug, visit.form, note="The impact has changed.")
    return visit.page(
        "bulk/bulk_done.html",
        image=image,
        effect=effect,
        done=DONE[effect["action"]],
        scheduled=effect["at"] > now,
        changed=[f"{it.id} {it.mark} {','.join(map(str, it.groups))}" for it in changed],
    )


def undo(visit: Visit, slug: str) -> Page:
    """POST /images/{slug}/bulk/undo: undo `action` on all of `versions`, each as the page of the change
    has it: an id, a mark, and groups."""
    visit.require_sent()
    with visit.change() as (tx, actor):
        row, image = address_targets.image_for_change(tx, actor, slug)
        changed = [_changed(text) for text in visit.form.all("versions")]
        action = visit.form.get("action")
        if action not in ACTIONS or not 0 < len(changed) <= wire.MOST_IN_BULK:
            raise _not_sent()
        bulk.undo(tx, actor, row, action, changed)
    count = plural(len(changed), "version")
    return visit.redirect(urls.image(image, "bulk"), done=f"Undone: {count} {UNDONE[action]}.")


def _changed(text: str) -> bulk.Changed:
    key, mark, groups = [*text.split(" "), "", ""][:3]
    ids = [part for part in groups.split(",") if part]
    if not is_uuid(key) or not all(is_id(part) for part in ids):
        raise _not_sent()
    return bulk.Changed(key, mark, [int(part) for part in ids])


def _not_sent() -> BadRequest:
    return field_problem("versions", "are not those of a page of this server")
