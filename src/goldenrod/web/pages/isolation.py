"""Isolates what templates show (`base/bidi.py`): every `{{ … }}` of every page, without a word in the
templates.

While a template is compiled, `Isolation` follows its HTML and gives each expression the filter that its
place needs: `isolated` in text; `by_controls` in titles, options and labels; none in other attributes.
An expression that is HTML already stays as it is. Where our sentence has somebody's name in it, the
template says `|sentence`. Templates that are no HTML, such as the feed, name their filters.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from markupsafe import Markup

from goldenrod.base import bidi

_LABELS = {"aria-label", "title", "alt", "data-l"}
"""The attributes that people read. `data-l` is the heading of a cell in narrow windows."""
_WITHOUT_ELEMENTS = {"title", "option"}
_AS_TYPED = {"textarea", "script", "style"}
_LEADING = re.compile(r"(?s)\A((?:[:,;] )?)(.*)\Z")
"""Templates join what they show to the words before it: `": " ~ reason`."""
_TAG = re.compile(r"<[A-Za-z/!]")
_ATTRIBUTE = re.compile(r'([\w-]+)="[^"]*$')


def isolated(value: Any) -> Any:
    """A text as HTML that cannot reorder what is beside it. Anything else is unchanged."""
    if type(value) is not str or not bidi.may_reorder(value):
        return value
    before, text = _LEADING.findall(value)[0]
    inner = text if bidi.runs_from_the_right(text) else sentence(text)
    return Markup("{}<bdi>{}</bdi>").format(before, inner)


def sentence(value: Any) -> Any:
    """A sentence of ours as HTML, in which somebody's names cannot reorder the other words."""
    if type(value) is not str or not bidi.may_reorder(value):
        return value
    parts = (
        Markup("<bdi>{}</bdi>").format(part) if rtl else Markup("{}").format(part)
        for part, rtl in bidi.runs(value)
    )
    return Markup("").join(parts)


def by_controls(value: Any) -> Any:
    """The same for a place that can have no element."""
    return bidi.isolated_by_controls(value) if type(value) is str else value


def joined(values: Iterable[Any], between: str) -> Any:
    """The texts with something between them, each isolated."""
    parts = [isolated(value) for value in values]
    if any(isinstance(part, Markup) for part in parts):
        return Markup("{}").format(between).join(parts)
    return between.join(map(str, parts))


FILTERS = {
    "isolated": isolated,
    "sentence": sentence,
    "by_controls": by_controls,
    "joined": joined,
}


class Isolation(Extension):
    """Adds the filters to a template while it is compiled."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """The template's tokens, with a filter for each expression whose place needs one."""
        if not (stream.name or "").endswith(".html"):
            yield from stream
            return
        html = _Place()
        asked: str | None = None
        before: Token | None = None
        for token in stream:
            if token.type == "data":
                html.read(token.value)
            elif token.type == "variable_begin":
                asked = html.filter()
            elif token.type == "name" and before and before.type == "block_begin":
                html.statement(token.value)
            elif token.type == "name" and before and before.value == "block":
                html.in_title = token.value == "title"
            if token.type == "variable_end" and asked:
                for kind, text in (("rparen", ")"), ("pipe", "|"), ("name", asked)):
                    yield Token(token.lineno, kind, text)
            if asked == "isolated" and before and before.type == "pipe" and token.value == "join":
                token = Token(token.lineno, "name", "joined")
            yield token
            if token.type == "variable_begin" and asked:
                yield Token(token.lineno, "lparen", "(")
            before = token


class _Place:
    """Where in its HTML a template is."""

    def __init__(self) -> None:
        self.in_title = False
        """In the block of the page's title, which the base template puts into `<title>`."""
        self._tag = ""
        """What has been read of the tag; empty outside of tags."""
        self._quoted = False
        self._element = ""
        """The element around the place, if no other element can be in it."""

    def filter(self) -> str | None:
        """The filter for an expression here."""
        if self._tag:
            found = _ATTRIBUTE.search(self._tag)
            self._tag += "…"
            return "by_controls" if self._quoted and found and found[1] in _LABELS else None
        if self._element in _AS_TYPED:
            return None
        return "by_controls" if self.in_title or self._element else "isolated"

    def statement(self, name: str) -> None:
        """A statement of the template begins here."""
        if name == "endblock":
            self.in_title = False

    def read(self, text: str) -> None:
        """Go on behind this part of the template."""
        at = 0
        while at < len(text):
            if not self._tag:
                found = _TAG.search(text, at)
                if found is None:
                    return
                at = found.start()
            start = at
            while at < len(text) and (self._quoted or text[at] != ">"):
                self._quoted ^= text[at] == '"'
                at += 1
            self._tag += text[start:at]
            if at < len(text):
                self._leave()
                at += 1

    def _leave(self) -> None:
        name = re.match(r"</?(\w*)", self._tag)
        if name and name[1] in _WITHOUT_ELEMENTS | _AS_TYPED:
            self._element = "" if self._tag.startswith("</") else name[1]
        self._tag = ""
