"""What texts cost on pages: bounded whatever Markdown they hold, and what is cut says so."""

import time
from collections.abc import Callable

import pytest

from goldenrod.store.db import Database
from goldenrod.web.pages.kit import markdown, render
from goldenrod.web.pages.responders import known_query
from goldenrod.web.pages.routes import PAGES
from goldenrod.web.pages.versions.text_diff import compared_texts
from tests.support.cast import World
from tests.support.pages.releases import publish
from tests.support.pages.visitor import Visitor

MOST = 65_536
BOUND_S = 0.3
"""Each takes below 0.1 s on a quiet machine; without bounds, many of them take seconds."""
FLOOR_S = 0.01

Shape = Callable[[int], str]


def repeated(unit: str) -> Shape:
    return lambda size: (unit * (size // len(unit) + 1))[:size]


def table(size: int) -> str:
    head = "a|" * (size // 6) + "\n" + "-|" * (size // 6) + "\n"
    return (head + "x\n" * size)[:size]


def references(size: int) -> str:
    return (f"[a]: /{'x' * (size // 2)} '{'&' * (size // 4)}'\n\n" + "[a]" * size)[:size]


def definitions(size: int) -> str:
    return "".join(f"[a{number}]: x\n" for number in range(size // 20)) + "[a1]" * (size // 10)


def lazy(size: int) -> str:
    return "> " * (size // 4) + "a\n" + "b\n" * (size // 4)


def growing(size: int) -> str:
    return "".join("`" * number + "a" for number in range(1, int((2 * size) ** 0.5)))


REPEATED = (
    *("a line\n", "a\n\n", "|", "|\n", "-|-\n", "a|b\n-|-\nx|y\n\n", "x|y\n", "a|\n-|\n\n"),
    *(">", "> ", "> a\n", "> - ", "- ", "1. ", "- a\n", "- a\n* a\n", "1) a\n2. b\n", "- > a\n"),
    *("*", "*a", "a**b", "*a **b ", "_a __b ", "****__", "***a_", "~~a ", "*_", "*~~_", "a*b_c "),
    *(
        "[",
        "]",
        "[]",
        "[a](",
        "[a](<b",
        "[a](b)",
        "[[a]](b)",
        "[a](()",
        '[a](b "',
        "[a][",
        "[a][b]",
    ),
    *("![", "![a](b)", "[\\", "[`", "[<", "[a]: ", "[a]: x\n", "[a\n", "[a]: x 'b\n", "[a]: <\n"),
    *("<http://", "<http://a>", "<", "<a@b.c>", "<!--", "<?", "<![CDATA[", '<a href="', "<div>\n"),
    *(
        "```\n",
        "```a\nb\n```\n",
        "~~~\n`",
        "    a\n",
        "`",
        "`a",
        "``a`",
        "&",
        "&amp;",
        "&#",
        "&#1;",
    ),
    *(
        "\\",
        "\\*",
        "\\\n",
        "a  \n",
        " ",
        "\t",
        "\n",
        "\r",
        "a",
        "***\n",
        "#",
        "# a\n",
        "a\n=\n",
        "a\n-\n",
    ),
    *("a\u0301\u0323", "\u0301\u0323", "\u2014*", "\u2003*a", "http://a.b/ ", "* a\n + b\n  - c\n"),
)
SHAPES: dict[str, Shape] = {
    **{unit: repeated(unit) for unit in REPEATED},
    **{it.__name__: it for it in (table, references, definitions, lazy, growing)},
    "brackets": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "links in links": lambda size: "[a" * (size // 8) + "](b)" * (size // 8),
    "emphasis in emphasis": lambda size: "*a " * (size // 6) + "a* " * (size // 6),
    "lists in lists": lambda size: "".join(
        " " * (2 * at) + "- a\n" for at in range(int(size**0.5))
    )[:size],
}


def spent(work: Callable[[], object]) -> float:
    """The processor time that it takes, when nothing is cached."""
    markdown._CACHE.__init__(markdown.CACHE_BYTES)  # type: ignore[misc]
    begun = time.process_time()
    work()
    return time.process_time() - begun


@pytest.fixture(autouse=True)
def _outside_of_a_page() -> None:
    """No budget of a page that an earlier test made."""
    markdown._BUDGET.set(None)


@pytest.mark.parametrize("names", [list(SHAPES)[at::8] for at in range(8)], ids=str)
def test_any_text_is_rendered_in_bounded_time(names: list[str]) -> None:
    for name in names:
        for attempt in range(3):
            first, last = (
                spent(lambda size=size, name=name: render.markdown(SHAPES[name](size)))  # type: ignore[misc]
                for size in (MOST // 4, MOST)
            )
            if last < BOUND_S and last / max(first, FLOOR_S) <= 6:
                break
            assert attempt < 2, (name, first, last)
        assert len(render.markdown(SHAPES[name](MOST))) < 12 * MOST, name


def test_what_is_not_laid_out_says_so_and_is_shown() -> None:
    text = "- a **line**\n" * 2_000 + "the <end>"
    html = str(render.markdown(text))
    assert markdown.REST in html
    assert html.count("line") == 2_000
    assert "the &lt;end&gt;" in html
    wide = str(render.markdown("|a" * 300 + "|\n" + "|-" * 300 + "|\n" + "|x\n" * 300))
    assert markdown.SIMPLIFIED in wide
    assert wide.count("<td>") <= markdown.MOST_CELLS
    deep = str(render.markdown("> " * 30 + "inside"))
    assert markdown.SIMPLIFIED in deep
    assert "inside" in deep
    usual = str(render.markdown("a|b\n-|-\nc|d\n\n> - e\n"))
    assert "<table>" in usual
    assert "<em>" not in usual


def test_rendered_texts_are_cached_by_hash_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = markdown.Cache(20_000)
    monkeypatch.setattr(markdown, "_CACHE", cache)
    rendered: list[str] = []
    real = markdown._rendered

    def count(text: str) -> markdown.LaidOut:
        rendered.append(text)
        return real(text)

    monkeypatch.setattr(markdown, "_rendered", count)
    assert render.markdown("*one*") == render.markdown("*one*") == "<p><em>one</em></p>\n"
    assert rendered == ["*one*"]
    for number in range(100):
        render.markdown(f"{number} " * 300)
        assert cache.bytes <= 20_000
    render.markdown("*one*")
    assert rendered.count("*one*") == 2


def test_a_page_has_a_budget_for_texts_and_links_to_the_whole() -> None:
    text = "- a **line**\n" * 200
    shown = []
    for _ in range(2):
        markdown.start_page()
        page = [str(render.markdown(text + str(at), f"/one/{at}")) for at in range(60)]
        shown.append(page)
    # What is cached already makes no difference to a page.
    assert shown[0] == shown[1]
    assert markdown.PLAIN not in page[0]
    assert markdown.PLAIN in page[5]
    assert markdown.BEGINNING in page[-1]
    assert '<a href="/one/59">Read it in full</a>' in page[-1]
    assert "/one/58" not in page[-1]
    markdown._BUDGET.set(None)


@pytest.mark.parametrize("unit", ["a\n", "a b ", "\n", "a b c d e f g h\n"])
def test_comparing_texts_is_bounded(unit: str) -> None:
    before = "".join(f"{unit}{number}" for number in range(MOST))[:MOST]
    after = "".join(f"{number}{unit}" for number in range(MOST))[:MOST]
    assert any(spent(lambda: compared_texts(before, after)) < BOUND_S for _ in range(3))
    assert not compared_texts(before, after).marked or "\n" not in unit


@pytest.mark.parametrize("page", ["feed.atom", "compare/1...20", "versions/20", ""])
def test_a_page_of_hostile_change_logs_is_bounded(
    db: Database, world: World, visitor: Visitor, page: str
) -> None:
    log = "|a" * 256 + "|\n" + "|-" * 256 + "|\n" + "|x\n" * 256
    with db.write() as tx:
        parent = None
        for number in range(1, 21):
            more = {"parent": parent} if parent else {}
            parent = publish(
                tx, world, str(number), (21 - number) / 100, change_log=f"{number}\n{log}", **more
            )
    address = f"/images/open-image/{page}".rstrip("/")
    visitor.get("/images/open-image")
    assert any(spent(lambda: visitor.get(address)) < 1 for _ in range(3))
    assert visitor.get(address).status == 200


# ── names of queries ───────────────────────────────────────────────────────────────────────


def test_only_names_that_a_page_takes_are_part_of_its_query() -> None:
    assert known_query("utm_source=x&q=a+b&junk&q=c&page=2", ("page", "q")) == "page=2&q=a+b"
    assert known_query("q=a&b=1&q=c&b=2", ("q", "b"), ("b",)) == "q=a&b=1&b=2"
    assert known_query("utm_source=x", ()) == ""
    assert known_query("%71=1", ("q",)) == "%71=1"
    assert known_query("a=b", None) == "a=b"
    # The form that changes all versions which match says in its address which these are.
    sent = {route.path for route in PAGES if route.method != "GET" and route.takes}
    assert sent == {"/images/{slug}/bulk"}


@pytest.mark.parametrize("path", ["/", "/search", "/images/open-image", "/sign-in"])
def test_unknown_names_change_nothing(visitor: Visitor, world: World, path: str) -> None:
    plain = visitor.get(path)
    other = visitor.get(f"{path}?utm_source=mail&junk={'x' * 50}")
    assert other.status == plain.status == 200
    assert "utm_source" not in other.text
    assert "junk" not in other.text
