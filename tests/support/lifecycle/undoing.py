"""Undoing the newest assignment of a channel, in the catalogue and in the model."""

from typing import Any

from sqlalchemy import func, select

from goldenrod.base import wire
from goldenrod.catalogue.channels import assign
from goldenrod.rules.access import Actor
from goldenrod.store import schema
from goldenrod.store.sql import Key, param


def _newest() -> Any:
    entry = schema.assignments
    return select(func.max(entry.c.sequence)).where(entry.c.channel_id == param("channel", Key))


def undo(play: Any) -> None:
    """Give a channel back what it had before, also if that is revoked or has ended now."""
    if not play.w.channels:
        return
    channel = play.w.channels[play.r.choice(sorted(play.w.channels))]
    if not channel.assignments:
        return
    who, last = play.editor(channel.image), len(channel.assignments) - 1
    before = channel.assignments[last - 1] if last else None

    def act(actor: Actor) -> None:
        key = str(play.cast.images[channel.image])
        its, row = assign.channel_for_assigning(play.tx, actor, key, channel.name)
        assert row is not None
        newest = play.tx.value(_newest, channel=row["id"])
        body = wire.NewAssignment(version=before, voids=newest)
        assign.assign(play.tx, actor, its, row, channel.name, body)

    play.do(who, f"undo the last change of {channel.image}/{channel.name}", act, None)
    channel.hidden = False
    if channel.assignments[last] != before:
        channel.assignments.append(before)
        channel.voided.add(last)
