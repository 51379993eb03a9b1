"""Asks the image service of one region, with openstacksdk's sign-in, discovery and retries."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar
from urllib.parse import quote

from goldenrod.sources.found import Presence
from goldenrod.sources.openstack.configuration import Place, ScopeFailed, open_config, refusal
from goldenrod.sources.openstack.images import Members, Page, read_members, read_page, read_presence

MOST_BYTES = 64 * 1024 * 1024
"""The most bytes of one answer."""
MOST_SECONDS = 1800
"""The most time that reading one scope may take."""

_RETRIED_STATUSES = [429, 500, 502, 503, 504]
_WAITS = (0.2, 1.0)
_CHUNK = 64 * 1024

T = TypeVar("T")


class Broken(ScopeFailed):
    """An answer was cut or is not Glance's: asking again may help."""


class MarkerGone(Exception):
    """The image after which the next page begins was deleted in between."""


class Service:
    """The image service of one region."""

    def __init__(self, place: Place) -> None:
        from openstack.connection import Connection

        region = open_config().get_one(cloud=place.cloud, region_name=place.region or None)
        self._connection = Connection(config=region)
        self._deadline = monotonic() + MOST_SECONDS

    def begin(self) -> None:
        """The time for a look begins now."""
        self._deadline = monotonic() + MOST_SECONDS

    def own_project(self) -> list[str]:
        """The project that one is signed in to."""
        project = self._connection.session.get_project_id()
        if not project:
            raise ScopeFailed("signing in names no project: declare project_owners")
        return [project]

    def get(self, path: str, query: dict[str, str] | None = None) -> tuple[int, bytes]:
        """The status and the body of an answer. Raises Broken for a body that is cut."""
        import urllib3

        response = self._connection.image.get(
            path,
            params=query or {},
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            stream=True,  # so that a body without end is not read whole
            redirect=False,  # it would carry the token to wherever it points
            retriable_status_codes=_RETRIED_STATUSES,
        )
        body = bytearray()
        try:
            while part := response.raw.read1(_CHUNK, decode_content=False):
                body += part
                if len(body) > MOST_BYTES:
                    raise ScopeFailed(f"an answer is longer than {MOST_BYTES // 2**20} MiB")
                if monotonic() > self._deadline:
                    raise ScopeFailed(f"reading took longer than {MOST_SECONDS} seconds")
        except urllib3.exceptions.ReadTimeoutError:
            raise ScopeFailed("the answer did not come to its end in time") from None
        except urllib3.exceptions.HTTPError:
            raise Broken("an answer was cut short") from None
        finally:
            response.close()
        return response.status_code, bytes(body)

    def page(self, query: dict[str, str]) -> Page:
        """One page of a list."""

        def ask() -> Page:
            status, body = self.get("/images", query)
            if status == 400 and "marker" in query:
                raise MarkerGone
            if status != 200:
                raise ScopeFailed(refusal(status))
            page = read_page(body)
            if isinstance(page, str):
                raise Broken(f"an answer is not a list of images: {page}")
            return page

        return _patiently(ask)

    def members(self, identifier: str) -> Members | None:
        """The projects that an image is shared with; None where the cloud does not tell us."""

        def ask() -> Members | None:
            status, body = self.get(f"/images/{identifier}/members")
            if status in (403, 404):
                return None
            if status != 200:
                raise ScopeFailed(refusal(status))
            members = read_members(body)
            if isinstance(members, str):
                raise Broken(f"an answer is not a list of members: {members}")
            return members

        return _patiently(ask)

    def presence(self, identifier: str) -> Presence:
        """Whether an image exists."""
        self.begin()
        status, body = self.get(f"/images/{quote(identifier, safe='')}")
        if status == 200:
            return read_presence(body, identifier)
        if status == 404:
            # A proxy without this path answers 404 too. But it would not list images.
            self.page({"limit": "1"})
            return "gone"
        return "unknown"


def _patiently(ask: Callable[[], T]) -> T:
    """Ask again, twice, after a fault that may pass. The SDK asks again after statuses only."""
    from keystoneauth1.exceptions import ConnectFailure

    for wait in _WAITS:
        try:
            return ask()
        except (Broken, ConnectFailure):
            sleep(wait)
    return ask()
