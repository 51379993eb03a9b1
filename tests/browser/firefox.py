"""The system's Firefox (Debian's firefox-esr), driven by Marionette, its own protocol for programs.

It talks to 127.0.0.1 only: everything else goes to a proxy that does not exist.
"""

import base64
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NAMES = ("firefox-esr", "firefox")
STARTS_S, ANSWERS_S = 120, 120
SCHEMES = {"dark": 0, "light": 1}
_PREFERENCES = {
    "marionette.port": 0,
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.allow_hijacking_localhost": False,
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
}


class Firefox:
    """One window of Firefox."""

    def __init__(self, connection: socket.socket) -> None:
        self._answers = connection.makefile("rb")
        self._connection = connection
        self._number = 0
        self._read()  # the greeting

    def ask(self, command: str, **given: Any) -> Any:
        """Send a command, and return its result."""
        self._number += 1
        sent = json.dumps([0, self._number, command, given]).encode()
        self._connection.sendall(b"%d:%s" % (len(sent), sent))
        _, number, error, result = self._read()
        assert number == self._number
        assert error is None, error
        return result

    def _read(self) -> Any:
        length = b""
        while (one := self._answers.read(1)) != b":":
            assert one, "Firefox closed the connection"
            length += one
        return json.loads(self._answers.read(int(length)))

    def open(self, url: str) -> None:
        """Open a page, and wait until it has loaded."""
        self.ask("WebDriver:Navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of a script in the page. A script is the body of a function."""
        return self.ask("WebDriver:ExecuteScript", script=script, args=[])["value"]

    def wait_for(self, condition: str) -> None:
        """Wait until an expression in the page is true."""
        end = time.monotonic() + ANSWERS_S
        while not self.run(f"return {condition}"):
            assert time.monotonic() < end, condition
            time.sleep(0.1)

    def resize(self, width: int, height: int) -> None:
        self.ask("WebDriver:SetWindowRect", width=width, height=height)

    def screenshot(self) -> bytes:
        """The window as PNG."""
        return base64.b64decode(self.ask("WebDriver:TakeScreenshot", full=False)["value"])


@contextmanager
def launched(path: str, profile: Path, scheme: str) -> Iterator[Firefox]:
    """A Firefox with a new profile, in light or dark colours, until the block ends."""
    wanted = _PREFERENCES | {"layout.css.prefers-color-scheme.content-override": SCHEMES[scheme]}
    profile.mkdir()
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(it)});" for name, it in wanted.items())
    (profile / "user.js").write_text("\n".join(lines))
    command = [path, "--headless", "--no-remote", "--marionette", "--profile", str(profile)]
    with (profile / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        with socket.create_connection(("127.0.0.1", _port(profile, process)), ANSWERS_S) as found:
            window = Firefox(found)
            window.ask("WebDriver:NewSession", capabilities={})
            yield window
            with suppress(OSError, AssertionError):
                window.ask("Marionette:Quit", flags=["eForceQuit"])
    finally:
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        if process.poll() is None:
            process.kill()
            process.wait()


def _port(profile: Path, process: subprocess.Popen[bytes]) -> int:
    """The port that Marionette chose: Firefox writes it into the profile."""
    written = profile / "MarionetteActivePort"
    end = time.monotonic() + STARTS_S
    while not (written.exists() and written.read_text().strip()):
        assert process.poll() is None, (profile / "output").read_text()
        assert time.monotonic() < end, "Firefox did not start"
        time.sleep(0.1)
    return int(written.read_text())
