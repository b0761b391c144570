"""A Slurm of two nodes on one machine, started under a folder and stopped by pid.

The configuration must be at /etc/slurm/slurm.conf, since Snakemake's executor clears
the variables that name another; a link to the folder is put there and taken away again.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

CONF = Path("/etc/slurm/slurm.conf")
DAEMONS = ("munged", "slurmctld", "slurmd")
NODES = ("n1", "n2")

CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
# A job that lost its node may start again when its credential has expired.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdParameters=config_overrides
# Two nodes share one machine: nothing may be bound to its cores.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# Without control groups Slurm looks now and then how much memory a job has.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
# squeue tells of ended jobs for so many seconds, which Snakemake asks it for.
MinJobAge=300
ReturnToService=2
SlurmdTimeout={silence}
KillWait=30
OverTimeLimit=0
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]},{ports[2]} \
CPUs=2 RealMemory=32000
PartitionName=short Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

SILENCE = 30
"""Seconds without an answer after which Slurm takes a node for dead."""


def why_not() -> str | None:
    """Return why no Slurm can be started here, or None."""
    if os.geteuid() != 0:
        return "Slurm's daemons start jobs, which takes root"
    missing = [name for name in DAEMONS if not shutil.which(name)]
    if missing:
        return f"not installed: {', '.join(missing)}; make test-slurm installs them"
    if CONF.exists():
        return f"{CONF} belongs to a cluster that this machine is part of"
    return None


class Slurm:
    """The daemons, and what an administrator does with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._daemons: dict[str, subprocess.Popen] = {}

    def start(self) -> None:
        for name in ("state", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        (self.folder / "slurm.conf").write_text(
            CONFIG.format(
                host=socket.gethostname().split(".")[0],
                folder=self.folder,
                ports=_free_ports(3),
                silence=SILENCE,
            )
        )
        CONF.parent.mkdir(exist_ok=True)
        CONF.unlink(missing_ok=True)  # a link that a killed run left behind
        CONF.symlink_to(self.folder / "slurm.conf")
        files = {
            "key-file": key,
            "socket": self.folder / "munge.socket",
            "pid-file": self.folder / "munged.pid",
            "log-file": self.folder / "munged.log",
            "seed-file": self.folder / "munged.seed",
        }
        options = [f"--{name}={path}" for name, path in files.items()]
        self._run("munged", "--foreground", "--force", *options)
        wait_until(files["socket"].exists, 60, "munged")
        self._run("slurmctld", "-D", "-c")
        for node in NODES:
            self.start_node(node)
        wait_until(
            lambda: self.node_states() == ["idle", "idle"], 120, "two idle nodes"
        )

    def start_node(self, node: str) -> None:
        self._run(node, "-D", "-N", node, program="slurmd")

    def kill_node(self, node: str) -> None:
        """Kill the daemon of a node and all that runs there, as a power cut does."""
        tasks = _tasks_of(node)
        keepers = {parent for _, parent in tasks if _name(parent) == "slurmstepd"}
        daemon = self._daemons.pop(node)
        # Those first that would tell of the end of others.
        for pid in [daemon.pid, *keepers, *(pid for pid, _ in tasks)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        daemon.wait()

    def lose_node(self, node: str) -> None:
        """Kill a node, and repair it when Slurm has taken it for dead."""
        self.kill_node(node)
        wait_until(lambda: "down*" in self.node_states(), 300, "a dead node")
        self.start_node(node)

    @contextlib.contextmanager
    def drained(self, node: str) -> Iterator[None]:
        """Let a node take no new jobs."""
        update = ("scontrol", "update", f"nodename={node}")
        slurm(*update, "state=drain", "reason=test")
        try:
            yield
        finally:
            slurm(*update, "state=resume")

    def node_states(self) -> list[str]:
        return slurm("sinfo", "-h", "-N", "-o", "%t").split()

    def stop(self) -> None:
        """Cancel what still runs, and stop the daemons, the first one last."""
        with contextlib.suppress(subprocess.SubprocessError):
            slurm("scancel", "--user=root")
            wait_until(lambda: not slurm("squeue", "-h"), 60, "the end of all jobs")
        for daemon in reversed(self._daemons.values()):
            daemon.terminate()
            try:
                daemon.wait(30)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        CONF.unlink(missing_ok=True)

    def _run(self, name: str, *arguments: str, program: str | None = None) -> None:
        with open(self.folder / f"{name}.out", "ab") as log:
            self._daemons[name] = subprocess.Popen(
                [program or name, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


def slurm(*command: str) -> str:
    """Run one of Slurm's commands and return what it prints."""
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=60
    ).stdout


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until a condition holds; TimeoutError after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} seconds for {what}")
        time.sleep(0.5)


def processes_of(node: str, name: str) -> list[int]:
    """Return the pids of the processes of this name that jobs run on a node."""
    return [pid for pid, _ in _tasks_of(node) if _name(pid) == name]


def _tasks_of(node: str) -> list[tuple[int, int]]:
    """Return the pids, and those of the parents, of what jobs run on a node."""
    mark = f"SLURMD_NODENAME={node}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                found.append((int(folder.name), int(parent)))
    return found


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
