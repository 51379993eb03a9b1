"""What a browser is called, from what it says of itself."""

import pytest

from goldenrod.web.user_agent import MOST, browser_name

MOZILLA = "Mozilla/5.0 "
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko) "


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (
            f"{MOZILLA}(X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Linux",
        ),
        (
            f"{MOZILLA}(Windows NT 10.0; Win64; x64) {WEBKIT}Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge on Windows",
        ),
        (
            f"{MOZILLA}(Linux; Android 10; K) {WEBKIT}Chrome/140.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        (
            f"{MOZILLA}(iPhone; CPU iPhone OS 18_0 like Mac OS X) {WEBKIT}Version/18.0 Safari/604.1",
            "Safari on iOS",
        ),
        (
            f"{MOZILLA}(Macintosh; Intel Mac OS X 10_15_7) {WEBKIT}Version/18.0 Safari/605.1",
            "Safari on macOS",
        ),
        ("curl/8.5.0", "curl"),
        ("Something (Windows)", "A browser on Windows"),
        ("<script>alert(1)</script>", None),
        ("", None),
        (None, None),
        ("x" * MOST + "Firefox/140.0", None),
    ],
)
def test_browsers_have_plain_names(header: str | None, name: str | None) -> None:
    assert browser_name(header) == name
