"""The requests of `web/test_route_statuses.py`: for each route, requests and the status that each actor
gets. The routes of the lifecycle are in `lifecycle.py`.

404: they do not see it, 403: they see it and may not change it, 401: changing takes credentials,
400: the body names what they do not see, 409: something refers to it, or it is a personal group.
"""

from dataclasses import dataclass
from typing import Any

from tests.support.access_requests.who_sees import BY_IMAGE


@dataclass(frozen=True)
class Ask:
    """A request and its statuses, in the order of ACTORS. In the path and the body, `{name}` is
    the id of that thing of the route's resource, `{resource/name}` of another resource. A
    successful answer to an actor who may read the texts of `shows` must contain each of them.
    `known` are texts that an answer may contain for everyone, because they are in the request.
    Actors with status 404 may not read `unseen`, a part of the path; by default it is the
    beginning of the path."""

    path: str
    statuses: str
    shows: tuple[str, ...] = ()
    body: Any = None
    known: tuple[str, ...] = ()
    unseen: str = ""

    def __str__(self) -> str:
        return f"{self.path} {self.body or ''}".strip()


def every(text: str) -> tuple[str, ...]:
    """The text of each image."""
    return tuple(text.format(image) for image in BY_IMAGE)


READ = "200 200 200 200 200 200"
STAFF_MAKES = "401 403 403 403 201 403"
ANY_MAKES = "401 201 201 201 201 201"


def changes(path: str, statuses: str, **body: Any) -> Ask:
    return Ask(path, statuses, body=body)


ROUTES_ASKED: dict[str, list[Ask]] = {
    "GET /image_versions": [Ask("", READ, every("{}-1.0") + every("{} image") + ("open-west",))],
    "POST /image_versions": [
        changes("", "401 403 403 201 201 403", name="new", image="{images/open}"),
        changes("", "401 400 400 201 201 400", name="new", image="{images/closed}"),
        changes("", "401 400 403 201 201 400", name="new", image="{images/shared}"),
        changes("", "401 400 201 201 201 400", name="new", image="{images/kept}"),
        changes(
            "",
            "401 400 400 201 201 400",
            name="new",
            image="{images/kept}",
            parent="{image_versions/closed-1.0}",
            allow_revoked_parent=True,
        ),
        changes(
            "",
            "401 400 400 409 409 400",
            name="new",
            image="{images/kept}",
            parent="{image_versions/closed-1.0}",
        ),
    ],
    "GET /image_versions/{key}": [
        Ask("{open-1.0}", READ, ("open-1.0", "open-west")),
        Ask("{open-1.1}", READ, ("closed-1.0",)),
        Ask("{closed-1.0}", "404 404 404 200 200 404", ("closed-1.0", '"setup"')),
        Ask("{shared-1.0}", "404 404 200 200 200 404", ("shared-1.0", '"lab"', '"ops"')),
        Ask("{kept-1.0}", "404 404 200 200 200 404", ("kept-west",)),
        Ask("{ended-1.0}", "404 404 404 200 200 404", ("ended-1.0",)),
        Ask("{scheduled-1.0}", "404 404 404 200 200 404", ("scheduled-1.0",)),
    ],
    "PATCH /image_versions/{key}": [
        changes("{open-1.0}", "401 403 403 200 200 403", change_log="new"),
        changes("{closed-1.0}", "401 404 404 200 200 404", change_log="new"),
        changes("{shared-1.0}", "401 404 403 200 200 404", change_log="new"),
        changes("{kept-1.0}", "401 404 200 200 200 404", change_log="new"),
        changes("{kept-1.0}", "401 404 400 409 409 404", parent="{image_versions/closed-1.0}"),
        changes(
            "{kept-1.0}",
            "401 404 400 200 200 404",
            deprecation={"reason": "new", "replacement": "{image_versions/closed-1.0}"},
        ),
        changes("{shared-1.0}", "401 404 403 200 200 404", exclude_from_latest=True),
        changes("{kept-1.0}", "401 404 200 400 400 404", identity="{identities/bob@west}"),
        changes("{kept-1.0}", "401 404 400 200 200 404", scripts=["{boot_scripts/setup}"]),
        changes("{kept-1.0}", "401 404 403 200 200 404", scripts=["{boot_scripts/welcome}"]),
        changes("{kept-1.0}", "401 404 400 400 200 404", membership=["{groups/ops}"]),
        changes("{ended-1.0}", "401 404 404 200 200 404", end_date=None),
        changes("{scheduled-1.0}", "401 404 404 200 200 404", change_log="new"),
    ],
    "DELETE /image_versions/{key}": [
        Ask("{open-1.0}", "401 403 403 204 204 403"),
        Ask("{closed-1.0}", "401 404 404 204 204 404"),
        Ask("{shared-1.0}", "401 404 403 204 204 404"),
        Ask("{kept-1.0}", "401 404 204 204 204 404"),
    ],
    "GET /image_versions/{key}/history": [
        Ask("{open-1.0}/history", "401 403 403 200 200 403", ("first of open",)),
        Ask("{open-1.1}/history", "401 403 403 200 200 403", ("closed-1.0", '"west"')),
        Ask("{closed-1.0}/history", "404 404 404 200 200 404", ("first of closed", '"setup"')),
        Ask("{shared-1.0}/history", "404 404 403 200 200 404", ('"lab"',)),
        Ask("{kept-1.0}/history", "404 404 200 200 200 404", ("first of kept", '"setup"')),
    ],
    "GET /images": [Ask("", READ, every("{}-image") + every("{}-tag") + ('"lab"', '"ops"'))],
    "POST /images": [changes("", ANY_MAKES, name="new", tags=["closed"])],
    "GET /images/{key}": [
        Ask("{open}", READ, ("open-1.0", '"ops"')),
        Ask("open-image", READ, ("open-image",)),
        Ask("{closed}", "404 404 404 200 200 404", ("closed image", "closed-tag")),
        Ask("closed-image", "404 404 404 200 200 404", ("closed-1.0",)),
        Ask("{shared}", "404 404 200 200 200 404", ("shared-1.0",)),
        Ask("{kept}", "404 404 200 200 200 404", ('"lab"',)),
        Ask("{ended}", "404 404 404 200 200 404", ("ended-1.0",)),
        Ask("{scheduled}", "404 404 404 200 200 404", ("scheduled-1.0",)),
    ],
    "PATCH /images/{key}": [
        changes("{open}", "401 403 403 200 200 403", description="new"),
        changes("{closed}", "401 404 404 200 200 404", description="new"),
        changes("{shared}", "401 404 403 200 200 404", description="new"),
        changes("{kept}", "401 404 200 200 200 404", description="new"),
        changes("{kept}", "401 404 403 200 200 404", owner="alice", maintainers=[]),
        changes("{ended}", "401 404 404 200 200 404", description="new"),
        changes("{scheduled}", "401 404 404 200 200 404", description="new"),
        changes("{closed}", "401 404 404 400 200 404", maintainers=["{groups/ops}"]),
    ],
    "DELETE /images/{key}": [
        Ask("{open}", "401 403 403 204 204 403"),
        Ask("{closed}", "401 404 404 204 204 404"),
        Ask("{shared}", "401 404 403 204 204 404"),
        Ask("{kept}", "401 404 204 204 204 404"),
    ],
    "GET /provider_machines": [
        Ask("", READ, every("{}-east") + every("{}-west") + ("open-old", "open-south")),
    ],
    "POST /provider_machines": [
        changes(
            "",
            "401 403 403 201 201 403",
            version="{image_versions/open-1.0}",
            provider="{providers/east}",
            identifier="new",
        ),
        changes(
            "",
            "401 400 400 201 201 400",
            version="{image_versions/closed-1.0}",
            provider="{providers/east}",
            identifier="new",
        ),
        changes(
            "",
            "401 400 201 201 201 400",
            version="{image_versions/kept-1.0}",
            provider="{providers/west}",
            identifier="new",
        ),
        changes(
            "",
            "401 400 403 201 201 400",
            version="{image_versions/kept-1.0}",
            provider="{providers/east}",
            identifier="new",
        ),
        changes(
            "",
            "401 400 400 400 201 400",
            version="{image_versions/kept-1.0}",
            provider="{providers/south}",
            identifier="new",
        ),
    ],
    "GET /provider_machines/{key}": [
        Ask("{open-east}", READ, ("open-east",)),
        Ask("{open-west}", "404 404 200 200 200 404", ("open-west", '"west"')),
        Ask("{open-south}", "404 404 404 200 200 404", ("open-south", '"south"')),
        Ask("{open-old}", "404 404 404 200 200 404", ("open-old",)),
        Ask("{closed-east}", "404 404 404 200 200 404", ("closed-east",)),
        Ask("{shared-west}", "404 404 200 200 200 404", ("shared-west",)),
    ],
    "PATCH /provider_machines/{key}": [
        changes("{open-east}", "401 403 403 200 200 403", size_gb=8),
        changes("{open-south}", "401 404 404 403 200 404", size_gb=8),
        changes("{closed-west}", "401 404 404 200 200 404", size_gb=8),
        changes("{kept-west}", "401 404 200 200 200 404", size_gb=8),
        changes("{kept-east}", "401 404 403 200 200 404", size_gb=8),
        changes("{shared-east}", "401 404 403 200 200 404", size_gb=8),
        changes("{ended-east}", "401 404 404 200 200 404", size_gb=8),
        changes("{scheduled-east}", "401 404 404 200 200 404", size_gb=8),
    ],
    "DELETE /provider_machines/{key}": [
        Ask("{open-east}", "401 403 403 204 204 403"),
        Ask("{closed-west}", "401 404 404 204 204 404"),
        Ask("{kept-west}", "401 404 204 204 204 404"),
    ],
    "GET /providers": [Ask("", READ, ('"west"', '"south"', '"north"'))],
    "POST /providers": [changes("", STAFF_MAKES, name="new")],
    "GET /providers/{key}": [
        Ask("{east}", READ, ('"east"',)),
        Ask("{west}", "404 404 200 200 200 404", ('"west"',)),
        Ask("west", "404 404 200 200 200 404", ('"west"',)),
        Ask("{south}", "404 404 404 404 200 404", ('"south"',)),
        Ask("{north}", "404 404 404 404 200 404", ('"north"',)),
    ],
    "PATCH /providers/{key}": [
        changes("{east}", "401 403 403 403 200 403", description="new"),
        changes("{west}", "401 404 403 403 200 404", description="new"),
        changes("{south}", "401 404 404 404 200 404", description="new"),
    ],
    "DELETE /providers/{key}": [
        Ask("{east}", "401 403 403 403 204 403"),
        Ask("{west}", "401 404 403 403 204 404"),
    ],
    "GET /licenses": [Ask("", READ, ("Apache 2.0",))],
    "POST /licenses": [changes("", ANY_MAKES, title="new", type="SPDX", text="MIT")],
    "GET /licenses/{key}": [Ask("{Apache 2.0}", READ, ("Apache 2.0",))],
    "PATCH /licenses/{key}": [changes("{Apache 2.0}", "401 403 403 200 200 403", title="new")],
    "DELETE /licenses/{key}": [Ask("{Apache 2.0}", "401 403 403 409 409 403")],
    "GET /boot_scripts": [Ask("", READ, ('"setup"', "echo ready", '"joined"', '"welcome"'))],
    "POST /boot_scripts": [changes("", ANY_MAKES, title="new", type="Raw Text", text="true")],
    "GET /boot_scripts/{key}": [
        Ask("{welcome}", READ, ('"welcome"',)),
        Ask("{setup}", "404 404 404 200 200 404", ("echo ready",)),
        Ask("{joined}", "404 404 200 200 200 404", ('"joined"',)),
    ],
    "PATCH /boot_scripts/{key}": [
        changes("{welcome}", "401 403 403 200 200 403", title="new"),
        changes("{setup}", "401 404 404 200 200 404", title="new"),
        changes("{joined}", "401 404 403 409 409 404", text="new"),
    ],
    "DELETE /boot_scripts/{key}": [
        Ask("{welcome}", "401 403 403 409 409 403"),
        Ask("{setup}", "401 404 404 409 409 404"),
    ],
    "GET /groups": [Ask("", READ, ('"lab"',))],
    "POST /groups": [changes("", STAFF_MAKES, name="new")],
    "GET /groups/{key}": [
        Ask("{lab}", "404 404 200 200 200 404", ('"lab"', '"bob"')),
        Ask("{ops}", "404 404 404 404 200 404", ('"erin"',)),
        Ask("{charlie}", "404 200 404 404 200 404", ('"charlie"',)),
    ],
    "PATCH /groups/{key}": [
        changes("{lab}", "401 404 403 200 200 404", users=["alice"]),
        changes("{lab}", "401 404 403 403 200 404", name="new"),
        changes("{ops}", "401 404 404 404 200 404", name="new"),
        changes("{charlie}", "401 403 404 404 409 404", name="new"),
    ],
    "DELETE /groups/{key}": [
        Ask("{lab}", "401 404 403 403 409 404"),
        Ask("{charlie}", "401 403 404 404 409 404"),
    ],
    "GET /users": [Ask("", READ, ('"charlie"', '"erin"'))],
    "POST /users": [changes("", STAFF_MAKES, username="new")],
    "GET /users/{key}": [
        Ask("{charlie}", "404 200 404 404 200 404", ('"charlie"',)),
        Ask("{dora}", "404 404 404 404 200 200", ('"dora"',)),
    ],
    "PATCH /users/{key}": [
        changes("{charlie}", "401 403 404 404 200 404", active=False),
        changes("{dora}", "401 404 404 404 200 403", is_staff=True),
    ],
    "DELETE /users/{key}": [Ask("{charlie}", "401 403 404 404 204 404")],
    "GET /identities": [Ask("", READ, ("alice@east", "alice@west", "bob@west"))],
    "POST /identities": [
        changes("", STAFF_MAKES, user="{users/charlie}", provider="{providers/south}", key="new"),
    ],
    "GET /identities/{key}": [
        Ask("{bob@west}", "404 404 200 404 200 404", ("bob@west", '"west"')),
        Ask("{alice@west}", "404 404 404 200 200 404", ("alice@west",)),
    ],
    "PATCH /identities/{key}": [changes("{bob@west}", "401 404 403 404 200 404", key="new")],
    "DELETE /identities/{key}": [
        Ask("{bob@west}", "401 404 403 404 204 404"),
        Ask("{alice@west}", "401 404 404 403 409 404"),
    ],
    "GET /tags": [Ask("", READ, every("{}-tag"))],
    "GET /tags/{key}": [
        Ask("{open-tag}", READ, ("open-tag",)),
        Ask("{closed-tag}", "404 404 404 200 200 404", ("closed-tag",)),
        Ask("{shared-tag}", "404 404 200 200 200 404", ("shared-tag",)),
    ],
    "PATCH /tags/{key}": [
        changes("{open-tag}", "401 403 403 403 200 403", description="new"),
        changes("{closed-tag}", "401 404 404 403 200 404", description="new"),
    ],
    "DELETE /tags/{key}": [
        Ask("{open-tag}", "401 403 403 403 409 403"),
        Ask("{closed-tag}", "401 404 404 403 409 404"),
    ],
    "GET /drift": [Ask("", "401 200 200 200 200 200")],
    "GET /unread_scopes": [Ask("", "401 403 403 403 200 403")],
    "GET /image_versions/{key}/drift": [
        Ask("{open-1.0}/drift", "401 403 403 200 200 403"),
        Ask("{closed-1.0}/drift", "404 404 404 200 200 404"),
        Ask("{shared-1.0}/drift", "404 404 403 200 200 404"),
        Ask("{kept-1.0}/drift", "404 404 200 200 200 404"),
    ],
    "GET /security_events": [Ask("", "401 403 403 403 200 403")],
    "GET /activity": [Ask("", "401 403 403 403 200 403")],
    "GET /tokens": [Ask("", READ, ('"charlie"',))],
    "POST /tokens": [changes("", "401 403 403 403 201 403", name="new", scope="read")],
    "GET /tokens/{key}": [
        Ask("{bob's test}", "404 404 200 404 200 404", ('"bob"',)),
        Ask("{dora's test}", "404 404 404 404 200 200", ('"dora"',)),
    ],
    "DELETE /tokens/{key}": [
        Ask("{bob's test}", "401 404 403 404 204 404"),
        Ask("{dora's test}", "401 404 404 404 204 403"),
    ],
    "GET /image_version_licenses": [Ask("", READ, every("{}-1.0"))],
    "POST /image_version_licenses": [
        changes(
            "",
            "401 403 403 200 200 403",
            image_version="{image_versions/open-1.0}",
            license="{licenses/Apache 2.0}",
        ),
        changes(
            "",
            "401 400 400 200 200 400",
            image_version="{image_versions/closed-1.0}",
            license="{licenses/Apache 2.0}",
        ),
    ],
    "GET /image_version_licenses/{key}": [
        Ask("{open-1.0: Apache 2.0}", READ, ("open-1.0",)),
        Ask("{closed-1.0: Apache 2.0}", "404 404 404 200 200 404", ("closed-1.0",)),
    ],
    "DELETE /image_version_licenses/{key}": [
        Ask("{open-1.0: Apache 2.0}", "401 403 403 204 204 403"),
        Ask("{closed-1.0: Apache 2.0}", "401 404 404 204 204 404"),
    ],
    "GET /image_version_memberships": [Ask("", READ, ("shared-1.0", '"lab"', '"ops"'))],
    "POST /image_version_memberships": [
        changes(
            "", "401 403 403 201 201 403", image_version="{image_versions/open-1.0}", group="bob"
        ),
        changes(
            "", "401 400 400 201 201 400", image_version="{image_versions/closed-1.0}", group="bob"
        ),
        changes(
            "", "401 400 403 201 201 400", image_version="{image_versions/shared-1.0}", group="bob"
        ),
        changes(
            "",
            "401 400 400 400 201 400",
            image_version="{image_versions/kept-1.0}",
            group="{groups/ops}",
        ),
    ],
    "GET /image_version_memberships/{key}": [
        Ask("{shared-1.0: lab}", "404 404 200 200 200 404", ('"lab"',)),
        Ask("{shared-1.0: ops}", "404 404 404 200 200 404", ('"ops"',)),
    ],
    "DELETE /image_version_memberships/{key}": [
        Ask("{shared-1.0: lab}", "401 404 403 204 204 404"),
        Ask("{shared-1.0: ops}", "401 404 404 204 204 404"),
    ],
    "GET /image_version_boot_scripts": [Ask("", READ, ('"setup"', '"joined"', '"welcome"'))],
    "POST /image_version_boot_scripts": [
        changes(
            "",
            "401 403 403 201 201 403",
            image_version="{image_versions/open-1.1}",
            boot_script="{boot_scripts/welcome}",
        ),
        changes(
            "",
            "401 400 400 201 201 400",
            image_version="{image_versions/kept-1.0}",
            boot_script="{boot_scripts/setup}",
        ),
        changes(
            "",
            "401 400 403 201 201 400",
            image_version="{image_versions/kept-1.0}",
            boot_script="{boot_scripts/joined}",
        ),
    ],
    "GET /image_version_boot_scripts/{key}": [
        Ask("{open-1.0: welcome}", READ, ('"welcome"',)),
        Ask("{closed-1.0: setup}", "404 404 404 200 200 404", ('"setup"',)),
        Ask("{shared-1.0: joined}", "404 404 200 200 200 404", ('"joined"',)),
    ],
    "DELETE /image_version_boot_scripts/{key}": [
        Ask("{open-1.0: welcome}", "401 403 403 204 204 403"),
        Ask("{closed-1.0: setup}", "401 404 404 204 204 404"),
    ],
}
