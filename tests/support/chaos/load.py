"""Writers that send changes and note the answers; readers that compare answers with these notes."""

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from random import Random
from typing import Any, NamedTuple

from tests.support.chaos.record import Published, Record
from tests.support.chaos.scene import Scene

PATIENCE_S = 60.0
PAUSE_S = 0.02
AWAY_S = 0.2
RECENT = 20
"""A writer changes this many of its newest versions."""


class Lost(Exception):
    """There was no answer: the change may have been made."""


class NotSent(Lost):
    """The server could not be reached, so nothing was changed."""


class Answer(NamedTuple):
    status: int
    body: bytes
    media_type: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Sends requests to wherever the server is now."""

    def __init__(self, scene: Scene, secret: str | None) -> None:
        self._scene, self._secret = scene, secret
        self._connection: HTTPConnection | None = None
        self._address: tuple[str, int] | None = None

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """The answer. Raises Lost."""
        sent = dict(headers)
        if self._secret is not None:
            sent["Authorization"] = f"Token {self._secret}"
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        try:
            if self._connection is None or self._address != self._scene.address:
                self.close()
                self._address = self._scene.address
                self._connection = HTTPConnection(*self._address, timeout=PATIENCE_S)
            self._connection.request(method, path, content, sent)
            answer = self._connection.getresponse()
            return Answer(answer.status, answer.read(), str(answer.getheader("content-type")))
        except ConnectionRefusedError as error:
            self.close()
            raise NotSent from error
        except (OSError, HTTPException) as error:
            self.close()
            raise Lost from error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Gate:
    """Lets writers begin a change, or waits until none is under way and keeps them waiting."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = True
        self._inside = 0

    def __enter__(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._open)
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def shut(self) -> None:
        with self._changed:
            self._open = False
            self._changed.wait_for(lambda: self._inside == 0)

    def reopen(self) -> None:
        with self._changed:
            self._open = True
            self._changed.notify_all()


class Load(threading.Thread, ABC):
    """Repeats a step until it is stopped."""

    def __init__(self, scene: Scene, record: Record, gate: Gate, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.scene, self.record, self.gate, self.over = scene, record, gate, stop

    def run(self) -> None:
        while not self.over.is_set():
            away = False
            with self.gate:
                try:
                    self.step()
                except NotSent:
                    away = True
                except Lost:
                    pass
                except Exception as error:
                    self.record.fail(f"{type(self).__name__} failed: {error!r}")
            time.sleep(AWAY_S if away else PAUSE_S)

    @abstractmethod
    def step(self) -> None:
        """What is repeated."""

    def refused(self, what: str, answer: Answer) -> bool:
        """Whether an answer is one of a server that is away for a moment. Anything else that is no
        success is wrong, unless the caller expects it."""
        if answer.status == 503:
            with self.record.lock:
                self.record.unavailable += 1
            if answer.media_type != "application/problem+json" or "code" not in answer.json:
                self.record.fail(f"{what}: 503 without a problem document")
            return True
        return False


class Writer(Load):
    """Changes an image of its own, and its versions."""

    def __init__(self, scene: Scene, record: Record, gate: Gate, stop: Any, seed: int) -> None:
        super().__init__(scene, record, gate, stop)
        self.r = Random(seed)
        self.seed = seed
        self.client = Client(scene, scene.world.secrets["alice"])
        self.count = 0
        self.image: str | None = None
        self.versions: list[str] = []
        self.unsure: tuple[str, dict[str, Any], str, Callable[[str], None]] | None = None
        """A creation without an answer, which is sent again."""

    def step(self) -> None:
        if self.unsure is not None:
            self.create(*self.unsure)
        elif self.image is None or self.r.random() < 0.02:
            self.new_image()
        elif len(self.versions) < 3 or self.r.random() < 0.3:
            self.publish()
        else:
            choices = (self.edit, self.edit, self.assign, self.end, self.revoke, self.show_image)
            self.r.choice(choices)()

    def number(self) -> int:
        self.count += 1
        return self.count

    # ── creating, with an Idempotency-Key ──────────────────────────────────────────────────

    def new_image(self) -> None:
        name = f"made by {self.seed}: {self.number()}"

        def made(key: str) -> None:
            self.record.images.append(Published(key, name))
            self.image, self.versions = key, []
            self.record.acknowledge(("is_public", key), True)

        self.create("/api/v2/images", {"name": name, "is_public": True}, name, made)

    def publish(self) -> None:
        name = f"{self.seed}-{self.number()}"
        body = {
            "name": name,
            "image": int(self.image or 0),
            "change_log": "0",
            "licenses": [self.scene.world.licenses["apache"]],
            "machines": [
                {"provider": where, "identifier": f"{name}-{where}", "architecture": "x86_64"}
                for where in ("east", "west")
            ],
        }

        def made(key: str) -> None:
            self.record.versions.append(Published(key, name))
            self.versions = [*self.versions[-RECENT:], key]
            self.record.acknowledge(("change_log", key), "0")

        self.create("/image_versions", body, name, made)

    def create(
        self, path: str, body: dict[str, Any], key: str, made: Callable[[str], None]
    ) -> None:
        self.unsure = (path, body, key, made)
        try:
            answer = self.client.ask("POST", path, body, **{"Idempotency-Key": key})
        except NotSent:
            raise
        except Lost:
            self.record.unanswered += 1
            raise
        if self.refused(path, answer):
            return
        self.unsure = None
        if answer.status not in (200, 201):
            self.record.fail(f"POST {path} {key}: {answer.status} {answer.body[:200]!r}")
            return
        made(str(answer.json["id"]))

    # ── changing ───────────────────────────────────────────────────────────────────────────

    def change(
        self, cell: tuple[str, str], value: Any, method: str, path: str, body: Any, *fine: int
    ) -> None:
        """Send a change. `fine` are further statuses that say that nothing was changed."""
        self.record.begin(cell, value)
        try:
            answer = self.client.ask(method, path, body)
        except NotSent:
            self.record.refuse(cell, value)
            raise
        except Lost:
            self.record.unanswered += 1
            raise
        if self.refused(path, answer):
            return
        if answer.status < 300:
            self.record.acknowledge(cell, value)
        elif answer.status in fine:
            self.record.refuse(cell, value)
        else:
            self.record.fail(f"{method} {path}: {answer.status} {answer.body[:200]!r}")

    def edit(self) -> None:
        key, text = self.r.choice(self.versions), str(self.number())
        self.change(
            ("change_log", key), text, "PATCH", f"/image_versions/{key}", {"change_log": text}
        )

    def end(self) -> None:
        key = self.r.choice(self.versions)
        path, cell = f"/image_versions/{key}", ("ended", key)
        if self.record.least(cell):
            self.change(cell, False, "PATCH", path, {"end_date": None})
        else:
            self.change(cell, True, "DELETE", path, None)

    def revoke(self) -> None:
        key = self.r.choice(self.versions)
        path, cell = f"/image_versions/{key}", ("revoked", key)
        if self.record.least(cell):
            self.change(cell, False, "POST", f"{path}/restore", {}, 409)
        else:
            self.change(cell, True, "POST", f"{path}/revoke", {"reason": "chaos"}, 409)

    def assign(self) -> None:
        key = self.r.choice(self.versions)
        path = f"/api/v2/images/{self.image}/channels/stable"
        body = {"version": key, "reason": "chaos"}
        self.change(("stable", str(self.image)), key, "PUT", path, body, 409)

    def show_image(self) -> None:
        cell = ("is_public", str(self.image))
        public = not self.record.least(cell)
        path = f"/api/v2/images/{self.image}"
        self.change(cell, public, "PATCH", path, {"is_public": public})


class Reader(Load):
    """Reads change logs: an answer must have what was acknowledged before it was asked for."""

    def __init__(self, scene: Scene, record: Record, gate: Gate, stop: Any, seed: int) -> None:
        super().__init__(scene, record, gate, stop)
        self.r = Random(-seed)
        self.client = Client(scene, scene.world.secrets["dora"])

    def step(self) -> None:
        if not self.record.versions:
            return
        key = self.r.choice(self.record.versions[-60:]).key
        least = int(self.record.least(("change_log", key)) or 0)
        answer = self.client.ask("GET", f"/image_versions/{key}")
        if self.refused("GET", answer):
            return
        self.record.reads += 1
        if answer.status != 200:
            self.record.fail(f"GET of {key}: {answer.status} {answer.body[:200]!r}")
        elif int(answer.json["change_log"]) < least:
            self.record.stale += 1
            self.record.fail(
                f"stale: {key} has {answer.json['change_log']}, {least} was acknowledged"
            )
