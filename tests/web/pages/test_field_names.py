"""One thing has one name: in forms, tables, comparisons, histories, help and documents."""

import re
from pathlib import Path

from goldenrod.store.db import Database
from goldenrod.web.pages.images import edit_image
from goldenrod.web.pages.kit import fields
from goldenrod.web.pages.versions import compare, history_text, machines, version_fields
from tests.support.actions import publish
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import Visitor

SOURCE = Path(fields.__file__).parents[3]

FORBIDDEN = {
    # A label that a field must not have, and the name that it has.
    "Address": "Slug",
    "Built on": "Parent",
    "Built from": "Parent",
    "Built with account": "Account",
    "Identity": "Account",
    "Identities": "Provider accounts",
    "Building on it": "Others may build on it",
    "Imaging": "Others may build on it",
    "CPUs": "Minimum CPUs",
    "CPUs needed": "Minimum CPUs",
    "Memory (MiB)": "Minimum memory (MiB)",
    "Minimum": "Minimum CPUs, Minimum memory (MiB)",
    "Minimum memory": "Minimum memory (MiB)",
    "From": "Released",
    "Starts": "Released, or Start of a provider",
    "Begins": "Released",
    "Opens": "Released",
    "Ends": "End",
    "Until": "End",
}
OTHER_THINGS = {
    # The network address of a browser is no slug.
    ("account/account.html", "Address"),
    ("staff/activity.html", "Address"),
}
LABEL = re.compile(r'(?:>|"|label=)({})(?:<|")'.format("|".join(map(re.escape, FORBIDDEN))))


def test_no_field_has_another_name() -> None:
    files = [*SOURCE.glob("web/pages/**/*.py"), *SOURCE.glob("web/templates/**/*.html")]
    assert len(files) > 100
    wrong = [
        f"{path.relative_to(SOURCE)}: {label!r}; write {FORBIDDEN[label]}"
        for path in files
        for label in LABEL.findall(path.read_text("utf-8"))
        if not any(str(path).endswith(name) and label == it for name, it in OTHER_THINGS)
    ]
    assert not wrong


def test_every_form_and_table_calls_a_field_by_its_one_name() -> None:
    forms = (*version_fields.NEW, *version_fields.EDITED, *edit_image.NEW, *machines.EDITED)
    called = {(field.name, field.label) for field in forms} | {*compare.LABELS.items()}
    wrong = {it for it in called if it[0] in fields.LABELS and it[1] != fields.LABELS[it[0]]}
    assert not wrong


def test_a_history_calls_fields_as_the_form_does(
    visitor: Visitor, api: ApiClient, world: World, db: Database
) -> None:
    version = publish(api, "2")
    changes = {"min_cpu": 2, "allow_imaging": False, "end_date": "2099-01-01T00:00:00Z"}
    assert api.patch(version["url"], "alice", changes).status_code == 200
    visitor.sign_in("alice")
    words = visitor.get("/images/open-image/versions/2").words
    history = words[words.index("History") :]
    for name in changes:
        assert f"{fields.LABELS[name]}:" in history, history
    assert "change_log" in history_text.TEXTS


def test_instants_are_picked_in_one_way() -> None:
    """One macro has the input, which shows the visitor's zone; without it no date is typed."""
    with_input = [
        path.name
        for path in SOURCE.glob("web/templates/**/*.html")
        if re.search(
            r"datetime-local|type=\"(?:date|time)\"|kind=\"(?:date|time)", path.read_text()
        )
    ]
    assert with_input == ["form_macros.html"]
    plain = [
        path.name
        for path in SOURCE.glob("web/templates/**/*.html")
        if re.search(r"m\.field\([^)]*\"(?:start_date|end_date|at|expires)\"", path.read_text())
    ]
    assert not plain
