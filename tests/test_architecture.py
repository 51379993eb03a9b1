"""Rules for the code that no tool checks: sizes, folders, names, finished work, the environment.

Formatting, style and types are checked by ruff and mypy, the imports between layers by import-linter.
"""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "goldenrod"
CODE = {".py", ".html", ".css", ".js", ".mako"}
BINARY = {".gz", ".png", ".ico", ".woff2"}
MOST_LINES = 500
MOST_FILES = 14

AREAS = {"accounts", "images", "versions", "channels", "webhooks", "sync", "transfer"}
PAGE_AREAS = {"images", "versions", "channels", "webhooks"}
LAYERS = ("base", "store", "rules", "catalogue", "sources", "web", "demo", "cli")

OLD_WORDS = {
    # What to say instead. `noun` alone may be a word of grammar.
    "keeper": "editor",
    "keepers": "editors",
    "door": "handler, page or command",
    "doors": "handlers, pages or commands",
    "nouns": "resources",
    "noun module": "resource module",
    "noun function": "function of a resource module",
    "sight": "ReaderKind, reader",
    "cellar": "store",
}

# Written so that this file does not name them itself.
UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X|HAC[K])\b")
MACHINE_PATH = re.compile(r"(?<![\w.])/(wor[k]|roo[t])/")

ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
MAY_TOUCH_THE_ENVIRONMENT = {
    # It reads the settings, and removes variables that WSGI would take for headers.
    "base/config.py",
}


def files(*folders: str) -> Iterator[Path]:
    """All files below these folders, without caches and results of measurements."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            parts = path.relative_to(ROOT).parts
            cached = any(part.startswith(".") or part in ("__pycache__", "out") for part in parts)
            if path.is_file() and not cached:
                yield path


def text_files(*folders: str) -> Iterator[Path]:
    """All text files below these folders."""
    return (path for path in files(*folders) if path.suffix not in BINARY)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    """The lines of the code, tests and measurements that match a pattern, as `file:line: text`."""
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
    """The lines on which a module accesses environment variables, or imports a way to."""
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


def test_the_package_and_the_tests_are_searched() -> None:
    seen = {named(path) for path in text_files("src", "tests")}
    assert {"src/goldenrod/base/config.py", "tests/test_architecture.py"} <= seen


def test_no_file_is_too_long() -> None:
    lengths = {
        named(path): len(path.read_text("utf-8").splitlines())
        for path in text_files("src", "tests")
        if path.suffix in CODE
    }
    long = {name: length for name, length in lengths.items() if length > MOST_LINES}
    assert not long, f"over {MOST_LINES} lines; split it by topic: {long}"


def test_no_folder_has_too_many_files() -> None:
    counts = Counter(
        named(path.parent) for path in files("src", "tests") if path.name != "__init__.py"
    )
    # Migrations are found by their numbers, and stay where they are.
    del counts["src/goldenrod/store/migrations/versions"]
    full = {folder: count for folder, count in counts.items() if count > MOST_FILES}
    assert not full, f"over {MOST_FILES} files; sort them into folders by topic: {full}"


def folders_in(folder: Path) -> set[str]:
    """The names of the folders directly below a folder, without those that have no files."""
    inside = {path.relative_to(folder).parts for path in files(named(folder))}
    return {parts[0] for parts in inside if len(parts) > 1}


@pytest.mark.parametrize("layer", ["catalogue", "cli"])
def test_a_layer_has_the_areas_and_no_other_folder(layer: str) -> None:
    assert folders_in(PACKAGE / layer) == AREAS


def test_the_tests_have_the_areas() -> None:
    assert folders_in(ROOT / "tests") >= AREAS


def test_pages_and_their_templates_have_the_same_folders() -> None:
    pages = folders_in(PACKAGE / "web" / "pages")
    assert pages >= PAGE_AREAS
    assert folders_in(PACKAGE / "web" / "templates") == pages


def stem(name: str) -> str:
    """A module's name without the endings of grammar: `revoking` and `revocations` both `revok`."""
    name = name.replace("ocation", "oking")
    return re.sub(r"(?:ments?|ings?|ions?|ies|ed|es|er|(?<!s)s|e|y)(?=_|$)", "", name)


def differ_by_grammar(names: set[str]) -> set[tuple[str, str]]:
    """The pairs of these names that are forms of the same word."""
    return {
        (one, other) for one, other in combinations(sorted(names), 2) if stem(one) == stem(other)
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("attaching", "attachments"),
        ("revocations", "revoking"),
        ("snippet", "snippets"),
        ("access", "accesses"),
        ("edit_version", "edit_versions"),
    ],
)
def test_forms_of_the_same_word_are_recognised(one: str, other: str) -> None:
    assert differ_by_grammar({one, other, "versions", "version_page", "images"}) == {(one, other)}


@pytest.mark.parametrize("layer", LAYERS)
def test_no_two_modules_of_a_layer_differ_by_grammar_alone(layer: str) -> None:
    names = {path.stem for path in files(f"src/goldenrod/{layer}") if path.suffix == ".py"}
    assert names
    pairs = differ_by_grammar(names)
    assert not pairs, f"name what is different about them: {pairs}"


GENERATED = ROOT / "docs" / "commands.md"


def uses_of_old_words(paths: list[Path]) -> dict[str, list[str]]:
    """The old words in these files, with the lines that have them."""
    found = defaultdict(list)
    words = re.compile(rf"(?<![a-z])({'|'.join(OLD_WORDS)})(?![a-z])", re.IGNORECASE)
    for path in paths:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            for word in words.findall(line):
                found[word.lower()].append(f"{named(path)}:{number}")
    return dict(found)


def explained(found: dict[str, list[str]]) -> str:
    """Which word to use instead, and where."""
    return "\n".join(f"{word}: say {OLD_WORDS[word]}: {lines}" for word, lines in found.items())


def test_the_documents_use_no_old_words() -> None:
    found = uses_of_old_words([path for path in text_files("docs") if path != GENERATED])
    assert not found, explained(found)


def test_the_code_uses_no_old_words() -> None:
    found = uses_of_old_words([*text_files("src"), GENERATED])
    assert not found, explained(found)


def test_nothing_is_left_unfinished() -> None:
    found = lines_with(UNFINISHED)
    assert not found, "finish it, or document the limit:\n" + "\n".join(found)


def test_no_path_of_one_machine_is_named() -> None:
    found = lines_with(MACHINE_PATH)
    assert not found, "this path exists on one machine only:\n" + "\n".join(found)


def test_every_module_has_a_docstring() -> None:
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
def test_every_access_to_the_environment_is_found(source: str) -> None:
    assert touches_environment(ast.parse(source))


def test_other_uses_of_the_same_names_are_allowed() -> None:
    source = "import os\nfrom os import path\ndef app(environ): return environ['PATH'], os.getpid()"
    assert not touches_environment(ast.parse(source))


OUTSIDE_TEXT = {
    # Texts from outside are read as numbers in one module and normalised in another; each limits
    # their length first.
    "isdigit": "base/numbers.py",
    "isdecimal": "base/numbers.py",
    "isnumeric": "base/numbers.py",
    "normalize": "base/text.py",
    "is_normalized": "base/text.py",
}


def test_texts_from_outside_are_read_as_numbers_and_normalised_in_one_module_each() -> None:
    found = [
        f"{path}:{node.lineno}: {node.attr}"
        for path, module in modules().items()
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute)
        and node.attr in OUTSIDE_TEXT
        and path != OUTSIDE_TEXT[node.attr]
    ]
    assert not found


# Modules that convert a text by `int` after something else has checked it.
MAY_READ_NUMBERS = re.compile(r"\bint\((?:text|given|word|number|count|one|value|key|depth)\)")
CHECKS_FIRST = {
    # A fraction of JSON without a fractional part.
    "base/decode.py",
    "base/numbers.py",
    "web/pages/account/groups.py",
    "web/pages/images/search.py",
    "web/pages/versions/version_fields.py",
    "web/pages/kit/fields.py",
    # The id of something that is attached already.
    "rules/changes/version_lists.py",
    "catalogue/channels/assign.py",
}


def test_int_converts_only_texts_that_were_checked() -> None:
    found = {
        path for path in modules() if MAY_READ_NUMBERS.search((PACKAGE / path).read_text("utf-8"))
    }
    assert found <= CHECKS_FIRST, found - CHECKS_FIRST
