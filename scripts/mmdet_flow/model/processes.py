"""Several processes that train one model on CPUs, joined by gloo."""

import os
import subprocess
from collections.abc import Callable
from typing import TypeVar

from mmdet_flow.errors import UsageError

T = TypeVar("T")

RANKS = {
    "pytorch": ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    "slurm": ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
    "mpi": (
        *("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
        "OMPI_COMM_WORLD_LOCAL_RANK",
    ),
}
"""Where a launcher says the rank, the number of processes, and the rank on a node."""

PORT = "29500"


def join_processes(launcher: str) -> None:
    """Meet the other processes that the launcher started; "none" is a single one.

    Raises UsageError when this process was not started by that launcher.
    """
    if launcher == "none":
        return
    import torch.distributed

    names = RANKS[launcher]
    missing = [name for name in names if name not in os.environ]
    if missing:
        starter = {"pytorch": "torchrun", "slurm": "srun", "mpi": "mpirun"}[launcher]
        raise UsageError(
            f"--launcher {launcher}: {missing[0]} is not set; start the command with "
            f"{starter}"
        )
    for ours, theirs in zip(RANKS["pytorch"], names, strict=True):
        os.environ[ours] = os.environ[theirs]
    os.environ.setdefault("MASTER_ADDR", _first_node())
    os.environ.setdefault("MASTER_PORT", PORT)
    torch.distributed.init_process_group("gloo")


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


def _first_node() -> str:
    """Return the first node of a Slurm job, or this machine."""
    nodes = os.environ.get("SLURM_JOB_NODELIST")
    if not nodes:
        return "127.0.0.1"
    listed = subprocess.run(
        ["scontrol", "show", "hostnames", nodes], capture_output=True, text=True
    )
    return (listed.stdout.split() or ["127.0.0.1"])[0]
