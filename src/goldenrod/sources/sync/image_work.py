"""What a run has to do with one image: plans it, and applies the plan in the same transaction."""

from collections.abc import Iterable

from msgspec import Struct, field

from goldenrod.base.text import identifier_key, name_key
from goldenrod.catalogue.sync import apply, image_state
from goldenrod.catalogue.sync.actions import ImagePlan, ImageState, Place
from goldenrod.catalogue.sync.apply import Applied
from goldenrod.catalogue.sync.source_actor import ProviderFacts, Providers
from goldenrod.rules.access import Actor
from goldenrod.sources.found import Found, FoundMachine
from goldenrod.sources.sync.plan import Gone, Terms, plan_image
from goldenrod.store.db import Tx


class Ending(Struct, frozen=True):
    """A machine of the catalogue that its cloud no longer has, and why that is believed."""

    machine: int
    reason: str
    scope: str


class ImageWork(Struct):
    """An image with its releases, and machines to end. `linked` are the machines that the cloud listed
    until now under the places of these releases. `alone`: machines of this image end, and the source
    lists nothing of it, so it is not looked for by its name."""

    name: str
    releases: list[Found] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    linked: set[int] = field(default_factory=set)
    alone: bool = False

    @property
    def machines(self) -> int:
        """The number of machines that are listed."""
        return sum(len(release.machines) for release in self.releases)


def by_image(found: Iterable[Found]) -> list[ImageWork]:
    """The images of these releases. An image comes after those that its releases were built on."""
    works: dict[str, ImageWork] = {}
    lives: dict[tuple[str, str], str] = {}
    for release in found:
        key = name_key(release.image)
        works.setdefault(key, ImageWork(release.image)).releases.append(release)
        for machine in release.machines:
            lives.setdefault((machine.provider, machine.identifier), key)
    ordered: dict[str, None] = {}
    for key in works:
        _add_after_parents(key, works, lives, ordered)
    return [works[key] for key in ordered]


def _add_after_parents(
    key: str,
    works: dict[str, ImageWork],
    lives: dict[tuple[str, str], str],
    ordered: dict[str, None],
) -> None:
    waiting, seen = [key], {key}
    while waiting:
        here = waiting[-1]
        parents = {
            lives.get((machine.origin.provider, machine.origin.identifier), here)
            for release in works[here].releases
            for machine in release.machines
            if machine.origin and machine.origin.kind == "build"
        }
        # Images that were built on one another come in any order.
        if further := sorted(parents - seen - ordered.keys()):
            seen.add(further[0])
            waiting.append(further[0])
        else:
            ordered.setdefault(waiting.pop())


def describe(providers: Providers, machines: Iterable[FoundMachine]) -> None:
    """Tell the providers what these machines say about them."""
    first: dict[str, FoundMachine] = {}
    for machine in machines:
        first.setdefault(machine.provider, machine)
    providers.describe(
        ProviderFacts(machine.provider, machine.provider_type, machine.virtualization)
        for machine in first.values()
    )


def keys(providers: Providers) -> dict[str, str]:
    """The slug of each provider here, by the source's name of it."""
    canonical = providers.canonical()
    return {facts.name: canonical.get(key, key) for key, facts in providers.facts.items()} | {
        name: canonical.get(key, key) for name, key in providers.slugs.items()
    }


def _asked(work: ImageWork, terms: Terms) -> set[tuple[Place, str]]:
    """The machines that the releases refer to."""
    asked: set[tuple[Place, str]] = set()
    for release in work.releases:
        for machine in release.machines:
            pairs = [(machine.provider, machine.replacement)]
            if machine.origin and machine.origin.kind == "build":
                pairs.append((machine.origin.provider, machine.origin.identifier))
            for provider, identifier in pairs:
                if identifier and provider in terms.keys:
                    asked.add(((terms.keys[provider], identifier_key(identifier)), identifier))
    return asked


def plan(
    tx: Tx, actor: Actor, work: ImageWork, providers: Providers, terms: Terms
) -> tuple[ImageState, ImagePlan]:
    """The plan of an image, and what it is made from."""
    # Another run may have created providers since they were read.
    providers.read(tx)
    state = ImageState()
    if not work.alone:
        state = image_state.read_image(
            tx, actor, work.name, providers, linked=work.linked, asked=_asked(work, terms)
        )
    gone: list[Gone] = []
    if work.endings:
        ending = {one.machine: one for one in work.endings}
        gone = [
            Gone(machine, ending[machine.id].reason, ending[machine.id].scope)
            for machine in image_state.read_machines(tx, ending, providers)
        ]
    return state, plan_image(work.name, state, work.releases, terms, gone)


def plan_and_apply(
    tx: Tx,
    actor: Actor,
    work: ImageWork,
    providers: Providers,
    terms: Terms,
    new: apply.Terms,
) -> tuple[ImagePlan, Applied]:
    """Bring an image up to date. Raises Problem."""
    state, made = plan(tx, actor, work, providers, terms)
    return made, apply.apply(tx, actor, state, made, providers, new)
