"""Looks at an OpenStack cloud, by the real SDK, at a server whose answers can be spoiled."""

import logging
import sys
from typing import Any

import pytest

from goldenrod.sources.found import Listed, Look, Skipped
from goldenrod.sources.openstack import service, source
from tests.sources.fake_glance import answer
from tests.sources.fault_server import HANGS, HTML, Answer, Fault, Request, cut
from tests.sources.openstack.conftest import Office, image
from tests.sources.openstack.keystone import PROJECT, SECRET

NORTH = f"office/north/{PROJECT}"
SOUTH = f"office/south/{PROJECT}"


def machines(look: Look) -> dict[str, Listed]:
    """The machines of a complete look by the end of their ids."""
    assert look.failed is None
    return {row.machine.identifier[-2:]: row for row in look.rows if isinstance(row, Listed)}


def is_list(request: Request) -> bool:
    return request.path.endswith("/v2/images")


def is_next_page(request: Request) -> bool:
    return is_list(request) and "marker" in request.query


def test_each_region_is_a_scope(office: Office) -> None:
    reading = office.source()
    assert reading.scopes() == ([NORTH, SOUTH], [])
    assert office.asked("POST", "/identity/v3/auth/tokens") == 1
    del office.keystone.regions["south"]
    assert reading.scopes() == ([NORTH], [])
    office.server.clear()
    assert office.source(regions=["south", "south"]).scopes() == ([SOUTH], [])
    office.configured(regions=["north", {"name": "east"}])
    assert office.source().scopes()[0] == [NORTH, f"office/east/{PROJECT}"]
    office.configured(region_name="south")
    assert office.source().scopes() == ([SOUTH], [])
    assert office.server.requests == []


def test_a_cloud_that_cannot_be_asked_is_a_failed_look(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reason(**more: Any) -> str:
        scopes, looks = office.source(**more).scopes()
        assert (scopes, len(looks)) == ([], 1)
        look = looks[0]
        assert look.scope == "office" and look.rows == () and look.failed
        assert SECRET not in look.failed and "wrong" not in look.failed
        start = "source 'our-openstack' at office: "
        assert look.failed.startswith(start)
        return look.failed.removeprefix(start)

    office.configured(password="wrong")
    assert reason() == "the cloud refused the credentials (401)"
    office.configured(auth={"auth_url": office.server.url, "username": "a", "password": SECRET})
    assert reason() == "no service of OpenStack answers at its address"
    office.configured(auth={})
    assert reason().startswith("clouds.yaml does not say all that signing in needs")
    office.configured()
    office.keystone.regions = {}
    assert reason() == "its service catalogue names no image service"
    assert reason(regions=["\x00"]) == r"'\x00' is not the name of a region"
    office.configured(
        auth={"auth_url": "http://127.0.0.1:1/v3", "username": "a", "password": SECRET}
    )
    assert reason() == "the cloud cannot be reached"
    office.clouds_yaml.write_text("clouds: {elsewhere: {}}")
    assert reason() == "clouds.yaml has no cloud 'office'"
    office.clouds_yaml.write_text(f"clouds: [{SECRET}")
    assert reason() == "clouds.yaml has no cloud 'office'"
    office.clouds_yaml.write_text(f"- {SECRET}")
    assert reason().startswith("clouds.yaml does not say")
    monkeypatch.setitem(sys.modules, "openstack.config", None)
    assert reason() == "openstacksdk is not installed: pip install 'goldenrod[clouds]'"


def test_a_token_without_a_project_and_a_cloud_without_regions(office: Office) -> None:
    office.north.images = [image(10)]
    office.keystone.tokens.add("token")
    auth = {"endpoint": f"{office.server.url}/north/v2", "token": "token"}
    office.configured(auth_type="admin_token", auth=auth)
    reading = office.source()
    assert reading.scopes() == (["office"], [])
    no_project = "signing in names no project: declare project_owners"
    assert reading.look("office").failed == f"source 'our-openstack' at office: {no_project}"
    reading = office.source(project_owners=[PROJECT])
    reading.scopes()
    assert machines(reading.look("office"))["10"].machine.provider == "office"
    assert all(logging.getLogger(name).handlers for name in ("openstack", "keystoneauth"))
    unknown = reading.look("office/west").failed
    assert unknown == "source 'our-openstack' at office: there is no scope 'office/west'"


def test_what_is_not_openstack_fails_the_look_and_the_next_one_finds_the_service(
    office: Office,
) -> None:
    office.north.images = [image(10)]
    reading = office.source(regions=["north"])
    reading.scopes()
    reason = (
        "source 'our-openstack' at office/north: no service of OpenStack answers at its address"
    )
    for path in ("/identity/v3", "/identity/v3/auth/tokens", "/north"):
        for fault in (HTML, answer([])):
            office.server.clear()
            office.server.fault(fault, when=lambda request, path=path: request.path == path)
            assert reading.look(NORTH).failed == reason, (path, fault)
        office.server.clear()
    assert len(machines(reading.look(NORTH))) == 1


def test_both_lists_are_read_page_by_page_and_each_image_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "PAGE_SIZE", 3)
    office.north.images = [image(n, os_hidden=n % 5 == 0) for n in range(10, 24)]
    # A property of this name breaks the SDK's own list.
    office.north.images[1] |= {"connection": "mine", "microversion": "1", "self": "/v2/images/1"}
    office.north.images[2] |= {"visibility": "community"}
    office.north.images[3] |= {"owner": "other", "visibility": "community"}
    office.north.images[4] |= {"owner": "other", "visibility": "public"}
    office.north.images[5] |= {"id": None}
    shared, offered = (office.north.images[n]["id"] for n in (6, 7))
    waiting = {"member_id": "theirs", "status": "pending"}
    accepted = {"member_id": "friend", "status": "accepted"}
    office.north.members = {shared: [waiting, accepted], offered: [waiting]}
    reading = office.source()
    reading.scopes()
    look = reading.look(NORTH)
    found = machines(look)
    assert set(found) == {str(n) for n in range(10, 24)} - {"13", "14", "15"}
    assert [row for row in look.rows if isinstance(row, Skipped)] == [
        Skipped("debian-12-amd64-20260101-15", "Expected `str`, got `null` - at `$.id`"),
        Skipped("images of other projects", source.OTHERS, 2),
    ]
    assert (found["16"].machine.visibility, found["16"].machine.members) == ("shared", ("friend",))
    assert (found["17"].machine.visibility, found["17"].machine.members) == ("private", ())
    assert look.notes == (
        "2 shared images have members that have not accepted; these do not list them, but may use them "
        "by their ids",
    )
    assert found["12"].machine.visibility == "community"
    assert {found[n].machine.visibility for n in ("10", "11", "23")} == {"private"}
    assert found["10"].machine.deprecated_at == "2026-01-02T00:00:00.000000Z"
    assert found["11"].machine.deprecated_at is None
    assert (found["11"].machine.provider, found["11"].machine.scope) == ("office/north", NORTH)
    lists = [request.query for request in office.server.requests if is_list(request)]
    assert len(lists) == 4 + 1
    assert all(q["visibility"] == "all" and q["sort"] == "created_at:asc,id:asc" for q in lists)
    assert machines(reading.look(SOUTH)) == {}
    public = office.source(public_images=True, project_owners=["nobody"])
    public.scopes()
    assert set(machines(public.look(NORTH))) == {"14"}


def test_a_deleted_marker_begins_the_look_again_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "PAGE_SIZE", 2)
    office.north.images = [image(n, visibility="public") for n in range(10, 16)]

    def deleted(_: Answer) -> Answer:
        """The image after which this page begins is deleted just before."""
        marker = office.server.requests[-1].query["marker"]
        office.north.images = [one for one in office.north.images if one["id"] != marker]
        return office.server.cloud(office.server.requests[-1])

    reading = office.source()
    reading.scopes()
    office.server.fault(deleted, times=1, when=is_next_page)
    assert set(machines(reading.look(NORTH))) == {"10", "12", "13", "14", "15"}
    office.server.fault(deleted, times=2, when=is_next_page)
    look = reading.look(NORTH)
    assert look.failed is not None and look.rows == ()
    assert look.failed.endswith("images were deleted while they were listed, twice")


def test_a_token_that_expires_between_pages_is_renewed(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "PAGE_SIZE", 2)
    office.north.images = [image(n, visibility="public") for n in range(10, 16)]
    reading = office.source()
    reading.scopes()
    reading.look(NORTH)

    def expires(given: Answer) -> Answer:
        office.keystone.revoke()
        return given

    office.server.fault(expires, times=1, when=is_next_page)
    before = office.keystone.signed_in
    assert len(machines(reading.look(NORTH))) == 6
    assert office.keystone.signed_in == before + 1


def page(following: str) -> Answer:
    """A page of one image, with the address of the next page."""
    return answer({"images": [image(10)], "first": "/v2/images", "next": following})


ELSEWHERE = Answer(b"", 302, {"Location": "http://127.0.0.1:1/v2/images"})
NOT_A_LIST = "an answer is not a list of images: "
FAULTS: dict[str, tuple[Fault, str]] = {
    "a page of a guest network": (HTML, NOT_A_LIST),
    "a cut body": (cut(-20), "an answer was cut short"),
    "a cut body without a length": (cut(-20, "close"), NOT_A_LIST),
    "a cut body in chunks": (cut(-20, "chunked"), "an answer was cut short"),
    "an empty body": (Answer(b""), NOT_A_LIST),
    "no list": (answer({}), NOT_A_LIST),
    "a list of something else": (answer({"images": []}), NOT_A_LIST),
    "a list that is no list": (answer({"images": {}, "first": "/v2/images"}), NOT_A_LIST),
    "another encoding": (Answer('{"images": []}'.encode("utf-16")), NOT_A_LIST),
    "deep nesting": (Answer(b'{"images": [' + b"[" * 100_000), NOT_A_LIST),
    "a compressed body": (Answer(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), NOT_A_LIST),
    "a server error": (Answer(b"oh", 500), "the cloud answered 500"),
    "too many requests": (Answer(b"slow down", 503), "the cloud answered 503"),
    "not allowed": (Answer(b"no", 403), "the cloud refused the credentials (403)"),
    "never signed in": (Answer(b"no", 401), "the cloud refused the credentials (401)"),
    "a redirect": (ELSEWHERE, "the cloud answered 302"),
    "no answer": (HANGS, "the cloud did not answer in time"),
    "a huge body": (Answer(b" " * 300_000), "an answer is longer than 0 MiB"),
    "the same page for ever": (
        page("http://127.0.0.1:1/v2/images?marker=1"),
        "the pages of its list never end",
    ),
    "a next page without a marker": (page("//["), NOT_A_LIST),
}


SOME = ("a page of a guest network", "a cut body", "no list", "never signed in", "no answer")


@pytest.mark.parametrize("names", [SOME, pytest.param(tuple(FAULTS), marks=pytest.mark.long)])
def test_an_answer_that_is_not_glances_fails_the_look_and_says_why(
    names: tuple[str, ...], office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_BYTES", 200_000)
    office.configured(api_timeout=0.5, image_status_code_retries=2)
    office.north.images = [image(n, visibility="public") for n in range(10, 16)]
    office.south.images = office.north.images[:1]
    reading = office.source()
    reading.scopes()
    assert len(machines(reading.look(NORTH))) == 6
    for name in names:
        fault, reason = FAULTS[name]
        office.server.clear()
        office.server.fault(fault, when=lambda r: is_list(r) and r.path.startswith("/north"))
        look = reading.look(NORTH)
        assert look.failed and look.rows == (), name
        told = look.failed.removeprefix("source 'our-openstack' at office/north: ")
        assert told.startswith(reason) and told.isprintable() and len(told) < 200, (name, told)
        assert SECRET not in told and "127.0.0.1" not in told, name
        assert len(machines(reading.look(SOUTH))) == 1, name


def test_a_look_ends_in_time(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.north.images = [image(10)]
    reading = office.source()
    reading.scopes()
    monkeypatch.setattr(service, "MOST_SECONDS", 0)
    assert str(reading.look(NORTH).failed).endswith("reading took longer than 0 seconds")


def test_a_fault_that_passes_is_none(office: Office) -> None:
    office.north.images = [image(10)]
    reading = office.source()
    reading.scopes()
    for fault in (cut(-20), cut(-20, "close"), HTML, Answer(b"", 503), Answer(b"", 429)):
        office.server.fault(fault, times=2, when=is_list)
        assert len(machines(reading.look(NORTH))) == 1
        members = lambda request: request.path.endswith("/members")  # noqa: E731
        office.server.fault(fault, times=2, when=members)
        assert machines(reading.look(NORTH))["10"].machine.visibility == "private"
    office.server.fault(Answer(b"", 403), times=1, when=members)
    look = reading.look(NORTH)
    assert machines(look)["10"].machine.visibility is None
    assert look.notes == ("1 shared images: the cloud does not say with whom",)


def test_an_image_is_gone_only_where_the_same_service_still_has_a_list(office: Office) -> None:
    there, gone = image(10, os_hidden=True)["id"], image(11)["id"]
    office.north.images = [image(10, os_hidden=True)]
    reading = office.source()
    reading.scopes()

    def presence(identifier: str) -> str:
        return reading.presence(NORTH, "office/north", identifier)

    assert [presence(there), presence(gone)] == ["there", "gone"]
    assert reading.presence("office/west", "office/west", there) == "unknown"
    # A text that is no id stays inside the address of one image.
    assert presence("../../v2/images?x=") == "gone"
    assert office.server.requests[-2].path.startswith("/north/v2/images/")

    by_id = lambda request: "/v2/images/" in request.path  # noqa: E731
    not_there = Answer(b"<html>404 Not Found</html>", 404)
    for at_id, at_list in (
        (not_there, HTML),
        (not_there, not_there),
        (HTML, None),
        (Answer(b"", 500), None),
        (Answer(b"", 410), None),
        (cut(-9), None),
        (answer(image(12)), None),
    ):
        office.server.clear()
        office.server.fault(at_id, when=by_id)
        if at_list:
            office.server.fault(at_list, when=is_list)
        assert presence(there) == "unknown", (at_id, at_list)
    office.server.clear()
    for status in ("deleted", "pending_delete"):
        office.north.images = [image(10, status=status)]
        assert presence(there) == "gone"
