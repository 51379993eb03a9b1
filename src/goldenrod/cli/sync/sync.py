"""The command `sync`: brings the catalogue up to date with the clouds that a file declares."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import typer

from goldenrod.catalogue.sync.actions import (
    CreateImage,
    CreateMachine,
    CreateVersion,
    Deprecate,
    EndMachine,
    ImagePlan,
    RestoreMachine,
    UpdateMachine,
)
from goldenrod.catalogue.sync.reports import Entry
from goldenrod.cli import output
from goldenrod.cli.failures import USAGE
from goldenrod.cli.open_database import opened
from goldenrod.cli.options import JSON
from goldenrod.sources import declarations
from goldenrod.sources.declarations import AnySource, InvalidDeclaration
from goldenrod.sources.found import Source
from goldenrod.sources.sync import run_sync, source_types
from goldenrod.sources.sync.run_sync import Options, Plan, Result
from goldenrod.store.db import Database

FILE = typer.Argument(metavar="SOURCE.toml", dir_okay=False, help="The file that declares sources.")
ONLY = typer.Option(
    None, "--only", metavar="NAME", help="Only the source of this name; may be repeated."
)
DRY_RUN = typer.Option(False, "--dry-run", help="Only print what would be done.")
END_ANYWAY = typer.Option(
    False, "--end-anyway", help="End machines that are gone, however many they are."
)
CONCURRENCY = typer.Option(
    4, "--concurrency", min=1, max=64, help="How many parts of a source are read at once."
)
EXPLAIN = typer.Option(
    None, "--explain", metavar="NAME", help="Only show how the rules read this name."
)

FAILED, LOCKED, BRAKED = 3, 4, 5
_EXITS = {"partly": FAILED, "failed": FAILED, "locked": LOCKED, "braked": BRAKED}
MOST_SHOWN = 20
"""Of one image, a plan in words shows at most this many things."""


def sync(
    file: Path = FILE,
    only: list[str] | None = ONLY,
    dry_run: bool = DRY_RUN,
    as_json: bool = JSON,
    end_anyway: bool = END_ANYWAY,
    concurrency: int = CONCURRENCY,
    explain: str | None = EXPLAIN,
) -> None:
    """Bring the catalogue up to date with clouds.

    Prints a plan, then applies it image by image. Syncing again changes nothing. What people changed
    stays. `goldenrod sync log` shows the reports of earlier runs.

    Exits with 0 if all is done, 2 if the file is wrong, 3 if a part of a source could not be read (the
    rest is done), 4 if another run reads a source, 5 if so many machines are gone that none was ended.
    """
    with _exit_if_invalid():
        wanted = _declared(file, only or [])
        if explain is not None:
            for one in wanted:
                output.say("\n".join(declarations.explain(one, file.parent, explain)))
            return
        sources = [(one, source_types.make(one, file.parent)) for one in wanted]
        marks = [source_types.fingerprint(one, file.parent) for one in wanted]
    # Libraries of clouds warn of what the report says, too.
    logging.getLogger("botocore").setLevel(logging.ERROR)
    results = []
    with opened(pool=4) as db:
        with _exit_if_invalid():
            for one in wanted:
                run_sync.require_usable(db, one)
        for (declaration, source), mark in zip(sources, marks, strict=True):
            options = Options(
                fingerprint=mark,
                kind=source_types.type_of(declaration),
                dry_run=dry_run,
                end_anyway=end_anyway,
                concurrency=concurrency,
            )
            results.append(_sync(db, declaration, source, options, as_json=as_json))
    if as_json:
        output.show_json([_json(result) for result in results])
    raise typer.Exit(max(_EXITS.get(result.state, 0) for result in results))


def require_valid(file: Path) -> None:
    """Exit if the file cannot be used."""
    with _exit_if_invalid():
        for one in _declared(file, []):
            source_types.make(one, file.parent)


@contextmanager
def _exit_if_invalid() -> Iterator[None]:
    try:
        yield
    except InvalidDeclaration as wrong:
        output.note(f"goldenrod: {wrong}")
        raise typer.Exit(USAGE) from None


def _declared(file: Path, only: list[str]) -> list[AnySource]:
    try:
        declared = declarations.load(file)
    except OSError as unreadable:
        raise InvalidDeclaration(f"{file}: {unreadable.strerror}") from None
    names = [source.name for source in declared]
    if unknown := [name for name in only if name not in names]:
        raise InvalidDeclaration(
            f"{file}: no source is named {unknown[0]!r}; there are {', '.join(names)}"
        )
    return [source for source in declared if not only or source.name in only]


def _sync(
    db: Database, declaration: AnySource, source: Source, options: Options, *, as_json: bool
) -> Result:
    name = declaration.name
    with output.progress(f"{name}: reading") as looking:
        show = None if as_json else partial(_show_plan, name)
        with output.progress(f"{name}: machines") as applying:
            result = run_sync.sync(
                db,
                declaration,
                source,
                options,
                looking=looking,
                show=show,
                applying=applying,
            )
    if as_json:
        return result
    if result.state == "locked":
        output.note(f"{name}: another run is reading this source. Nothing was done.")
    elif result.state != "planned":
        output.say(f"{name}: {_sentence(result)}")
    return result


def _sentence(result: Result) -> str:
    said = {
        "done": "done",
        "partly": "done, without the parts that could not be read",
        "braked": "done, but nothing was ended where too much would end at once; see --end-anyway",
        "failed": "nothing could be read",
    }
    return f"{said.get(result.state, result.state)}. {_counted(result.counts)}"


def _counted(counts: Any) -> str:
    names = {"images": "new images", "versions": "new versions"}
    told = [f"{counts[name]:,} {names.get(name, name)}" for name in COUNTED if counts[name]]
    return ", ".join(told) + "." if told else "Nothing."


COUNTED = (
    "images",
    "versions",
    "created",
    "updated",
    "ended",
    "restored",
    "deprecations",
    "unchanged",
    "kept",
    "skipped",
    "failed",
)
"""The counts of a run, in the order in which they are told. Without a word of their own they are of
machines."""


def _show_plan(name: str, plan: Plan) -> None:
    for image in plan.images:
        lines = [*map(_line, image.actions)]
        lines += [f"{one.kind}: {one.subject}: {one.reason}" for one in image.passed]
        if not lines:
            continue
        output.say(f"{name}: {image.image}")
        for line in lines[:MOST_SHOWN]:
            output.say(f"  {line}")
        if len(lines) > MOST_SHOWN:
            output.say(f"  and {len(lines) - MOST_SHOWN:,} more")
    for entry in plan.entries[:MOST_SHOWN]:
        output.note(f"{name}: {entry.kind}: {entry.subject}: {entry.reason}")
    if len(plan.entries) > MOST_SHOWN:
        output.note(f"{name}: and {len(plan.entries) - MOST_SHOWN:,} more")
    output.say(f"{name}: plan: {_counted(plan.counts())}")


def _line(action: Any) -> str:
    match action:
        case CreateImage(public=public):
            return f"create the image, {'public' if public else 'private'}"
        case CreateVersion(name=version):
            return f"create version {version}"
        case CreateMachine(provider=provider, identifier=identifier, version=version):
            to = f" of version {version}" if isinstance(version, str) else ""
            return f"create machine {provider} {identifier}{to}"
        case UpdateMachine(place=place, facts=facts):
            return f"update machine {' '.join(place)}: {', '.join(facts)}"
        case EndMachine(place=place, reason=reason):
            return f"end machine {' '.join(place)}: {reason}"
        case RestoreMachine(place=place):
            return f"restore machine {' '.join(place)}"
        case Deprecate(name=version, at=at):
            return f"version {version}: " + (f"deprecated at {at}" if at else "not deprecated")
    raise AssertionError(action)


def _json(result: Result) -> dict[str, Any]:
    plan: list[ImagePlan] = [one for one in result.plan.images if one.actions or one.passed]
    entries: list[Entry] = result.plan.entries
    return {
        "source": result.source,
        "state": result.state,
        "run": result.run,
        "counts": {name: result.counts[name] for name in COUNTED},
        "plan": [
            {
                "image": one.image,
                "actions": msgspec.to_builtins(one.actions),
                "passed": msgspec.to_builtins(one.passed),
            }
            for one in plan
        ],
        "entries": [
            {"kind": one.kind, "subject": one.subject, "reason": one.reason} for one in entries
        ],
    }
