"""Several processes that train one model on CPUs, joined by gloo."""

import contextlib
import logging
import os
import signal
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from mmdet_flow import cli
from mmdet_flow.errors import TO_GO_ON, ModelError, UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Launcher:
    """A program that starts the processes, and the variables by which it tells them.

    Attributes:
        rank: names the number of a process, from 0 for the main one.
        size: names the number of all processes.
        local_rank: names the number of a process on its machine.
        local_size: names the number of processes on a machine.
        run: name what tells one start from others on the same machine.
    """

    program: str
    rank: str
    size: str
    local_rank: str
    local_size: str = "LOCAL_WORLD_SIZE"
    run: tuple[str, ...] = ()


TORCHRUN = Launcher("torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK")
LAUNCHERS = {
    "pytorch": TORCHRUN,
    "slurm": Launcher(
        program="srun",
        rank="SLURM_PROCID",
        size="SLURM_NTASKS",
        local_rank="SLURM_LOCALID",
        run=("SLURM_JOB_ID", "SLURM_STEP_ID"),
    ),
    "mpi": Launcher(
        program="mpirun",
        rank="OMPI_COMM_WORLD_RANK",
        size="OMPI_COMM_WORLD_SIZE",
        local_rank="OMPI_COMM_WORLD_LOCAL_RANK",
        local_size="OMPI_COMM_WORLD_LOCAL_SIZE",
        run=("PMIX_NAMESPACE",),
    ),
}

PORTS = range(20000, 30000)
"""Below the ports that systems give to outgoing connections."""


@contextlib.contextmanager
def joined_processes(launcher: str) -> Iterator[None]:
    """Meet the other processes that the launcher started; "none" is a single one.

    Raises UsageError when this process was not started by that launcher, and
    ModelError when another process ends before the block does.
    """
    if launcher == "none":
        yield
        return
    import torch.distributed

    _translate_variables(launcher)
    try:
        torch.distributed.init_process_group("gloo")
        if torch.distributed.get_rank() > 0 and cli.log.level < logging.WARNING:
            cli.log.setLevel(logging.WARNING)  # the main process speaks for all
        yield
    except RuntimeError as error:
        if not _is_of_network(error):
            raise
        raise ModelError(
            "another process of this training ended, or cannot be reached: its own "
            f"message says more; {TO_GO_ON} ({str(error).strip().splitlines()[0]})"
        ) from error
    finally:
        # When the first process has ended, launchers send SIGTERM to the others, which
        # shall end with their own exit code.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def number_of_processes() -> int:
    """Return how many processes train together."""
    import torch.distributed

    if not torch.distributed.is_initialized():
        return 1
    return torch.distributed.get_world_size()


def on_main(work: Callable[[], T]) -> T:
    """Do something in the first process alone, and return its result in all."""
    import torch.distributed

    if not torch.distributed.is_initialized():
        return work()
    box = [work() if torch.distributed.get_rank() == 0 else None]
    torch.distributed.broadcast_object_list(box)
    return box[0]


def any_process(flag: bool) -> bool:
    """Whether the flag is set in one of the processes."""
    import torch

    if not torch.distributed.is_initialized():
        return flag
    value = torch.tensor(int(flag))
    torch.distributed.all_reduce(value, torch.distributed.ReduceOp.MAX)
    return bool(value)


def _translate_variables(name: str) -> None:
    """Say by torchrun's variables, which torch reads, what a launcher says."""
    launcher = LAUNCHERS[name]
    for theirs, ours in (
        (launcher.rank, TORCHRUN.rank),
        (launcher.size, TORCHRUN.size),
        (launcher.local_rank, TORCHRUN.local_rank),
    ):
        if theirs not in os.environ:
            raise UsageError(
                f"--launcher {name}: {theirs} is not set; start the command with "
                f"{launcher.program}"
            )
        os.environ[ours] = os.environ[theirs]
    if "MASTER_ADDR" not in os.environ:
        os.environ["MASTER_ADDR"] = _first_machine(name)
    if "MASTER_PORT" not in os.environ:
        os.environ["MASTER_PORT"] = str(_port(launcher))


def _first_machine(name: str) -> str:
    """Return the address of the first node of a Slurm job, or of this machine."""
    if nodes := os.environ.get("SLURM_JOB_NODELIST"):
        first = _scontrol("show", "hostnames", nodes).split()[0]
        # Names of nodes need not be known to the network.
        node = _scontrol("--oneliner", "show", "node", first)
        found = [word for word in node.split() if word.startswith("NodeAddr=")]
        return found[0].removeprefix("NodeAddr=") if found else first
    launcher = LAUNCHERS[name]
    size = os.environ[launcher.size]
    if os.environ.get(launcher.local_size, size) != size:
        raise UsageError(
            f"--launcher {name}: MASTER_ADDR is not set; with several machines, set "
            "it to the address of the first one, on all of them"
        )
    return "127.0.0.1"


def _port(launcher: Launcher) -> int:
    """Return a port that other trainings on this machine will hardly have."""
    run = ".".join(os.environ.get(name, "") for name in launcher.run)
    return PORTS[zlib.crc32(run.encode()) % len(PORTS)]


def _scontrol(*words: str) -> str:
    run = subprocess.run(["scontrol", *words], capture_output=True, text=True)
    if run.returncode:
        raise UsageError(
            f"scontrol {' '.join(words)}: {run.stderr.strip()}; set MASTER_ADDR to the "
            "address of the first node"
        )
    return run.stdout


def _is_of_network(error: RuntimeError) -> bool:
    """Whether torch raised this since it could not talk to another process."""
    import torch.distributed

    return isinstance(error, torch.distributed.DistError) or "gloo" in str(error)
