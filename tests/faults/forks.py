"""Commands in forks of one process that has imported everything: hundreds a minute.

`Forks.run` is as ``core.run``, for the words of a command. A fork that crashes, hangs
or exceeds its memory hurts nobody else. The process itself reads requests, a JSON line
each, and runs no thread.
"""

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from mmdet_flow.main import command_at, main
from tests.faults.core import Bug, Hung, Run, end, environment

ROOM = 6 << 30
"""Address space that a fork may take beyond what it begins with."""


class Forks:
    """One process to fork from; requests follow one another."""

    def __init__(self, world, *commands: str) -> None:
        self._lock = threading.Lock()
        self._folder = world.folder / "forks" / commands[0]
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forks", *commands],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(world) | {"OMP_NUM_THREADS": "1"},
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )

    def run(self, command: str, *argv, cwd: Path, seconds: float = 30) -> Run:
        """Run a command; Hung if it takes longer, Bug if it crashes."""
        out, err = self._folder / "out", self._folder / "err"
        asked = {"argv": [*command.split(), *map(str, argv)]}
        places = {"cwd": str(cwd), "out": str(out), "err": str(err)}
        with self._lock:
            self._process.stdin.write(
                json.dumps(asked | places | {"seconds": seconds}) + "\n"
            )
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
            texts = [path.read_text(errors="replace") for path in (out, err)]
        done = Run(answer["code"], *texts, answer["seconds"])
        if done.code == -signal.SIGALRM:
            raise Hung(f"not done after {seconds:.0f} s: {done.last[:200]}")
        if done.code < 0:
            raise Bug(f"ended by signal {-done.code}: {done.last[:200]}")
        return done

    def close(self) -> None:
        end(self._process)


def forks_of(world, *commands: str) -> Forks:
    """Return the process of a world that has imported these commands."""
    key = f"forks {' '.join(commands)}"
    return world.measured.get(key, lambda: Forks(world, *commands))


def _serve(commands: list[str]) -> None:
    for words in commands:
        command_at(words.split())
    if "predict" in commands:
        _import_models()
    for line in sys.stdin:
        begin = time.monotonic()
        child = os.fork()
        if not child:
            _work(json.loads(line))
        _, status = os.waitpid(child, 0)
        took = time.monotonic() - begin
        code = os.waitstatus_to_exitcode(status)
        print(json.dumps({"code": code, "seconds": took}), flush=True)


def _import_models() -> None:
    import cv2
    import torch

    from mmdet_flow.imports import import_mmdet

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    import_mmdet()
    importlib.import_module("mmdet_flow.inference.runner")
    importlib.import_module("mmdet_flow.inference.predict")


def _work(asked: dict) -> None:
    """Be the child: run the command and leave, whatever it does."""
    code = 99
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, asked["seconds"])
        with open("/proc/self/statm") as stream:
            now = int(stream.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + ROOM, now + ROOM))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        null = os.open(os.devnull, os.O_RDONLY)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        for number, place in ((0, None), (1, asked["out"]), (2, asked["err"])):
            os.dup2(null if place is None else os.open(place, flags, 0o600), number)
        os.chdir(asked["cwd"])
        code = main(asked["argv"])
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


if __name__ == "__main__":
    _serve(sys.argv[1:])
