"""Texts that only some actors may read in an answer, in any field."""

import re
from typing import Any

from tests.support.access_catalogue import Stage
from tests.support.access_requests.who_sees import BY_IMAGE, KEEPER, LAB, Sees
from tests.support.client import Result

SECRET: Sees = {
    **{
        text.format(image): those
        for image, those in BY_IMAGE.items()
        for text in (
            "{}-1.0",
            "{} image",
            "{}-image",
            "{}-tag",
            "what {} is for",
            "first of {}",
            "{}-east",
            "{}-west",
        )
    },
    "open-west": LAB,
    "open-old": KEEPER,
    "open-south": KEEPER,
    "open-north": KEEPER,
    '"west"': LAB,
    '"south"': "dora",
    '"north"': "dora",
    '"setup"': KEEPER,
    "echo ready": KEEPER,
    '"joined"': LAB,
    "alice@east": KEEPER,
    "alice@west": KEEPER,
    "bob@west": "bob dora",
    '"lab"': LAB,
    '"ops"': KEEPER,
    '"bob"': LAB,
    '"charlie"': "charlie dora",
    '"dora"': "alice dora lesser",
    '"erin"': "dora",
    '"inner"': LAB,
    "inner it is": LAB,
    "closed-line": KEEPER,
    "shared-line": LAB,
    "hole in closed": KEEPER,
    "alices-hook": "alice dora",
    "bobs-hook": "bob dora",
    "doras-hook": "dora lesser",
    "whsec_": "",
    "argon2": "",
    "-secret": "",
    "sha256": "",
    "SELECT": "",
    "Traceback": "",
}
"""Who may read a text in an answer, in any field."""


def told(answer: Result) -> str:
    """The full text of an answer: its headers and its body, which may be an archive."""
    body = answer.content.decode("utf-8", "replace")
    return "\n".join([*(f"{name}: {text}" for name, text in answer.headers.items()), body])


def secrets_in(answer: Result, actor: str, known: tuple[str, ...] = ()) -> list[str]:
    """The texts in an answer that this actor may not read and does not know already."""
    text = told(answer)
    return [
        secret
        for secret, those in SECRET.items()
        if secret in text and actor not in those.split() and secret not in known
    ]


def filled(stage: Stage, given: Any, resource: str = "") -> Any:
    """A path or body in which names of things are replaced by their ids."""
    if isinstance(given, dict):
        return {name: filled(stage, value) for name, value in given.items()}
    if isinstance(given, list):
        return [filled(stage, value) for value in given]
    if not isinstance(given, str):
        return given

    def key(found: re.Match[str]) -> str:
        place, _, name = found[1].rpartition("/")
        return stage.id_of(place or resource, name)

    text = re.sub(r"\{([^}]+)\}", key, given)
    return int(text) if text.isdigit() else text
