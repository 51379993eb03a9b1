"""OpenStack Glance's image API, as far as reading images needs it, for `fault_server.py`.

It lists images in pages by marker, hidden ones apart, and answers 400 for a marker that is gone, as
Glance 33 does. Images are the objects of its JSON.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.sources.fault_server import Answer, Request

JSON = {"Content-Type": "application/json"}


def answer(content: object, status: int = 200) -> Answer:
    """Content as JSON."""
    return Answer(json.dumps(content).encode(), status, JSON)


@dataclass
class Glance:
    """The cloud: its images, in the order in which they were created, and members by image."""

    images: list[dict[str, Any]]
    members: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __call__(self, request: Request) -> Answer:
        parts = request.path.strip("/").split("/")
        if parts in ([""], ["versions"]):
            host = f"http://{request.headers['host']}/v2/"
            links = [{"rel": "self", "href": host}]
            versions = [{"id": "v2.16", "status": "CURRENT", "links": links}]
            return answer({"versions": versions}, 300)
        if parts == ["v2", "images"]:
            return self._list(request.query)
        if parts[:2] == ["v2", "images"] and len(parts) in (3, 4):
            one = next((i for i in self.images if i["id"] == parts[2]), None)
            if one is None:
                return answer({"message": f"No image found with ID {parts[2]}"}, 404)
            return answer(one if len(parts) == 3 else {"members": self.members.get(parts[2], [])})
        return answer({"message": "not here"}, 404)

    def _list(self, query: dict[str, str]) -> Answer:
        hidden = query.get("os_hidden", query.get("is_hidden", "false")).lower() == "true"
        images = [one for one in self.images if bool(one.get("os_hidden")) == hidden]
        size = min(int(query.get("limit", 25)), 1000)
        begin = 0
        if marker := query.get("marker"):
            places = [n for n, one in enumerate(images) if one["id"] == marker]
            if not places:
                return answer({"message": f"Invalid marker {marker}"}, 400)
            begin = places[0] + 1
        page = images[begin : begin + size]
        content: dict[str, Any] = {"images": page, "first": "/v2/images"}
        if begin + size < len(images):
            rest = "".join(f"&{k}={v}" for k, v in query.items() if k not in ("limit", "marker"))
            content["next"] = f"/v2/images?marker={page[-1]['id']}&limit={size}{rest}"
        return answer(content)
