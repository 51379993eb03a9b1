"""Several values in one filter, with commas between them: any of them, at most so many."""

import pytest

from goldenrod.rules.filters import MOST_VALUES
from tests.support.actions import ids, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code

LISTS = "/api/v2"


def count(api: ApiClient, address: str, who: str | None = "dora") -> int:
    answer = api.get(address, who)
    assert answer.status_code == 200, answer.text
    assert answer.json["count"] == len(answer.json["results"])
    return int(answer.json["count"])


@pytest.mark.long_on_postgresql
def test_several_values_select_what_has_any_of_them(api: ApiClient, world: World) -> None:
    publish(api, "arm", image="open", machines=[
        {"provider": "east", "identifier": "arm-1", "architecture": "arm64"},
        {"provider": "east", "identifier": "odd-1", "architecture": "a,b"},
    ])  # fmt: skip
    cases = [
        ("/image_versions", "state", ["current", "scheduled", "ended"]),
        ("/image_versions", "user", ["alice", "bob", "nobody"]),
        ("/image_versions", "created_by", ["alice", "dora"]),
        ("/image_versions", "image_id", ["open-image", str(world.images["shared"]), "no-image"]),
        ("/image_versions", "parent", [world.versions["open"], world.versions["closed"]]),
        (f"{LISTS}/images", "owner", ["alice", "bob"]),
        (f"{LISTS}/provider_machines", "version_id", list(world.versions.values())[:4]),
        (f"{LISTS}/licenses", "type", ["SPDX", "URL"]),
        (f"{LISTS}/identities", "user", ["alice", "charlie"]),
    ]
    for address, name, values in cases:
        singles = [ids(api.all(f"{address}?{name}={value}", "dora")) for value in values]
        together = ids(api.all(f"{address}?{name}={', '.join(values)}&page_size=2", "dora"))
        assert sorted(map(str, together)) == sorted(str(one) for them in singles for one in them)
        assert count(api, f"{address}?{name}={','.join(values)}") == len(together), name
    # A version that has both is found once, and a value may have a comma of its own.
    assert count(api, "/image_versions?architecture=arm64,a,b&image_id=open-image") == 1
    assert count(api, f"{LISTS}/provider_machines?architecture=a,b") == 1
    assert count(api, "/image_versions?provider=east,west&architecture=arm64") == 1


def test_several_values_show_no_more_than_one(api: ApiClient, world: World) -> None:
    hidden = api.get("/image_versions?image_id=closed-image,shared-image", "charlie").json
    alone = [api.get(f"/image_versions?image_id={one}", "charlie").json["count"]
             for one in ("closed-image", "shared-image")]  # fmt: skip
    assert hidden["count"] == sum(alone)


def test_too_many_or_wrong_values_are_refused(api: ApiClient, world: World) -> None:
    many = ",".join(f"image-{n}" for n in range(MOST_VALUES + 1))
    for query in (
        f"image_id={many}", "state=current,", "state=current,gone", "image_id=open-image,,",
        "image_id=open-image,0", "license=1,2", "tag=a&tag=b",
    ):  # fmt: skip
        answer = api.get(f"/image_versions?{query}", "alice")
        assert code(answer) == "400 parameter_invalid", query
        assert answer.json["errors"][0]["field"] == query.partition("=")[0]
    told = api.get(f"/image_versions?image_id={many}", "alice").json["detail"]
    assert f"at most {MOST_VALUES} values" in told
    same = ",".join(["open-image"] * 30)
    assert count(api, f"/image_versions?image_id={same}") > 0
