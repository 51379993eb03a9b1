"""The requests of `web/test_route_statuses.py` to the routes of the lifecycle and of webhooks."""

from typing import Any

from tests.support.access_catalogue import target
from tests.support.access_requests.resources import READ, Ask, changes

KEEPERS = "404 404 404 200 200 404"
LABS = "404 404 200 200 200 404"
NONE = "404 404 404 404 404 404"
NUMBER = "0.20260526.120000"
"""The number of the modules of channels, from the start date of the versions."""

OPEN, CLOSED, SHARED, KEPT = (
    f"{{{image}}}/channels" for image in ("open", "closed", "shared", "kept")
)


def inner(path: str, statuses: str = LABS, *shows: str, **body: Any) -> Ask:
    """The requests for open's restricted channel. Actors who may read only the image must not
    learn that it exists."""
    return Ask(path, statuses, shows, body or None, unseen="inner")


def looked_up(identifier: Any, *shows: str) -> Ask:
    """A look-up of an id in the body. The answer always repeats what was asked."""
    known = (identifier,)
    if isinstance(identifier, dict):
        known = (identifier["identifier"], f'"{identifier["provider"]}"')
    return Ask("", READ, shows, {"identifiers": [identifier]}, known=known)


def hooked(statuses: str, image: str | None) -> Ask:
    body = {"image": image, "target": target("new")}
    return Ask("", statuses, body=body, known=("whsec_",))


def _several(image: str, statuses: str, version: str, **body: Any) -> Ask:
    return changes(f"{image}/bulk", statuses, versions=[f"{{image_versions/{version}}}"], **body)


LIFECYCLE_ASKED: dict[str, list[Ask]] = {
    "POST /image_versions/{key}/revoke": [
        changes("{open-1.0}/revoke", "401 403 403 200 200 403", reason="new"),
        changes("{closed-1.0}/revoke", "401 404 404 409 409 404", reason="new"),
        changes("{shared-1.0}/revoke", "401 404 403 200 200 404", reason="new", dry_run=True),
        changes("{kept-1.0}/revoke", "401 404 200 200 200 404", reason="new", descendants=True),
        changes("{scheduled-1.0}/revoke", "401 404 404 200 200 404", reason="new"),
    ],
    "POST /image_versions/{key}/restore": [
        changes("{closed-1.0}/restore", "401 404 404 200 200 404", dry_run=True),
        changes("{closed-1.0}/restore", "401 404 404 200 200 404"),
        # An inherited revocation cannot be lifted here.
        changes("{open-1.1}/restore", "401 403 403 409 409 403"),
        changes("{kept-1.0}/restore", "401 404 409 409 409 404"),
    ],
    "GET /image_versions/{key}/lineage": [
        Ask("{open-1.0}/lineage", READ, ("open-1.0",)),
        Ask("{open-1.1}/lineage", READ, ("open-1.1", "closed-1.0", "hole in closed")),
        Ask("{open-1.1}/lineage?direction=ancestors&depth=1", READ, ("closed-1.0",)),
        Ask("{closed-1.0}/lineage?direction=descendants", KEEPERS, ("open-1.1",)),
        Ask("{shared-1.0}/lineage", LABS, ("shared-1.0",)),
    ],
    "GET /image_versions/{key}/diff": [
        Ask("{open-1.1}/diff", "400 400 400 200 200 400", ("closed-1.0", "hole in closed")),
        Ask("{open-1.1}/diff?against={open-1.0}", READ, ("open-1.0", "open-west", "first of open")),
        Ask("{open-1.1}/diff?against={closed-1.0}", KEEPERS, unseen="{closed-1.0}"),
        Ask("{open-1.1}/diff?against={shared-1.0}", LABS, ('"lab"',), unseen="{shared-1.0}"),
        Ask("{closed-1.0}/diff?against={open-1.0}", KEEPERS, ('"setup"',)),
    ],
    "POST /images/{key}/bulk": [
        _several("{open}", "401 403 403 200 200 403", "open-1.0", action="deprecate"),
        _several(
            "{closed}", "401 404 404 200 200 404", "closed-1.0", action="share", groups=["lab"]
        ),
        _several(
            "{shared}", "401 404 403 200 200 404", "shared-1.0", action="revoke", reason="new"
        ),
        _several("{kept}", "401 404 200 200 200 404", "kept-1.0", action="revoke", reason="new"),
    ],
    "GET /images/{key}/follow": [
        Ask("{open}/follow", READ, ("open-image",)),
        Ask("{closed}/follow", KEEPERS, ("closed image",)),
        Ask("{shared}/follow", LABS, ("shared-image",)),
    ],
    "PUT /images/{key}/follow": [
        changes("{open}/follow", "401 200 200 200 200 200"),
        changes("{closed}/follow", "401 404 404 200 200 404"),
        changes("{shared}/follow", "401 404 200 200 200 404"),
    ],
    "DELETE /images/{key}/follow": [
        Ask("{open}/follow", "401 204 204 204 204 204"),
        Ask("{closed}/follow", "401 404 404 204 204 404"),
        Ask("{shared}/follow", "401 404 204 204 204 404"),
    ],
    "GET /image_versions/{key}/user-data": [
        Ask("{open-1.0}/user-data", READ),
        Ask("{closed-1.0}/user-data", KEEPERS, ("setup",)),
        Ask("{shared-1.0}/user-data", LABS),
    ],
    "GET /images/{key}/channels": [
        Ask(OPEN, READ, ('"latest"', '"stable"', '"inner"', '"lab"', '"ops"', "open-1.0")),
        Ask(CLOSED, KEEPERS, ("closed-line", "closed-1.0")),
        Ask("closed-image/channels?name=closed-line", KEEPERS, ("closed-line",)),
        Ask(SHARED, LABS, ("shared-line",)),
        Ask(KEPT, LABS, ("kept-1.0",)),
    ],
    "GET /images/{key}/channels/{name}": [
        Ask(f"{OPEN}/stable", READ, ("open-1.0",)),
        Ask(f"{OPEN}/latest", READ, ("open-1.0",)),
        inner(f"{OPEN}/inner", LABS, "open-1.0", '"lab"', '"ops"'),
        Ask(f"{CLOSED}/closed-line", KEEPERS, ("closed-1.0",)),
        Ask(f"{CLOSED}/latest", KEEPERS, ("closed image",)),
        Ask(f"{SHARED}/shared-line", LABS, ("shared-1.0",)),
    ],
    "PUT /images/{key}/channels/{name}": [
        changes(f"{OPEN}/stable", "401 403 403 200 200 403", version=None),
        changes(f"{OPEN}/new", "401 403 403 201 201 403", version="{image_versions/open-1.0}"),
        # Others than editors get the same status whether or not there is such a channel.
        changes(f"{OPEN}/inner", "401 403 403 200 200 403", version=None),
        changes(f"{OPEN}/latest", "401 403 403 409 409 403", version=None),
        changes(
            f"{CLOSED}/closed-line",
            "401 404 404 409 409 404",
            version="{image_versions/closed-1.0}",
        ),
        changes(f"{SHARED}/shared-line", "401 404 403 200 200 404", version=None),
        changes(f"{KEPT}/new", "401 404 201 201 201 404", version="{image_versions/kept-1.0}"),
        changes(f"{KEPT}/new", "401 404 400 400 400 404", version="{image_versions/closed-1.0}"),
    ],
    "PATCH /images/{key}/channels/{name}": [
        changes(f"{OPEN}/stable", "401 403 403 200 200 403", restricted=True),
        changes(f"{OPEN}/stable", "401 403 403 400 200 403", groups=["{groups/ops}"]),
        changes(
            f"{OPEN}/stable",
            "401 403 403 400 200 403",
            requires={"providers": ["{providers/south}"]},
        ),
        inner(f"{OPEN}/inner", "401 404 403 200 200 404", restricted=False),
        changes(f"{CLOSED}/closed-line", "401 404 404 200 200 404", groups=["lab"]),
        changes(f"{KEPT}/latest", "401 404 409 409 409 404", restricted=True),
    ],
    "DELETE /images/{key}/channels/{name}": [
        Ask(f"{OPEN}/stable", "401 403 403 204 204 403"),
        Ask(f"{OPEN}/latest", "401 403 403 409 409 403"),
        inner(f"{OPEN}/inner", "401 404 403 204 204 404"),
        Ask(f"{CLOSED}/closed-line", "401 404 404 204 204 404"),
        Ask(f"{SHARED}/shared-line", "401 404 403 204 204 404"),
    ],
    "GET /images/{key}/channels/{name}/history": [
        Ask(f"{OPEN}/stable/history", READ, ("stable it is", "open-1.0")),
        inner(f"{OPEN}/inner/history", LABS, "inner it is"),
        Ask(f"{CLOSED}/closed-line/history", KEEPERS, ("closed-line it is",)),
        Ask(f"{SHARED}/shared-line/history", LABS, ("shared-line it is",)),
    ],
    "GET /images/{key}/channels/{name}/tfstate": [
        Ask(f"{OPEN}/stable/tfstate", READ, ("open-east", "open-west")),
        Ask(f"{OPEN}/latest/tfstate", READ, ("open-east", "open-west")),
        inner(f"{OPEN}/inner/tfstate", LABS, "open-west"),
        Ask(f"{SHARED}/shared-line/tfstate", LABS, ("shared-west",)),
        Ask(f"{KEPT}/latest/tfstate", LABS, ("kept-west",)),
    ],
    "GET /terraform/{namespace}/{name}/{system}/versions": [
        Ask("open-image/stable/channel/versions", READ),
        Ask("images/open-image/version/versions", READ),
        Ask("shared-image/shared-line/channel/versions", LABS),
        Ask("images/shared-image/version/versions", LABS, unseen="shared-image"),
    ],
    "GET /terraform/{namespace}/{name}/{system}/{number}/download": [
        Ask(f"open-image/stable/channel/{NUMBER}/download", READ),
        Ask(f"open-image/inner/channel/{NUMBER}/download", LABS, unseen="inner"),
        Ask(f"shared-image/shared-line/channel/{NUMBER}/download", LABS),
        Ask("images/shared-image/version/1.0.0/download", NONE, unseen="shared-image"),
    ],
    "GET /terraform/{namespace}/{name}/{system}/{number}/machines.zip": [
        Ask(f"open-image/latest/channel/{NUMBER}/machines.zip", READ, ("open-west",)),
        Ask(f"shared-image/shared-line/channel/{NUMBER}/machines.zip", LABS, ("shared-east",)),
        Ask("images/closed-image/version/1.0.0/machines.zip", NONE, unseen="closed-image"),
    ],
    "GET /resolve/{image}/{channel}/{provider}": [
        Ask("{images/open}/stable/{providers/east}", READ, ("open-east",)),
        Ask("open-image/latest/east?architecture=x86_64", READ, ("open-east",)),
        Ask("open-image/stable/west", LABS, ("open-west",), unseen="west"),
        inner("open-image/inner/east", LABS, "open-east"),
        Ask("shared-image/shared-line/east", LABS, ("shared-east",)),
        Ask("kept-image/latest/west?allow_revoked=true", LABS, ("kept-west",)),
    ],
    "GET /resolve/{image}@{version}/{provider}": [
        Ask("{images/open}@open-1.0/{providers/east}", READ, ("open-east",)),
        Ask("open-image@{image_versions/open-1.0}/east", READ, ("open-east",)),
        Ask("open-image@open-1.0/west", LABS, ("open-west",), unseen="west"),
        Ask(
            "shared-image@shared-1.0/east?allow_revoked=true",
            LABS,
            ("shared-east",),
            unseen="shared-image",
        ),
        Ask("kept-image@kept-1.0/west", LABS, ("kept-west",)),
    ],
    "GET /resolve/{image}/{channel}": [
        Ask("open-image/stable", READ, ("open-east", "open-west")),
        Ask("open-image/latest", READ, ("open-east", "open-west")),
        inner("open-image/inner", LABS, "open-west"),
        Ask("closed-image/closed-line", KEEPERS, ("closed image",)),
        Ask("shared-image/shared-line", LABS, ("shared-west",)),
    ],
    "GET /lookup": [
        Ask("?identifier=open-east", READ, ("open-1.0", '"stable"', '"inner"')),
        Ask(
            "?identifier=closed-east",
            READ,
            ("closed-1.0", "hole in closed"),
            known=("closed-east",),
        ),
        Ask("?identifier=open-west&provider=west", READ, ('"west"',), known=("open-west",)),
        Ask("?identifier=open-old", READ, ("open image",), known=("open-old",)),
        Ask("?identifier=ended-east", READ, ("ended-1.0",), known=("ended-east",)),
    ],
    "POST /lookup": [
        looked_up("open-west", '"west"'),
        looked_up({"identifier": "open-west", "provider": "{providers/west}"}, '"west"'),
        looked_up({"identifier": "open-south", "provider": "south"}, '"south"'),
        looked_up("closed-west", "closed image", "hole in closed"),
        looked_up("shared-east", "shared-1.0", "shared-line"),
        looked_up("scheduled-east", "scheduled-1.0"),
    ],
    "GET /webhooks": [Ask("", READ, ("alices-hook", "bobs-hook", "doras-hook"))],
    "POST /webhooks": [
        hooked("401 403 403 201 201 403", "{images/open}"),
        hooked("401 400 400 201 201 400", "{images/closed}"),
        hooked("401 400 403 201 201 400", "{images/shared}"),
        hooked("401 400 201 201 201 400", "{images/kept}"),
        hooked("401 403 403 403 201 403", None),
    ],
    "GET /webhooks/{key}": [
        Ask("{alice's}", KEEPERS, ("alices-hook", "open-image")),
        Ask("{bob's}", "404 404 200 404 200 404", ("bobs-hook", "kept-image")),
        Ask("{dora's}", "404 404 404 404 200 200", ("doras-hook",)),
    ],
    "PATCH /webhooks/{key}": [
        changes("{alice's}", "401 404 404 200 200 404", active=False),
        changes("{bob's}", "401 404 200 404 200 404", target=target("bob") + "2"),
        # It sends what staff may read, so only staff may change its target.
        changes("{dora's}", "401 404 404 404 200 403", target=target("dora") + "2"),
    ],
    "DELETE /webhooks/{key}": [
        Ask("{alice's}", "401 404 404 204 204 404"),
        Ask("{dora's}", "401 404 404 404 204 204"),
    ],
    "GET /webhooks/{key}/deliveries": [
        Ask("{alice's}/deliveries", KEEPERS, ("channel.assigned", "version.revoked")),
        Ask("{dora's}/deliveries?state=waiting", "404 404 404 404 200 200", ("version.edited",)),
    ],
    "GET /webhooks/{key}/deliveries/{delivery}": [
        Ask("{alice's}/deliveries/{deliveries/alice's}", KEEPERS, ('"waiting"',)),
        Ask("{dora's}/deliveries/{deliveries/dora's}", "404 404 404 404 200 200"),
    ],
    "POST /webhooks/{key}/test": [
        Ask("{alice's}/test", "401 404 404 201 201 404"),
        Ask("{dora's}/test", "401 404 404 404 201 201"),
    ],
    "POST /webhooks/{key}/deliveries/{delivery}/redeliver": [
        Ask("{alice's}/deliveries/{deliveries/alice's}/redeliver", "401 404 404 200 200 404"),
        Ask("{dora's}/deliveries/{deliveries/dora's}/redeliver", "401 404 404 404 200 200"),
    ],
}
