"""Renders templates, and has the filters that write dates, numbers and texts.

Jinja2 escapes everything. An unknown name in a template is an error. Jinja2 is imported for the first
page only, so that commands start fast. `markdown.py` renders Markdown.
"""

import re
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from goldenrod import __version__
from goldenrod.base import bidi, clock
from goldenrod.base.clock import Instant
from goldenrod.web.pages.kit import assets, urls
from goldenrod.web.pages.kit import markdown as markdown_text
from goldenrod.web.pages.kit.forms import Form, wrong_fields
from goldenrod.web.pages.kit.markdown import markdown

TEMPLATES = Path(str(files("goldenrod.web") / "templates"))

_NOW: ContextVar[Instant] = ContextVar("now")
"""The time at which the page is rendered. Macros need it, and have no access to the page's context."""

_SPANS = (
    (60, "minute", 60),
    (3600, "hour", 48),
    (86_400, "day", 14),
    (604_800, "week", 9),
    (2_629_800, "month", 24),
)
"""Units of relative times: seconds in one, its name, and from how many on the next unit is used.
After the last one, years are used."""
_YEAR = 31_557_600

MOST_MARKED = 16
"""How many words of a search are marked in its results."""
MOST_SEARCHED = 4_000
"""How many characters of a text are searched for its first line."""
LONGEST_LINE = 500
"""How many characters of a text's first line are shown."""


def render(template: str, context: dict[str, Any]) -> str:
    """Render a template. Relative times count from the context's `now`."""
    _NOW.set(context["now"])
    markdown_text.start_page()
    return str(_environment().get_template(template).render(context))


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from goldenrod.web.pages import isolation

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=[isolation.Isolation],
    )
    environment.filters |= isolation.FILTERS | {
        "when": when,
        "ago": ago,
        "day": day,
        "markdown": markdown,
        "plural": plural,
        "number": number,
        "short": short,
        "first_line": first_line,
        "attributes": attributes,
        "marked": marked,
        "around": around,
    }
    environment.tests["seen"] = is_seen
    environment.globals |= {
        "release": __version__,
        "asset": assets.address,
        "link": urls,
        "Form": Form,
        "wrong_fields": wrong_fields,
    }
    return environment


def _markup(text: str, *escaped: str) -> Any:
    from markupsafe import Markup

    return Markup(text).format(*escaped)  # noqa: S704 # nosec B704 # the text is ours, what it shows is escaped


def _searched(words: str) -> list[str]:
    """The words of a search to mark in its results, without repetitions, the longest first."""
    return sorted(set(words.split()[:MOST_MARKED]), key=len, reverse=True)


def marked(text: str, words: str) -> Any:
    """A text with the words of a search marked in it, isolated from the text beside it."""
    from markupsafe import Markup, escape

    wanted = "|".join(re.escape(word) for word in _searched(words))
    parts = re.split(f"({wanted})", text, flags=re.IGNORECASE) if wanted else [text]
    escaped = (str(escape(part)) for part in parts)
    shown = "".join(
        f"<mark>{part}</mark>" if index % 2 else part for index, part in enumerate(escaped)
    )
    shown = f"<bdi>{shown}</bdi>" if bidi.may_reorder(text) else shown
    return Markup(shown)  # noqa: S704 # nosec B704 # each part is escaped


def around(text: str, words: str) -> str:
    """The first line of a text that has a word of a search; without one, its first line."""
    wanted = [word.casefold() for word in _searched(words)]
    folded = text.casefold()
    wanted = [word for word in wanted if word in folded]
    for line in text.splitlines() if wanted else ():
        folded = line.casefold()
        if any(word in folded for word in wanted):
            return first_line(line)
    return first_line(text)


def attributes(given: dict[str, Any]) -> Any:
    """An HTML element's attributes. True: one without a value. None and False: left out."""
    from markupsafe import Markup

    written = [
        Markup(' {}="{}"').format(name, value) if value is not True else Markup(" {}").format(name)
        for name, value in given.items()
        if value is not None and value is not False
    ]
    return Markup("").join(written)


def when(instant: str, form: str = "minute") -> Any:
    """An instant as `2026-03-14 09:20 UTC`, and how long ago. `form` "day": the date only."""
    shown = day(instant) if form == "day" else f"{day(instant)} {instant[11:16]} UTC"
    return _markup(
        '<time datetime="{}">{}</time> <span class="rel">{}</span>',
        shown if form == "day" else instant,
        shown,
        relative(_NOW.get(), instant),
    )


def ago(instant: str) -> Any:
    """How long ago an instant was, with the instant as the tooltip."""
    title = f"{day(instant)} {instant[11:16]} UTC"
    return _markup(
        '<time datetime="{}" title="{}">{}</time>', instant, title, relative(_NOW.get(), instant)
    )


def is_seen(thing: dict[str, Any] | None) -> bool:
    """The thing exists and the reader may see it; otherwise they get its id only. A test of templates:
    `{% if it is seen %}`."""
    return thing is not None and "url" in thing


def day(instant: str) -> str:
    """The date of an instant."""
    return instant[:10]


def relative(now: Instant, instant: str) -> str:
    """The time between now and an instant, in words: `8 months ago`, `in 7 days`."""
    seconds = (clock.to_datetime(Instant(instant)) - clock.to_datetime(now)).total_seconds()
    far = abs(seconds)
    if far < 60:
        return "just now" if seconds <= 0 else "in a moment"
    counted = ((int(far // size), word) for size, word, most in _SPANS if far < size * most)
    count, word = next(counted, (int(far // _YEAR), "year"))
    words = plural(count, word)
    return f"in {words}" if seconds > 0 else f"{words} ago"


def plural(count: int, one: str, many: str = "") -> str:
    """`1 version`, `1,298 versions`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def number(count: int) -> str:
    """`36,103`."""
    return f"{count:,}"


def short(count: int) -> str:
    """`999`, `1.3k`, `36k`, `2.1M`."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            part = count / size
            return f"{part:.1f}{letter}" if part < 10 else f"{part:.0f}{letter}"
    return str(count)


def first_line(text: str) -> str:
    """The first line of a text that is not blank, without Markdown's marks."""
    bare = text[:MOST_SEARCHED].replace("**", "").replace("`", "")
    lines = (line.strip().lstrip("#*->").strip() for line in bare.splitlines())
    found = next((line for line in lines if line), "")
    return found if len(found) <= LONGEST_LINE else f"{found[:LONGEST_LINE]}…"
