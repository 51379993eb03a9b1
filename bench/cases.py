"""The rows of the benchmark: the requests that are measured on a filled catalogue."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from bench import cast
from bench.catalogues import FilledCatalogue
from bench.drive import Ask
from bench.plan import Seed

DEEP = 1000
"""How many pages `next` is followed; in a shorter list, up to the last full page."""
PATCHED = 100
"""The number of versions that are changed in turn."""

Prepare = Callable[[FilledCatalogue, str], Ask]
"""Makes the request, for a catalogue and the address of its server."""


@dataclass(frozen=True)
class Case:
    """A row: its name, its request, and the seed of the catalogue.

    `alone`: also time single requests with the answer cache and during writes. `texts`: these writes
    change only texts, so that the answer stays the same."""

    name: str
    prepare: Prepare
    seed: Seed = "most"
    alone: bool = False
    texts: bool = False
    writes: bool = True
    beside: Prepare | None = None
    """Another request that is timed in the same rounds."""


def _get(address: str, reader: str | None = None) -> Prepare:
    """A GET of an address with placeholders, which come from the catalogue's `about`."""

    def prepare(catalogue: FilledCatalogue, base: str) -> Ask:
        filled = address.format_map(
            {k: quote(v) if isinstance(v, str) else v for k, v in catalogue.about.items()}
        )
        headers = {"Authorization": f"Token {catalogue.secret(reader)}"} if reader else {}
        return Ask((filled,), headers=headers)

    return prepare


def _many(catalogue: FilledCatalogue, base: str) -> Ask:
    keys = catalogue.about["versions"]
    return Ask(tuple(f"/image_versions/{key}" for key in keys), note=f"{len(keys):,} of them")


def _deep(catalogue: FilledCatalogue, base: str) -> Ask:
    """Follow `next` up to page 1,000."""
    address = "/image_versions"
    following: str | None = address
    page = 0
    with httpx.Client(base_url=base, timeout=60) as client:
        while following and page < DEEP:
            before, address = address, following
            following = client.get(address).raise_for_status().json()["next"]
            page += 1
    if following is None:
        address, page = before, page - 1  # the last page may not be full
    return Ask((address,), note=f"page {page:,}")


def _unchanged(catalogue: FilledCatalogue, base: str) -> Ask:
    tag = httpx.get(f"{base}/image_versions").raise_for_status().headers["ETag"]
    return Ask(("/image_versions",), headers={"If-None-Match": tag}, status=304)


def _patch(catalogue: FilledCatalogue, base: str) -> Ask:
    chosen = catalogue.about["versions"][:PATCHED]
    return Ask(
        tuple(f"/image_versions/{key}" for key in chosen),
        method="PATCH",
        headers={
            "Authorization": f"Token {catalogue.secret(cast.WRITER)}",
            "Content-Type": "application/json",
        },
        body='{"change_log": "Security updates, the %d. time."}',
    )


ONE, PAGE, SIGNED_IN = "one version", "page of 100", "page of 100, a user in 3 groups"
MANY, RESOLVE = "one of many versions in turn", "resolve"
DEEP_PAGE, UNCHANGED, PATCH = "page 1,000 deep by next", "304 on a list", "PATCH"
COUNT, COUNT_SIGNED_IN = "count", "count, a user in 3 groups"
SEARCH, ON_PROVIDER = "search, an image's name", "list of a provider"
OF_ARCHITECTURE = "list of an architecture"
FEW_PAGE, FEW_COUNT = "page of 100, a reader who sees few", "count, a reader who sees few"

CASES = (
    Case(ONE, _get("/image_versions/{version}"), alone=True),
    Case(MANY, _many),
    Case("one version, a user in 3 groups", _get("/image_versions/{version}", cast.READER)),
    Case(PAGE, _get("/image_versions"), alone=True),
    Case(SIGNED_IN, _get("/image_versions", cast.READER), alone=True),
    Case(DEEP_PAGE, _deep, beside=_get("/image_versions")),
    Case("list of an image", _get("/image_versions?image_id={image}")),
    Case("list of a creator", _get("/image_versions?created_by={owner}")),
    Case(SEARCH, _get("/image_versions?search={words}")),
    Case("search, a frequent word", _get("/image_versions?search={many}")),
    Case(ON_PROVIDER, _get("/image_versions?provider={region}")),
    Case(OF_ARCHITECTURE, _get("/image_versions?architecture=arm64")),
    Case("list by allow_imaging", _get("/image_versions?allow_imaging=false")),
    Case(COUNT, _get("/image_versions?page_size=1"), alone=True),
    Case(COUNT_SIGNED_IN, _get("/image_versions?page_size=1", cast.READER), alone=True),
    Case(RESOLVE, _get("/resolve/{slug}/stable/{region}")),
    Case("resolve latest", _get("/resolve/{slug}/latest/{region}")),
    Case("lineage", _get("/image_versions/{version}/lineage")),
    Case(UNCHANGED, _unchanged, alone=True, texts=True),
    Case(PATCH, _patch, writes=False),
    Case(FEW_PAGE, _get("/image_versions", cast.GUEST), seed="few", alone=True),
    Case(FEW_COUNT, _get("/image_versions?page_size=1", cast.GUEST), seed="few", alone=True),
)
IMPORT, STARTING = "import", "start-up"
"""Rows that are not requests (`importing.py`, `starting.py`)."""
LINEAR = ("search, a frequent word", "list by allow_imaging")
"""Lists whose exact count reads every match."""
GROWTH = (ONE, PAGE, UNCHANGED)
"""Requests whose time must not depend on the size of the catalogue."""


def wanted(name: str, words: list[str]) -> bool:
    """Whether a row is chosen: its name contains one of the words, or there are no words."""
    return not words or any(word in name for word in words)


def chosen(words: list[str]) -> list[Case]:
    """The chosen cases."""
    return [case for case in CASES if wanted(case.name, words)]
