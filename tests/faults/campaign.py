"""Run the cases of scenarios, count what became of each fault, and write it down."""

import importlib
import os
import platform
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.core import (
    SCENARIOS,
    Bug,
    Case,
    Hung,
    LetIn,
    Lost,
    Scenario,
    Skipped,
    Verdict,
)
from tests.faults.world import World

MODULES = ("kills", "folders", "services", "disks", "files", "names")
COLUMNS = {Lost: "lost", LetIn: "let in", Bug: "bugs", Hung: "hung"}


@dataclass
class Tally:
    """What became of the faults of a scenario."""

    scenario: Scenario
    tried: int = 0
    as_stated: int = 0
    failures: list[tuple[int, Verdict]] = field(default_factory=list)
    skipped: str = ""
    seconds: float = 0.0

    def count(self, cls: type[Verdict]) -> int:
        return sum(isinstance(verdict, cls) for _, verdict in self.failures)

    @property
    def survived(self) -> int:
        return self.tried - len(self.failures)


def load_scenarios() -> dict[str, Scenario]:
    """Return all scenarios by name."""
    for name in MODULES:
        importlib.import_module(f"tests.faults.{name}")
    return SCENARIOS


def run_scenario(
    chosen: Scenario,
    world: World,
    seed: int,
    scale: float = 1.0,
    only: int | None = None,
    jobs: int = 1,
) -> Tally:
    """Run a scenario's cases, or only one of them."""
    tally, begin = Tally(chosen), time.monotonic()
    try:
        items = chosen.items(world) if chosen.items else None
    except Skipped as words:
        tally.skipped = str(words)
        return tally
    numbers = [only] if only is not None else _numbers(chosen, items, scale)
    with ThreadPoolExecutor(1 if chosen.alone else jobs) as pool:
        cases = (_case(chosen, number, seed, world, items) for number in numbers)
        for case, verdict in pool.map(lambda case: _try(chosen, case), cases):
            if isinstance(verdict, Skipped):
                tally.skipped = str(verdict)
                continue
            tally.tried += case.tried
            tally.as_stated += case.as_stated
            if verdict:
                tally.failures.append((case.number, verdict))
                print(f"{chosen.name} {case.number}: {verdict}", file=sys.stderr)
    tally.seconds = time.monotonic() - begin
    return tally


def _numbers(chosen: Scenario, items: Sequence | None, scale: float) -> list[int]:
    """Return which cases to run, spread evenly over a list of items."""
    count = max(1, round(chosen.cases * scale))
    if items is None:
        return list(range(count))
    count = min(count, len(items))
    return [len(items) * number // count for number in range(count)]


def _case(chosen, number, seed, world, items) -> Case:
    folder = world.folder / "cases" / f"{chosen.name}-{number}"
    item = items[number] if items is not None else None
    return Case(chosen.name, number, seed, folder, world, item)


def _try(chosen: Scenario, case: Case) -> tuple[Case, Verdict | Skipped | None]:
    shutil.rmtree(case.folder, ignore_errors=True)
    case.folder.mkdir(parents=True)
    verdict = None
    try:
        chosen.run(case)
    except (Verdict, Skipped) as found:
        verdict = found
    except Exception as error:  # what a scenario did not foresee is not survived
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        verdict = Bug(f"{type(error).__name__} at {where}: {error}"[:400])
    if verdict is None and not os.environ.get("KEEP_CASES"):
        shutil.rmtree(case.folder, ignore_errors=True)
    return case, verdict


def report(tallies: Sequence[Tally], seed: int, scale: float) -> str:
    """Return the table of a campaign, its machine, and each failure with its repeat."""
    rows = [
        "| scenario | faults | survived | lost | let in | bugs | hung | as stated |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for tally in tallies:
        counts = [tally.tried, tally.survived, *map(tally.count, COLUMNS)]
        if tally.skipped and not tally.tried:
            rows.append(f"| {tally.scenario.what}: *{tally.skipped}* |" + " |" * 7)
        else:
            rows.append(_row(tally.scenario.what, [*counts, tally.as_stated]))
    sums = [
        sum(t.tried for t in tallies),
        sum(t.survived for t in tallies),
        *(sum(t.count(cls) for t in tallies) for cls in COLUMNS),
        sum(t.as_stated for t in tallies),
    ]
    rows.append(_row("**all**", sums))
    minutes = sum(t.seconds for t in tallies) / 60
    about = f"Seed {seed}, scale {scale:g}, {minutes:.0f} minutes on {machine()}."
    lines = [about, "", *rows, ""]
    for tally in tallies:
        for number, verdict in tally.failures:
            column, name = COLUMNS[type(verdict)], tally.scenario.name
            said = " ".join(str(verdict).split())
            lines.append(f"* {column}: {said}  ")
            lines.append(f"  `{repeat(name, number, seed)}`")
    return "\n".join(lines).rstrip() + "\n"


def repeat(name: str, number: int, seed: int) -> str:
    """Return the command that repeats one case."""
    return f"python -m tests.faults --seed {seed} --only {name} --case {number}"


def _row(what: str, counts: Sequence[int]) -> str:
    return f"| {what} | " + " | ".join(map(str, counts)) + " |"


def machine() -> str:
    """Return the number of cores and the model of the processor."""
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo") as stream:
        for line in stream:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"{len(os.sched_getaffinity(0))} cores of {model}"


def scratch() -> tempfile.TemporaryDirectory:
    """Return a folder for the world of a campaign, gone at its end."""
    return tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True)
