"""Pages that list, show, create, edit and remove licenses and boot scripts.

Everyone can read every license, and the scripts of the versions that they can see. Signed-in users
create them; their creator and staff change them. Text and type are fixed once a version uses them.
"""

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import Problem
from goldenrod.base.faults import Faults
from goldenrod.catalogue.versions import licenses_scripts
from goldenrod.rules import resources
from goldenrod.rules.access import Actor
from goldenrod.rules.changes.mutations import Created
from goldenrod.rules.resources import Resource
from goldenrod.store.db import Row, Tx
from goldenrod.web.pages import confirm
from goldenrod.web.pages.kit import edit_conflict, fields, urls
from goldenrod.web.pages.kit.fields import Field
from goldenrod.web.pages.kit.forms import REFUSALS, Form
from goldenrod.web.pages.kit.listing import listed
from goldenrod.web.pages.kit.visit import Page, Visit

Thing = dict[str, Any]

TITLE = fields.text("title", "Title")
TEXT = (fields.text("type", "Type"), fields.text("text", "Text"))
MOST_USERS = 50
"""How many versions a page lists that use a license or script."""


@dataclass(frozen=True)
class TextPages:
    """The pages of one kind: licenses, or boot scripts."""

    noun: str
    home: str
    """The address of the list."""
    resource: Resource
    types: Sequence[str]
    at_first: dict[str, list[str]]
    """The texts of a new one's form: the API's defaults."""
    own: tuple[Field, ...]
    """The fields that only this kind has."""
    filter: str
    """The filter of versions that use one."""
    new_body: Any
    patch: Any
    create_one: Callable[[Tx, Actor, Any], Created]
    edit_one: Callable[[Tx, Actor, Row, Any], None]
    remove_one: Callable[[Tx, Actor, Row], None]

    def _labels(self) -> dict[str, str]:
        return {field.name: field.label for field in (TITLE, *TEXT, *self.own)}

    def show_list(self, visit: Visit) -> Page:
        """GET /licenses, /scripts."""
        with visit.read() as (tx, actor):
            page, listing = self.resource.page, self.resource.listing
            asked = ("search", "type", "created_by")
            found = listed(visit, tx, actor, page, listing, *asked, ordering="name")
        return visit.page("attachments/list.html", kind=self, list=found)

    def show(self, visit: Visit, key: str) -> Page:
        """GET /licenses/{key}, /scripts/{key}: its text, and the versions that use it."""
        with visit.read() as (tx, actor):
            thing = self.resource.read(tx, actor, key)
            may_change = self.resource.row(tx, actor, key)["may_change"]
            newest = {"ordering": "-start_date", "page_size": MOST_USERS}
            query = licenses_scripts.VERSIONS.where(**{self.filter: thing["id"]}, **newest)
            users = licenses_scripts.VERSIONS.page(tx, actor, query)
        return visit.page(
            "attachments/text.html",
            kind=self,
            it=thing,
            may_change=may_change,
            versions=[json.loads(one) for one in users.results],
            count=users.count,
        )

    # ── creating ───────────────────────────────────────────────────────────────────────────

    def show_new(self, visit: Visit) -> Page:
        """GET /licenses/new, /scripts/new."""
        visit.require_user()
        return self._new_page(visit, Form(self.at_first).but(key=str(uuid.uuid4())))

    def _new_page(self, visit: Visit, form: Form, problem: Problem | None = None) -> Page:
        return visit.page(
            "attachments/text_form.html",
            kind=self,
            it=None,
            form=form,
            problem=problem,
            labels=self._labels(),
            used=False,
            meeting=None,
        )

    def create(self, visit: Visit) -> Page:
        """POST /licenses/new, /scripts/new."""
        visit.require_sent()
        try:
            with visit.change() as (tx, actor):
                created = fields.once(visit, tx, actor, lambda: self._create(visit, tx, actor))
                thing = self.resource.read(tx, actor, created.key)
        except REFUSALS as problem:
            return self._new_page(visit, visit.form, fields.placed(problem))
        return visit.redirect(urls.text(thing), done=f"{thing['title']} was created.")

    def _create(self, visit: Visit, tx: Tx, actor: Actor) -> Created:
        faults = Faults()
        given = {"title": "", "type": "", "text": ""}
        given |= fields.given(faults, (TITLE, *TEXT, *self.own), visit.form, {})
        return decode.convert_then(
            faults, _trimmed(given), self.new_body, lambda body: self.create_one(tx, actor, body)
        )

    # ── editing ────────────────────────────────────────────────────────────────────────────

    def show_edit(self, visit: Visit, key: str) -> Page:
        """GET /licenses/{key}/edit, /scripts/{key}/edit."""
        return self._edit_page(visit, key, None)

    def _edit_page(
        self, visit: Visit, key: str, form: Form | None, problem: Problem | None = None
    ) -> Page:
        visit.require_user()
        with visit.read() as (tx, actor):
            row = self.resource.row_for_change(tx, actor, key)
            thing = self.resource.read(tx, actor, key)
            used = licenses_scripts.is_used(tx, self.resource, row["id"])
        shown = (TITLE, *TEXT, *self.own)
        now = fields.shown(shown, thing)
        etag = resources.etag(json.dumps(now))
        if form is None:
            form = Form(now).but(etag=etag, seen=fields.marks(now))
        words = {field.name: edit_conflict.YES_OR_NO for field in self.own}
        meeting = edit_conflict.meet(shown, form, now, etag, problem, words)
        return visit.page(
            "attachments/text_form.html",
            kind=self,
            it=thing,
            form=meeting.form,
            problem=problem,
            labels=self._labels(),
            used=used,
            meeting=meeting,
        )

    def edit(self, visit: Visit, key: str) -> Page:
        """POST /licenses/{key}/edit, /scripts/{key}/edit."""
        visit.require_sent()
        if visit.form.get("do"):
            return self._edit_page(visit, key, visit.form)
        try:
            with visit.change() as (tx, actor):
                given = self._edit(visit, tx, actor, key)
                thing = self.resource.read(tx, actor, key)
        except REFUSALS as problem:
            # Without the right to change it, there is no form to show again: this raises then.
            return self._edit_page(visit, key, visit.form, fields.placed(problem))
        return visit.redirect(urls.text(thing), done="Saved." if given else "Nothing to save.")

    def _edit(self, visit: Visit, tx: Tx, actor: Actor, key: str) -> dict[str, Any]:
        row = self.resource.row_for_change(tx, actor, key)
        shown = (TITLE, *TEXT, *self.own)
        now = fields.shown(shown, self.resource.read(tx, actor, key))
        visit.expect(json.dumps(now))
        faults = Faults()
        given = _trimmed(fields.given(faults, shown, visit.form, now))
        patch = decode.convert_with(faults, given, self.patch)
        faults.then(self.edit_one, tx, actor, row, patch)
        return given

    # ── removing ───────────────────────────────────────────────────────────────────────────

    def confirm_remove(self, visit: Visit, key: str) -> Page:
        """GET /licenses/{key}/remove, /scripts/{key}/remove."""
        visit.require_user()
        with visit.read() as (tx, actor):
            row = self.resource.row_for_change(tx, actor, key)
            thing = self.resource.read(tx, actor, key)
            used = licenses_scripts.is_used(tx, self.resource, row["id"])
        if used:
            # That page says that a version uses it.
            return visit.redirect(urls.text(thing, "edit"))
        about = confirm.Confirmation(
            section="images",
            crumbs=[(self.home, f"{self.noun}s"), (urls.text(thing), thing["title"])],
            title=f"Remove {thing['title']}",
            lede=f"No version uses this {self.noun}. Its text is deleted.",
            action=urls.text(thing, "remove"),
            button=f"Remove {thing['title']}",
            cancel=urls.text(thing),
        )
        return confirm.ask(visit, about)

    def remove(self, visit: Visit, key: str) -> Page:
        """POST /licenses/{key}/remove, /scripts/{key}/remove: only where no version uses it."""
        with visit.change() as (tx, actor):
            row = self.resource.row_for_change(tx, actor, key)
            self.remove_one(tx, actor, row)
        return visit.redirect(self.home, done=f"{row['title']} was removed.")


def _trimmed(given: dict[str, Any]) -> dict[str, Any]:
    """The fields, without white space around a text of one line: a URL or an SPDX identifier."""
    if "text" in given and "\n" not in given["text"].strip():
        return given | {"text": given["text"].strip()}
    return given


LICENSES = TextPages(
    noun="license",
    home=urls.LICENSES,
    resource=licenses_scripts.LICENSES,
    types=("SPDX", "URL", "Full Text"),
    at_first={"type": ["SPDX"]},
    own=(),
    filter="license",
    new_body=wire.NewLicense,
    patch=wire.LicensePatch,
    create_one=licenses_scripts.create_license,
    edit_one=licenses_scripts.edit_license,
    remove_one=licenses_scripts.remove_license,
)
SCRIPTS = TextPages(
    noun="boot script",
    home=urls.SCRIPTS,
    resource=licenses_scripts.SCRIPTS,
    types=("Raw Text", "URL"),
    at_first={"type": ["Raw Text"], "wait_for_deploy": ["on"]},
    own=(
        fields.box("run_every_deploy", "Run at every boot"),
        fields.box("wait_for_deploy", "Block launch until it has run"),
    ),
    filter="script",
    new_body=wire.NewScript,
    patch=wire.ScriptPatch,
    create_one=licenses_scripts.create_script,
    edit_one=licenses_scripts.edit_script,
    remove_one=licenses_scripts.remove_script,
)
