"""Commands in forks of one process that has imported everything: hundreds a minute.

`Forks.run` is as ``core.run``, for the words of a command. A fork that crashes, hangs
or exceeds its memory hurts nobody else.
"""

from pathlib import Path

from mmdet_flow.main import PROG
from tests.faults.core import Bug, Hung, Run, environment
from tests.forks import ForkServer

ROOM = 6 << 30
"""Address space that a fork may take beyond what it begins with."""

FUNCTION = "mmdet_flow.main:main"
MODELS = ("mmdet_flow.imports:import_mmdet", "mmdet_flow.inference.runner")
"""What predicting imports when it begins."""


class Forks:
    """One process to fork from; requests follow one another."""

    def __init__(self, world, command: str) -> None:
        self._environment = environment(world) | {"OMP_NUM_THREADS": "1"}
        module = f"mmdet_flow.commands.{command.replace(' ', '.')}"
        modules = (module, *(MODELS if command == "predict" else ()))
        self._server = ForkServer(modules, self._environment)

    def run(self, command: str, *argv, cwd: Path, seconds: float = 30) -> Run:
        """Run a command; Hung if it takes longer, Bug if it crashes."""
        words = [PROG, *command.split(), *map(str, argv)]
        limits = {"seconds": seconds, "memory": ROOM}
        done = self._server.run(FUNCTION, words, cwd, self._environment, **limits)
        run = Run(done.code, done.stdout, done.stderr, done.seconds)
        if done.was_late:
            raise Hung(f"not done after {seconds:.0f} s: {run.last[:200]}")
        if done.code < 0:
            raise Bug(f"ended by signal {-done.code}: {run.last[:200]}")
        return run

    def close(self) -> None:
        self._server.close()


def forks_of(world, command: str) -> Forks:
    """Return the process of a world that has imported this command."""
    return world.measured.get(f"forks {command}", lambda: Forks(world, command))
