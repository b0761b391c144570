"""Exchange a small data set with the tools that people label and convert with.

Each tool writes it in each format that it can, and mmdet-flow reads it; mmdet-flow
writes, and each tool reads. Ends with 0 if nothing is worse than docs/interop.md says.
"""

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.conftest import ROOT
from tests.interop.compare import REFUSED, Outcome, compare
from tests.interop.environments import Tool, tools
from tests.interop.flow import Refused, read_by_us
from tests.interop.ours import write_ours
from tests.interop.page import (
    PAGE,
    Cell,
    put,
    tables_of,
    with_the_others,
    worse,
)
from tests.interop.scene import write_scene


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.interop", description=__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="TOOL",
        help="these tools; what the page says of others stays",
    )
    parser.add_argument(
        "--formats", nargs="+", metavar="FORMAT", help="these, such as coco_boxes"
    )
    parser.add_argument(
        "--jobs", type=int, default=2, help="formats at the same time (default: 2)"
    )
    parser.add_argument(
        "--work", type=Path, metavar="FOLDER", help="keep all that is written here"
    )
    parser.add_argument(
        "--accept", action="store_true", help="write the page even if it gets worse"
    )
    return parser


def main() -> int:
    args = build_parser().parse_args()
    chosen = [one for one in tools() if one.name in (args.only or [one.name])]
    with tempfile.TemporaryDirectory() as folder:
        work = (args.work or Path(folder)).resolve()
        cells = Exchange(work, args.formats, args.jobs).run(chosen)
    page = ROOT / PAGE
    shown = page.read_text()
    if args.only or args.formats:
        cells = with_the_others(cells, shown)
    text = tables_of(cells)
    print(text)
    problems = worse(cells, shown)
    for problem in problems:
        print(problem, file=sys.stderr)
    if args.accept or not problems:
        put(text, page)
    return int(bool(problems))


class Exchange:
    """The data set, and what became of it in each tool."""

    def __init__(self, work: Path, formats: list[str] | None, jobs: int) -> None:
        self._work = work
        self._formats = formats
        self._jobs = jobs
        self._truth_file, self._images = write_scene(work / "scene")
        self._truth = json.loads(self._truth_file.read_text())
        (work / "ours").mkdir()
        self._sources, self._truths = write_ours(
            self._truth, self._images, work / "ours"
        )

    def run(self, chosen: list[Tool]) -> list[Cell]:
        """Return the cells of tools."""
        cells = []
        for tool in chosen:
            started = time.monotonic()
            tool.install()
            (self._work / tool.key).mkdir()
            found = [*self._written(tool), *self._read(tool)]
            took = time.monotonic() - started
            print(
                f"{tool.name}: {len(found)} formats, {took:.0f} s",
                file=sys.stderr,
                flush=True,
            )
            cells += found
        return cells

    def _written(self, tool: Tool) -> list[Cell]:
        """Let a tool write, and read it."""
        target = self._work / tool.key / "write"
        tool.run("write", self._truth_file, self._images, target)
        done = json.loads((target / "done.json").read_text())
        forms = [form for form in done if form in (self._formats or done)]
        # Most of the time goes into the start of commands, which have one thread.
        with ThreadPoolExecutor(self._jobs) as pool:
            outcomes = pool.map(lambda form: self._taken(target, form, done), forms)
            return [
                Cell.of("write", tool.name, tool.version, form, self._shown(outcome))
                for form, outcome in zip(forms, outcomes, strict=True)
            ]

    def _taken(self, target: Path, form: str, done: dict) -> Outcome:
        """Return what became of a folder that a tool has written."""
        if done[form]:
            return Outcome(REFUSED, f"by the tool: {done[form]}")
        work = target.with_name("taken") / form
        try:
            found = read_by_us(target / form, work, self._images)
        except Refused as error:
            return Outcome(REFUSED, str(error))
        return compare(self._truth["images"], found, form.endswith("_outlines"))

    def _read(self, tool: Tool) -> list[Cell]:
        """Let a tool read what we have written."""
        target = self._work / tool.key / "read"
        tool.run("read", self._sources, self._images, target)
        done = json.loads((target / "done.json").read_text())
        cells = []
        for form, error in done.items():
            if self._formats and form not in self._formats:
                continue
            if error:
                outcome = Outcome(REFUSED, f"by the tool: {error}")
            else:
                found = json.loads((target / f"{form}.json").read_text())["images"]
                own = form if form in self._truths else form.rpartition("_")[0]
                truth = self._truths[own]
                outcome = compare(truth, found, form.endswith("_outlines"))
            cell = Cell.of("read", tool.name, tool.version, form, self._shown(outcome))
            cells.append(cell)
        return cells

    def _shown(self, outcome: Outcome) -> Outcome:
        """Return an outcome in one line, without the places of this machine."""
        text = " ".join(outcome.what.replace(f"{self._work}/", "").split())
        return Outcome(outcome.kind, text if len(text) <= 160 else f"{text[:157]}...")


if __name__ == "__main__":
    sys.exit(main())
