"""Steps of tests of the lifecycle: assign, revoke, restore, resolve, look up."""

from typing import Any

from tests.support.actions import publish
from tests.support.client import ApiClient, Result

API = "/api/v2"
BAD = {"reason": "leaks a key"}


def channel(name: str = "stable", image: str = "open") -> str:
    """The address of a channel of the image whose slug begins with the given word."""
    return f"{API}/images/{image}-image/channels/{name}"


def assign(
    api: ApiClient,
    version: Any,
    name: str = "stable",
    *,
    image: str = "open",
    who: str | None = "alice",
    headers: dict[str, str] | None = None,
    **more: Any,
) -> Result:
    """Assign a version to a channel: its answer, its id, or None."""
    key = version["id"] if isinstance(version, dict) else version
    body = {"version": key, **more}
    return api.ask("PUT", channel(name, image), who, body, headers=headers)


def release(
    api: ApiClient, name: str, *, image: str = "open", on: Any = ("east",), **more: Any
) -> Any:
    """A new version with an x86_64 machine `{name}-{provider}` on each of these providers."""
    machines = [
        {"provider": place, "identifier": f"{name}-{place}", "architecture": "x86_64"}
        for place in on
    ]
    return publish(api, name, image=image, machines=machines, **more)


def revoke(api: ApiClient, version: Any, who: str | None = "alice", **more: Any) -> Result:
    """Revoke a version: its answer or its id."""
    key = version["id"] if isinstance(version, dict) else version
    return api.post(f"/image_versions/{key}/revoke", who, BAD | more)


def restore(api: ApiClient, version: Any, who: str | None = "alice", **more: Any) -> Result:
    key = version["id"] if isinstance(version, dict) else version
    return api.post(f"/image_versions/{key}/restore", who, more)


def named(version: Any) -> Any:
    """The name in a version's summary. If the summary has no name, the summary itself."""
    return version and version.get("name", version)


def target(
    api: ApiClient, name: str = "stable", who: str | None = None, image: str = "open"
) -> Any:
    """The name of a channel's target."""
    return named(api.get(channel(name, image), who).json["target"])


def history(api: ApiClient, name: str = "stable", image: str = "open", who: str = "alice") -> Any:
    """The names that a channel was assigned, the oldest first."""
    entries = api.all(f"{channel(name, image)}/history", who)
    return [named(entry["version"]) for entry in entries]


def look_up(api: ApiClient, *identifiers: Any, who: str | None = None) -> list[Any]:
    """The results of one look-up."""
    answer = api.post("/lookup", who, {"identifiers": list(identifiers)})
    assert answer.status_code == 200, answer.text
    results: list[Any] = answer.json["results"]
    return results


def state(api: ApiClient, version: Any, who: str | None = "alice") -> str:
    key = version["id"] if isinstance(version, dict) else version
    return str(api.get(f"/image_versions/{key}", who).json["state"])


def shown(api: ApiClient, version: Any, who: str | None = "alice") -> Any:
    """The revocation that a version shows."""
    key = version["id"] if isinstance(version, dict) else version
    return api.get(f"/image_versions/{key}", who).json["revoked"]


def changes(answer: Any) -> list[tuple[str, str, str]]:
    found = [(it["version"]["name"], it["before"], it["after"]) for it in answer["versions"]]
    assert answer["versions_count"] == len(found)
    return sorted(found)


def moves(answer: Any) -> list[tuple[str, str, Any, Any]]:
    found = [
        (it["image"]["slug"], it["channel"], named(it["before"]), named(it["after"]))
        for it in answer["channels"]
    ]
    assert answer["channels_count"] == len(found)
    return found
