"""The page on which a change is confirmed, with its impact, before its form is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from goldenrod.web.pages.kit.visit import Page, Visit


@dataclass(frozen=True)
class Confirmation:
    """What the page says, and what its form sends."""

    section: str
    crumbs: Sequence[tuple[str, str]]
    """Addresses and names of the pages above."""
    title: str
    lede: str
    action: str
    button: str
    cancel: str
    impact: Sequence[str] = ()
    """The numbers of the impact, one in a line."""
    moves: Sequence[Any] = ()
    """The channels that would offer something else (`offer_changes.Move`)."""
    after: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


def ask(visit: Visit, about: Confirmation) -> Page:
    """The page that asks for confirmation."""
    return visit.page("kit/confirm.html", about=about)
