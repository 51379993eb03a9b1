"""Reads trees of simplestreams. A scope is an entry of the index, by its content id.

Index and products are read at different times. If the products are older than the index says, they are
read once more; if they are still older, only what they add counts.

With a keyring, every file must be signed by one of its keys: only `.sjson` files are read, and of them
only what is signed. Without one, files are accepted as they are, and each look says "not verified".
"""

import time
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

from goldenrod.base.clock import now
from goldenrod.sources.declarations import SimpleStreams
from goldenrod.sources.files.document import Listing, Unreadable, look_at, shown
from goldenrod.sources.found import Look, Presence
from goldenrod.sources.name_rules import NameRules
from goldenrod.sources.simplestreams import signature
from goldenrod.sources.simplestreams.dates import mail_date
from goldenrod.sources.simplestreams.mirror import Mirror, NotThere, inner_path, mirror
from goldenrod.sources.simplestreams.products import (
    Entry,
    Products,
    parse_index,
    parse_products,
)

INDEXES = ("streams/v1/index.sjson", "streams/v1/index.json")
PAUSE_SECONDS = 2.0
"""Before products that are older than the index says are read again."""


class SimpleStreamsSource:
    """The tree of a mirror. Safe to be used by several threads at once. It needs no rules for names."""

    def __init__(self, declaration: SimpleStreams, rules: NameRules, directory: Path) -> None:
        self._declaration = declaration
        self._directory = directory
        self._lock = Lock()
        self._opened: Mirror | None = None
        self._entries: dict[str, Entry | str] | None = None
        self._identifiers: dict[str, frozenset[str]] = {}

    def scopes(self) -> tuple[list[str], list[Look]]:
        """A scope for each declared content id; if none is declared, for each of the index."""
        wanted = list(dict.fromkeys(self._declaration.content))
        try:
            entries = self._read_index()
        except Unreadable as wrong:
            return [], [self._failed(scope, str(wrong)) for scope in wanted or ["index"]]
        failed = []
        scopes = []
        for scope in wanted or entries:
            entry = entries.get(scope, "the index has no such content id")
            if isinstance(entry, str):
                failed.append(self._failed(shown(scope, 500), entry))
            elif len(scope) > 500 or not scope.isprintable():
                failed.append(self._failed(shown(scope, 500), "its content id is not a name"))
            else:
                scopes.append(scope)
        return scopes, failed

    def look(self, scope: str) -> Look:
        """Read the products of a content id."""
        with self._lock:
            self._identifiers.pop(scope, None)
        return look_at(scope, now(), lambda: self._read_products(scope))

    def presence(self, scope: str, provider: str, identifier: str) -> Presence:
        """What the last complete look says: a mirror has what its index lists, and nothing else."""
        with self._lock:
            listed = self._identifiers.get(scope)
        if listed is None:
            return "unknown"
        return "there" if identifier in listed else "gone"

    def _mirror(self) -> Mirror:
        with self._lock:
            if self._opened is None:
                declared = self._declaration
                self._opened = mirror(declared.base, self._directory, declared.name)
            return self._opened

    def _read_index(self) -> dict[str, Entry | str]:
        name, text, _ = self._read_first(
            self._mirror(), INDEXES[:1] if self._declaration.keyring else INDEXES
        )
        entries = parse_index(text, name)
        with self._lock:
            self._entries = entries
        return entries

    def _read_products(self, scope: str) -> Listing:
        at = self._mirror()
        with self._lock:
            entries = self._entries
        entry = (entries or self._read_index()).get(scope, "the index has no such content id")
        if isinstance(entry, str):
            raise Unreadable(entry)
        products, notes = self._read_once(at, scope, entry)
        if _is_older(products, entry):
            time.sleep(PAUSE_SECONDS)
            products, notes = self._read_once(at, scope, entry)
        listing = products.listing
        listing.notes += notes
        if _is_older(products, entry):
            listing.notes.append("the products are older than the index: nothing counts as missing")
            listing.additions_only = True
        elif products.identifiers is not None:
            with self._lock:
                self._identifiers[scope] = products.identifiers
        return listing

    def _read_once(self, at: Mirror, scope: str, entry: Entry) -> tuple[Products, list[str]]:
        path = inner_path(entry.path)
        if self._declaration.keyring and path.endswith(".json"):
            path = f"{path.removesuffix('.json')}.sjson"
        name, text, notes = self._read_first(at, (path,))
        products = parse_products(
            text, name, content_id=scope, mirror=at.name, tags=self._declaration.tags
        )
        return products, notes

    def _read_first(self, at: Mirror, paths: Iterable[str]) -> tuple[str, bytes, list[str]]:
        """The first of these files that is there: its path, what is signed of it, and remarks."""
        missing: list[str] = []
        for path in paths:
            try:
                return (path, *self._checked(at.read(path), path))
            except NotThere as wrong:
                missing.append(str(wrong))
        signed = "; with a keyring, only signed files count" if self._declaration.keyring else ""
        raise Unreadable(f"{'; '.join(missing)}{signed}")

    def _checked(self, raw: bytes, path: str) -> tuple[bytes, list[str]]:
        """What counts of a file, and remarks about its signature."""
        try:
            if self._declaration.keyring:
                return signature.verified(raw, self._directory / self._declaration.keyring), []
            if signature.is_signed(raw):
                return signature.signed_part(raw), ["not verified: no keyring is declared"]
        except Unreadable as wrong:
            raise Unreadable(f"{path}: {wrong}") from None
        return raw, ["not verified: not signed"]

    def _failed(self, scope: str, reason: str) -> Look:
        return Look(scope=scope, read_at=now(), failed=reason)


def _is_older(products: Products, entry: Entry) -> bool:
    """The products were written before the index says that they were."""
    announced = mail_date(entry.updated)
    return bool(announced and products.updated and products.updated < announced)
