"""The addresses of pages on a stage (`access_catalogue.py`), for things that exist."""

import re

from tests.support.access_catalogue import Stage
from tests.support.access_requests.secrets import filled

KEYS = {
    "/account/tokens/": "{tokens/dora's test}",
    "/groups/": "{groups/lab}",
    "/webhooks/": "{webhooks/dora's}",
    "/staff/users/": "{users/charlie}",
    "/staff/providers/": "{providers/east}",
    "/staff/identities/": "{identities/bob@west}",
    "/staff/tags/": "{tags/open-tag}",
    "/licenses/": "{licenses/Apache 2.0}",
    "/scripts/": "{boot_scripts/welcome}",
    "/json/": "{image_versions/open-1.0}",
}
"""The thing to which `{key}` refers in an address that begins like this."""


def page_address(stage: Stage, path: str, session: str, **others: str) -> str:
    """The address of a page's route, for dora's things, or for those that `others` names instead."""
    key = next((key for start, key in KEYS.items() if path.startswith(start)), "")
    names = {
        "slug": "open-image",
        "name": "stable" if "/channels/" in path else "open-1.0",
        "machine": "{provider_machines/open-east}",
        "delivery": "{deliveries/dora's}",
        "uuid": session,
        "resource": "image_versions",
        "two": "open-1.0...open-1.0",
        "key": key,
    }
    known = {
        name: str(filled(stage, text)) for name, text in names.items() if f"{{{name}}}" in path
    }
    if path.startswith("/staff/users/{key}/sessions/{uuid}"):
        known["key"] = str(stage.world.users["dora"])  # whose session it is
    if path.startswith("/tags/"):
        known["name"] = "open-tag"
    return re.sub(r"\{(\w+)\}", lambda found: (known | others)[found[1]], path)
