"""What all scenarios share: cases that can be repeated, verdicts, and commands.

A scenario is a function of one `Case`. It injects faults, and returns when all is well;
else it raises the verdict. All that is random comes from ``case.dice``, which depends
on seed, scenario and case alone, so one case can be repeated by itself.
"""

import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

BIN = Path(sys.executable).parent
SOURCES = Path(__file__).parents[2] / "scripts"
BUG_EXIT_CODE = 70
MEMORY = 24 << 30
"""Address space of a command; torch and OpenVINO reserve much more than they use."""

REFUSALS = (2, 3, 4, 5)
"""Exit codes of what a user can fix."""


class Verdict(Exception):
    """What went wrong in a case; the class says in which column it counts."""


class Lost(Verdict):
    """Something is gone, half-written, or other than undisturbed."""


class LetIn(Verdict):
    """Code of a file ran, a place outside was reached, a wrong answer had no word."""


class Bug(Verdict):
    """Exit code 70, a traceback, a crash, or a failure that nothing explains."""


class Hung(Verdict):
    """It did not end within its time."""


class Skipped(Exception):
    """This machine cannot try it; the words say what is missing."""


@dataclass
class Case:
    """One try of a scenario: its number, its random numbers, and a folder of its own.

    Attributes:
        tried: faults that were injected; a scenario with more than one counts them.
        as_stated: losses that the page on the service states.
        item: what to try, where a scenario has a list.
    """

    scenario: str
    number: int
    seed: int
    folder: Path
    world: object
    item: object = None
    tried: int = 1
    as_stated: int = 0
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(f"{self.seed} {self.scenario} {self.number}")


@dataclass(frozen=True)
class Scenario:
    """A fault: how many cases of it make a full campaign, and each of them.

    ``items`` makes the list that the cases are drawn from. Scenarios that are ``alone``
    do not share the machine, since time decides what they find.
    """

    name: str
    what: str
    run: Callable[[Case], None]
    cases: int
    items: Callable[[object], Sequence] | None = None
    alone: bool = False


SCENARIOS: dict[str, Scenario] = {}


def scenario(name: str, cases: int, items=None, alone: bool = False):
    """Register a function of a case; its docstring says what is tried."""

    def register(run):
        what = run.__doc__.strip().splitlines()[0].rstrip(".")
        SCENARIOS[name] = Scenario(name, what, run, cases, items, alone)
        return run

    return register


@dataclass(frozen=True)
class Run:
    """How a command ended; ``code`` is negative for a signal, None if killed by us."""

    code: int | None
    stdout: str
    stderr: str
    seconds: float

    @property
    def last(self) -> str:
        lines = self.stderr.strip().splitlines()
        return lines[-1] if lines else ""


def environment(world) -> dict[str, str]:
    """Return the variables of a command: the sources and the cache of the campaign."""
    own = {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.environ.get("PYTHONPATH", str(SOURCES)),
        "MMDET_FLOW_CACHE": str(world.cache),
        "SOURCE_DATE_EPOCH": "1700000000",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }
    return {k: v for k, v in os.environ.items() if k != "MMDET_CLASSES"} | own


def start(world, *command, cwd=None, file_size=None, **pipes) -> subprocess.Popen:
    """Start a command in a process group of its own, with bounded memory.

    Its first part is a path, or the words of a command of ours.
    """

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if file_size is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))

    first, *rest = map(str, command)
    name, *words = [first] if os.path.isabs(first) else first.split()
    return subprocess.Popen(
        [BIN / name, *words, *rest],
        cwd=cwd,
        env=environment(world),
        start_new_session=True,
        preexec_fn=limit,
        stdin=subprocess.DEVNULL,
        **pipes,
    )


def end(process: subprocess.Popen) -> None:
    """Kill a process and all that it started in its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run(
    world, *command, kill_after: float | None = None, seconds: float = 180, **more
) -> Run:
    """Run a command to its end; kill it by SIGKILL after so many seconds, if given.

    Raises Hung if it is still there after ``seconds``.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.monotonic()
        process = start(world, *command, stdout=out, stderr=err, **more)
        limit = seconds if kill_after is None else kill_after
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end(process)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    done = Run(code, *texts, time.monotonic() - begin)
    if code is None and kill_after is None:
        raise Hung(f"{words(command)}: not done after {seconds:.0f} s: {done.last}")
    return done


def require(done: Run, *codes: int, what: str = "") -> Run:
    """Raise a Bug unless a command ended with one of these codes, in plain words."""
    if "Traceback (most recent" in done.stderr or done.code == BUG_EXIT_CODE:
        raise Bug(f"{what}exit code {done.code}: {done.last[:300]}")
    if done.code not in codes:
        raise Bug(f"{what}exit code {done.code}, not {codes}: {done.last[:300]}")
    return done


def words(command: Sequence) -> str:
    return " ".join(str(word) for word in command)[:200]


def content_of(folder: Path, skip: Callable[[Path], bool] = lambda _: False) -> dict:
    """Return the bytes of all files of a folder by their place in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not skip(path)
    }


def require_same(found: dict, wanted: dict, what: str = "") -> None:
    """Raise Lost unless two folders hold the same files with the same bytes."""
    if gone := sorted(wanted.keys() - found.keys()):
        raise Lost(f"{what}{len(gone)} files are missing, such as {gone[0]}")
    if more := sorted(found.keys() - wanted.keys()):
        raise Lost(f"{what}{len(more)} files too many, such as {more[0]}")
    if other := [name for name in sorted(wanted) if found[name] != wanted[name]]:
        raise Lost(f"{what}{len(other)} files differ, such as {other[0]}")


class Measured:
    """How long a command takes undisturbed, and what it makes; measured once each."""

    def __init__(self) -> None:
        self._known: dict[str, object] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, name: str, make: Callable[[], object]):
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self._known:
                self._known[name] = make()
            return self._known[name]

    def close(self) -> None:
        """End the processes that are among what was made."""
        for made in self._known.values():
            if hasattr(made, "close"):
                made.close()
        self._known.clear()
