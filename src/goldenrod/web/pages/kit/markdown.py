"""Texts in Markdown as HTML, at a cost that is bounded whatever they hold.

What people write is rendered without HTML of its own and sanitised besides. Each text is laid out up
to a limit that is counted before rendering (`_measured`); the rest of it is shown as it was written,
and a sentence says so. A page has one budget for all of its texts (`page_budget`): the texts after it
are shown as they were written. Both are counted from the texts alone, never from a clock or from what
is cached, so that a page is the same in every process. Rendered texts are cached by their hash.
"""

import sys
import threading
from collections import OrderedDict
from contextvars import ContextVar
from functools import cache
from hashlib import blake2b
from typing import Any, NamedTuple

MOST_WORK = 10_000
"""How much of one text is laid out, in units of about 2 µs (`_WEIGHTS`): some 200 lines of a list."""
MOST_PAGE_WORK = 16_000
"""How much is laid out of all texts of a page."""
MOST_PLAIN = 128 * 1024
"""How many characters a page shows of texts that are not laid out; after them, `EXCERPT` of each."""
EXCERPT = 500
MOST_CELLS = 1_000
"""How many cells the tables of a text may have, those that Markdown fills in included."""
DEEPEST = 12
"""How deep quotes and lists may be inside each other; a list and its items are two steps."""
MOST_LINKED = 64 * 1024
"""How many characters the addresses and titles of a text's links may have: one that is defined once
may be used many times."""
CACHE_BYTES = 8 * 1024 * 1024

REST = "This text is long: the rest of it is shown as it was written."
SIMPLIFIED = (
    "Some of this text is shown as it was written: its tables are too large, its lists or quotes too "
    "deep, or its links too long to be laid out."
)
PLAIN = "This page has much text: this part of it is shown as it was written."
BEGINNING = "This page has much text: only the beginning of this part is shown."

_LINE = 20
_WEIGHTS = {"[": 8, "<": 15, **dict.fromkeys("*_`~", 5), **dict.fromkeys("\\]!#$%&+-:=>@^{}|", 2)}
"""What rendering costs: a line, and each character that may begin or end a construct."""

_TAGS = {
    *("p", "br", "hr", "em", "strong", "del", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}


class LaidOut(NamedTuple):
    """A rendered text, and how much of a page's budget it takes."""

    html: str
    work: int


class Budget:
    """What a page may still lay out, and show as it was written."""

    def __init__(self) -> None:
        self.work = MOST_PAGE_WORK
        self.plain = MOST_PLAIN


_BUDGET: ContextVar[Budget | None] = ContextVar("budget", default=None)


def start_page() -> None:
    """Give the page that is about to be made a budget for its texts."""
    _BUDGET.set(Budget())


def markdown(text: str, whole: str = "") -> Any:
    """What people wrote, as HTML: no HTML of their own, no pictures, links that lead on unreferred.
    `whole` is the address of a page that shows more of it."""
    from markupsafe import Markup

    budget = _BUDGET.get()
    if budget is None:
        return Markup(_cached(text).html)  # noqa: S704 - sanitised when it was rendered
    found = _CACHE.find(_hash(text))
    work = found.work if found else _measured(_one_kind_of_line_end(text))[1]
    if work > budget.work:
        return _plain(text, whole, budget)
    budget.work -= work
    return Markup((found or _cached(text)).html)  # noqa: S704 - sanitised when it was rendered


def _plain(text: str, whole: str, budget: Budget) -> Any:
    """A text as it was written, or its beginning where the page shows much already."""
    from markupsafe import Markup

    # What is too much for the page is too much for what comes after it, however short that is.
    budget.work = 0
    shown = text if len(text) <= budget.plain else text[:EXCERPT]
    budget.plain = max(budget.plain - len(shown), 0) if shown is text else 0
    said = PLAIN if shown is text else BEGINNING
    link = Markup(' <a href="{}">Read it in full</a>').format(whole) if whole else ""
    return Markup('<pre class="plain">{}</pre>\n<p><em>{}</em>{}</p>\n').format(shown, said, link)


# ── one text ───────────────────────────────────────────────────────────────────────────────


def _one_kind_of_line_end(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _measured(text: str) -> tuple[int, int]:
    """How many characters of a text are laid out, whole lines, and the work that they are."""
    work = at = quotes = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        line = text[at:end]
        bare = line.strip()
        marks = sum(line.count(mark) * weight for mark, weight in _WEIGHTS.items()) if bare else 0
        # Every quote around a paragraph looks at each of its lines, also at those without a ">".
        quotes = max(quotes, min(line.count(">"), DEEPEST)) if bare else 0
        more = marks + _LINE * (1 + quotes) if bare else 2
        if work + more > MOST_WORK:
            break
        work += more
        at = end
    return at, work


def _rendered(text: str) -> LaidOut:
    import nh3
    from markupsafe import escape

    text = _one_kind_of_line_end(text)
    at, work = _measured(text)
    env: dict[str, Any] = {}
    html = nh3.clean(
        _parser().render(text[:at], env),
        tags=_TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )
    if env.get("simplified"):
        html += f"<p><em>{SIMPLIFIED}</em></p>\n"
    if at < len(text):
        html += f'<p><em>{REST}</em></p>\n<pre class="plain">{escape(text[at:])}</pre>\n'
    return LaidOut(html, work)


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import blockquote, list_block, table
    from markdown_it.rules_inline import link

    made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    made.disable("image")
    made.core.ruler.push("headings", _lower_headings)
    ends: Any = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    made.block.ruler.at("table", _small(table), {"alt": ["paragraph", "reference"]})
    made.block.ruler.at("blockquote", _shallow(blockquote), ends)
    made.block.ruler.at("list", _shallow(list_block), {"alt": ends["alt"][:3]})
    made.inline.ruler.at("link", _short(link))
    return made


def _small(table: Any) -> Any:
    """The rule for tables, without those that would have too many cells: Markdown fills up short
    rows, so that a few lines make a very large table."""

    def rule(state: Any, start: int, end: int, silent: bool) -> bool:
        left = MOST_CELLS - state.env.get("cells", 0)
        if left <= 0 or not table(state, start, end, True):
            return False
        columns = max(state.getLines(start + 1, start + 2, 0, False).count("-|"), 1) + 1
        rows = 1
        while rows * columns <= left and start + rows + 1 < end:
            if state.isEmpty(start + rows + 1):
                break
            rows += 1
        if rows * columns > left:
            # No more are tried: looking for the end of each would take too long.
            state.env |= {"cells": MOST_CELLS, "simplified": True}
            return False
        if silent:
            return True
        state.env["cells"] = state.env.get("cells", 0) + rows * columns
        return bool(table(state, start, end, False))

    return rule


def _shallow(container: Any) -> Any:
    """The rule for quotes or lists, without those that are too deep inside others."""

    def rule(state: Any, start: int, end: int, silent: bool) -> bool:
        if state.level < DEEPEST:
            return bool(container(state, start, end, silent))
        if container(state, start, end, True):
            state.env["simplified"] = True
        return False

    return rule


def _short(link: Any) -> Any:
    """The rule for links, until their addresses and titles are too long together."""

    def rule(state: Any, silent: bool) -> bool:
        spent = state.env.get("linked", 0)
        if spent > MOST_LINKED:
            state.env["simplified"] = True
            return False
        first = len(state.tokens)
        if not link(state, silent):
            return False
        for token in () if silent else state.tokens[first : first + 2]:
            if token.type == "link_open":
                spent += sum(len(str(value)) for value in token.attrs.values())
        state.env["linked"] = spent
        return True

    return rule


def _lower_headings(state: Any) -> None:
    """A text's headings stand below the page's own two, none more than one below the last."""
    levels = sorted({int(token.tag[1]) for token in state.tokens if token.type == "heading_open"})
    last = 2
    for token in state.tokens:
        if token.type == "heading_open":
            last = min(levels.index(int(token.tag[1])) + 3, last + 1, 6)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{last}"


# ── rendered texts ─────────────────────────────────────────────────────────────────────────


class Cache:
    """Rendered texts by their hash, at most so many bytes; those used longest ago go first."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._texts: OrderedDict[bytes, LaidOut] = OrderedDict()
        self.bytes = 0

    def find(self, key: bytes) -> LaidOut | None:
        """The rendered text, if it is kept."""
        with self._lock:
            found = self._texts.get(key)
            if found is not None:
                self._texts.move_to_end(key)
            return found

    def keep(self, key: bytes, text: LaidOut) -> None:
        """Keep a rendered text, in place of those used longest ago."""
        with self._lock:
            if key in self._texts:
                return
            self._texts[key] = text
            self.bytes += _size(text)
            while self.bytes > self._most:
                _, gone = self._texts.popitem(last=False)
                self.bytes -= _size(gone)


def _size(text: LaidOut) -> int:
    return sys.getsizeof(text.html) + 512


_CACHE = Cache(CACHE_BYTES)


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).digest()


def _cached(text: str) -> LaidOut:
    key = _hash(text)
    found = _CACHE.find(key)
    if found is None:
        found = _rendered(text)
        _CACHE.keep(key, found)
    return found
