"""Renders Markdown as HTML, at a bounded cost.

HTML in a text is not passed through, and the result is sanitised. Each text is formatted up to a limit
that is counted before rendering (`_measured`). The rest is shown as plain text, with a sentence that
says so. A page also has one budget for all of its texts (`Budget`); the texts beyond it are shown as
plain text. The costs are computed from the texts alone, not from a clock or the cache, so that a page
is the same in every process. Rendered texts are cached by their hash.
"""

import sys
import threading
from collections import OrderedDict
from contextvars import ContextVar
from functools import cache
from hashlib import blake2b
from typing import Any, NamedTuple

from goldenrod.base import bidi

MOST_WORK = 10_000
"""How much of one text is formatted, in units of about 2 µs (`_WEIGHTS`): some 200 lines of a list."""
MOST_PAGE_WORK = 16_000
"""How much of all texts of a page is formatted."""
MOST_PLAIN = 128 * 1024
"""How many characters of plain text a page shows; after that, `EXCERPT` characters of each text."""
EXCERPT = 500
MOST_CELLS = 1_000
"""How many cells the tables of a text may have, including those that Markdown fills in."""
DEEPEST = 12
"""How deep quotes and lists may be nested; a list and its item count as two levels."""
MOST_LINKED = 64 * 1024
"""How many characters the addresses and titles of a text's links may have in total. A reference
defined once can be used many times."""
CACHE_BYTES = 8 * 1024 * 1024

REST = "This text is long. The rest is shown without formatting."
SIMPLIFIED = (
    "Some of this text is shown without formatting: a table is too large, lists or quotes are nested "
    "too deep, or links are too long."
)
PLAIN = "This page has a lot of text. This part is shown without formatting."
BEGINNING = "This page has a lot of text. Only the beginning of this part is shown."

_LINE = 20
_WEIGHTS = {"[": 8, "<": 15, **dict.fromkeys("*_`~", 5), **dict.fromkeys("\\]!#$%&+-:=>@^{}|", 2)}
"""The cost of a character that may begin or end a construct; a line costs `_LINE`."""

_TAGS = {
    *("p", "br", "hr", "em", "strong", "del", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}


class LaidOut(NamedTuple):
    """A rendered text, and its cost in a page's budget."""

    html: str
    work: int


class Budget:
    """How much text a page may still format, and show as plain text."""

    def __init__(self) -> None:
        self.work = MOST_PAGE_WORK
        self.plain = MOST_PLAIN


_BUDGET: ContextVar[Budget | None] = ContextVar("budget", default=None)


def start_page() -> None:
    """Start a new budget, for the page that is rendered next."""
    _BUDGET.set(Budget())


def markdown(text: str, whole: str = "") -> Any:
    """A Markdown text as HTML, without its own HTML and images. Its links send no referrer.

    `whole`: the address of a page that shows the text in full.
    """
    from markupsafe import Markup

    budget = _BUDGET.get()
    if budget is None:
        return Markup(_cached(text).html)  # noqa: S704 # nosec B704 # sanitised when it was rendered
    found = _CACHE.find(_hash(text))
    work = found.work if found else _measured(_one_kind_of_line_end(text))[1]
    if work > budget.work:
        return _plain(text, whole, budget)
    budget.work -= work
    return Markup((found or _cached(text)).html)  # noqa: S704 # nosec B704 # sanitised when it was rendered


def _plain(text: str, whole: str, budget: Budget) -> Any:
    """A text without formatting, or its beginning if the page already shows a lot of text."""
    from markupsafe import Markup

    # All later texts of the page are shown as plain text too, even short ones.
    budget.work = 0
    shown = text if len(text) <= budget.plain else text[:EXCERPT]
    budget.plain = max(budget.plain - len(shown), 0) if shown is text else 0
    remark = PLAIN if shown is text else BEGINNING
    link = Markup(' <a href="{}">Read it in full</a>').format(whole) if whole else ""
    return Markup('<pre class="plain" dir="auto">{}</pre>\n<p><em>{}</em>{}</p>\n').format(
        shown, remark, link
    )


# ── one text ───────────────────────────────────────────────────────────────────────────────


def _one_kind_of_line_end(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _measured(text: str) -> tuple[int, int]:
    """How many characters of a text are formatted, in whole lines, and their cost."""
    work = at = quotes = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        line = text[at:end]
        bare = line.strip()
        marks = sum(line.count(mark) * weight for mark, weight in _WEIGHTS.items()) if bare else 0
        # Each quote around a paragraph parses every line of it, even lines without a ">".
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
    env: dict[str, Any] = {"directions": bidi.may_reorder(text)}
    html = nh3.clean(
        _parser().render(text[:at], env),
        tags=_TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}, "*": {"dir"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )
    if env.get("simplified"):
        html += f"<p><em>{SIMPLIFIED}</em></p>\n"
    if at < len(text):
        html += f'<p><em>{REST}</em></p>\n<pre class="plain" dir="auto">{escape(text[at:])}</pre>\n'
    return LaidOut(html, work)


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import blockquote, list_block, table
    from markdown_it.rules_inline import link

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.disable("image")
    parser.core.ruler.push("headings", _lower_headings)
    parser.core.ruler.push("directions", _set_directions)
    ends: Any = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    parser.block.ruler.at("table", _limit_cells(table), {"alt": ["paragraph", "reference"]})
    parser.block.ruler.at("blockquote", _limit_depth(blockquote), ends)
    parser.block.ruler.at("list", _limit_depth(list_block), {"alt": ends["alt"][:3]})
    parser.inline.ruler.at("link", _limit_links(link))
    return parser


def _limit_cells(table: Any) -> Any:
    """The rule for tables, refusing those with too many cells. Markdown fills up short rows, so a few
    lines can make a very large table."""

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
            # Stop trying tables: finding the end of each would take too long.
            state.env |= {"cells": MOST_CELLS, "simplified": True}
            return False
        if silent:
            return True
        state.env["cells"] = state.env.get("cells", 0) + rows * columns
        return bool(table(state, start, end, False))

    return rule


def _limit_depth(container: Any) -> Any:
    """The rule for quotes or lists, refusing those that are nested too deep."""

    def rule(state: Any, start: int, end: int, silent: bool) -> bool:
        if state.level < DEEPEST:
            return bool(container(state, start, end, silent))
        if container(state, start, end, True):
            state.env["simplified"] = True
        return False

    return rule


def _limit_links(link: Any) -> Any:
    """The rule for links, until their addresses and titles reach the limit."""

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
    """Renumber a text's headings: from h3 down, since a page uses h1 and h2; no level is skipped."""
    levels = sorted({int(token.tag[1]) for token in state.tokens if token.type == "heading_open"})
    last = 2
    for token in state.tokens:
        if token.type == "heading_open":
            last = min(levels.index(int(token.tag[1])) + 3, last + 1, 6)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{last}"


def _set_directions(state: Any) -> None:
    """Let each block of a text find its own direction, if some of the text runs from right to left."""
    for token in state.tokens if state.env.get("directions") else ():
        if token.nesting == 1 or token.type in ("fence", "code_block"):
            token.attrSet("dir", "auto")


# ── rendered texts ─────────────────────────────────────────────────────────────────────────


class Cache:
    """Rendered texts by their hash, up to a number of bytes. The least recently used are evicted."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._texts: OrderedDict[bytes, LaidOut] = OrderedDict()
        self.bytes = 0

    def find(self, key: bytes) -> LaidOut | None:
        """The rendered text, if it is cached."""
        with self._lock:
            found = self._texts.get(key)
            if found is not None:
                self._texts.move_to_end(key)
            return found

    def store(self, key: bytes, text: LaidOut) -> None:
        """Cache a rendered text, evicting the least recently used."""
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
        _CACHE.store(key, found)
    return found
