"""Options that several commands have: each is declared once."""

from collections.abc import Callable, Iterator
from functools import wraps
from inspect import Parameter, signature
from typing import Any

import typer

JSON = typer.Option(False, "--json", help="Print JSON for programs.")
WIDE = typer.Option(False, "--wide", help="Print all columns.")


def with_options(**declared: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """Give a command the options of other functions.

    The command has a parameter for each function. In place of it, the command line has the function's
    options, and the parameter is what the function makes of them.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = signature(command, eval_str=True)
        options = {name: signature(made, eval_str=True) for name, made in declared.items()}

        def parameters() -> Iterator[Parameter]:
            for name, parameter in own.parameters.items():
                shared = options[name].parameters if name in options else {name: parameter}
                for one in shared.values():
                    yield one.replace(kind=Parameter.KEYWORD_ONLY)

        @wraps(command)
        def calling(**given: Any) -> None:
            for name, made in declared.items():
                theirs = {option: given.pop(option) for option in options[name].parameters}
                given[name] = made(**theirs)
            command(**given)

        whole = own.replace(parameters=[*parameters()])
        calling.__signature__ = whole  # type: ignore[attr-defined]
        calling.__annotations__ = {name: it.annotation for name, it in whole.parameters.items()}
        return calling

    return decorate
