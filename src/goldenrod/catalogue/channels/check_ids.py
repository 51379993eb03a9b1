"""Checking the ids of running machines: what each is, and what to use instead.

Adds to `lookup.py` what `versions/instead.py` recommends, and one state for each id. A thousand ids
take as many statements as one.
"""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from goldenrod.base.errors import field_problem
from goldenrod.catalogue.channels import lookup
from goldenrod.catalogue.versions import instead
from goldenrod.rules.access import Actor
from goldenrod.store.db import Tx

Match = dict[str, Any]

UNKNOWN = "unknown"
STATES = ("revoked", "ended", "deprecated", "scheduled", "current", UNKNOWN)
"""The states of an id, the worst first."""
NEED_ACTION = ("revoked", "ended", "deprecated")
"""What is in one of these states should be replaced."""

_SEPARATORS = re.compile(r"[\s,;\ufeff\u200b]+")
_QUOTES = "\"'`[](){}<>"


@dataclass(frozen=True)
class Checked:
    """One id: its matches of look-up, each with `instead`; without any, the id is unknown."""

    identifier: str
    matches: list[Match]

    @property
    def state(self) -> str:
        """The worst state of its machines and their versions."""
        found = {state for match in self.matches for state in states_of(match)}
        return next(state for state in STATES if state in found or state == UNKNOWN)

    @property
    def needs_action(self) -> bool:
        """Whether it should be replaced."""
        return self.state in NEED_ACTION


def states_of(match: Match) -> list[str]:
    """The state of a machine; and its version's, if that is another one that needs action."""
    own, version = match["state"], match["version"]["state"]
    return [own, version] if version != own and version in NEED_ACTION else [own]


def read_ids(text: str) -> list[str]:
    """The ids in a text, without repetitions, in their order.

    They are separated by line ends, blanks, tabs, commas or semicolons; quotes and brackets around an
    id are dropped, and so is a byte order mark. Raises BadRequest.
    """
    parts = (part.strip(_QUOTES) for part in _SEPARATORS.split(text))
    found = list(dict.fromkeys(part for part in parts if part))
    if not found:
        raise field_problem("ids", "must have at least one id")
    if len(found) > lookup.MOST_IDENTIFIERS:
        detail = f"must have at most {lookup.MOST_IDENTIFIERS:,} ids; there are {len(found):,}"
        raise field_problem("ids", detail)
    for one in found:
        if len(one) > lookup.MOST_CHARACTERS:
            detail = f"must have at most {lookup.MOST_CHARACTERS} characters each; {one[:40]}… has "
            raise field_problem("ids", f"{detail}{len(one):,}")
    return found


def check(tx: Tx, actor: Actor, ids: list[str]) -> list[Checked]:
    """What each of these ids is, in their order. Raises BadRequest."""
    results = lookup.look_up(tx, actor, list(ids))["results"]
    versions = {match["version"]["id"] for one in results for match in one["matches"]}
    better = instead.find_instead(tx, actor, versions)
    for one in results:
        for match in one["matches"]:
            match["instead"] = better.get(match["version"]["id"])
    return [Checked(one["identifier"], one["matches"]) for one in results]


def count_states(checked: list[Checked]) -> dict[str, int]:
    """How many ids are in each state, the worst first; states without ids are left out."""
    counted = Counter(one.state for one in checked)
    return {state: counted[state] for state in STATES if counted[state]}


def offered_instead(match: Match) -> list[dict[str, Any]]:
    """The machines that channels offer on the provider of a match, without the machine itself."""
    own = match["machine"] and match["machine"]["id"]
    return [offer for offer in match["offered"] if offer["machine"]["id"] != own]
