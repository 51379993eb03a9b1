"""Which machines are gone, and when so many would end at once that a person must decide.

A machine is gone if several complete looks in a row did not list it, the first of them a day ago or
earlier, no other scope lists it, and its cloud, asked for it by its id, says that it does not exist.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

from goldenrod.base.clock import Instant, later
from goldenrod.catalogue.sync.actions import EndMachine, ImagePlan
from goldenrod.catalogue.sync.cloud_rows import Observed, Scope
from goldenrod.catalogue.sync.reports import Entry
from goldenrod.sources.found import Presence
from goldenrod.store.db import Row

LEAST_HOURS = 24
"""A machine that was first missed later than this ago is not ended, however many looks there were."""
BRAKE_MACHINES = 10
BRAKE_PERCENT = 20

GONE = "gone, or not shared with us any more: not listed since {} and not found by its id"
STILL_THERE = "not listed any more, but still there by its id: hidden, or not shared any more"
NOT_ANSWERED = "not listed any more, and the cloud did not answer whether it exists"
ELSEWHERE = "not listed here any more, but another scope lists it"


class Missing(Struct, frozen=True):
    """A row that a scope lists no longer. `due`: it was missed often and long enough."""

    scope: str
    row: Row
    due: bool
    reason: str


def of_scope(scope: str, observed: Observed, looks: int, at: Instant) -> list[Missing]:
    """The live machines of the catalogue that a scope no longer lists."""
    found = []
    for row in observed.after.values():
        if not row["live"]:
            continue
        old = later(row["missing_since"], hours=LEAST_HOURS) <= at
        due = row["missed"] >= looks and old
        reason = (
            f"not listed in {row['missed']} of {looks} looks"
            if row["missed"] < looks
            else f"not listed, for less than {LEAST_HOURS} hours"
        )
        found.append(Missing(scope, row, due, reason))
    return found


def reason_to_keep(answer: Presence) -> str:
    """Why a missing machine is not ended."""
    return STILL_THERE if answer == "there" else NOT_ANSWERED


def most_at_once(scope: Scope | None) -> int:
    """How many machines of a scope may end at once."""
    return max(BRAKE_MACHINES, (scope.live if scope else 0) * BRAKE_PERCENT // 100)


def braked(plans: Iterable[ImagePlan], scopes: Mapping[str, Scope]) -> dict[str, Entry]:
    """The scopes of which too many machines would end, with an entry for the report of each."""
    ends: Counter[str] = Counter()
    for plan in plans:
        for action in plan.actions:
            if isinstance(action, EndMachine) and action.scope is not None:
                ends[action.scope] += 1
    held = {}
    for name, count in ends.items():
        scope = scopes.get(name)
        if count > (most := most_at_once(scope)):
            live = scope.live if scope else 0
            reason = (
                f"{count} of its {live} machines would end at once, and at most {most} may: nothing "
                "of it was ended. If that is right, sync with --end-anyway"
            )
            held[name] = Entry("kept", name, reason)
    return held
