"""Groups listed machines into releases: all machines of one image and version, over all scopes.

Two different names that give the same image and version at one provider in one architecture contradict
each other. Both are skipped, and each reason names the other: taking the newer one would be a guess.
"""

from collections import defaultdict
from collections.abc import Iterable

from goldenrod.base.architectures import normal_architecture
from goldenrod.base.clock import Instant, now
from goldenrod.base.text import name_key
from goldenrod.sources.found import Found, Listed, Skipped


def releases(listed: Iterable[Listed]) -> list[Found | Skipped]:
    """The releases of these machines, in the order in which they are first listed.

    A release begins at the date in its name, else when the earliest of its machines was created, else
    now. Its change log, description and tags are those of the first machine that has them.
    """
    groups: dict[tuple[str, str], list[Listed]] = defaultdict(list)
    for one in listed:
        groups[name_key(one.image), name_key(one.version)].append(one)
    result: list[Found | Skipped] = []
    for machines in groups.values():
        good, skipped = _without_contradictions(machines)
        result += skipped
        if good:
            result.append(_release(good))
    return result


def _without_contradictions(machines: list[Listed]) -> tuple[list[Listed], list[Skipped]]:
    """The machines whose names agree, and the others as skipped."""
    names: dict[tuple[str, str], dict[str, Listed]] = defaultdict(dict)
    for one in machines:
        place = one.machine.provider, normal_architecture(one.machine.architecture)
        names[place].setdefault(one.source_name, one)
    good: list[Listed] = []
    skipped: list[Skipped] = []
    for one in machines:
        place = one.machine.provider, normal_architecture(one.machine.architecture)
        others = [n for n, other in names[place].items() if _contradicts(one, other)]
        if others:
            reason = (
                f"{others[0]!r} gives the same version {one.version} of {one.image} "
                f"on {one.machine.provider} in {one.machine.architecture}"
            )
            skipped.append(Skipped(one.source_name, reason))
        else:
            good.append(one)
    return good, skipped


def _contradicts(one: Listed, other: Listed) -> bool:
    """Whether two machines of one place have different names, and neither is a copy of the other, nor
    are both copies of one original, which may no longer exist."""
    if one.source_name == other.source_name:
        return False
    origin = one.machine.origin
    if origin is not None and origin.kind == "copy" and origin == other.machine.origin:
        return False
    return not (_is_copy_of(one, other) or _is_copy_of(other, one))


def _is_copy_of(copy: Listed, original: Listed) -> bool:
    origin = copy.machine.origin
    return (
        origin is not None
        and origin.kind == "copy"
        and origin.identifier == original.machine.identifier
        and origin.provider == original.machine.provider
    )


def _release(machines: list[Listed]) -> Found:
    first = machines[0]
    return Found(
        image=first.image,
        version=first.version,
        start_date=_start(machines),
        change_log=next((one.change_log for one in machines if one.change_log), ""),
        image_description=next((m.image_description for m in machines if m.image_description), ""),
        tags=tuple(dict.fromkeys(tag for one in machines for tag in one.tags)),
        machines=tuple({_place(one): one.machine for one in machines}.values()),
        source_name=first.source_name,
        parent=next((one.parent for one in machines if one.parent), None),
    )


def _place(one: Listed) -> tuple[str, str]:
    return one.machine.provider, one.machine.identifier


def _start(machines: list[Listed]) -> Instant:
    dated = [one.start_date for one in machines if one.start_date]
    created = [one.machine.created_at for one in machines if one.machine.created_at]
    return min(dated or created or [now()])
