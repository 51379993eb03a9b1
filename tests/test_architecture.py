"""The laws of the code that no tool holds: size, finished work, one reader of the environment.

Formatting, style, types and the rooms' imports are held by ruff, mypy and import-linter.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "goldenrod"
CODE = {".py", ".html", ".css", ".js", ".mako"}
BINARY = {".gz", ".png", ".ico", ".woff2"}
MOST_LINES = 500

# Written so that this file does not name them itself.
UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X|HAC[K])\b")
MACHINE_PATH = re.compile(r"(?<![\w.])/(wor[k]|roo[t])/")

ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
MAY_TOUCH_THE_ENVIRONMENT = {
    # It reads the settings, and drops the variables that would arrive as headers.
    "base/config.py",
}


def text_files(*places: str) -> Iterator[Path]:
    """All files of text below these folders, without caches and what was measured."""
    for place in places:
        for path in sorted((ROOT / place).rglob("*")):
            parts = path.relative_to(ROOT).parts
            cached = any(part.startswith(".") or part in ("__pycache__", "out") for part in parts)
            if path.is_file() and not cached and path.suffix not in BINARY:
                yield path


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    """Where a pattern stands in the code, the tests and the measurements, as file:line."""
    return [
        f"{named(path)}:{number}: {line.strip()}"
        for path in text_files("src", "tests", "bench")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]


def modules() -> dict[str, ast.Module]:
    """The package's modules by their path in it."""
    return {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8"), str(path))
        for path in text_files("src")
        if path.suffix == ".py"
    }


def touches_environment(module: ast.Module) -> list[int]:
    """The lines at which a module reads or changes environment variables, or hides that it may."""
    lines = []
    for node in ast.walk(module):
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr=name) if name in ENVIRONMENT:
                lines.append(node.lineno)
            case ast.ImportFrom(module="os", names=names):
                lines += [node.lineno for alias in names if alias.name in {*ENVIRONMENT, "*"}]
            case ast.Import(names=names):
                lines += [node.lineno for alias in names if alias.name == "os" and alias.asname]
    return lines


def test_the_walk_sees_the_package_and_the_tests() -> None:
    seen = {named(path) for path in text_files("src", "tests")}
    assert {"src/goldenrod/base/config.py", "tests/test_architecture.py"} <= seen


def test_no_file_is_too_long() -> None:
    lengths = {
        named(path): len(path.read_text("utf-8").splitlines())
        for path in text_files("src", "tests")
        if path.suffix in CODE
    }
    long = {name: length for name, length in lengths.items() if length > MOST_LINES}
    assert not long, f"over {MOST_LINES} lines; split by verb, never by layer: {long}"


def test_nothing_is_left_unfinished() -> None:
    found = lines_with(UNFINISHED)
    assert not found, "finish it, or write down what is known as a limit:\n" + "\n".join(found)


def test_no_path_of_one_machine_is_named() -> None:
    found = lines_with(MACHINE_PATH)
    assert not found, "this path exists on one machine only:\n" + "\n".join(found)


def test_every_module_says_what_it_is() -> None:
    silent = [name for name, module in modules().items() if not ast.get_docstring(module)]
    assert not silent, f"a module begins with its docstring: {silent}"


def test_the_environment_is_read_in_one_place() -> None:
    touching = {
        name: lines for name, module in modules().items() if (lines := touches_environment(module))
    }
    others = {
        name: lines for name, lines in touching.items() if name not in MAY_TOUCH_THE_ENVIRONMENT
    }
    assert not others, f"only base/config.py reads the environment; take it from Settings: {others}"
    unused = MAY_TOUCH_THE_ENVIRONMENT - touching.keys()
    assert not unused, f"these no longer touch the environment; take them off the list: {unused}"


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.environ['HOME']",
        "import os\nos.getenv('HOME')",
        "import os\ndel os.environ['HOME']",
        "from os import path, environ",
        "from os import *",
        "import os as system",
    ],
)
def test_every_way_to_the_environment_is_seen(source: str) -> None:
    assert touches_environment(ast.parse(source))


def test_other_uses_of_the_names_are_let_be() -> None:
    source = "import os\nfrom os import path\ndef app(environ): return environ['PATH'], os.getpid()"
    assert not touches_environment(ast.parse(source))


OUTSIDE_TEXT = {
    # How numbers are told from other texts, and how texts are normalised: each has one place, which
    # measures them first.
    "isdigit": "base/numbers.py",
    "isdecimal": "base/numbers.py",
    "isnumeric": "base/numbers.py",
    "normalize": "base/text.py",
    "is_normalized": "base/text.py",
}


def test_numbers_and_marks_of_outside_texts_are_read_in_one_place() -> None:
    found = [
        f"{path}:{node.lineno}: {node.attr}"
        for path, module in modules().items()
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute)
        and node.attr in OUTSIDE_TEXT
        and path != OUTSIDE_TEXT[node.attr]
    ]
    assert not found


# Where `int` reads a text that something else has checked: the module and how often.
MAY_READ_NUMBERS = re.compile(r"\bint\((?:text|given|word|number|count|one|value|key|depth)\)")
CHECKS_FIRST = {
    # A fraction of JSON without a fractional part.
    "base/decode.py",
    "base/numbers.py",
    "web/pages/account/groups.py",
    "web/pages/images/search.py",
    "web/pages/versions/version_fields.py",
    "web/pages/kit/fields.py",
    # An id that stands among those of the thing already.
    "rules/changes/version_lists.py",
    "catalogue/channels/assign.py",
}


def test_int_reads_texts_only_where_they_were_checked() -> None:
    found = {
        path for path in modules() if MAY_READ_NUMBERS.search((PACKAGE / path).read_text("utf-8"))
    }
    assert found <= CHECKS_FIRST, found - CHECKS_FIRST
