"""Writes ten times per second during measurements, through the API of another server process.

Eight in ten writes change a text. One ends a version or restores it, and one shares or unshares a
private version: these change stored counts and lists. With `texts`, no answer of a list changes.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from bench.catalogues import FilledCatalogue

PER_SECOND = 10


class Writer:
    """Writes in a thread of its own, until it is stopped."""

    def __init__(self, base: str, catalogue: FilledCatalogue) -> None:
        headers = {"Authorization": f"Token {catalogue.secret('writer')}"}
        self._client = httpx.Client(base_url=base, headers=headers, timeout=60)
        self._about = catalogue.about
        self._number = 0

    @contextmanager
    def writing(self, *, texts: bool) -> Iterator[list[float]]:
        """Write at least once, until the block ends. The list then has the writes per second."""
        stop, failed, rate = threading.Event(), list[Exception](), list[float]()

        def write() -> None:
            began = time.monotonic()
            done, ended = 0, False
            try:
                while not ended:
                    self._write(texts)
                    done += 1
                    ended = stop.wait(max(0.0, began + done / PER_SECOND - time.monotonic()))
            except Exception as error:
                failed.append(error)
            rate.append(done / (time.monotonic() - began))

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        try:
            yield rate
        finally:
            stop.set()
            thread.join()
        if failed:
            raise failed[0]

    def _write(self, texts: bool) -> None:
        self._number += 1
        place = self._number
        if texts or place % 5:
            chosen = self._about["versions"][place % len(self._about["versions"])]
            self._patch(chosen, {"change_log": f"Written again, the {time.time_ns()}th."})
        elif place % 10:
            self._patch(self._about["ended"], {"end_date": None if place % 20 == 5 else _PAST})
        else:
            hidden = self._about["hidden"][place // 20 % len(self._about["hidden"])]
            self._patch(hidden, {"membership": ["lab"] if place % 20 else ["lab", "platform"]})

    def _patch(self, version: str, body: dict[str, object]) -> None:
        self._client.patch(f"/image_versions/{version}", json=body).raise_for_status()

    def close(self) -> None:
        self._patch(self._about["ended"], {"end_date": None})
        self._client.close()


_PAST = "2025-03-01T00:00:00Z"
