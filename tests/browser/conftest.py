"""Fixtures: one browser and one server for each test process, and the windows of a test."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from tests.browser.chromium import NAMES, launched
from tests.browser.visits import Site, furnish, look_around
from tests.browser.windows import Windows
from tests.support.processes.programs import program
from tests.support.processes.server import running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with launched(program(*NAMES)) as started:
        yield started


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration's catalogue as a file to copy."""
    path = tmp_path_factory.mktemp("demonstration") / "demo.db"
    made = Database(f"sqlite:///{path}")
    migrate(made)
    furnish(made)
    with made.connection() as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    made.close()
    return path


@pytest.fixture(scope="session")
def site(
    browser: Browser, demonstration: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A server on the demonstration, for tests that change nothing of it."""
    directory = tmp_path_factory.mktemp("site")
    with ExitStack() as stack:
        yield _served(stack, demonstration, directory)


@pytest.fixture
def own_site(browser: Browser, demonstration: Path, tmp_path: Path) -> Iterator[Site]:
    """A server on the demonstration that this test may change."""
    with ExitStack() as stack:
        yield _served(stack, demonstration, tmp_path)


def _served(stack: ExitStack, demonstration: Path, directory: Path) -> Site:
    path = shutil.copy(demonstration, directory / "catalogue.db")
    server = stack.enter_context(running(f"sqlite:///{path}", directory / "stderr"))
    return look_around(server.url)


@pytest.fixture
def windows(browser: Browser, site: Site) -> Iterator[Windows]:
    """Windows at `site`. The test fails where a page in them did what no page may do."""
    yield from _watched(browser, site)


@pytest.fixture
def own_windows(browser: Browser, own_site: Site) -> Iterator[Windows]:
    """Windows at `own_site`."""
    yield from _watched(browser, own_site)


def _watched(browser: Browser, site: Site) -> Iterator[Windows]:
    opened = Windows(browser, site.url, site.sessions)
    yield opened
    opened.close()
    assert not opened.wrong
