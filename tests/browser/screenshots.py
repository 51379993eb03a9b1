"""Draws every page, wide and narrow, light and dark: `python -m tests.browser.screenshots [WORD …]`.

With words, only addresses that hold one of them. The pictures go to `screenshots/`. They are the same
every time but for ids: the server stands still at one instant, shortly after the demonstration's
newest releases.
"""

import io
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from falcon.stream import BoundedStream
from PIL import Image

from goldenrod.base import config
from goldenrod.base.clock import Instant
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from goldenrod.web.app import build_app
from tests.browser.chromium import MISSING, find_chromium, launched
from tests.browser.visits import VISITS, Site, furnish, look_around, rows
from tests.browser.windows import NOBODY, Windows

NOW = Instant("2026-10-08T09:20:00.000000Z")
FOLDER = Path("screenshots")
WIDTHS = (1280, 390)
HEIGHT = 800
COLOURS = 256
"""Pages have few colours: a palette of the most frequent ones makes a picture a third as large, and
nobody sees it."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def standing_still(path: Path) -> Iterator[Site]:
    """A server on a fresh demonstration at `path` whose time is NOW, always."""
    db = Database(f"sqlite:///{path}")
    db.now = lambda: NOW
    migrate(db)
    furnish(db)
    app = build_app(db, config.load({}))

    def bounded(environ: dict[str, Any], start: Any) -> Any:
        """The application reads to the end of a body, which this server doesn't mark."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        return app(environ | {"wsgi.input": BoundedStream(environ["wsgi.input"], length)}, start)

    with make_server("127.0.0.1", 0, bounded, _Server, _Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield look_around(f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            db.close()


def file_name(address: str, who: str, width: int, scheme: str) -> str:
    """Such as images-image-versions-version-1280-dark.png, or …-alice-…"""
    words = re.sub(r"[^a-z0-9.]+", "-", address.lower()).strip("-") or "home"
    person = "" if who == NOBODY else f"-{who}"
    return f"{words}{person}-{width}-{scheme}.png"


def small(png: bytes) -> bytes:
    """The same picture with a palette."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    counted = sorted(picture.getcolors(picture.width * picture.height), reverse=True)
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for _, colour in counted[:COLOURS] for part in colour])
    out = io.BytesIO()
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def draw(words: list[str]) -> int:
    """Draw what `words` ask for; how many pictures were made."""
    path = find_chromium()
    if path is None:
        sys.exit(MISSING)
    FOLDER.mkdir(exist_ok=True)
    made = 0
    with (
        tempfile.TemporaryDirectory(prefix="goldenrod-screenshots-") as directory,
        standing_still(Path(directory) / "demo.db") as site,
        launched(path) as browser,
    ):
        windows = Windows(browser, site.url, site.sessions)
        for address, who in rows(VISITS):
            if words and not any(word in f"{address} {who}" for word in words):
                continue
            page = windows(who)
            page.goto(site.at(address))
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": HEIGHT})
                for scheme in ("light", "dark"):
                    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                    png = page.screenshot(full_page=True, animations="disabled")
                    (FOLDER / file_name(address, who, width, scheme)).write_bytes(small(png))
                    made += 1
            page.context.close()
    return made


if __name__ == "__main__":
    print(f"{draw(sys.argv[1:])} pictures in {FOLDER}/")
