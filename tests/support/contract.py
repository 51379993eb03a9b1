"""The original contract of the API, `tests/web/image_versions.apib`."""

import json
from pathlib import Path
from typing import Any

CONTRACT = Path(__file__).parents[1] / "web" / "image_versions.apib"


def contract_bodies() -> list[dict[str, Any]]:
    """The JSON bodies of the contract's two models: one version, and the collection."""
    found = []
    for part in CONTRACT.read_text().split("+ Body\n")[1:]:
        depth, text = 0, ""
        for character in part[part.index("{") :]:
            text += character
            depth += (character == "{") - (character == "}")
            if depth == 0:
                break
        found.append(json.loads(text))
    version, _edit, collection = found
    return [version, collection]
