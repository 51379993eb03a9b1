"""Password hashing with every call recorded."""

from collections.abc import Callable
from typing import Any

from argon2.exceptions import Argon2Error

from goldenrod.catalogue.accounts import password_hashing


class Argon2:
    """The real hasher with every call recorded. `verified` has the hashes that passwords were
    compared with. `meanwhile` is called at each comparison, `while_hashing` while a new password
    is hashed. With `remembers`, the same comparison is computed once."""

    def __init__(self) -> None:
        self._hasher = password_hashing.HASHER
        self.verified: list[str] = []
        self.meanwhile: Callable[[], Any] = lambda: None
        self.while_hashing: Callable[[], Any] = lambda: None
        self.remembers = False
        self._answers: dict[tuple[str, str], Exception | None] = {}

    def hash(self, password: str) -> str:
        self.while_hashing()
        return self._hasher.hash(password)

    def verify(self, kept: str, password: str) -> bool:
        self.verified.append(kept)
        self.meanwhile()
        asked = kept, password
        if not self.remembers or asked not in self._answers:
            try:
                self._answers[asked] = (
                    None if self._hasher.verify(kept, password) else AssertionError()
                )
            except Argon2Error as wrong:
                self._answers[asked] = wrong
        if failed := self._answers[asked]:
            raise failed
        return True
