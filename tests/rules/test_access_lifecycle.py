"""Who sees what of channels, revocations, lineage, look-up and webhooks' deliveries.

The matrix, as in `test_access.py`: each of the cast, asked of the app on both databases.
"""

from collections.abc import Iterator

import pytest

from tests.conftest import BACKENDS
from tests.support.access_catalogue import Stage, set_stage
from tests.support.access_requests.who_sees import (
    ACTORS,
    ALL,
    BY_IMAGE,
    KEEPER,
    LAB,
    MATRIX,
    NOWHERE,
    Sees,
    named,
    seen_by,
    who,
)
from tests.support.client import code

# By image, the channels besides `latest`; whoever does not see the image sees none.
CHANNELS: dict[str, Sees] = {
    **{image: {} for image in BY_IMAGE},
    "open": {"stable": ALL, "inner": LAB},
    "closed": {"closed-line": KEEPER},
    "shared": {"shared-line": LAB},
}


@pytest.fixture(scope="module", params=BACKENDS)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with set_stage(request) as made:
        yield made


@pytest.mark.parametrize("image", BY_IMAGE)
def test_an_images_channels_are_those_that_are_seen(stage: Stage, image: str) -> None:
    for actor in ACTORS:
        with named(actor):
            channels = f"/api/v2/images/{image}-image/channels"
            page = stage.api.get(channels, who(actor))
            absent = stage.api.get(f"/api/v2/images/{NOWHERE}/channels", who(actor))
            if actor not in BY_IMAGE[image].split():
                assert (page.status_code, page.content) == (404, absent.content)
            else:
                shown = {it["name"]: it for it in page.json["results"]}
                assert shown.keys() == {"latest", *seen_by(actor, CHANNELS[image])}
                assert page.json["count"] == len(shown)
            for name, those in {"latest": BY_IMAGE[image], **CHANNELS[image]}.items():
                one = stage.api.get(f"{channels}/{name}", who(actor))
                if actor in those.split():
                    assert one.json == shown[name]
                    assert stage.api.get(one.json["url"], who(actor)).content == one.content
                else:
                    there_is_none = stage.api.get(f"{channels}/nothing", who(actor))
                    assert (one.status_code, one.content) == (404, there_is_none.content)


@pytest.mark.parametrize("actor", ["alice", "bob", "dora"])
def test_a_restricted_channels_groups_show_as_membership(stage: Stage, actor: str) -> None:
    inner = stage.api.get("/api/v2/images/open-image/channels/inner", actor).json
    assert inner["restricted"]
    assert {group["name"] for group in inner["groups"]} == seen_by(
        actor, {"lab": LAB, "ops": KEEPER}
    )


def test_why_and_whence_show_to_who_reads_the_origin(stage: Stage) -> None:
    for actor in ACTORS:
        with named(actor):
            version = f"/image_versions/{stage.id_of('image_versions', 'open-1.1')}"
            shown = stage.api.get(version, who(actor)).json
            assert shown["state"] == "revoked"
            closed = {"id": stage.id_of("image_versions", "closed-1.0")}
            if actor in KEEPER.split():
                assert shown["revoked"]["reason"] == "hole in closed"
                assert shown["revoked"]["by"]["username"] == "alice"
                assert shown["revoked"]["inherited_from"]["name"] == "closed-1.0"
                assert shown["deprecation"]["replacement"]["name"] == "closed-1.0"
            else:
                assert shown["revoked"] == {
                    "at": shown["revoked"]["at"],
                    "reason": None,
                    "by": None,
                    "inherited_from": closed,
                }
                assert shown["deprecation"]["replacement"] == closed


def test_lineage_ends_at_versions_that_the_reader_may_not_read(stage: Stage) -> None:
    for actor in ACTORS:
        with named(actor):
            version = f"/image_versions/{stage.id_of('image_versions', 'open-1.1')}"
            found = stage.api.get(f"{version}/lineage", who(actor)).json
            names = {node["name"] for node in found["nodes"]}
            assert names == seen_by(actor, {"open-1.1": ALL, "closed-1.0": KEEPER})
            assert len(found["edges"]) == len(names) - 1
            diff = stage.api.get(f"{version}/diff", who(actor))
            against = stage.api.get(f"{version}/diff?against={NOWHERE}", who(actor))
            closed = stage.id_of("image_versions", "closed-1.0")
            from_closed = stage.api.get(f"{version}/diff?against={closed}", who(actor))
            if actor in KEEPER.split():
                assert diff.json["from"]["name"] == "closed-1.0"
                assert from_closed.content == diff.content
            else:
                assert code(diff) == "400 parameter_required"
                assert (from_closed.status_code, from_closed.content) == (404, against.content)


def test_look_up_knows_what_could_be_read(stage: Stage) -> None:
    for actor in ACTORS:
        with named(actor):
            # What has ended is told of to whoever could read it then: everybody. The machine of the
            # image that has ended came too late: it was never to be had.
            told = {
                **MATRIX["provider_machines"],
                "open-old": ALL,
                "open-north": ALL,
                "nothing": "",
            }
            body = {"identifiers": list(told)}
            answer = stage.api.post("/lookup", who(actor), body)
            found = {it["identifier"]: it for it in answer.json["results"]}
            assert {name for name, it in found.items() if it["known"]} == seen_by(actor, told)
            assert found["nothing"]["matches"] == []
            [match] = found["open-old"]["matches"]
            if actor in KEEPER.split():
                assert match["machine"]["identifier"] == "open-old"
            else:
                assert match["machine"] is match["owner"] is match["behind"] is None
                assert match["version"].keys() == {"id", "name", "state"}
                assert match["image"].keys() == {"id", "slug", "name"}
            [match] = found["open-east"]["matches"]
            offered = {it["channel"]: it["machine"]["identifier"] for it in match["offered"]}
            seen = seen_by(actor, {"latest": ALL, **CHANNELS["open"]})
            assert offered == dict.fromkeys(seen, "open-east")


@pytest.mark.parametrize("actor", ["alice", "bob", "dora", "lesser"])
def test_deliveries_are_their_webhooks(stage: Stage, actor: str) -> None:
    for name, those in MATRIX["webhooks"].items():
        deliveries = f"/api/v2/webhooks/{stage.id_of('webhooks', name)}/deliveries"
        page = stage.api.get(deliveries, actor)
        assert page.status_code == (200 if actor in those.split() else 404)
        if page.status_code == 200:
            for it in page.json["results"]:
                alone = stage.api.get(it["url"], actor).json
                assert alone == it | {"stored_attempts": alone["stored_attempts"]}
    # Those of one webhook are not found at another.
    theirs = stage.id_of("deliveries", "alice's")
    for name in seen_by(actor, MATRIX["webhooks"]) - {"alice's"}:
        address = f"/api/v2/webhooks/{stage.id_of('webhooks', name)}/deliveries/{theirs}"
        assert code(stage.api.get(address, actor)) == "404 not_found"
