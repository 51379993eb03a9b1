"""Rules that read the name of a machine into its image and version.

A rule is a regular expression that must match the whole name, with named groups:

    [[rule]]
    name = "debian"
    match = '''debian-\\d+-(?P<architecture>amd64|arm64)-(?P<version>(?P<date>20\\d{6})-\\d+)'''
    version = "{version}"

The first rule that matches holds. `image` and `version` are templates of groups; a part in brackets,
`[-{flavour}]`, is left out where a group in it is empty. Without `image`, the image is the name
without the version and the separator before it. The group `date` is the day of the release. The group
`region` is the part of a name that differs between the regions of one version: no template may use it.

A name that no rule matches is skipped, never guessed.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct

from goldenrod.base.clock import Instant, parse_instant
from goldenrod.base.text import MOST_NAME, normalized

_GROUP = re.compile(r"\{(\w+)\}")
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
# "-v" before a version is a separator too.
_SEPARATOR_BEFORE = re.compile(r"(?:[-_ ./]v|[-_ ./])\Z")
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class RuleText(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A rule as it is declared in a TOML file."""

    name: str
    match: str
    version: str = "{version}"
    image: str | None = None


class InvalidRule(ValueError):
    """A rule cannot be used. The message names the rule and the reason."""


class ReadName(NamedTuple):
    """What a name says. `date` begins its day; `architecture` and `region` are as written."""

    rule: str
    image: str
    version: str
    date: Instant | None
    architecture: str | None
    region: str | None


class Tried(NamedTuple):
    """One rule that was tried on a name: the groups of the match, or None where it does not match."""

    rule: str
    groups: dict[str, str] | None


@dataclass(frozen=True)
class _Rule:
    name: str
    match: re.Pattern[str]
    image: str | None
    version: str


class NameRules:
    """Compiled rules. Raises InvalidRule for a rule that cannot be used."""

    def __init__(self, rules: list[RuleText]) -> None:
        self._rules = [_compile(rule) for rule in rules]

    def read(self, name: str) -> ReadName | str:
        """What a name says, or the reason why it says nothing."""
        text = clean_name(name)
        if text is None:
            return (
                f"its name is empty, longer than {MOST_NAME} characters, or has control characters"
            )
        for rule in self._rules:
            if found := rule.match.fullmatch(text):
                return _read(rule, text, found)
        return "no rule matches its name"

    def explain(self, name: str) -> list[Tried]:
        """The rules that are tried on a name, in order, up to the one that holds."""
        text = clean_name(name)
        tried: list[Tried] = []
        for rule in self._rules if text is not None else ():
            found = rule.match.fullmatch(text or "")
            groups = found and {k: v for k, v in found.groupdict().items() if v is not None}
            tried.append(Tried(rule.name, groups))
            if found:
                break
        return tried


def clean_name(name: str) -> str | None:
    """A name, trimmed and in one form of Unicode; None for one that cannot be used.

    Rules match these only. A long name would make them slow, and is not a name.
    """
    if len(name) > 4 * MOST_NAME:
        return None
    text = normalized("NFKC", name).strip()
    if not 0 < len(text) <= MOST_NAME or text in (".", "..") or _NOT_IN_NAMES.search(text):
        return None
    return text


def _compile(rule: RuleText) -> _Rule:
    try:
        match = re.compile(rule.match)
    except (re.error, RecursionError, OverflowError) as wrong:
        raise InvalidRule(
            f"rule {rule.name!r}: match is not a regular expression: {wrong}"
        ) from None
    groups = set(match.groupindex)
    if "version" not in groups and rule.version == "{version}":
        raise InvalidRule(f"rule {rule.name!r}: match names no group 'version'")
    for field, template in (("image", rule.image), ("version", rule.version)):
        used = set(_GROUP.findall(template or ""))
        if unknown := sorted(used - groups):
            raise InvalidRule(
                f"rule {rule.name!r}: {field} names a group that match has not: {unknown[0]}"
            )
        if "region" in used:
            raise InvalidRule(f"rule {rule.name!r}: {field} must not use the group 'region'")
    if rule.image is None and "version" not in groups:
        raise InvalidRule(
            f"rule {rule.name!r}: needs image, because match names no group 'version'"
        )
    return _Rule(rule.name, match, rule.image, rule.version)


def _read(rule: _Rule, name: str, found: re.Match[str]) -> ReadName | str:
    groups = {key: value or "" for key, value in found.groupdict().items()}
    version = _fill(rule.version, groups)
    image = _without_version(name, found) if rule.image is None else _fill(rule.image, groups)
    if not version or not image:
        return f"rule {rule.name!r} gives no {'image' if version else 'version'}"
    date = None
    if groups.get("date"):
        date = _day(groups["date"])
        if date is None:
            return f"the date in its name, {groups['date']}, does not exist"
    return ReadName(
        rule.name,
        image,
        version,
        date,
        groups.get("architecture") or None,
        groups.get("region") or None,
    )


def _fill(template: str, groups: dict[str, str]) -> str:
    def optional(part: re.Match[str]) -> str:
        return part[1] if all(groups[name] for name in _GROUP.findall(part[1])) else ""

    return _GROUP.sub(lambda group: groups[group[1]], _OPTIONAL.sub(optional, template))


def _without_version(name: str, found: re.Match[str]) -> str:
    before, after = name[: found.start("version")], name[found.end("version") :]
    return _SEPARATOR_BEFORE.sub("", before) + after


def _day(written: str) -> Instant | None:
    digits = re.sub("[.-]", "", written)
    if len(digits) != 8 or not digits.isascii() or not digits.isdigit():
        return None
    year, month, day = (digits[a:b] for a, b in pairwise((0, 4, 6, 8)))
    try:
        return parse_instant(f"{year}-{month}-{day}T00:00:00Z")
    except ValueError:
        return None
