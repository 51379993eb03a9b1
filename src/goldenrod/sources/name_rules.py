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

A regular expression can be so ambiguous that trying it on one name takes years. Such a rule is refused
when it is loaded, because it is tried on names that are hard to refuse. What these do not find is ended
after `_MOST_SECONDS`: then the name is skipped, and a rule that was too slow for several names is not
tried any more.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import regex
from msgspec import Struct

from goldenrod.base.clock import Instant, parse_instant
from goldenrod.base.numbers import are_digits
from goldenrod.base.text import MOST_NAME, normalized

_GROUP = re.compile(r"\{(\w+)\}")
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
# "-v" before a version is a separator too.
_SEPARATOR_BEFORE = re.compile(r"(?:[-_ ./]v|[-_ ./])\Z")
UNUSABLE = f"its name is empty, longer than {MOST_NAME} characters, or has control characters"
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_MOST_SECONDS = 0.5
"""The most time that one rule may take for one name. Usual is a hundred-thousandth of it."""
_MOST_SLOW_NAMES = 5
_MOST_REMEMBERED = 4096
_MOST_RULE = 4096
_UNITS = (*"aA0z9._-/ +", "a0", "0a", "a-", "-a", "0.", ".0", "a_", "a ", "a.", "aA", "a-0.")
_BEGINNING = re.compile(r"[\w ./-]*")


class RuleText(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A rule as it is declared in a TOML file."""

    name: str
    match: str
    version: str = "{version}"
    image: str | None = None


class RuleFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A TOML file of rules."""

    rule: list[RuleText]


class InvalidRule(ValueError):
    """A rule cannot be used. The message names the rule and the reason; `number` counts from 0, and
    `field` is the key that is wrong."""

    def __init__(self, rule: RuleText, field: str, reason: str) -> None:
        super().__init__(f"rule {rule.name!r}: {reason}")
        self.field = field
        self.number = 0


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


@dataclass
class _Rule:
    name: str
    match: Any
    image: str | None
    version: str
    slow_names: int = 0

    def fullmatch(self, text: str) -> re.Match[str] | None:
        """The match of a whole name. Raises TimeoutError."""
        if self.slow_names >= _MOST_SLOW_NAMES:
            raise TimeoutError
        try:
            found: re.Match[str] | None = self.match.fullmatch(text, timeout=_MOST_SECONDS)
            return found
        except TimeoutError:
            self.slow_names += 1
            raise


class NameRules:
    """Compiled rules. Raises InvalidRule for a rule that cannot be used."""

    def __init__(self, rules: list[RuleText]) -> None:
        self._rules: list[_Rule] = []
        for number, rule in enumerate(rules):
            try:
                self._rules.append(_compile(rule))
            except InvalidRule as wrong:
                wrong.number = number
                raise
        # Copies of one version in several regions have one name.
        self._remembered = lru_cache(_MOST_REMEMBERED)(self._read)

    def __len__(self) -> int:
        return len(self._rules)

    def read(self, name: str) -> ReadName | str:
        """What a name says, or the reason why it says nothing."""
        text = clean_name(name)
        return UNUSABLE if text is None else self._remembered(text)

    def _read(self, text: str) -> ReadName | str:
        for rule in self._rules:
            try:
                found = rule.fullmatch(text)
            except TimeoutError:
                return f"rule {rule.name!r} takes too long to match its name"
            if found:
                return _read(rule, text, found)
        return "no rule matches its name"

    def explain(self, name: str) -> list[Tried]:
        """The rules that are tried on a name, in order, up to the one that holds."""
        text = clean_name(name)
        tried: list[Tried] = []
        for rule in self._rules if text is not None else ():
            try:
                found = rule.fullmatch(text or "")
            except TimeoutError:
                break
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


def shipped_rules() -> list[RuleText]:
    """The rules for names of well-known public images."""
    file = Path(__file__).with_name("rules.toml")
    return msgspec.toml.decode(file.read_bytes(), type=RuleFile).rule


def _compile(rule: RuleText) -> _Rule:
    match = _compile_match(rule)
    groups = set(match.groupindex)
    if "version" not in groups and rule.version == "{version}":
        raise InvalidRule(rule, "match", "match names no group 'version'")
    for field, template in (("image", rule.image), ("version", rule.version)):
        used = set(_GROUP.findall(template or ""))
        if unknown := sorted(used - groups):
            reason = f"{field} names a group that match has not: {unknown[0]}"
            raise InvalidRule(rule, field, reason)
        if "region" in used:
            raise InvalidRule(rule, field, f"{field} must not use the group 'region'")
        if _leftover(template or ""):
            reason = f"{field} has a bracket or brace that is not part of {{group}} or [-{{group}}]"
            raise InvalidRule(rule, field, reason)
    if rule.image is None and "version" not in groups:
        raise InvalidRule(rule, "match", "needs image, because match names no group 'version'")
    return _Rule(rule.name, match, rule.image, rule.version)


def _compile_match(rule: RuleText) -> Any:
    """The pattern. It must be one for Python's `re`; it is run by `regex`, which can be interrupted."""
    if len(rule.match) > _MOST_RULE:
        raise InvalidRule(rule, "match", f"match is longer than {_MOST_RULE} characters")
    try:
        re.compile(rule.match)
        match = regex.compile(rule.match, regex.VERSION0)
    except (re.error, regex.error, RecursionError, OverflowError, MemoryError) as wrong:
        reason = f"match is not a regular expression: {wrong}"
        raise InvalidRule(rule, "match", reason) from None
    for name in _hard_names(rule.match):
        try:
            match.fullmatch(name, timeout=_MOST_SECONDS)
        except TimeoutError:
            reason = f"match takes too long, for example for the name {name!r}"
            raise InvalidRule(rule, "match", reason) from None
    return match


def _hard_names(match: str) -> Iterator[str]:
    """Long names that repeat few characters, and that the pattern hardly matches: they begin and end
    with the characters that it may look for first."""
    begin = _BEGINNING.match(match)
    letters = "".join(letter for letter in match if letter.isalnum() or letter in "-_. /")
    for start in {"", begin[0] if begin else ""}:
        for end in ("", "!", "-!", ".", f"!{letters[-1:]}", f"!{letters[-8:]}"):
            for unit in _UNITS:
                yield start + (unit * MOST_NAME)[: MOST_NAME - len(start) - len(end)] + end


def _leftover(template: str) -> bool:
    """Whether a template has brackets or braces that would stay in names."""
    rest = _GROUP.sub("", _OPTIONAL.sub(lambda part: part[1], template))
    return any(sign in rest for sign in "[]{}")


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
    if len(digits) != 8 or not are_digits(digits):
        return None
    year, month, day = (digits[a:b] for a, b in pairwise((0, 4, 6, 8)))
    try:
        return parse_instant(f"{year}-{month}-{day}T00:00:00Z")
    except ValueError:
        return None
