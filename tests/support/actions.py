"""Actions of many tests: publish a version, create an image, read everything that is stored."""

from collections.abc import Iterable
from typing import Any

from goldenrod.store import schema
from goldenrod.store.db import Database
from tests.support.client import ApiClient

ELSEWHERE = {"catalogue", "tokens"}
"""Tables that a refused change may write: the revision, and when a token was last used."""
NOT_REFUSALS = "SELECT * FROM security_events WHERE kind <> 'access:refused'"
"""The security events except refusals: a refusal is recorded, and changes nothing else."""


def everything(db: Database) -> dict[str, list[str]]:
    """All rows of all tables. They are equal before and after an action that must change nothing."""
    read = {
        table.name: f"SELECT * FROM {table.name}"
        for table in schema.metadata.sorted_tables
        if table.name not in ELSEWHERE
    }
    read["security_events"] = NOT_REFUSALS
    with db.connection() as connection:
        return {
            name: sorted(map(repr, connection.execute(text).fetchall()))
            for name, text in read.items()
        }


def made(api: ApiClient, address: str, who: str, **body: Any) -> Any:
    """What a POST created."""
    answer = api.post(address, who, body)
    assert answer.status_code == 201, answer.text
    return answer.json


def publish(
    api: ApiClient, name: str, *, who: str = "alice", image: str = "open", **more: Any
) -> Any:
    """Create a version of the image with this word as the beginning of its slug."""
    return made(api, "/image_versions", who, name=name, image=f"{image}-image", **more)


def ids(results: Iterable[Any]) -> list[Any]:
    """The ids of the results of a list, in order."""
    return [result["id"] for result in results]


def version_of(api: ApiClient, key: str, who: str = "alice") -> Any:
    """A version as GET answers it."""
    answer = api.get(f"/image_versions/{key}", who)
    assert answer.status_code == 200, answer.text
    return answer.json
