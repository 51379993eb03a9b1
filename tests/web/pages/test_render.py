"""How a page writes its facts: instants, numbers, names in addresses, and what people wrote."""

import pytest
from jinja2 import UndefinedError

from goldenrod.web.pages.kit import render, urls

NOW = "2026-06-15T12:00:00.000000Z"


def rendered(template: str, **context: object) -> str:
    render._NOW.set(NOW)  # type: ignore[arg-type]
    return str(render._environment().from_string(template).render(context))


@pytest.mark.parametrize(
    ("instant", "words"),
    [
        ("2026-06-15T12:00:00.000000Z", "just now"),
        ("2026-06-15T11:59:00.500000Z", "just now"),
        ("2026-06-15T11:59:00.000000Z", "1 minute ago"),
        ("2026-06-15T11:00:01.000000Z", "59 minutes ago"),
        ("2026-06-15T11:00:00.000000Z", "1 hour ago"),
        ("2026-06-13T12:00:01.000000Z", "47 hours ago"),
        ("2026-06-13T12:00:00.000000Z", "2 days ago"),
        ("2026-06-02T12:00:00.000000Z", "13 days ago"),
        ("2026-06-01T12:00:00.000000Z", "2 weeks ago"),
        ("2026-04-20T12:00:00.000000Z", "8 weeks ago"),
        ("2026-04-01T12:00:00.000000Z", "2 months ago"),
        ("2025-10-15T12:00:00.000000Z", "7 months ago"),
        ("2024-06-10T12:00:00.000000Z", "2 years ago"),
        ("0001-01-01T00:00:00.000000Z", "2,025 years ago"),
        ("2026-06-15T12:00:30.000000Z", "in a moment"),
        ("2026-06-22T12:00:00.000000Z", "in 7 days"),
        ("9999-12-31T23:59:59.999999Z", "in 7,973 years"),
    ],
)
def test_how_far_an_instant_is(instant: str, words: str) -> None:
    assert render.relative(NOW, instant) == words  # type: ignore[arg-type]


def test_an_instant_stands_in_utc_beside_how_long_ago() -> None:
    there = "2026-03-14T09:20:59.123456Z"
    assert rendered("{{ at|when }}", at=there) == (
        f'<time datetime="{there}">2026-03-14 09:20 UTC</time> <span class="rel">3 months ago</span>'
    )
    assert ">2026-03-14</time>" in rendered('{{ at|when("day") }}', at=there)
    assert rendered("{{ at|ago }}", at=there) == (
        f'<time datetime="{there}" title="2026-03-14 09:20 UTC">3 months ago</time>'
    )


def test_numbers() -> None:
    assert rendered('{{ 1|plural("version") }}, {{ 1298|plural("version") }}') == (
        "1 version, 1,298 versions"
    )
    assert rendered('{{ 0|plural("identity", "identities") }}') == "0 identities"
    assert [render.short(n) for n in (0, 999, 1000, 1298, 36103, 2_140_000)] == [
        "0",
        "999",
        "1.0k",
        "1.3k",
        "36k",
        "2.1M",
    ]
    assert render.number(36103) == "36,103"


def test_the_first_line_says_something() -> None:
    assert render.first_line("\n\n# Kernel 6.1\n\nmore") == "Kernel 6.1"
    assert render.first_line("- one\n- two") == "one"
    assert render.first_line(" \n") == ""


# ── what people wrote ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](https://evil.example/pixel.png)",
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](vbscript:x)",
        '<a href="https://x" onclick="x">y</a>',
        "<iframe src=//evil.example></iframe>",
        '[x](https://x "onmouseover=alert(1)")',
        "<style>body{display:none}</style>",
    ],
)
def test_markdown_brings_no_script_no_picture_no_style(text: str) -> None:
    html = rendered("{{ text|markdown }}", text=text)
    for tag in ("<script", "<img", "<iframe", "<style", 'href="javascript', 'href="data', "<a on"):
        assert tag not in html.lower()
    assert "evil.example/pixel.png" not in html or "<img" not in html


def test_markdown_is_rendered_below_the_pages_own_headings() -> None:
    html = rendered(
        "{{ text|markdown }}", text="# A\n\n###### B\n\n**c** `d` ~~e~~\n\n- f\n\n|g|\n|-|\n|h|"
    )
    for part in ("<h3>A</h3>", "<h4>B</h4>", "<strong>c</strong>", "<code>d</code>", "<li>f</li>"):
        assert part in html
    assert "<h1" not in html
    assert "<td>h</td>" in html


def test_links_of_markdown_lead_on_unreferred() -> None:
    html = rendered("{{ text|markdown }}", text="[x](https://example.org/?a=1&b=2)")
    assert html == (
        '<p><a href="https://example.org/?a=1&amp;b=2" rel="nofollow noopener noreferrer">x</a></p>\n'
    )


def test_what_is_not_markdown_is_escaped() -> None:
    assert rendered("{{ text }}", text='<b>"&') == "&lt;b&gt;&#34;&amp;"
    assert rendered("{{ text|marked(words) }}", text="<b>Abc", words="AB <") == (
        "<mark>&lt;</mark>b&gt;<mark>Ab</mark>c"
    )
    assert rendered("{{ text|marked('') }}", text="<b>") == "&lt;b&gt;"
    assert rendered("{{ text|marked('.* (') }}", text="a.b") == "a.b"
    assert rendered(
        "<a{{ more|attributes }}>", more={"x": '"<', "y": True, "z": None, "w": False}
    ) == ('<a x="&#34;&lt;" y>')


def test_a_name_that_a_template_does_not_know_is_an_error() -> None:
    for template in (
        "{{ nothing }}",
        "{% if thing.nothing %}x{% endif %}",
        "{{ thing.x }}",
    ):
        with pytest.raises(UndefinedError):
            rendered(template, thing={})


def test_what_is_hidden_is_not_seen() -> None:
    asked = "{% if thing is seen %}yes{% else %}no{% endif %}"
    assert rendered(asked, thing={"id": 1, "url": "/x"}) == "yes"
    assert rendered(asked, thing={"id": 1}) == rendered(asked, thing=None) == "no"


# ── addresses ──────────────────────────────────────────────────────────────────────────────

IMAGE = {"slug": "base"}
ID = "01a213eb-f5cc-771b-a8ac-77561a911cbb"


def version(name: str) -> dict[str, object]:
    return {"id": ID, "name": name, "image": IMAGE}


def test_addresses_of_things() -> None:
    assert urls.image(IMAGE) == "/images/base"
    assert urls.image(IMAGE, "edit") == "/images/base/edit"
    assert urls.version(version("2.0.1")) == "/images/base/versions/2.0.1"
    assert urls.version(version("a b?#%é"), "revoke") == (
        "/images/base/versions/a%20b%3F%23%25%C3%A9/revoke"
    )
    assert urls.version(version("a/b")) == f"/images/base/versions/{ID}"
    assert urls.compare(version("1 0"), version("a/b")) == f"/images/base/compare/1%200...{ID}"


def test_addresses_with_a_query_leave_out_what_is_empty() -> None:
    assert urls.search(q="a b", tag="", owner=None) == "/search?q=a+b"
    assert urls.home() == "/"
    assert urls.home(tag="x&y") == "/?tag=x%26y"
    assert urls.sign_in("/") == urls.sign_in("/sign-in?next=%2Fx") == "/sign-in"
    assert urls.sign_in("/images/x?a=1") == "/sign-in?next=%2Fimages%2Fx%3Fa%3D1"
