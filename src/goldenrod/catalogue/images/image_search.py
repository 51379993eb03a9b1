"""Queries of the search and the home page: images with what they offer, filters, and withdrawals.

Every query starts at the access rule: results, counts and choices of filters contain only what the
visitor may read. Images whose name or slug equals the words come first, then those whose name or slug
begins with them, then the others. Among equals, the one whose channels offer the newest release comes
first; images that offer nothing come last.

What an image offers takes long to find, and differs by reader. So it is found for candidates only: the
images whose newest version that is not scheduled is the newest, whoever may read it. No channel of an
image offers a newer one. If an image that was not a candidate could come before the last result, more
candidates are taken.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, FromClause, case, distinct, func, or_, select, true

from goldenrod.base.text import sought_key
from goldenrod.catalogue import search
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import versions
from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import NOW, Actor, ReaderKind
from goldenrod.rules.lifecycle import channel_targets, machine_access, states
from goldenrod.rules.lifecycle.channel_targets import LATEST
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Listing, Query, past_the_end
from goldenrod.store.sql import (
    NULL_JSON,
    Sortable,
    computed_once,
    json_list,
    json_object,
    json_text,
    param,
)

LIST = Listing(
    schema.images,
    {
        **{
            name: images.IMAGES.listing.filters[name]
            for name in ("tag", "owner", "provider", "architecture")
        },
        "search": search.IMAGES_AND_VERSIONS,
    },
    ("start_date",),
)
"""The filters and the order of the search."""

STABLE = "stable"
"""The channel that is preferred when an image has it."""
CANDIDATES_PER_RESULT = 3
FEWEST_CANDIDATES = 60
"""How many images are looked at for each result, and at least, at first."""
MORE_CANDIDATES = 4
"""How many times as many the next time."""
MOST_NEW = 6
"""How many new versions the home page lists."""
NEWEST_READ = 30
"""Among how many of the latest versions it looks for current ones."""
MOST_WITHDRAWN = 5
"""How many withdrawn versions the home page lists."""
REVOCATIONS_PER_VERSION = 10
"""How many revocations of one version the query for the latest reads, at most."""
MOST_CHOICES = 200
"""How many choices a filter lists. Further values can be typed."""


@dataclass(frozen=True)
class Found:
    """A page of images, and the count of all."""

    count: int
    images: list[Row]


def find_images(tx: Tx, actor: Actor, query: Query, words: str = "") -> Found:
    """A page of the images that match the query. Names are compared with `words`.

    Each image has description, tags, owner, versions_count, `released`, `offers` and `found_in`.
    `released` is when the newest version that its channels offer was released, or null. `offers` is the
    version to show, with the channel that offers it (if any), its number of providers and its
    architectures. `found_in` is the newest version with the words, if the image itself does not have
    them all. Raises NotFound past the end.
    """
    key = sought_key(words) or ""
    query = query.planned(tx)
    past = (query.page - 1) * query.size
    given = {**query.params, **resources.params(tx, actor)}
    given |= {"named": key, "length": len(key), "size": query.size, "offset": past}
    most = max(FEWEST_CANDIDATES, CANDIDATES_PER_RESULT * (past + query.size))
    while True:
        rows = tx.rows(_images, actor.reader, query.forms, candidates=most, **given)
        if not rows or rows[0]["count"] <= most or _is_final(rows[-1]):
            break
        most *= MORE_CANDIDATES
    if not rows and query.page > 1:
        raise past_the_end()
    found = [msgspec.json.decode(row["json"]) | {"released": row["offered"]} for row in rows]
    for image in found:
        image["offers"] = _shown_offer(image.pop("channels"), image.pop("newest"))
    return Found(rows[0]["count"] if rows else 0, found)


def _is_final(row: Row) -> bool:
    """No image that was not a candidate comes before this row."""
    if row["rank"] != row["last_rank"]:
        return True
    last = row["last_newest"], row["last_id"]
    return row["offered"] is not None and (row["offered"], row["id"]) >= last


def _shown_offer(channels: list[Row], newest: Row | None) -> Row | None:
    """What to show of an image: what stable offers, else another channel, else latest, else its newest
    release in whatever state."""
    ranked = sorted(channels, key=lambda c: (c["channel"] == LATEST, c["channel"] != STABLE))
    return ranked[0] if ranked else newest


def _newest(image: FromClause, reader: ReaderKind, column: str) -> ColumnElement[Any]:
    """A column of the image's newest version that the reader may read."""
    version = schema.versions.alias()
    return (
        select(version.c[column])
        .where(version.c.image_id == image.c.id, access.readable(version, reader))
        .order_by(version.c.start_date.desc(), version.c.id.desc())
        .limit(1)
        .correlate(image)
        .scalar_subquery()
    )


def _offered(image: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """When the newest version was released that a channel of the image offers; null for none."""
    channel, version = schema.channels.alias(), schema.versions.alias()
    newest = func.max(version.c.start_date, type_=version.c.start_date.type)
    offered = select(newest).where(
        channel.c.image_id == image.c.id,
        access.readable(channel, reader),
        version.c.n == channel_targets.target(channel, reader),
        access.readable(version, reader),
    )
    return offered.correlate(image).scalar_subquery()


def _images(reader: ReaderKind, forms: tuple[tuple[str, str], ...]) -> Any:
    image = schema.images.alias("thing")
    named = param("named", Sortable)
    names = image.c.name_key, image.c.slug
    equals = or_(*(name == named for name in names))
    begins = or_(*(func.substr(name, 1, param("length")) == named for name in names))
    filtered = [LIST.filters[name].where(image, reader, form) for name, form in forms]
    found = computed_once(
        "found",
        select(
            image.c.id,
            case((equals, 0), (begins, 1), else_=2).label("rank"),
            image.c.start_date,
            _newest_begun(image).label("newest"),
        ).where(access.readable(image, reader), *filtered),
    )
    by_newest = found.c.rank, found.c.newest.desc(), found.c.id.desc()
    candidates = computed_once(
        "candidates", select(found).order_by(*by_newest).limit(param("candidates"))
    )
    backward = candidates.c.rank.desc(), candidates.c.newest, candidates.c.id
    last = select(candidates).order_by(*backward).limit(1).subquery("last")
    offered = computed_once(
        "offered", select(candidates, _offered(candidates, reader).label("offered"))
    )
    otherwise = func.coalesce(_newest(offered, reader, "start_date"), offered.c.start_date)
    released = func.coalesce(offered.c.offered, otherwise)
    order = (offered.c.rank, offered.c.offered.is_(None), released.desc(), offered.c.id.desc())
    picked = (
        select(
            offered.c.id,
            offered.c.rank,
            offered.c.offered,
            func.row_number().over(order_by=order).label("place"),
        )
        .order_by(*order)
        .limit(param("size"))
        .offset(param("offset"))
        .subquery("picked")
    )
    shown = schema.images.alias("shown")
    return (
        select(
            json_text(_shape(shown, reader, dict(forms).get("search"))).label("json"),
            select(func.count()).select_from(found).scalar_subquery().label("count"),
            picked.c.id,
            picked.c.rank,
            picked.c.offered,
            last.c.rank.label("last_rank"),
            last.c.newest.label("last_newest"),
            last.c.id.label("last_id"),
        )
        .select_from(picked.join(shown, shown.c.id == picked.c.id).join(last, true()))
        .order_by(picked.c.place)
    )


def _newest_begun(image: FromClause) -> ColumnElement[Any]:
    """When the image's newest version was released that is not scheduled, whoever may read it. For an
    image without one, when the image began."""
    version = schema.versions.alias()
    begun = select(func.max(version.c.start_date, type_=version.c.start_date.type)).where(
        version.c.image_id == image.c.id, version.c.start_date <= NOW
    )
    newest = case(
        (image.c.newest_release <= NOW, image.c.newest_release),
        else_=begun.correlate(image).scalar_subquery(),
    )
    return func.coalesce(newest, image.c.start_date, type_=image.c.start_date.type)


def _shape(image: FromClause, reader: ReaderKind, words: str | None) -> ColumnElement[Any]:
    counted, channel = schema.versions.alias(), schema.channels.alias()
    readable = (
        select(counted.c.n)
        .where(counted.c.image_id == image.c.id, access.readable(counted, reader))
        .correlate(image)
    )
    target = schema.versions.alias()
    offers = (
        select(_offer(channel.c.name, target, reader))
        .select_from(channel)
        .where(
            channel.c.image_id == image.c.id,
            access.readable(channel, reader),
            target.c.n == channel_targets.target(channel, reader),
            access.readable(target, reader),
        )
        .order_by(channel.c.name)
    )
    newest = schema.versions.alias()
    return json_object(
        {
            "id": image.c.id,
            "slug": image.c.slug,
            "name": image.c.name,
            "description": image.c.description,
            "is_public": image.c.is_public,
            "tags": summaries.tags(image),
            "owner": summaries.user(image.c.owner_id),
            "versions_count": summaries.count_of(readable),
            "channels": json_list(offers, image),
            "found_in": NULL_JSON if words is None else _found_in(image, reader, words),
            "newest": select(_offer(NULL_JSON, newest, reader))
            .where(newest.c.n == _newest(image, reader, "n"), access.readable(newest, reader))
            .scalar_subquery(),
        }
    )


def _found_in(image: FromClause, reader: ReaderKind, words: str) -> ColumnElement[Any]:
    version = schema.versions.alias()
    entry = json_object(
        {
            "version": summaries.version_shape(version, reader),
            "change_log": version.c.change_log,
        }
    )
    newest = search.newest_in_image(image, reader, words)
    found = select(entry).where(version.c.n == newest, access.readable(version, reader))
    return found.scalar_subquery()


def _offer(channel: Any, version: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A version that an image offers, with its channel (or null), providers and architectures."""
    machine, provider = schema.machines.alias(), schema.providers.alias()
    listed = (
        machine.c.version_n == version.c.n,
        provider.c.id == machine.c.provider_id,
        machine_access.listed_in_version(machine, provider, reader),
    )
    architectures = (
        select(json_object({"name": machine.c.architecture}))
        .where(*listed)
        .group_by(machine.c.architecture)
        .order_by(machine.c.architecture)
    )
    providers = select(func.count(distinct(machine.c.provider_id))).where(*listed)
    return json_object(
        {
            "channel": channel,
            "version": summaries.version_shape(version, reader),
            "providers_count": providers.correlate(version).scalar_subquery(),
            "architectures": json_list(architectures, version),
        }
    )


def choices(tx: Tx, actor: Actor) -> Row:
    """The choices of the filters: `tags`, `owners` and `providers` (slug and name), ordered by name.

    Each list has at most MOST_CHOICES entries. `providers_count` counts all providers.
    """
    row = tx.first(_choices, actor.reader, **resources.params(tx, actor))
    assert row is not None
    count = row.pop("providers_count")
    return {name: msgspec.json.decode(value) for name, value in row.items()} | {
        "providers_count": count
    }


def _choices(reader: ReaderKind) -> Any:
    tag, image, user, provider = (
        schema.tags.alias(),
        schema.images.alias(),
        schema.users.alias(),
        schema.providers.alias(),
    )
    # Computed once: whoever may read an image may read its tags and its owner's name.
    seen = select(image.c.id, image.c.owner_id).where(access.readable(image, reader)).cte("seen")
    carried = schema.image_tags.alias()
    used = select(carried.c.tag_id).where(carried.c.image_id == seen.c.id)
    tags = (
        select(json_object({"name": tag.c.name}))
        .where(tag.c.id.in_(used))
        .order_by(tag.c.name_key)
        .limit(MOST_CHOICES)
    )
    owners = (
        select(json_object({"name": user.c.username}))
        .where(user.c.id.in_(select(seen.c.owner_id)))
        .order_by(user.c.name_key)
        .limit(MOST_CHOICES)
    )
    providers = (
        select(json_object({"slug": provider.c.slug, "name": provider.c.name}))
        .where(access.readable(provider, reader))
        .order_by(provider.c.name_key, provider.c.id)
        .limit(MOST_CHOICES)
    )
    counted = schema.providers.alias()
    count = select(func.count()).select_from(counted).where(access.readable(counted, reader))
    return select(
        json_text(json_list(tags)).label("tags"),
        json_text(json_list(owners)).label("owners"),
        json_text(json_list(providers)).label("providers"),
        count.scalar_subquery().label("providers_count"),
    )


def newest_versions(tx: Tx, actor: Actor) -> tuple[int, list[Row]]:
    """How many versions the reader may read, and the newest current ones among the latest of them.

    Each has id, url, name, state, start_date and image (id, slug, name).
    """
    query = versions.VERSIONS.where(ordering="-start_date", page_size=NEWEST_READ)
    page = resources.page_of_versions(tx, actor, _new, query)
    rows = (msgspec.json.decode(text) for text in page.results)
    return page.count, [row for row in rows if row["state"] == "current"][:MOST_NEW]


def _new(version: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    image = schema.images.alias()
    of = json_object({"id": image.c.id, "slug": image.c.slug, "name": image.c.name})
    return json_object(
        {
            "id": version.c.id,
            "url": summaries.url("image_versions", version.c.id),
            "name": version.c.name,
            "state": states.state(version),
            "start_date": version.c.start_date,
            # Whoever may read a version may read its image.
            "image": select(of).where(image.c.id == version.c.image_id).scalar_subquery(),
        }
    )


def recently_withdrawn(tx: Tx, actor: Actor) -> list[Row]:
    """The versions revoked or deprecated most recently, latest first.

    Each has version (its summary), image_name, at, `deprecation` and `revoked`.
    """
    rows = tx.rows(_withdrawn, actor.reader, **resources.params(tx, actor))
    return [msgspec.json.decode(row["json"]) for row in rows]


def _withdrawn(reader: ReaderKind) -> Any:
    shown, image = schema.versions.alias("shown"), schema.images.alias()
    parts = [select(part.subquery()) for part in (_revoked(reader), _deprecated(reader))]
    withdrawn = parts[0].union_all(parts[1]).subquery("recent")
    at = func.max(withdrawn.c.at).label("at")
    # A version with two revocations, its own and an inherited one, is listed once.
    picked = select(withdrawn.c.n, at).group_by(withdrawn.c.n).subquery("picked")
    entry = json_object(
        {
            "version": summaries.version_shape(shown, reader),
            "image_name": image.c.name,
            "at": picked.c.at,
            "revoked": summaries.revoked(shown, reader),
            "deprecation": summaries.deprecation(shown, reader),
        }
    )
    return (
        select(json_text(entry).label("json"))
        .select_from(
            picked.join(shown, shown.c.n == picked.c.n).join(image, image.c.id == shown.c.image_id)
        )
        .order_by(picked.c.at.desc(), picked.c.n.desc())
        .limit(MOST_WITHDRAWN)
    )


def _revoked(reader: ReaderKind) -> Any:
    """Enough of the revoked versions, latest first."""
    version, reach, revocation = (
        schema.versions.alias(),
        schema.revocation_reach.alias(),
        schema.revocations.alias(),
    )
    return (
        select(version.c.n, revocation.c.at)
        .where(
            revocation.c.restored_at.is_(None),
            revocation.c.at <= NOW,
            reach.c.revocation_id == revocation.c.id,
            version.c.n == reach.c.n,
            access.open_now(version),
            access.readable(version, reader),
        )
        .order_by(revocation.c.at.desc(), version.c.n.desc())
        .limit(MOST_WITHDRAWN * REVOCATIONS_PER_VERSION)
    )


def _deprecated(reader: ReaderKind) -> Any:
    """Enough of the versions that are deprecated but not revoked, latest first."""
    version = schema.versions.alias()
    return (
        select(version.c.n, version.c.deprecated_at.label("at"))
        .where(
            states.deprecated(version),
            ~states.revoked(version),
            access.open_now(version),
            access.readable(version, reader),
        )
        .order_by(version.c.deprecated_at.desc(), version.c.n.desc())
        .limit(MOST_WITHDRAWN)
    )
