"""The source: its scopes, looks at them, and whether one image exists."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from msgspec.structs import replace

from goldenrod.base.clock import now
from goldenrod.sources.declarations import OpenStack
from goldenrod.sources.found import Listed, Look, Presence, Skipped, Visibility
from goldenrod.sources.name_rules import NameRules
from goldenrod.sources.openstack import configuration
from goldenrod.sources.openstack.configuration import Place, ScopeFailed
from goldenrod.sources.openstack.images import OTHERS, Members, Reading, id_of, read_image
from goldenrod.sources.openstack.service import MarkerGone, Service

PAGE_SIZE = 1000
"""The most images that Glance gives at once."""
MOST_IMAGES = 200_000

_MEMBERS_AT_ONCE = 8
_MAY_USE = "these do not list them, but may use them by their ids"


class OpenStackSource:
    """A declared cloud. It raises nothing: what cannot be read is a failed look."""

    def __init__(
        self, declaration: OpenStack, rules: NameRules, directory: Path | None = None
    ) -> None:
        self._declaration = declaration
        self._rules = rules
        self._places: dict[str, Place] = {}
        self._services: dict[str, Service] = {}
        self._lock = Lock()

    def scopes(self) -> tuple[list[str], list[Look]]:
        """One scope for each declared region, else those of clouds.yaml, else of the service catalogue.

        Only the last are asked for on the network.
        """
        cloud = self._declaration.cloud
        read_at = now()
        try:
            regions, project = configuration.regions(cloud, self._declaration.regions)
        except Exception as wrong:  # whatever a library raises is the reason of a failed look
            return [], [Look(scope=cloud, read_at=read_at, failed=self._reason(cloud, wrong))]
        places = [Place(cloud, region) for region in regions]
        self._places = {"/".join(filter(None, (at.provider, project))): at for at in places}
        return list(self._places), []

    def look(self, scope: str) -> Look:
        """Read one scope. Different scopes may be read from different threads at once."""
        read_at = now()
        place = self._places.get(scope) or Place(self._declaration.cloud, "")
        try:
            service = self._service(scope)
            reading = Reading(
                declaration=self._declaration,
                rules=self._rules,
                provider=place.provider,
                scope=scope,
                owners=frozenset(self._declaration.project_owners or service.own_project()),
                read_at=read_at,
            )
            rows, notes = _rows(service, reading)
        except Exception as wrong:
            with self._lock:
                self._services.pop(scope, None)  # the next look finds the service anew
            reason = self._reason(place.provider, wrong)
            return Look(scope=scope, read_at=read_at, failed=reason)
        return Look(scope=scope, read_at=read_at, rows=tuple(rows), notes=tuple(notes))

    def presence(self, scope: str, provider: str, identifier: str) -> Presence:
        """Whether an image exists, listed or not. A 404 counts where the same service has a list."""
        try:
            return self._service(scope).presence(identifier)
        except Exception:
            return "unknown"

    def _service(self, scope: str) -> Service:
        place = self._places.get(scope)
        if place is None:
            raise ScopeFailed(f"there is no scope {scope!r}")
        with self._lock:
            if scope not in self._services:
                self._services[scope] = Service(place)
            return self._services[scope]

    def _reason(self, place: str, wrong: Exception) -> str:
        why = str(wrong) if isinstance(wrong, ScopeFailed) else configuration.why(wrong)
        return f"source {self._declaration.name!r} at {place}: {why}"


def _rows(service: Service, reading: Reading) -> tuple[list[Listed | Skipped], list[str]]:
    """Everything that a scope lists, and remarks for the report."""
    service.begin()
    try:
        found = _both_lists(service, reading)
    except MarkerGone:
        try:
            found = _both_lists(service, reading)
        except MarkerGone:
            raise ScopeFailed("images were deleted while they were listed, twice") from None
    shared = [
        row.machine.identifier
        for row in found
        if isinstance(row, Listed) and row.machine.visibility == "shared"
    ]
    with ThreadPoolExecutor(_MEMBERS_AT_ONCE) as pool:
        members = dict(zip(shared, pool.map(service.members, shared), strict=True))
    rows: list[Listed | Skipped] = []
    others = 0
    for row in found:
        if isinstance(row, Skipped) and row.reason == OTHERS:
            others += row.machines
        elif isinstance(row, Listed) and row.machine.identifier in members:
            rows.append(_with_members(row, members[row.machine.identifier]))
        else:
            rows.append(row)
    if others:
        rows.append(Skipped("images of other projects", OTHERS, others))
    untold = sum(told is None for told in members.values())
    notes = [f"{untold} shared images: the cloud does not say with whom"] if untold else []
    if offered := sum(told is not None and told.offered > 0 for told in members.values()):
        notes.append(f"{offered} shared images have members that have not accepted; {_MAY_USE}")
    return rows, notes


def _with_members(row: Listed, members: Members | None) -> Listed:
    """A shared image with those who accepted it; no visibility where the cloud does not say.

    Glance calls each new image shared: until somebody accepts it, no other project lists it.
    """
    visibility: Visibility | None = None
    if members is not None:
        visibility = "shared" if members.accepted else "private"
    accepted = tuple(members.accepted) if members else ()
    machine = replace(row.machine, visibility=visibility, members=accepted)
    return replace(row, machine=machine)


def _both_lists(service: Service, reading: Reading) -> list[Listed | Skipped]:
    """The images of both lists, each once: as the later list has it."""
    found: dict[str, Listed | Skipped] = {}
    for hidden in ("false", "true"):
        for key, raw in _images(service, hidden):
            found[key] = read_image(raw, reading)
    return list(found.values())


def _images(service: Service, hidden: str) -> Iterator[tuple[str, bytes]]:
    """The images of one list, by a key that is the same for the same image."""
    query = {
        "visibility": "all",
        "limit": str(PAGE_SIZE),
        "sort": "created_at:asc,id:asc",
        "os_hidden": hidden,
    }
    seen: set[str] = set()
    markers: set[str] = set()
    while True:
        page = service.page(query)
        before = len(seen)
        for raw in page.images:
            key = id_of(raw) or f"{hidden} {len(seen)}"
            seen.add(key)
            yield key, raw
        if page.marker is None:
            return
        if page.marker in markers or (page.images and len(seen) == before):
            raise ScopeFailed("the pages of its list never end")
        if len(seen) > MOST_IMAGES or len(markers) > MOST_IMAGES:
            raise ScopeFailed(f"it lists more than {MOST_IMAGES} images")
        markers.add(page.marker)
        query = query | {"marker": page.marker}
