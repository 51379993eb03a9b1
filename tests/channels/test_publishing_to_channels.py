"""Publishing to channels: POST of a version assigns it in the same transaction, as PUT would."""

from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import everything, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.lifecycle.steps import API, assign, channel, history, target

WEST = {"provider": "west", "identifier": "n-west", "architecture": "x86_64"}
EAST = WEST | {"provider": "east", "identifier": "n-east"}


def test_a_new_version_is_assigned_to_the_channels_that_it_names(
    api: ApiClient, world: World, clock: Clock
) -> None:
    assign(api, world.versions["open"])
    assign(api, world.versions["open"], "old")
    api.delete(channel("old"), "alice")
    names = ["candidate", "stable", "old", "candidate"]
    version = publish(api, "2", machines=[EAST], channels=names)
    before = {"candidate": [], "stable": ["open-1.0"], "old": ["open-1.0", None]}
    for name, entries in before.items():
        assert (target(api, name), history(api, name)) == ("2", [*entries, "2"])
        [*_, entry] = api.all(f"{channel(name)}/history", "alice")
        assert (entry["at"], entry["by"]["username"], entry["override"]) == (
            version["start_date"],
            "alice",
            False,
        )
    assert api.get("/resolve/open-image/candidate/east").json["version"]["name"] == "2"
    assert "channels" not in version
    # What is required of a channel can be met by one that is named before it.
    api.patch(channel(), "alice", {"requires": {"channel": "candidate", "days": 0}})
    wrong = {"name": "3", "image": "open-image", "channels": ["stable", "candidate"]}
    assert code(api.post("/image_versions", "alice", wrong)) == "409 channel_requirement_unmet"
    publish(api, "3", channels=["candidate", "stable"])
    assert target(api) == "3"


def test_what_put_refuses_is_refused_and_nothing_is_published(
    db: Database, api: ApiClient, world: World
) -> None:
    assign(api, world.versions["open"])
    api.patch(channel(), "alice", {"requires": {"providers": ["east", "west"]}})
    body = {"name": "2", "image": "open-image", "machines": [EAST]}
    before = everything(db)
    for more, expected in (
        ({"channels": ["candidate", "stable"]}, "409 channel_requirement_unmet"),
        ({"channels": ["latest"]}, "409 channel_computed"),
        (
            {"channels": ["candidate"], "start_date": "2027-01-01T00:00:00Z"},
            "409 version_not_offered",
        ),
        ({"channels": ["Candidate"]}, "400 field_invalid"),
        ({"channels": ["a"] * 501}, "400 field_invalid"),
        ({"channels": None}, "400 field_invalid"),
    ):
        answer = api.post("/image_versions", "alice", body | more)
        assert code(answer) == expected, answer.text
        assert everything(db) == before
    answer = api.post("/image_versions", "alice", body | {"channels": ["candidate", "stable"]})
    assert [it["slug"] for it in answer.json["missing"]["providers"]] == ["west"]
    assert answer.json["channel"] == "stable"
    assert "stable" in answer.json["detail"]
    scheduled = body | {"channels": ["x"], "start_date": "2027-01-01T00:00:00Z"}
    assert api.post("/image_versions", "alice", scheduled).json["state"] == "scheduled"
    # All faults at once: of channels too.
    wrong = {
        "name": " ",
        "image": "open-image",
        "parent": 1,
        "channels": ["ok", "", "No!", "x" * 65],
    }
    fields = [
        error["field"] for error in api.post("/image_versions", "alice", wrong).json["errors"]
    ]
    assert fields == ["parent", "name", "channels[1]", "channels[2]", "channels[3]"]
    assert everything(db) == before
    publish(api, "2", machines=[EAST, WEST], channels=["stable"])
    assert target(api) == "2"


def test_a_repeated_publication_assigns_once(db: Database, api: ApiClient, world: World) -> None:
    body = {"name": "2", "image": "open-image", "channels": ["candidate"]}
    key = {"Idempotency-Key": "build-17"}
    first = api.ask("POST", f"{API}/image_versions", "alice", body, headers=key)
    assign(api, world.versions["open"], "candidate")
    before = everything(db)
    again = api.ask("POST", f"{API}/image_versions", "alice", body, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.json["id"], everything(db)) == (first.json["id"], before)
    other = api.ask("POST", f"{API}/image_versions", "alice", body | {"channels": []}, headers=key)
    assert other.status_code == 409
