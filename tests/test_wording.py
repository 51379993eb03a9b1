"""What people read is in plain English: phrases that were riddles once are not written again.

Looked through are the templates, the scripts, the texts in the code (docstrings aside, except those of
commands, which are their help), and the documents.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "goldenrod"

OLD_PHRASES = {
    # What to say instead. Each is a kind: a verb of furniture, a riddle, an "it" without a noun.
    r"kept by": "owned by",
    r"used by nobody": "not shared",
    r"no end set": "no end date",
    r"\d behind\b": "newer versions",
    r"nothing in particular": "minimum: none",
    r"only for who may": "editors only",
    r"nothing in this catalogue": "none recorded",
    r"change log against": "changes since",
    r"nothing was written|it has none\.": "no change log; none",
    r"still offered where": "still available",
    r"revoked since|to be revoked \{": "revoked on; will be revoked on",
    r"what runs it should": "replace anything still running it",
    r"waited for": "blocks launch",
    r"that you may not see\b(?! or use)": "hidden from you",
    r"group of its membership": "shared with one of your groups",
    r"both are current": "the image is public",
    r"shown to whoever|whoever": "visible to editors; anyone who",
    r"which counts once": "applies if the image becomes private",
    r"the same as a list|\bby itself\b(?=<)": "show as list; full view",
    r"with the least|nowhere yet": "providers with the fewest versions; has no machines yet",
    r"is behind\b": "a newer parent exists",
    r"\blately\b": "recently",
    r"more may be visible": "sign in to see more",
    r"image fits|that fits?\b|do(?:es)? not fit|that fit ": "match",
    r"offered there now": "available in … now",
    r"what versions are versions of": "groups versions under one name",
    r"where its pages are": "URL",
    r"stands? beside": "is shown in lists",
    r"giving it away": "after a transfer",
    r"\bmake (?:the|a) (?:image|token|group|user|provider|webhook)\b": "create",
    r"(?<!not )empty: ": "leave empty to",
    r"not done: ": "please fix",
    r": is a whole number": "must be a whole number",
    r"there is no '[^']*' here": 'no … named "…"',
    r"leads to no address": "does not resolve",
    r"for ever\b": "names are never reused",
    r"take over from|taken over|take all of": "inherit; already merged",
    r"id there|where it stands": "provider and image ID",
    r"made with the account": "built with account",
    r"passes over it|passed over": "skipped; excluded from latest",
    r"all the same\b": "can still",
    r"join one to you": "link a provider account",
    r"under the present one": "breaks references to the old name",
    r"save mine on top": "overwrite with mine",
    r"it advises": "gets a warning",
    r"may stay empty": "optional",
    r"no longer deprecate": "remove deprecation",
    r"what this touches": "impact",
    r"nothing has been changed yet": "this is a preview",
    r"at a set time|count again|who is told": "schedule; refresh preview; who is notified",
    r"built on it, which stay": "unaffected",
    r"its keepers": "editors",
    r"it is there again": "becomes available again",
    r"and nothing else: what": "inherited ones remain",
    r"one more</|place it\b": "add …",
    r"may go on once": "applies if the image becomes private",
    r"automation is pointed at": "a name that automation resolves",
    r"a channel that is there": "an existing channel",
    r"take it away|assign nothing": "remove; unassign",
    r"what is computed has": "computed channels have no history",
    r"\bis gone\b": "was removed",
    r"was built on it over": "builds on it",
    r"nothing more\b|places differ": "–; machines differ",
    r"yours alone|they let you use|where you are signed in": "personal; active sessions",
    r"say with a token": "act as you",
    r"it gives what you may": "never more than your own rights",
    r"shown it once|is shown this once": "shown only once",
    r"are told what|told of\b|what it is told": "notified",
    r"not made up for": "missed events are not sent later",
    r"who is removed no longer": "removed members lose access",
    r"no longer leads": "remove as leader",
    r"several with commas": "comma-separated",
    r"has to learn": "update references",
    r"what staff keep": "administration",
    r"no staff\b|let in again|let back in": "regular user; enable",
    r"is a user now|is there now</": "created",
    r"no signing in with": "disable password sign-in",
    r"unless another account there": "unless they have another account there",
    r"it rests\b|leave it</": "inactive; cancel",
    r"images? carry it": "used by … images",
    r"may be mistyped|not yours to see": "does not exist, or you do not have access to it",
    r"request is not right": "bad request",
    r"mended since": "fixed in a later release",
}
"""Phrases as regular expressions, and what to say instead."""


def _texts(path: Path) -> Iterator[str]:
    """What a file says to people."""
    text = path.read_text("utf-8")
    if path.suffix != ".py":
        # Comments of templates are for ourselves.
        yield re.sub(r"\{#.*?#\}|^\s*//.*?$", "", text, flags=re.DOTALL | re.MULTILINE)
        return
    tree = ast.parse(text)
    silent = {
        id(body[0].value)
        for node in ast.walk(tree)
        if isinstance(body := getattr(node, "body", None), list)
        and body
        and isinstance(body[0], ast.Expr)
        and not ("cli" in path.parts and isinstance(node, ast.FunctionDef) and node.decorator_list)
    }
    # Texts below an assignment describe it.
    silent |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)} - {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and "cli" in path.parts
        and node.decorator_list
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in silent
        ):
            yield node.value


def _files() -> Iterator[Path]:
    for suffix in ("html", "xml", "py", "js"):
        yield from sorted(PACKAGE.rglob(f"*.{suffix}"))
    yield ROOT / "README.md"
    yield from sorted((ROOT / "docs").glob("*.md"))


def phrases_in(text: str) -> list[str]:
    """The old phrases in a text, with what to say instead."""
    joined = " ".join(text.split())
    return [
        f"{found.group()!r}: say {instead!r}"
        for phrase, instead in OLD_PHRASES.items()
        for found in re.finditer(rf"(?<![\w-])(?:{phrase})", joined, re.IGNORECASE)
    ]


def test_what_people_read_has_no_old_phrases() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {phrase}"
        for path in _files()
        for text in _texts(path)
        for phrase in phrases_in(text)
    ]
    assert not found, "\n".join(found)


def test_an_old_phrase_would_be_found() -> None:
    for text in (
        "Kept by alice",
        "2 behind",
        "There is no image that\n    fits it.",
        "Empty: from now on",
        "Not done: 1 thing to put right.",
    ):
        assert phrases_in(text), text
    assert not phrases_in("Owned by alice. 2 newer versions. Leave empty to start now.")
