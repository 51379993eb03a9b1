"""The rows of a measured catalogue, table by table, each computed from its number (`plan.py`).

`_versions` and `_shares` write the denormalised columns `public`, `owner_id`, `opens_at` and
`closes_at`, and the table `shares`. Goldenrod computes its other denormalised data itself (`load.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from bench import plan
from bench.cast import Cast
from bench.plan import Plan, Version
from goldenrod.base import clock
from goldenrod.base.clock import Instant
from goldenrod.base.text import index_tokens, name_key, slug
from goldenrod.catalogue.search import words_of

Values = tuple[Any, ...]
BEGAN = clock.of(plan.BEGAN)
DEPRECATED = "Stops slowly under load; mended since."
REVOKED = "Its container runtime leaks memory."


class Rows(NamedTuple):
    """The rows of a table, as values of these columns."""

    table: str
    columns: str
    values: Iterator[Values]


@dataclass(frozen=True)
class Catalogue:
    """A plan with its cast: everything from which rows are computed."""

    plan: Plan
    cast: Cast

    def tables(self) -> Iterator[Rows]:
        """All rows. Each table comes after those that it refers to."""
        yield from (self._tags(), self._images(), self._slugs(), self._tagged())
        yield from (self._maintainers(), self._channels(), self._versions(), self._machines())
        yield from (self._licenses(), self._scripts(), self._memberships(), self._shares())
        yield from (self._revocations(), self._reach(), self._assignments())
        yield from (self._image_words(), self._version_words())

    # ── images ─────────────────────────────────────────────────────────────────────────────

    def owner(self, image: int) -> int:
        """The id of an image's owner."""
        if image in plan.OF_READER:
            return self.cast.reader
        return self.cast.owners[image % len(self.cast.owners)]

    def _other(self, number: int) -> int:
        return self.cast.others[number % len(self.cast.others)]

    def _tags(self) -> Rows:
        def row(key: int) -> Values:
            name = tag_name(key)
            return key, plan.uuid(1, plan.BEGAN_MS, key), name, name, "", BEGAN, words_of(name)

        columns = "id uuid name name_key description start_date words"
        return Rows("tags", columns, map(row, range(1, plan.TAGS + 1)))

    def _images(self) -> Rows:
        def row(image: int) -> Values:
            name, owner = plan.image_name(image), self.owner(image)
            start = self._began(image)
            uuid = plan.uuid(2, plan.BEGAN_MS, image + 1)
            ids = image + 1, uuid, slug(name), name, name_key(name)
            about = plan.image_description(image), self.plan.is_public(image)
            return *ids, *about, owner, owner, start, None

        columns = (
            "id uuid slug name name_key description is_public owner_id created_by_id start_date "
            "end_date"
        )
        return Rows("images", columns, map(row, range(self.plan.images)))

    def _began(self, image: int) -> Instant:
        return self.plan.started(self.plan.key(image, 0))

    def _slugs(self) -> Rows:
        values = ((slug(plan.image_name(i)), i + 1) for i in range(self.plan.images))
        return Rows("image_slugs", "slug image_id", values)

    def _tagged(self) -> Rows:
        values = ((i + 1, tag) for i in range(self.plan.images) for tag in tags_of(i))
        return Rows("image_tags", "image_id tag_id", values)

    def _maintainers(self) -> Rows:
        values = (
            (i + 1, self.cast.groups["lab"] if i == plan.MAINTAINED else self._other(i))
            for i in range(self.plan.images)
            if i == plan.MAINTAINED or i % 100 == 50
        )
        return Rows("image_maintainers", "image_id group_id", values)

    def _channels(self) -> Rows:
        def row(number: int) -> Values:
            image, stable = divmod(number, 2)
            start = self._began(image)
            ids = number + 1, plan.uuid(3, plan.BEGAN_MS, number + 1), image + 1
            return *ids, "stable" if stable else "latest", False, False, start

        columns = "id uuid image_id name restricted hidden start_date"
        return Rows("channels", columns, map(row, range(2 * self.plan.images)))

    def stable(self, image: int) -> int:
        """The key of the version that an image's channel `stable` offers."""
        return self.plan.key(image, self.plan.per_image - 5)

    def _assignments(self) -> Rows:
        columns = "sequence channel_id version_n at by_id reason override"
        values = (
            (i + 1, 2 * i + 2, self.stable(i), plan.ASSIGNED, self.owner(i), None, False)
            for i in range(self.plan.images)
        )
        return Rows("channel_assignments", columns, values)

    def _image_words(self) -> Rows:
        def row(image: int) -> Values:
            texts = (
                plan.image_name(image),
                plan.image_description(image),
                slug(plan.image_name(image)),
            )
            named = (tag_name(tag) for tag in tags_of(image))
            return image + 1, tuple(index_tokens(" \n".join((*texts, *named))))

        return Rows("image_words", "image_id tokens", map(row, range(self.plan.images)))

    # ── versions ───────────────────────────────────────────────────────────────────────────

    def _versions(self) -> Rows:
        columns = (
            "n id parent_n name name_key change_log image_id allow_imaging user_id identity_id "
            "start_date end_date doc_object_id min_cpu min_mem deprecated_at deprecation_reason "
            "replacement_n exclude_from_latest public owner_id opens_at closes_at"
        )
        return Rows("versions", columns, map(self._version, self.plan.all()))

    def _version(self, version: Version) -> Values:
        n, image, release, public, start, end, _ = version
        name, owner = release_name(release), self.owner(image)
        user = owner if release % 10 else self.cast.owners[release // 10 % len(self.cast.owners)]
        identity = None if public else self.cast.identities.get(user)
        ids = n, version_id(n, self.plan), self.plan.before(version), name, name
        about = log_of(n), image + 1, release % 7 != 0, user, identity
        needs = None, None if n % 3 else 2, None if n % 3 else 4096
        replaced = release % 33 == 5
        replacement = n + self.plan.turn if replaced and image else None
        deprecated = (plan.ENDED, DEPRECATED, replacement) if replaced else (None, None, None)
        stand = public, owner, start, version.closes
        return *ids, *about, start, end, *needs, *deprecated, release % 50 == 9, *stand

    def _machines(self) -> Rows:
        def rows() -> Iterator[Values]:
            key = 0
            for version in self.plan.all():
                n, image, _, _, start, end, _ = version
                architecture = "arm64" if image % 5 == 0 else "x86_64"
                maker = self.owner(image)
                at = version_id(n, self.plan)[:13]
                for provider in self.providers(version):
                    key += 1
                    ids = key, f"{at}-7004-8000-{key:012x}", n, image + 1, provider
                    found_by = (f"ami-{key:017x}",) * 2
                    kind = 30, architecture, architecture
                    yield *ids, *found_by, *kind, "", maker, start, end

        columns = (
            "id uuid version_n image_id provider_id identifier identifier_key size_gb "
            "architecture architecture_given checksum created_by_id start_date end_date"
        )
        return Rows("machines", columns, rows())

    def providers(self, version: Version) -> list[int]:
        """The providers of a version's one to five machines."""
        regions = self.cast.regions
        places = [regions[(version.n + j) % len(regions)] for j in range(1 + version.n % 5)]
        return places if version.public else [*places[1:], self.cast.campus]

    def _pairs(self, table: str, column: str, values: Iterator[tuple[int, int]]) -> Rows:
        kind = 5 + PAIRINGS.index(table)
        rows = (
            (key, plan.uuid(kind, plan.BEGAN_MS, key), n, other)
            for key, (n, other) in enumerate(values, 1)
        )
        return Rows(table, f"id uuid version_n {column}", rows)

    def _licenses(self) -> Rows:
        given = self.cast.licenses
        values = (
            (n, given[(n + j) % len(given)])
            for n in range(1, self.plan.total + 1)
            for j in range(1 + (n % 4 == 0))
        )
        return self._pairs("version_licenses", "license_id", values)

    def _scripts(self) -> Rows:
        given = self.cast.scripts
        values = ((n, given[n % len(given)]) for n in range(1, self.plan.total + 1, 3))
        return self._pairs("version_scripts", "script_id", values)

    def shared_with(self, image: int) -> tuple[int, ...]:
        """The ids of the groups with which an image's versions are shared. An eighth of the private
        ones is shared with groups of the reader."""
        lab, platform, security = (self.cast.groups[name] for name in plan.GROUPS)
        few = self.plan.seed == "few"
        if self.plan.is_public(image):
            return (lab,) if image % 50 == 7 else ()
        if few and image == plan.FOR_GUESTS:
            return (self.cast.groups[plan.FEW_GROUP],)
        place = (image if few else image // 10) % 40
        if place < 5:
            return ((lab,), (lab,), (lab, platform), (platform,), (security,))[place]
        return (self._other(place),) if place < 20 else ()

    def _memberships(self) -> Rows:
        values = (
            (n, group)
            for image in range(self.plan.images)
            if (given := self.shared_with(image))
            for n in self.plan.keys(image)
            for group in given
        )
        return self._pairs("version_memberships", "group_id", values)

    def _shares(self) -> Rows:
        values = (
            (group, v.n, v.start, v.start, v.closes)
            for image in range(self.plan.images)
            if (given := self.shared_with(image)) and not self.plan.is_public(image)
            for v in map(self.plan.version, self.plan.keys(image))
            for group in given
        )
        return Rows("shares", "group_id n start_date opens_at closes_at", values)

    def _origins(self) -> Iterator[Version]:
        """Versions with a revocation of their own."""
        first = self.plan.per_image - 3
        for image in range(1, self.plan.images, 2):
            for n in self.plan.keys(image):
                version = self.plan.version(n)
                inherited = self.plan.withdrawn_from(image, version.release)
                if version.revoked and (not inherited or version.release == first):
                    yield version

    def _revocations(self) -> Rows:
        def row(key: int, version: Version) -> Values:
            wide = self.plan.withdrawn_from(version.image, version.release)
            ids = key, plan.uuid(9, plan.BEGAN_MS, key), version.n, plan.ENDED, REVOKED
            return *ids, self.owner(version.image), wide, True, plan.ENDED, None, None

        columns = (
            "id uuid version_n at reason by_id descendants roll_back_channels created_at "
            "restored_at restored_by_id"
        )
        values = (row(key, version) for key, version in enumerate(self._origins(), 1))
        return Rows("revocations", columns, values)

    def _reach(self) -> Rows:
        def rows() -> Iterator[Values]:
            for key, version in enumerate(self._origins(), 1):
                wide = self.plan.withdrawn_from(version.image, version.release)
                for depth in range(3 if wide else 1):
                    yield version.n + depth * self.plan.turn, key, depth, plan.ENDED, True

        return Rows("revocation_reach", "n revocation_id depth at roll_back_channels", rows())

    def _version_words(self) -> Rows:
        values = (
            (v.n, (*_name_tokens(v.release), *_log_tokens(v.n % plan.LOGS)))
            for v in self.plan.all()
        )
        return Rows("version_words", "n tokens", values)


PAIRINGS = ("version_licenses", "version_scripts", "version_memberships")


def tag_name(key: int) -> str:
    return f"tag-{key}"


def tags_of(image: int) -> set[int]:
    """The ids of an image's tags."""
    return {1 + image % plan.TAGS, 1 + image // 7 % plan.TAGS, 1 + image * 11 % plan.TAGS}


def release_name(release: int) -> str:
    return f"2.{release // 100}.{release % 100}"


def version_id(n: int, of: Plan) -> str:
    """The UUID of the n-th version."""
    return plan.uuid(0, of.started_ms(n), n)


@cache
def _logs() -> list[str]:
    return [plan.log(k) for k in range(plan.LOGS)]


def log_of(n: int) -> str:
    return _logs()[n % plan.LOGS]


@cache
def _name_tokens(release: int) -> list[str]:
    return index_tokens(release_name(release))


@cache
def _log_tokens(k: int) -> list[str]:
    return index_tokens(plan.log(k))
