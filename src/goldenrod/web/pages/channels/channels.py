"""Pages of channels: offers and history; for editors also assigning, rolling back and configuring."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from goldenrod.base import decode, wire
from goldenrod.base.errors import (
    Conflict,
    FieldError,
    Forbidden,
    NotFound,
    Problem,
    Unauthorized,
    field_problem,
)
from goldenrod.base.faults import Faults
from goldenrod.catalogue.channels import assign as assigning
from goldenrod.catalogue.channels import channels
from goldenrod.catalogue.images import image_page, images
from goldenrod.catalogue.versions import instead
from goldenrod.rules import resources
from goldenrod.rules.access import Actor
from goldenrod.rules.lifecycle import states
from goldenrod.rules.lifecycle.channel_targets import LATEST
from goldenrod.store import paging
from goldenrod.store.db import Tx
from goldenrod.web.pages import confirm
from goldenrod.web.pages.channels import offer_changes
from goldenrod.web.pages.kit import address_targets, fields, urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form
from goldenrod.web.pages.kit.visit import Page, Undo, Visit

Thing = dict[str, Any]

LABELS = {
    "name": "Channel",
    "version": "Version",
    "reason": "Reason",
    "restricted": "Restricted",
    "groups": "Groups",
    "providers": "Machines on",
    "channel": "Time in another channel",
    "days": "Minimum days there",
}
HISTORY_SHOWN = 50


def show_channels(visit: Visit, slug: str) -> Page:
    """GET /images/{slug}/channels; `version` is chosen in the form."""
    return _list_page(visit, slug, Form.of(version=visit.asked("version")))


def _list_page(visit: Visit, slug: str, form: Form, problem: Problem | None = None) -> Page:
    with visit.read() as (tx, actor):
        image = images.IMAGES.read(tx, actor, slug)
        asked = paging.parse(channels.LIST, {"page_size": ["1000"]})
        page = channels.list_channels(tx, actor, str(image["id"]), asked)
        may = _may_change(tx, actor, image)
    return visit.page(
        "channels/channels.html",
        image=image,
        channels=[json.loads(one) for one in page.results],
        may=may,
        offerable=_offerable(image),
        form=form,
        problem=problem,
        labels=LABELS,
        missing=_missing(problem),
    )


def _may_change(tx: Tx, actor: Actor, image: Thing) -> bool:
    try:
        images.IMAGES.row_for_change(tx, actor, str(image["id"]))
    except (Forbidden, Unauthorized):
        return False
    return True


def _offerable(image: Thing) -> list[Thing]:
    """The newest versions that a channel may be assigned."""
    return [version for version in image["versions"] if version["state"] in states.OFFERABLE]


def _missing(problem: Problem | None) -> Thing | None:
    """The requirements that the version does not meet, if that is why assigning was refused."""
    if problem is None or problem.code != "channel_requirement_unmet":
        return None
    return shown_missing(problem.extra["missing"])


def shown_missing(found: Thing) -> Thing:
    """What a version is missing for a channel, in the form that pages show."""
    # `not_before` is None for a version that was never in the other channel.
    return {
        "providers": found.get("providers", []),
        "time": "not_before" in found,
        "not_before": found.get("not_before"),
    }


# ── one channel ────────────────────────────────────────────────────────────────────────────


def show_channel(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/channels/{name}."""
    return _page(visit, slug, name, Form.of(version=visit.asked("version")))


def _page(
    visit: Visit,
    slug: str,
    name: str,
    form: Form,
    problem: Problem | None = None,
    config: Form | None = None,
) -> Page:
    with visit.read() as (tx, actor):
        image = images.IMAGES.read(tx, actor, slug)
        text = channels.get_channel(tx, actor, slug, name)
        asked = {"ordering": ["-sequence"], "page_size": [str(HISTORY_SHOWN)]}
        history = channels.list_assignments(
            tx, actor, slug, name, paging.parse(channels.HISTORY, asked)
        )
        may = name != LATEST and _may_change(tx, actor, image)
        others = channels.list_channels(
            tx, actor, slug, paging.parse(channels.LIST, {"page_size": ["1000"]})
        )
        channel = json.loads(text)
        better, all_revoked = instead.of_channel(tx, actor, image["id"], channel)
    entries = [json.loads(one) for one in history.results]
    names = [json.loads(one)["name"] for one in others.results]
    return visit.page(
        "channels/channel.html",
        image=image,
        channel=channel,
        may=may,
        history=entries,
        history_count=history.count,
        before=_previous(channel, entries),
        instead=better,
        all_revoked=all_revoked,
        offerable=_offerable(image),
        form=form.but(etag=assignment_etag(channel)),
        config=(config or Form(_config(channel))).but(etag=_config_etag(channel)),
        of_config=config is not None,
        others=[one for one in names if one not in (name, LATEST)],
        problem=problem,
        labels=LABELS,
        missing=_missing(problem),
    )


def assignment_etag(channel: Thing) -> str:
    """The ETag of the assignment that the form was filled in from."""
    return resources.etag(_assigned(channel))


def _assigned(channel: Thing) -> str:
    return str(channel["assigned"]["id"]) if channel["assigned"] else ""


def _previous(channel: Thing, entries: list[Thing]) -> Thing | None:
    """The version to roll back to: the newest other one in the history that may be assigned now."""
    for entry in entries:
        version: Thing | None = entry["version"]
        if (
            version
            and version.get("state") in states.OFFERABLE
            and version["id"] != _assigned(channel)
        ):
            return version
    return None


def assign_new(visit: Visit, slug: str) -> Page:
    """POST /images/{slug}/channels: assign to the channel that the form names, new or not."""
    name = ""
    try:
        with visit.change() as (tx, actor):
            _, image = address_targets.image_for_change(tx, actor, slug)
            name = visit.form.get("name").strip()
            faults = Faults()
            if not channels.NAME.fullmatch(name):
                detail = "must have 1 to 64 characters: a-z, 0-9, dots, hyphens and underscores"
                faults.add(field_problem("name", detail))
                name = "x"  # for the checks of the other fields
            changed = faults.then(_assign, visit, tx, actor, image, name)
    except REFUSALS as problem:
        if isinstance(problem, Forbidden):
            raise
        return _list_page(visit, slug, visit.form, _with_field(problem))
    return _assigned_page(visit, image, name, changed)


def assign(visit: Visit, slug: str, name: str) -> Page:
    """POST /images/{slug}/channels/{name}: `do` "assign" (the field `version`) or "unassign"."""
    try:
        with visit.change() as (tx, actor):
            _, image = address_targets.image_for_change(tx, actor, slug)
            changed = _assign(visit, tx, actor, image, name)
    except REFUSALS as problem:
        if isinstance(problem, Forbidden):
            raise
        return _page(visit, slug, name, visit.form, _with_field(problem))
    return _assigned_page(visit, image, name, changed)


def _with_field(problem: Problem) -> Problem:
    fields_by_code = {"version_not_offered": "version", "channel_computed": "name"}
    if problem.code in fields_by_code and not problem.errors:
        problem.errors = (FieldError(fields_by_code[problem.code], problem.detail),)
    return fields.placed(problem)


class _Changed(NamedTuple):
    """A channel before (None for a new one) and after an assignment, and what undoes that."""

    before: Thing | None
    after: Thing
    sequence: int | None


def _assign(visit: Visit, tx: Tx, actor: Actor, image: Thing, name: str) -> _Changed:
    """Assign what the form says."""
    row, channel = assigning.channel_for_assigning(tx, actor, str(image["id"]), name)
    exists = channel is not None and not channel["hidden"]
    before = _channel(tx, actor, image, name) if exists else None
    form = visit.form
    visit.expect(_assigned(before) if before else None)
    faults = Faults()
    version = None
    if form.get("do") != "unassign":
        with faults.noted():
            version = address_targets.meant(tx, actor, image, "version", form.get("version"))
            if version is None:
                raise field_problem("version", "is required")
    given = {
        "version": version,
        "reason": form.get("reason").strip() or None,
        "override": form.on("override"),
        "voids": fields.whole("voids", form.get("voids")),
    }
    body = decode.convert_with(faults, given, wire.NewAssignment)
    faults.then(assigning.assign, tx, actor, row, channel, name, body)
    made = channels.channel_for_change(tx, actor, str(image["id"]), name)
    sequence = assigning.newest_sequence(tx, made["id"])
    return _Changed(before, _channel(tx, actor, image, name), sequence)


def _channel(tx: Tx, actor: Actor, image: Thing, name: str) -> Thing:
    channel: Thing = json.loads(channels.get_channel(tx, actor, str(image["id"]), name))
    return channel


def _assigned_page(visit: Visit, image: Thing, name: str, changed: _Changed) -> Page:
    before, after, _ = changed
    was, now = before and before["target"], after["target"]
    done = f"{name} now offers {now['name']}." if now else f"{name} offers nothing now."
    return visit.redirect(
        urls.image(image),
        done=done,
        more=f"Previous: {was['name']}." if was and was != now else "",
        undo=_undo(image, name, changed),
    )


def _undo(image: Thing, name: str, changed: _Changed) -> Undo | None:
    """The form that restores the former assignment."""
    before, after, sequence = changed
    if before is None:
        return Undo(urls.channel(image, name, "hide"), {})
    if _assigned(before) == _assigned(after):
        return None
    fields_before = _assignment_fields(before, sequence)
    return Undo(urls.channel(image, name), fields_before | {"etag": assignment_etag(after)})


def _assignment_fields(channel: Thing, voids: int | None) -> dict[str, str]:
    """The form fields that give a channel back what it has now, by undoing a later assignment."""
    undoes = {"voids": str(voids)}
    if not channel["assigned"]:
        return {"do": "unassign"} | undoes
    return {"do": "assign", "version": _assigned(channel)} | undoes


def confirm_unassign(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/channels/{name}/unassign: the impact of assigning nothing."""
    return _confirm(
        visit,
        slug,
        name,
        lambda image, channel: {
            "title": f"Unassign {name}",
            "lede": f"{name} stays visible and offers nothing.",
            "action": urls.channel(image, name),
            "button": f"Unassign {name}",
            "fields": {"do": "unassign", "etag": assignment_etag(channel)},
        },
    )


def confirm_hide(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/channels/{name}/hide: the impact of removing the channel."""
    return _confirm(
        visit,
        slug,
        name,
        lambda image, channel: {
            "title": f"Remove {name}",
            "lede": f"{name} is hidden from everyone until it is assigned again. Its history is not "
            "deleted.",
            "action": urls.channel(image, name, "hide"),
            "button": f"Remove {name}",
        },
    )


def _confirm(
    visit: Visit, slug: str, name: str, words: Callable[[Thing, Thing], dict[str, Any]]
) -> Page:
    with visit.read() as (tx, actor):
        actor.require_write()
        _, image = address_targets.image_for_change(tx, actor, slug)
        channels.channel_for_change(tx, actor, slug, name)
        if name == LATEST:
            raise NotFound("The channel latest is computed and cannot be changed.")
        offers = {it["name"]: it for it in image_page.list_channels(tx, actor, image["id"])}
    channel = offers[name]
    impact = [f"resolving {name} fails with 404 from now on"]
    if channel["offer"]:
        count = channel["offer"]["providers_count"]
        where = f"on {count:,} provider{'s' * (count != 1)}" if count else "on no provider"
        impact.append(f"it offers {channel['target']['name']} {where} now")
    moves = [offer_changes.Move(name, channel["target"], None)] if channel["target"] else []
    address = urls.channel(image, name)
    crumbs = [
        (urls.image(image), image["name"]),
        (urls.image(image, "channels"), "channels"),
        (address, name),
    ]
    about = confirm.Confirmation(
        section="images",
        crumbs=crumbs,
        cancel=address,
        impact=impact,
        moves=moves,
        **words(image, channel),
    )
    return confirm.ask(visit, about)


def hide(visit: Visit, slug: str, name: str) -> Page:
    """POST /images/{slug}/channels/{name}/hide."""
    try:
        with visit.change() as (tx, actor):
            _, image = address_targets.image_for_change(tx, actor, slug)
            row = channels.channel_for_change(tx, actor, slug, name)
            before = _channel(tx, actor, image, name)
            assigning.hide_channel(tx, actor, row)
            sequence = assigning.newest_sequence(tx, row["id"])
    except Conflict as problem:
        return _page(visit, slug, name, Form.of(), problem)
    return visit.redirect(
        urls.image(image, "channels"),
        done=f"{name} was removed.",
        more="Resolving it answers 404 until it is assigned again.",
        undo=Undo(urls.channel(image, name), _assignment_fields(before, sequence)),
    )


# ── access and requirements ────────────────────────────────────────────────────────────────


def _config(channel: Thing) -> dict[str, list[str]]:
    """The configuration of a channel as form fields."""
    requires = channel["requires"] or {"providers": [], "channel": None, "days": None}
    slugs = [str(one.get("slug", one["id"])) for one in requires["providers"]]
    return {
        "restricted": ["on"] if channel["restricted"] else [""],
        "groups": [fields.joined([group["name"] for group in channel["groups"]])],
        "providers": [", ".join(slugs)],
        "channel": [requires["channel"] or ""],
        "days": ["" if requires["days"] is None else str(requires["days"])],
    }


def _config_etag(channel: Thing) -> str:
    return resources.etag(json.dumps(_config(channel)))


def configure(visit: Visit, slug: str, name: str) -> Page:
    """POST /images/{slug}/channels/{name}/configure."""
    try:
        with visit.change() as (tx, actor):
            _, image = address_targets.image_for_change(tx, actor, slug)
            row = channels.channel_for_change(tx, actor, slug, name)
            channel = _channel(tx, actor, image, name)
            visit.expect(json.dumps(_config(channel)))
            faults = Faults()
            given = _configured(faults, visit.form)
            patch = decode.convert_with(faults, given, wire.ChannelPatch)
            faults.then(assigning.edit_channel, tx, actor, row, patch)
    except REFUSALS as problem:
        if isinstance(problem, Forbidden):
            raise
        return _page(visit, slug, name, Form.of(), fields.placed(problem), config=visit.form)
    return visit.redirect(urls.channel(image, name), done="Saved.")


def _configured(faults: Faults, form: Form) -> dict[str, Any]:
    asked = {
        "providers": [fields.reference(one) for one in fields.split(form.get("providers"))],
        "channel": form.get("channel").strip() or None,
        "days": faults.of(fields.whole, "requires.days", form.get("days")),
    }
    return {
        "restricted": any(form.all("restricted")),
        "groups": fields.split(form.get("groups")),
        # Empty fields mean no requirement, except that a required channel hidden from the editor stays.
        "requires": asked,
    }
