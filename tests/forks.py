"""Commands in forks of a process that has imported what they need, seconds sooner.

A fork is a process of its own: what it changes, the next one does not see. It differs
from a new process in that its modules are imported already, and in that all forks of a
process have the same hashes of strings; so what is about either takes a new process.

``python -m tests.forks MODULE[:FUNCTION] ...`` imports the modules, calls the
functions, and then reads requests from its input, a line of JSON each. It runs one
command after the other, and has no thread that a fork would miss.
"""

import atexit
import gc
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from pkgutil import resolve_name

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Done:
    """How a fork ended; ``code`` is negative for a signal."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def was_late(self) -> bool:
        return self.code == -signal.SIGALRM


class ForkServer:
    """A process that has imported modules, to run functions of the command line in.

    Args:
        modules: each ``MODULE``, or ``MODULE:FUNCTION`` for one that is called, too.
        env: the variables of this process, with which the modules are imported.
    """

    def __init__(self, modules: Sequence[str], env: Mapping[str, str]) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forks", *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
            cwd=ROOT,
            start_new_session=True,
        )

    def run(
        self,
        function: str,
        argv: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        seconds: float,
        memory: int | None = None,
    ) -> Done:
        """Call a function (``MODULE:NAME``) as a program with these words would.

        Args:
            seconds: the time after which SIGALRM ends it.
            memory: the address space in bytes that it may take on top of what it has
                at the start.
        """
        with tempfile.TemporaryDirectory() as folder, self._lock:
            places = [Path(folder, name) for name in ("stdout", "stderr")]
            asked = {"function": function, "argv": list(argv), "cwd": str(cwd)}
            limits = {"seconds": seconds, "memory": memory}
            request = asked | {"env": dict(env), "places": list(map(str, places))}
            self._process.stdin.write(json.dumps(request | limits) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
            texts = [place.read_text(errors="replace") for place in places]
        return Done(answer["code"], *texts, answer["seconds"])

    def close(self) -> None:
        """End the process, and what it runs."""
        self._process.terminate()
        self._process.wait()


def _serve(modules: Sequence[str]) -> None:
    for module in modules:
        found = resolve_name(module)
        if callable(found):
            found()
    gc.collect()
    gc.freeze()  # its collections would copy the memory that forks share
    for line in sys.stdin:
        begin = time.monotonic()
        child = os.fork()
        if not child:
            _work(**json.loads(line))
        signal.signal(signal.SIGTERM, partial(_leave, child))
        _, status = os.waitpid(child, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _end_group(child)  # what it started, and left
        code = os.waitstatus_to_exitcode(status)
        took = time.monotonic() - begin
        print(json.dumps({"code": code, "seconds": took}), flush=True)


def _leave(child: int, *_) -> None:
    _end_group(child)
    sys.exit()


def _end_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _work(
    function: str,
    argv: list[str],
    cwd: str,
    env: dict[str, str],
    places: list[str],
    seconds: float,
    memory: int | None,
) -> None:
    """Be the fork: call the function, and end as a program does."""
    os.setsid()
    signal.setitimer(signal.ITIMER_REAL, seconds)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory is not None:
        with open("/proc/self/statm") as stream:
            now = int(stream.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + memory, now + memory))
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    for number, place in enumerate((None, *places)):
        opened = os.open(place or os.devnull, flags if place else os.O_RDONLY, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = os.fdopen(0)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv[:] = argv
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    os._exit(_call(function))


def _call(function: str) -> int:
    """Call a function of the command line; return the exit code.

    What is to be done at the end is done, but for taking the modules apart: that would
    touch, and so copy, all memory that the fork shares.
    """
    try:
        sys.exit(resolve_name(function)())
    except SystemExit as leave:
        code = leave.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code or 0


if __name__ == "__main__":
    _serve(sys.argv[1:])
