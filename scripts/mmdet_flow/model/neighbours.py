"""Other trainings of this user on this machine, which share its CPUs.

Each holds a locked note in the cache, so that of a killed one counts for nothing. Where
notes cannot be kept or read, as with a home that cannot be written, nothing is said.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.cache import default_cache
from mmdet_flow.files import held_note, held_notes

BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Tells machines apart that share a home, and the starts of one."""


@dataclass(frozen=True)
class Training:
    """A training that runs.

    Attributes:
        boot: of the machine.
        folder: its work folder.
        threads: with which it computes.
    """

    boot: str
    process: int
    folder: str
    threads: int

    @property
    def cpus(self) -> set[int]:
        """The CPUs that it may use; none if it is not to be seen from here."""
        try:
            return os.sched_getaffinity(self.process)
        except OSError:
            return set()


@contextlib.contextmanager
def announced(folder: Path, threads: int) -> Iterator[None]:
    """Name trainings that this one will disturb, and let later ones know of it."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            boot = BOOT.read_text().strip()
            own = Training(boot, os.getpid(), str(folder.resolve()), threads)
            notes = default_cache() / "trainings"
            stack.enter_context(held_note(notes, json.dumps(asdict(own))))
            _warn_of(_sharing(own, list(held_notes(notes))))
        yield


def _sharing(own: Training, notes: list[str]) -> list[Training]:
    """Return those of the notes that run on the same CPUs, if these are too few."""
    sharing = []
    for note in notes:
        with contextlib.suppress(ValueError, TypeError):  # of another version
            one = Training(**json.loads(note))
            if one != own and one.boot == own.boot and one.cpus & own.cpus:
                sharing.append(one)
    wanted = own.threads + sum(one.threads for one in sharing)
    cpus = own.cpus.union(*(one.cpus for one in sharing))
    return sharing if wanted > len(cpus) else []


def _warn_of(others: list[Training]) -> None:
    if not others:
        return
    named = " and ".join(f"process {one.process}, in {one.folder}" for one in others)
    cli.log.warning(
        "another training runs on the same CPUs (%s): each takes twice as long as "
        "alone, or longer; wait for it, or share the CPUs out with --threads",
        named,
    )
