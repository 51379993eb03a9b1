"""Runs the steps of a Dockerfile in a plain directory, where no container engine is.

The paths that the steps write to are mapped into the directory: RUN by a shell that gets the mapped
command, COPY by a copy, and CMD and HEALTHCHECK as commands for the test to start. What a step could
change outside of the directory is not undone: use it for files of this repository only.
"""

import json
import os
import re
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes.installing import run


@dataclass
class Stage:
    """One stage of a build: its folder, environment and working directory."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    directory: str = "/"
    user: str = ""
    commands: dict[str, list[str]] = field(default_factory=dict)


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile with their arguments, continued lines joined."""
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (word, rest.strip()) for word, _, rest in (x.partition(" ") for x in joined.split("\n"))
    ]


class Build:
    """The stages of a Dockerfile, run below `root` with a context of files."""

    def __init__(self, root: Path, context: Path, mapped: tuple[str, ...], python: str) -> None:
        self.root, self.context, self.mapped, self.python = root, context, mapped, python
        self.stages: dict[str, Stage] = {}

    def run(self, text: str, env: dict[str, str]) -> Stage:
        """Run all steps; the last stage."""
        stage: Stage | None = None
        for word, rest in instructions(text):
            if word == "FROM":
                image, _, name = rest.partition(" AS ")
                assert re.fullmatch(r"python:3\.\d+-slim", image), image
                stage = Stage(self.root / (name or "final"))
                stage.folder.mkdir(parents=True)
                self.stages[name or "final"] = stage
                continue
            assert stage is not None
            match word:
                case "ENV":
                    stage.env |= dict(one.split("=", 1) for one in shlex.split(rest))
                case "WORKDIR":
                    stage.directory = rest
                    self.inside(stage, rest).mkdir(parents=True, exist_ok=True)
                case "USER":
                    stage.user = rest
                case "COPY":
                    self.copy(stage, rest.split())
                case "RUN":
                    self.step(stage, rest, env)
                case "CMD":
                    stage.commands["CMD"] = json.loads(rest)
                case "HEALTHCHECK":
                    stage.commands["HEALTHCHECK"] = json.loads(rest.partition("CMD ")[2])
                case "EXPOSE" | "STOPSIGNAL" | "VOLUME":
                    pass
                case _:
                    raise AssertionError(f"{word} is not run here")
        assert stage is not None
        return stage

    def inside(self, stage: Stage, path: str) -> Path:
        """The place of an image's path in its stage's folder."""
        whole = path if path.startswith("/") else f"{stage.directory}/{path}"
        return Path(f"{stage.folder}/{whole.lstrip('/')}")

    def mapping(self, stage: Stage, text: str) -> str:
        """A text whose absolute paths of the image are those of the stage's folder."""
        paths = "|".join(map(re.escape, self.mapped))
        return re.sub(rf"(?<![\w./])(/*)(?=/(?:{paths})\b)", rf"\1{stage.folder}", text)

    def copy(self, stage: Stage, words: list[str]) -> None:
        *sources, target = [word for word in words if not word.startswith("--")]
        [origin] = [word for word in words if word.startswith("--from=")] or [""]
        for source in sources:
            if origin:
                came = self.inside(self.stages[origin.removeprefix("--from=")], source)
            else:
                came = self.context / source
            place = self.inside(stage, target)
            if came.is_dir():
                shutil.copytree(came, place, symlinks=True, dirs_exist_ok=True)
                if origin:
                    self.relocate(came, place)
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy2(came, place / came.name)

    def relocate(self, came: Path, place: Path) -> None:
        """An image has a file at one path in all its stages: give scripts the path they are at now."""
        for script in (*(place / "bin").iterdir(), *place.rglob("RECORD"), place / "pyvenv.cfg"):
            if script.is_file() and not script.is_symlink():
                text = script.read_bytes()
                script.write_bytes(text.replace(str(came).encode(), str(place).encode()))

    def step(self, stage: Stage, command: str, env: dict[str, str]) -> None:
        path = f"{self.root / 'programs'}:{env['PATH']}"
        programs = self.root / "programs"
        programs.mkdir(exist_ok=True)
        if not (programs / "python").exists():
            (programs / "python").symlink_to(self.python)
        run(
            ["sh", "-euc", self.mapping(stage, command)],
            self.inside(stage, stage.directory),
            env | self.environment(stage) | {"PATH": path},
        )

    def environment(self, stage: Stage) -> dict[str, str]:
        """The variables that a stage sets, with the paths of its folder."""
        return {
            name: self.mapping(stage, value).replace("$PATH", os.environ["PATH"])
            for name, value in stage.env.items()
        }
