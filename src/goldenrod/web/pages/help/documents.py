"""The documents of this release: docs/*.md, rendered once in each process.

`web/documents` is a symbolic link to `docs/`, so the documents are part of the package, installed or
not. They are part of the release, so nothing in them is sanitised or limited as what users write is
(`kit/markdown.py`). Links between documents lead to pages of the help, and pictures to the site's
files.
"""

import re
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from goldenrod.web.pages.kit import assets, urls

FIRST = (
    ("Use the catalogue", ("tutorial", "pages", "lifecycle", "access", "glossary")),
    ("Automate", ("api", "commands", "webhooks", "building", "consuming")),
    (
        "Keep it true to the clouds",
        ("syncing", "drift", "names", "aws", "openstack", "mirrors-and-files", "importing"),
    ),
    (
        "Run a server",
        (
            "deploying",
            "operating",
            "monitoring",
            "backups",
            "upgrading",
            "crash-safety",
            "scaling",
            "security",
        ),
    ),
)
"""The order of the documents in the table of contents. All others follow under `REST`."""
REST = "About Goldenrod"
DEEPEST_LISTED = 3
"""Headings down to this level are listed and searched."""
MOST_FOUND = 40
EXCERPT = 160
"""How many characters of a section are shown around the first word that was found."""


class Section(NamedTuple):
    """A heading of a document, and the text below it as plain text."""

    level: int
    title: str
    anchor: str
    text: str


class Document(NamedTuple):
    """One document: its name in addresses, its title, and what its page shows."""

    name: str
    title: str
    summary: str
    html: Any
    sections: tuple[Section, ...]


class Match(NamedTuple):
    """A section that a search found, and the part of its text to show."""

    document: Document
    section: Section
    excerpt: str


@cache
def names() -> frozenset[str]:
    """The names of all documents."""
    return frozenset(path.stem for path in assets.DOCUMENTS.glob("*.md"))


@cache
def document(name: str) -> Document:
    """A document by its name, rendered."""
    return _rendered(name, (assets.DOCUMENTS / f"{name}.md").read_text("utf-8"))


def contents() -> list[tuple[str, list[Document]]]:
    """All documents in the order of the table of contents, under their headings."""
    listed = {name for _, group in FIRST for name in group}
    groups = (*FIRST, (REST, tuple(sorted(names() - listed))))
    return [(heading, [document(name) for name in group]) for heading, group in groups]


def find(words: str) -> list[Match]:
    """The sections that have all words of a search: those with the words in their heading first."""
    wanted = words.casefold().split()
    headings: list[Match] = []
    texts: list[Match] = []
    for one in (one for _, group in contents() for one in group) if wanted else ():
        for section in one.sections:
            heading = f"{one.title} {section.title}".casefold()
            whole = f"{heading} {section.text.casefold()}"
            if not all(word in whole for word in wanted):
                continue
            # The title of the document alone does not make each of its headings a result.
            of_heading = all(word in heading for word in wanted) and any(
                word in section.title.casefold() for word in wanted
            )
            match = Match(one, section, _excerpt(section.text, wanted))
            (headings if of_heading else texts).append(match)
    return [*headings, *texts][:MOST_FOUND]


def _excerpt(text: str, wanted: list[str]) -> str:
    folded = text.casefold()
    found = [at for at in (folded.find(word) for word in wanted) if at >= 0]
    start = max(min(found, default=0) - EXCERPT // 4, 0)
    start = text.rfind(" ", 0, start) + 1
    shown = text[start : start + EXCERPT].strip()
    return f"{'…' if start else ''}{shown}{'…' if len(text) > start + EXCERPT else ''}"


# ── rendering ──────────────────────────────────────────────────────────────────────────────


def _rendered(name: str, text: str) -> Document:
    from markupsafe import Markup

    parser = _parser()
    tokens = parser.parse(text)
    sections = tuple(_sections(tokens))
    title, rest = sections[0], tokens[3:]
    html = parser.renderer.render(rest, parser.options, {})
    summary = next(_plain(token) for token in rest if token.type == "inline")
    # The documents are part of the release; HTML in them is not passed through.
    return Document(name, title.title, summary, Markup(html), sections)  # noqa: S704 # nosec B704 # of the release


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.core.ruler.push("anchors", _set_anchors)
    parser.core.ruler.push("addresses", _set_addresses)
    for kind in ("fence", "code_block"):
        parser.add_render_rule(kind, _code)
    parser.add_render_rule("table_open", lambda *_: '<div class="scroll" tabindex="0"><table>\n')
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return parser


def _code(renderer: Any, tokens: list[Any], index: int, options: Any, env: Any) -> str:
    """A block of code, which the keyboard can scroll."""
    from markupsafe import escape

    return f'<pre class="block" tabindex="0"><code>{escape(tokens[index].content)}</code></pre>\n'


def _plain(inline: Any) -> str:
    """The text of a paragraph or heading, without marks."""
    return "".join(
        " " if child.type in ("softbreak", "hardbreak") else child.content
        for child in inline.children
    )


def _set_anchors(state: Any) -> None:
    """Give each heading the id that GitHub gives it."""
    taken: dict[str, int] = {}
    for opening, inline in zip(state.tokens, state.tokens[1:], strict=False):
        if opening.type == "heading_open":
            anchor = re.sub(r"[^\w\- ]", "", _plain(inline).lower()).replace(" ", "-")
            count = taken[anchor] = taken.get(anchor, -1) + 1
            opening.attrSet("id", f"{anchor}-{count}" if count else anchor)


def _set_addresses(state: Any) -> None:
    """Have links between documents lead to pages of the help, and pictures to the site's files."""
    for inline in state.tokens:
        for token in inline.children or ():
            if token.type == "link_open":
                token.attrSet("href", address(str(token.attrGet("href"))))
            elif token.type == "text" and token.content in {f"{name}.md" for name in names()}:
                # Where a document is named by its file, its page has its title.
                token.content = _title(token.content.removesuffix(".md"))
            elif token.type == "image":
                source = str(token.attrGet("src"))
                token.attrSet("src", assets.address(Path(source).name))
                token.attrSet("loading", "lazy")
                # With them, the text below does not move when the picture arrives.
                for name, pixels in zip(("width", "height"), _size(source), strict=True):
                    token.attrSet(name, str(pixels))


def _size(picture: str) -> tuple[int, int]:
    """The width and height of a picture, in pixels."""
    content = (assets.DOCUMENTS / picture).read_bytes()
    if picture.endswith(".svg"):
        found = re.search(rb'viewBox="0 0 (\d+) (\d+)"', content)
        assert found, picture
        return int(found[1]), int(found[2])
    width, height = struct.unpack(">II", content[16:24])  # of a PNG's first chunk
    return width, height


def _title(name: str) -> str:
    with (assets.DOCUMENTS / f"{name}.md").open(encoding="utf-8") as lines:
        return next(lines).removeprefix("#").strip()


def address(link: str) -> str:
    """Where a link of a document leads to inside the site."""
    path, _, anchor = link.partition("#")
    return urls.help(path.removesuffix(".md"), anchor) if path.endswith(".md") else link


def _sections(tokens: list[Any]) -> Iterator[Section]:
    """The headings of a document that are listed, each with the text up to the next one."""
    heading: Section | None = None
    texts: list[str] = []
    in_heading = False
    for index, token in enumerate(tokens):
        if token.type == "heading_open" and int(token.tag[1]) <= DEEPEST_LISTED:
            if heading:
                yield heading._replace(text=" ".join(texts))
            title = _plain(tokens[index + 1])
            heading, texts = Section(int(token.tag[1]), title, str(token.attrGet("id")), ""), []
            in_heading = True
        elif token.type == "heading_close":
            in_heading = False
        elif token.type == "inline" and not in_heading:
            texts.append(_plain(token))
        elif token.type == "fence":
            texts.append(" ".join(token.content.split()))
    if heading:
        yield heading._replace(text=" ".join(texts))
