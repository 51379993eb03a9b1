"""Which actors of the cast may read which things of `support/access_catalogue.py`."""

from collections.abc import Iterator
from contextlib import contextmanager

ACTORS = ("nobody", "charlie", "bob", "alice", "dora", "lesser")
ALL = " ".join(ACTORS)
KEEPER = "alice dora"
LAB = "alice bob dora"

Sees = dict[str, str]
"""Who may read each thing."""

BY_IMAGE: Sees = {
    "open": ALL,
    "closed": KEEPER,
    "shared": LAB,
    "kept": LAB,
    "ended": KEEPER,
    "scheduled": KEEPER,
}
BY_VERSION: Sees = {f"{image}-1.0": who for image, who in BY_IMAGE.items()} | {"open-1.1": ALL}

MATRIX: dict[str, Sees] = {
    "image_versions": BY_VERSION,
    "images": BY_IMAGE,
    "provider_machines": {
        **{f"{image}-east": who for image, who in BY_IMAGE.items()},
        **{f"{image}-west": who for image, who in BY_IMAGE.items()},
        "open-west": LAB,
        "open-old": KEEPER,
        "open-south": KEEPER,
        "open-north": KEEPER,
    },
    "providers": {"east": ALL, "west": LAB, "south": "dora", "north": "dora"},
    "licenses": {"Apache 2.0": ALL},
    "boot_scripts": {"setup": KEEPER, "welcome": ALL, "joined": LAB},
    "tags": {f"{image}-tag": who for image, who in BY_IMAGE.items()},
    "groups": {
        "lab": LAB,
        "ops": "dora",
        "alice": "alice dora",
        "bob": "bob dora",
        "charlie": "charlie dora",
        "dora": "dora lesser",
        "erin": "dora",
    },
    "users": {
        "alice": "alice dora",
        "bob": "bob dora",
        "charlie": "charlie dora",
        "dora": "dora lesser",
        "erin": "dora",
    },
    "identities": {
        "alice@east": "alice dora",
        "alice@west": "alice dora",
        "bob@west": "bob dora",
    },
    "tokens": {
        "alice's test": "alice dora",
        "bob's test": "bob dora",
        "charlie's test": "charlie dora",
        "dora's test": "dora lesser",
        "dora's lesser": "dora lesser",
    },
    "image_version_licenses": {
        f"{version}: Apache 2.0": who for version, who in BY_VERSION.items()
    },
    "image_version_memberships": {"shared-1.0: lab": LAB, "shared-1.0: ops": KEEPER},
    "image_version_boot_scripts": {
        "closed-1.0: setup": KEEPER,
        "open-1.0: welcome": ALL,
        "shared-1.0: joined": LAB,
    },
    "webhooks": {"alice's": "alice dora", "bob's": "bob dora", "dora's": "dora lesser"},
}

NOWHERE = "00000000-0000-7000-8000-000000000000"
"""An id that nothing has."""


def who(actor: str) -> str | None:
    return None if actor == "nobody" else actor


def seen_by(actor: str, sees: Sees) -> set[str]:
    return {thing for thing, those in sees.items() if actor in those.split()}


@contextmanager
def named(*what: object) -> Iterator[None]:
    """Add these values to the message of a failure in the block, for loops in a test."""
    try:
        yield
    except Exception as failure:
        failure.add_note(f"asked: {', '.join(map(str, what))}")
        raise
