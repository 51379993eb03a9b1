"""The contract's example of an image version, alone and in a list, as the API answers it.

The contract's fields come first, with the contract's values. The fields that the API adds follow, so
that each example is a complete answer.
"""

from typing import Any

_API = "/api/v2"
_ID = "dc897bda-5007-11e5-a49e-3c15c2ddd686"
_DATE = "2015-10-11T10:50:50.123456Z"

VERSION: dict[str, Any] = {
    "id": _ID,
    "parent": {"id": "05565e66-5008-11e5-9bcd-3c15c2ddd686"},
    "name": "1.0",
    "change_log": "21-August-2015 Updated something",
    "image": {
        "id": 1,
        "url": f"{_API}/images/1",
        "uuid": "01918a3e-7c00-7000-8000-000000000001",
        "slug": "ubuntu-server",
        "name": "Ubuntu Server",
        "is_public": True,
        "created_by": {
            "id": 1,
            "url": f"{_API}/users/1",
            "uuid": "01918a3e-7c00-7000-8000-000000000002",
            "username": "alice",
        },
        "end_date": None,
    },
    "machines": [
        {
            "id": 1,
            "url": f"{_API}/provider_machines/1",
            "uuid": "01918a3e-7c00-7000-8000-000000000003",
            "identifier": "ami-0a1b2c3d4e5f60718",
            "architecture": "x86_64",
            "size_gb": 8,
            "start_date": _DATE,
            "end_date": None,
            "provider": {
                "id": 1,
                "url": f"{_API}/providers/1",
                "uuid": "01918a3e-7c00-7000-8000-000000000004",
                "slug": "us-east-1",
                "name": "us-east-1",
            },
        }
    ],
    "allow_imaging": True,
    "licenses": [],
    "membership": [],
    "scripts": [],
    "user": {
        "id": 1,
        "url": f"{_API}/users/1",
        "uuid": "01918a3e-7c00-7000-8000-000000000002",
        "username": "alice",
    },
    "identity": {"id": 1},
    "start_date": _DATE,
    "end_date": None,
    "url": f"{_API}/image_versions/{_ID}",
    "doc_object_id": None,
    "min_cpu": None,
    "min_mem": None,
    "state": "current",
    "deprecation": None,
    "revoked": None,
    "exclude_from_latest": False,
    "stale": False,
    "labels": {"team": "web"},
    "behind": 0,
    "parent_behind": None,
}

_LISTED = {name: value for name, value in VERSION.items() if not name.endswith("behind")}
COLLECTION: dict[str, Any] = {"count": 1, "next": None, "previous": None, "results": [_LISTED]}

EDIT: dict[str, Any] = {"name": "new name"}
