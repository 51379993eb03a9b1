"""Collects all that is wrong with a body or form, so that its sender is told everything at once.

    faults = Faults()
    name = faults.of(decode.name, "name", body.name)
    owner = faults.of(references.user_id, tx, actor, body.owner, "owner")
    faults.report()

Wrong values and unknown references (400) and missing rights to what a body names (403) are collected.
The error that is raised has the status that comes first, and lists the fields of all. What `of`
returns after a fault has no meaning: nothing may depend on it before `report`.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar, cast

from goldenrod.base.errors import BadRequest, FieldError, Forbidden, Problem

P = ParamSpec("P")
T = TypeVar("T")

MOST_LISTED = 100
_PART = re.compile(r"(?<=.)[.\[]")
_MOST_IN_SENTENCE = 5


class Faults:
    """What was found wrong so far."""

    def __init__(self) -> None:
        self._found: list[tuple[BadRequest | Forbidden, tuple[FieldError, ...]]] = []
        self._fields: set[str] = set()
        self._above: set[str] = set()
        """What has a wrong field in it."""

    def of(self, check: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
        """What the check returns; if it finds a fault, the fault is collected."""
        try:
            return check(*args, **more)
        except (BadRequest, Forbidden) as problem:
            self.add(problem)
            return cast(T, None)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Collects the fault that the block finds. The rest of the block is skipped."""
        try:
            yield
        except (BadRequest, Forbidden) as problem:
            self.add(problem)

    def add(self, problem: BadRequest | Forbidden) -> None:
        """Collect a problem, except for errors of a field, or a part of one, that is wrong already.
        Raises a Forbidden that is not about a field: then nothing of the body matters."""
        if isinstance(problem, Forbidden) and not problem.errors:
            raise problem
        new = tuple(error for error in problem.errors if not self._is_known(error.field))
        if new or not problem.errors:
            self._found.append((problem, new))
            for error in new:
                *above, field = _paths(error.field)
                self._fields.add(field)
                self._above.update(above)

    def _is_known(self, field: str) -> bool:
        return field in self._above or not self._fields.isdisjoint(_paths(field))

    @property
    def found(self) -> bool:
        """Whether anything was found so far."""
        return bool(self._found)

    def report(self) -> None:
        """Raise one error for everything that was found; nothing if nothing was."""
        if not self._found:
            return
        problems = [problem for problem, _ in self._found]
        first = next((one for one in problems if isinstance(one, Forbidden)), problems[0])
        errors = tuple(error for _, new in self._found for error in new)
        if errors == first.errors:
            raise first
        codes = {one.code for one in problems if type(one) is type(first)}
        code = first.code if len(codes) == 1 or isinstance(first, Forbidden) else "field_invalid"
        raise type(first)(
            sentence(errors), code=code, errors=errors[:MOST_LISTED], extra=first.extra
        )

    def then(self, act: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
        """What `act` returns. If something was found before, `act` is run only to find what else is
        wrong, and the error is raised: the transaction around it must end without effect."""
        if not self._found:
            return act(*args, **more)
        try:
            act(*args, **more)
        except (BadRequest, Forbidden) as problem:
            self.add(problem)
        except Problem:
            # A conflict, perhaps with what stands for a wrong value: it is reported after these.
            pass
        self.report()
        raise AssertionError("what was found is reported")


def _paths(field: str) -> list[str]:
    """The field, after all that it is a part of: `a`, `a[0]`, `a[0].b`."""
    return [*(field[: mark.start()] for mark in _PART.finditer(field)), field]


def sentence(errors: tuple[FieldError, ...]) -> str:
    """The first errors as one sentence."""
    shown = [f"{error.field}: {error.detail.rstrip('.')}" for error in errors[:_MOST_IN_SENTENCE]]
    more = len(errors) - len(shown)
    return "; ".join(shown) + (f"; and {more} more." if more else ".")
