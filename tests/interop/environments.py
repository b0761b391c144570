"""The environments of the tools, one each, from the pinned lists in envs/interop."""

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

LISTS = ROOT / "envs" / "interop"
ENVIRONMENTS = ROOT / ".venv-interop"
RUNNERS = Path(__file__).parent / "tools"


@dataclass(frozen=True)
class Tool:
    """A tool, and how its functions are run.

    Attributes:
        key: the name of its list, its environment and its runner.
        name: that of its distribution, the first of its list.
        version: the one that is pinned.
    """

    key: str
    name: str
    version: str

    @classmethod
    def of(cls, file: Path) -> "Tool":
        """Return the tool of a list of pinned distributions."""
        lines = file.read_text().splitlines()
        first = next(line for line in lines if line and not line.startswith("#"))
        return cls(file.stem, *first.split("=="))

    @property
    def folder(self) -> Path:
        return ENVIRONMENTS / self.key

    def install(self) -> None:
        """Make the environment, unless it is the one of the list already."""
        wanted = (LISTS / f"{self.key}.txt").read_text()
        made = self.folder / "ready"
        if made.is_file() and made.read_text() == wanted:
            return
        venv.create(self.folder, clear=True, with_pip=True)
        # The list is whole; what only windows, servers and models need is not in it.
        pip = (self.folder / "bin" / "python", "-m", "pip", "install", "--quiet")
        options = ("--no-deps", "--requirement", LISTS / f"{self.key}.txt")
        subprocess.run([*map(str, (*pip, *options))], check=True)
        made.write_text(wanted)

    def run(self, action: str, source: Path, images: Path, target: Path) -> None:
        """Let the runner write or read all that it can, with a log beside it."""
        runner = RUNNERS / f"{self.key.replace('-', '_')}_tool.py"
        words = (self.folder / "bin" / "python", runner, action, source, images, target)
        with open(target.with_suffix(".log"), "w") as log:
            subprocess.run(
                [*map(str, words)],
                env={"HOME": str(target.parent), "PATH": "/usr/bin:/bin"},
                stdout=log,
                stderr=log,
                check=True,
            )


def tools() -> list[Tool]:
    """Return all tools, by name."""
    assert sys.version_info[:2] == (3, 11), "the lists are those of Python 3.11"
    return sorted(map(Tool.of, LISTS.glob("*.txt")), key=lambda tool: tool.name)
