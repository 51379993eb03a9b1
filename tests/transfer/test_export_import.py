"""Export and import: the imported catalogue equals the exported one, or nothing is imported."""

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest

from goldenrod.base import config, wire
from goldenrod.base.errors import BadRequest, Conflict
from goldenrod.catalogue.accounts import groups
from goldenrod.catalogue.accounts import users as people
from goldenrod.catalogue.channels import assign, channels
from goldenrod.catalogue.images import images
from goldenrod.catalogue.transfer.export_import import export_catalogue, import_catalogue
from goldenrod.catalogue.transfer.jsonl_format import (
    NOT_EXPORTED,
    NOT_EXPORTED_COLUMNS,
    exported_tables,
)
from goldenrod.catalogue.versions import licenses_scripts, publish, revocations, versions
from goldenrod.catalogue.webhooks import outbox, webhooks
from goldenrod.rules.access import CONSOLE
from goldenrod.rules.changes import mutations
from goldenrod.store import bulk, schema
from goldenrod.store.db import Database, Tx
from tests.support.cast import World, build_world
from tests.support.catalogues import Catalogues, nothing
from tests.support.client import ApiClient
from tests.support.clouds import add_read_cloud

New = Callable[[str], Database]
Values = dict[str, Any]


def populate(db: Database) -> World:
    """The cast, a forward reference in a lineage, a former name, deleted ids, unusual text, channels,
    an inherited revocation, and a webhook that is notified of it."""
    world = build_world(db)
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        body = wire.NewVersion(
            name="größer 2.0 🌾",
            image=world.images["open"],
            parent=world.versions["open"],
            identity=world.identities["alice@east"],
            change_log='tab\t"quoted" \\ back\nnächste Zeile \u2028 漢字',
            doc_object_id="10.1000/182",
            min_cpu=4096,
            min_mem=2**31 - 1,
            start_date="0001-01-01T00:00:00Z",
            end_date="9999-12-31T23:59:59.999999Z",
            labels={"a/b": "größer", "a": "", "id": "7"},
        )
        newest = publish.create_version(tx, alice, body).key
        first = versions.VERSIONS.row_for_change(tx, alice, world.versions["closed"])
        publish.edit_version(tx, alice, first, wire.VersionPatch(parent=newest, name="closed-1.1"))
        gone = groups.create_group(tx, CONSOLE, wire.NewGroup(name="gone")).key
        groups.remove_group(tx, CONSOLE, groups.GROUPS.row_for_change(tx, CONSOLE, gone))
    with db.write() as tx:
        _add_lifecycle(tx, world, newest)
    add_read_cloud(db, world)
    return world


def _add_lifecycle(tx: Tx, world: World, newest: str) -> None:
    alice = world.actor(tx, "alice")
    known = {"issuer": "https://sso.example/größer", "subject": "alice", "created": tx.now}
    uuid = mutations.new_uuid()
    tx.insert(schema.oidc_accounts, uuid=uuid, user_id=world.users["alice"], **known)
    hook = wire.NewWebhook(target="https://hooks.example/größer", image="open-image")
    webhooks.create_webhook(tx, alice, hook, None)
    for name in ("candidate", "stable"):
        image, channel = assign.channel_for_assigning(tx, alice, "open-image", name)
        body = wire.NewAssignment(version=world.versions["open"], reason="well tried")
        assign.assign(tx, alice, image, channel, name, body)
    stable = channels.channel_for_change(tx, alice, "open-image", "stable")
    requires = wire.NewRequirements(providers=["east"], channel="candidate", days=7)
    patch = wire.ChannelPatch(restricted=True, groups=["lab"], requires=requires)
    assign.edit_channel(tx, alice, stable, patch)
    row = versions.VERSIONS.row_for_change(tx, alice, newest)
    revocation = wire.Revocation(reason="a hole: ¡läuft!", descendants=True)
    revocations.revoke(tx, alice, row, revocation)
    assert outbox.create_deliveries(tx)


def exported(db: Database, **options: Any) -> bytes:
    out = BytesIO()
    export_catalogue(db, out, **options)
    return out.getvalue()


def imported(db: Database, export: bytes) -> int:
    return import_catalogue(db, export.splitlines(keepends=True))


@pytest.fixture(scope="module")
def export(catalogues: Catalogues, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The lines of a populated catalogue."""
    path = tmp_path_factory.mktemp("export") / "catalogue.db"
    created = Database(catalogues.sqlite_file(nothing, path)[0])
    populate(created)
    lines = exported(created)
    created.close()
    return lines


def require_untouched(db: Database) -> None:
    """The catalogue is empty, and no id was ever assigned."""
    with db.read() as tx:
        assert [table.name for table in exported_tables() if not bulk.is_empty(tx, table)] == []
        for name in ("image_words", "version_words"):
            assert tx.sql(f"SELECT count(*) FROM {name}").fetchone()[0] == 0
        ids = [table for table in exported_tables() if table.autoincrement_column is not None]
        assert {bulk.next_id(tx, table) for table in ids} == {1}


# Export and import


@pytest.mark.parametrize(("first", "second"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_exports_are_equal_after_importing_into_the_other_database_and_back(
    new_database: New, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    monkeypatch.setattr(bulk, "BATCH", 3)
    source, there, back = new_database(first), new_database(second), new_database(first)
    populate(source)
    written = exported(source)
    assert imported(there, written) == written.count(b"\n") - 1
    assert exported(there) == written
    assert imported(back, exported(there)) == written.count(b"\n") - 1
    assert exported(back) == written


def test_every_table_is_exported_unless_it_is_named(export: bytes) -> None:
    header, *rows = map(json.loads, export.splitlines())
    names = set(schema.metadata.tables)
    assert names >= NOT_EXPORTED
    assert set(header["tables"]) == names - NOT_EXPORTED
    # A table without rows is not tested: add rows in `populate`.
    assert [name for name, kept in header["tables"].items() if kept["rows"] == 0] == []
    for name, kept in header["tables"].items():
        assert kept["rows"] == sum(row["table"] == name for row in rows)
        columns = {*schema.metadata.tables[name].c.keys()} - NOT_EXPORTED_COLUMNS.get(name, set())
        assert {"table", *columns} == set(next(row for row in rows if row["table"] == name))


def test_rows_are_ordered_by_primary_key_and_follow_what_they_refer_to(export: bytes) -> None:
    _, *rows = map(json.loads, export.splitlines())
    order = list(dict.fromkeys(row["table"] for row in rows))
    assert order == [table.name for table in exported_tables()]
    for table in exported_tables():
        for key in table.foreign_key_constraints:
            assert order.index(key.referred_table.name) <= order.index(table.name)
        keys = [
            tuple(row[column.name] for column in table.primary_key)
            for row in rows
            if row["table"] == table.name
        ]
        assert keys == sorted(keys)
    version = next(row for row in rows if row.get("doc_object_id"))
    assert version["start_date"] == "0001-01-01T00:00:00.000000Z"
    assert version["allow_imaging"] is True
    forward = [
        row for row in rows if row["table"] == "versions" and (row["parent_n"] or 0) > row["n"]
    ]
    assert len(forward) == 1


def test_text_keys_are_ordered_by_bytes_whatever_the_collation_of_the_database(
    new_database: New,
) -> None:
    # This looks at statements, because the PostgreSQL of the tests has no other collation.
    postgresql = new_database("postgresql")
    postgresql.trace = trace = []
    try:
        exported(postgresql)
    finally:
        postgresql.trace = None
    orders = [text.partition(" ORDER BY ")[2] for text in trace if "CURSOR FOR" in text]
    assert len(orders) == len(exported_tables())
    by_slug = [order for order in orders if "slug" in order]
    assert by_slug == ['provider_slugs.slug COLLATE "C"', 'image_slugs.slug COLLATE "C"']


@pytest.mark.long_on_postgresql
def test_an_imported_catalogue_gives_the_same_answers(new_database: New, db: Database) -> None:
    source = new_database("sqlite")
    source.now = db.now
    world = populate(source)
    imported(db, exported(source))
    old, new = ApiClient(source, config.load({}), world), ApiClient(db, config.load({}), world)
    for who in ("alice", "bob", "charlie", "dora", None):
        for address in (
            "/api/v2/image_versions",
            "/api/v2/images",
            "/api/v2/provider_machines",
            "/api/v2/image_versions?search=first",
            "/api/v2/image_versions?search=zeile",
            "/api/v2/images?search=closed-tag",
            "/api/v2/images/open-image/channels",
            "/api/v2/image_versions?revoked=true",
            "/api/v2/webhooks",
        ):
            answer = new.get(address, who)
            assert answer.status_code == 200
            assert answer.content == old.get(address, who).content
    assert new.get("/api/v2/image_versions?search=zeile", "alice").json["count"] == 1
    assert new.get("/api/v2/images?search=closed-tag", "alice").json["count"] == 1
    assert new.get("/api/v2/image_versions?revoked=true", "alice").json["count"] == 2
    assert new.get("/api/v2/images/open-image/channels", "bob").json["count"] == 3
    assert new.get("/api/v2/images/open-image/channels", "charlie").json["count"] == 2


@pytest.mark.parametrize("source_backend", ["sqlite", "postgresql"])
def test_ids_are_never_used_again_after_an_import(
    new_database: New, backend: str, source_backend: str
) -> None:
    source, target = new_database(source_backend), new_database(backend)
    world = populate(source)
    imported(target, exported(source))
    created = []
    for db in (source, target):
        with db.write() as tx:
            alice = world.actor(tx, "alice")
            group = groups.create_group(tx, CONSOLE, wire.NewGroup(name="next")).key
            image = images.create_image(tx, alice, wire.NewImage(name="next")).key
            version = wire.NewVersion(name="1", image=int(image))
            publish.create_version(tx, alice, version)
            keys = [bulk.next_id(tx, table) for table in (schema.versions, schema.audit)]
            created.append((int(group), int(image), *keys))
    assert created[0] == created[1]
    # Four personal groups, lab, and the removed one.
    assert created[1][0] == 7


def test_new_ids_are_higher_than_all_rows_even_if_the_first_line_says_less(
    db: Database, export: bytes
) -> None:
    header, *rows = export.splitlines()
    changed = json.loads(header)
    changed["tables"]["users"]["next_id"] = 2
    assert import_catalogue(db, [json.dumps(changed).encode(), *rows]) == len(rows)
    with db.write() as tx:
        body = wire.NewUser(username="erin")
        assert people.create_user(tx, CONSOLE, body).key == "5"


def test_an_empty_catalogue_is_exported_and_imported(new_database: New, db: Database) -> None:
    written = exported(new_database("sqlite"))
    assert imported(db, written) == 0
    assert exported(db) == written
    require_untouched(db)


def test_an_import_increments_the_revision(db: Database, export: bytes) -> None:
    with db.read() as tx:
        before = tx.revision
    imported(db, export)
    with db.read() as tx:
        assert tx.revision == before + 1


def test_without_credentials_nobody_can_sign_in(
    new_database: New, db: Database, export: bytes
) -> None:
    source = new_database("sqlite")
    world = populate(source)
    bare = exported(source, credentials=False)
    with source.read() as tx:
        tokens = list(bulk.rows(tx, schema.tokens))
        users = list(bulk.rows(tx, schema.users))
        secrets = [row["sha256"] for row in tokens] + [row["password_hash"] for row in users]
        secrets += [row["secret"] for row in bulk.rows(tx, schema.webhooks)]
    assert len(secrets) == 10
    assert all(secret.encode() in exported(source) for secret in secrets)
    assert not any(secret.encode() in bare for secret in secrets)
    assert imported(db, bare) == bare.count(b"\n") - 1
    with db.read() as tx:
        for table in (schema.tokens, schema.webhooks, schema.deliveries):
            assert bulk.is_empty(tx, table)
        # Audit entries still refer to the omitted tokens.
        assert bulk.next_id(tx, schema.tokens) == 5
        assert {row["password_hash"] for row in bulk.rows(tx, schema.users)} == {None}
        assert bulk.count(tx, schema.versions) == 7
    assert ApiClient(db, config.load({}), world).get("/api/v2/images", "alice").status_code == 401
    assert exported(db) == bare


def test_an_export_is_one_snapshot(db: Database, new_database: New) -> None:
    world = build_world(db)

    class Busy(BytesIO):
        """Creates a license at each of the first five lines."""

        created = 0

        def write(self, line: Any) -> int:
            if self.created < 5:
                self.created += 1
                body = wire.NewLicense(title=f"new {self.created}", type="URL", text="https://a.b/")
                with db.write() as tx:
                    licenses_scripts.create_license(tx, world.actor(tx, "alice"), body)
            return super().write(line)

    out = Busy()
    export_catalogue(db, out)
    assert out.created == 5
    assert b'"new 1"' not in out.getvalue()
    assert imported(new_database("sqlite"), out.getvalue()) == out.getvalue().count(b"\n") - 1
    assert b'"new 5"' in exported(db)


def test_progress_is_reported_up_to_the_last_row(
    db: Database, new_database: New, export: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH", 10)
    total = export.count(b"\n") - 1
    of_import: list[tuple[int, int]] = []
    import_catalogue(db, export.splitlines(), lambda done, of: of_import.append((done, of)))
    of_export: list[tuple[int, int]] = []
    export_catalogue(db, BytesIO(), progress=lambda done, of: of_export.append((done, of)))
    for calls in (of_import, of_export):
        assert len(calls) > 10
        assert calls == sorted(set(calls))
        assert calls[-1] == (total, total)
        assert {of for _, of in calls} == {total}


# Refusals


def test_a_catalogue_that_is_not_empty_is_not_changed(db: Database, export: bytes) -> None:
    with db.write() as tx:
        people.create_user(tx, CONSOLE, wire.NewUser(username="erin"))
    before = exported(db)
    with pytest.raises(Conflict, match=r"This catalogue is not empty.*Import into a new one"):
        imported(db, export)
    assert exported(db) == before


def row(**changed: Any) -> Callable[[Values], Any]:
    """A change of columns of a row."""
    return lambda values: {**values, **changed}


def without(column: str) -> Callable[[Values], Any]:
    return lambda values: {name: value for name, value in values.items() if name != column}


def text(written: str | bytes) -> Callable[[Values], Any]:
    raw = written.encode() if isinstance(written, str) else written
    return lambda values: raw


BAD_ROWS: dict[str, tuple[str, Callable[[Values], Any], str]] = {
    "cut off": ("users", text('{"table":"users","id"'), "not valid JSON"),
    "empty": ("users", text(""), "not valid JSON"),
    "no UTF-8": ("users", text(b'{"table":"\xff"}'), "not valid UTF-8"),
    "nested": ("users", text("[" * 100_000), "nested too deep"),
    "long number": ("users", text('{"table":' + "9" * 5000 + "}"), "limit"),
    "an array": ("users", text("[1]"), "not a JSON object"),
    "twice in one": ("users", text('{"table":"users","id":1,"id":2}'), "a member twice"),
    "no table": ("users", without("table"), "names no table"),
    "table a number": ("users", row(table=7), "unknown table 7"),
    "unknown table": ("users", row(table="people"), "unknown table 'people'"),
    "table not moved": ("users", row(table="idempotency"), "unknown table 'idempotency'"),
    "unknown column": ("users", row(shoe_size=43), "unknown column 'shoe_size'"),
    "missing column": ("users", without("active"), "column 'active' is missing"),
    "null": ("users", row(username=None), "username must not be null"),
    "boolean": ("users", row(active=1), "active must be true or false"),
    "integer": ("users", row(id="1"), "id must be a whole number of 64 bits"),
    "integer true": ("users", row(id=True), "id must be a whole number of 64 bits"),
    "integer real": ("users", row(id=1.5), "id must be a whole number of 64 bits"),
    "integer long": ("users", row(id=2**63), "id must be a whole number of 64 bits"),
    "integer 32": ("machines", row(size_gb=2**31), "size_gb must be a whole number of 32 bits"),
    "text": ("users", row(username=["alice"]), "username must be text"),
    "text NUL": ("users", row(username="a\0b"), "username must be text without NUL"),
    "text half": ("users", row(username="\ud83c"), "username must be text"),
    "text long": ("groups", row(name="x" * 257), "name must be text .*at most 256"),
    "instant": ("users", row(start_date="yesterday"), "start_date must be an instant"),
    "instant elsewhere": (
        "users",
        row(start_date="2026-06-15T14:00:00.000000+02:00"),
        "start_date must be an instant",
    ),
    "uuid": ("users", row(uuid="urn:uuid:1"), "uuid must be a UUID"),
    "uuid upper": (
        "users",
        lambda values: {**values, "uuid": values["uuid"].upper()},
        "uuid must be a UUID in lower case",
    ),
    "check": ("tokens", row(scope="root"), "ck_tokens_scope|CHECK.*scope"),
    "duplicate key": ("users", row(id=1), "(?i:unique)"),
    "duplicate name": ("users", row(username="alice"), "(?i:unique).*(?:username|name_key)"),
    "dangling": ("group_users", row(user_id=99), "user_id 99: there is no such row of users"),
    "dangling pair": (
        "machines",
        row(image_id=6),
        r"version_n, image_id \d+, 6: there is no such row of versions",
    ),
    "dangling forward": ("versions", row(parent_n=99), "parent_n 99: there is no such row"),
    "its own parent": (
        "versions",
        lambda values: {**values, "parent_n": values["n"]},
        "ck_versions_parent|CHECK.*parent",
    ),
}


@pytest.mark.parametrize("case", BAD_ROWS)
@pytest.mark.long_on_postgresql
def test_a_bad_line_is_reported_and_nothing_is_imported(
    db: Database, export: bytes, case: str
) -> None:
    table, change, reason = BAD_ROWS[case]
    lines = export.splitlines()
    # Not a table's first row, so that others of its batch went in before.
    places = [
        place for place, line in enumerate(lines) if b'{"table":"%b"' % table.encode() in line
    ]
    place = places[1]
    changed = change(json.loads(lines[place]))
    lines[place] = changed if isinstance(changed, bytes) else json.dumps(changed).encode()
    with pytest.raises(
        BadRequest, match=f"(?s)^Line {place + 1}: .*(?:{reason}).*Nothing was imported"
    ):
        import_catalogue(db, lines)
    require_untouched(db)
    assert imported(db, export) == len(lines) - 1


def test_a_cyclic_lineage_is_refused(db: Database, export: bytes) -> None:
    lines = export.splitlines()
    places = [place for place, line in enumerate(lines) if line.startswith(b'{"table":"versions"')]
    rows = [json.loads(lines[place]) for place in places[:3]]
    for values, place, parent in zip(rows, places, (2, 3, 1), strict=False):
        assert values["n"] == place - places[0] + 1
        lines[place] = json.dumps({**values, "parent_n": parent}).encode()
    number = places[1] + 1
    with pytest.raises(BadRequest, match=f"^Line {number}: parent_n 3: descends from this row"):
        import_catalogue(db, lines)
    require_untouched(db)


def header(**changed: Any) -> Callable[[Values], Any]:
    return lambda said: {**said, **changed}


def header_table(name: str, kept: Any) -> Callable[[Values], Any]:
    return lambda said: {**said, "tables": {**said["tables"], name: kept}}


BAD_HEADERS: dict[str, tuple[Callable[[Values], Any], str]] = {
    "no JSON": (lambda said: "hello", "not a JSON object"),
    "another file": (header(format="tar"), "not an exported catalogue"),
    "another format": (header(version=2), r"another release .*\(format 2"),
    "another schema": (header(schema="9999"), "another release .*schema 9999"),
    "unknown member": (header(colour="gold"), "colour"),
    "no tables": (header(tables=None), "tables"),
    "unknown table": (header_table("people", {"rows": 0}), "unknown table 'people'"),
    "missing table": (header(tables={}), "table '.*' is missing"),
    "negative": (header_table("users", {"rows": -1, "next_id": 5}), "rows"),
    "no next id": (header_table("users", {"rows": 4}), "next_id of users"),
    "next id of none": (
        header_table("group_users", {"rows": 1, "next_id": 5}),
        "next_id of group_users",
    ),
    "next id too high": (header_table("users", {"rows": 4, "next_id": 2**63}), "next_id"),
}


@pytest.mark.parametrize("case", BAD_HEADERS)
def test_a_bad_first_line_is_reported(sqlite_db: Database, export: bytes, case: str) -> None:
    change, reason = BAD_HEADERS[case]
    first, *rows = export.splitlines()
    lines = [json.dumps(change(json.loads(first))).encode(), *rows]
    with pytest.raises(BadRequest, match=f"(?s)^Line 1: .*{reason}"):
        import_catalogue(sqlite_db, lines)
    require_untouched(sqlite_db)


def test_an_empty_file_is_refused(sqlite_db: Database) -> None:
    with pytest.raises(BadRequest, match=r"^Line 1: is not valid JSON"):
        import_catalogue(sqlite_db, [])


def test_a_file_that_is_cut_off_between_lines_is_refused(db: Database, export: bytes) -> None:
    *lines, last = export.splitlines()
    name = json.loads(last)["table"]
    reason = f"^Line {len(lines)}: the file ends here, but 1 rows of {name} are missing"
    with pytest.raises(BadRequest, match=reason):
        import_catalogue(db, lines)
    require_untouched(db)
    with pytest.raises(
        BadRequest, match=rf"^Line {len(lines) + 2}: .*announces fewer rows of {name}"
    ):
        import_catalogue(db, [*lines, last, last])
    require_untouched(db)
