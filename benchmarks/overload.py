"""Send the Redis service three times what it can do for minutes, then normal load.

    python benchmarks/overload.py --images FOLDER --checkpoint FILE [model options]

For each front, on a Redis server of its own: measures what the service can do, starts
it with a limit of what may wait, sends half of what it can do, then three times, then
half again, and prints what became of each image, how long the answers took, and how
much memory service and server had meanwhile. Fails if an image is unaccounted for, or
if the latency is not what it was within ten seconds of the end of the overload.
"""

import argparse
import itertools
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmdet_flow import cli
from mmdet_flow.errors import FlowError, ServiceError
from mmdet_flow.inference.folder import list_images
from mmdet_flow.serving.clients import CLIENTS
from mmdet_flow.serving.connection import Connection, embedded_server
from mmdet_flow.serving.inbox import QUEUE_FULL
from mmdet_flow.serving.load import Load
from serving import free_port, is_ready

LIMITS = {"pubsub": "--max_queue", "streams": "--max_backlog"}
"""The option of each front that says how many images may wait."""

SECONDS_THAT_WAIT = 2
"""How much may wait: what the service does in so many seconds."""

NORMAL, OVER = 0.5, 3.0
"""Fractions of what the service can do."""

RECOVERY, IN_A_ROW = 10, 5
"""Seconds until the latency must be what it was, and for how many it must stay so."""

SILENCE = 20.0
"""Seconds without an answer after which the rest is lost."""


@dataclass
class Phase:
    """A time of one rate, and what became of the images that were sent in it."""

    name: str
    rate: float
    seconds: float
    begun: float = 0.0
    sent: int = 0
    refused: int = 0
    errors: int = 0
    answers: list[tuple[float, float]] = field(default_factory=list)
    """When an image that was predicted was due, from the begin, and its latency."""

    refusals: list[float] = field(default_factory=list)
    """When the images that were refused were due."""

    @property
    def lost(self) -> int:
        return self.sent - len(self.answers) - self.refused - self.errors

    def percentile(self, percent: float) -> float:
        latencies = [latency for _, latency in self.answers]
        return float(np.percentile(latencies, percent)) if latencies else float("nan")


@dataclass
class Sample:
    """What was so at a time of the monotonic clock: megabytes, and images that wait."""

    time: float
    service: float
    redis: float
    waiting: int


class Trial:
    """One front under all loads: threads that send and look, a loop that hears."""

    def __init__(self, client, images: list[Path], look) -> None:
        self._client = client
        self._images = [(path.stem, path.read_bytes()) for path in images]
        self._look = look
        self._due: dict[str, tuple[Phase, float]] = {}
        self._heard: list[tuple[str, float, str]] = []
        self.samples: list[Sample] = []

    def run(self, phases: list[Phase]) -> None:
        """Send all phases, and wait until what was sent is answered."""
        sender = threading.Thread(target=self._send, args=(phases,), daemon=True)
        over = threading.Event()
        looker = threading.Thread(target=self._watch, args=(over,), daemon=True)
        looker.start()
        sender.start()
        last = time.monotonic()
        while sender.is_alive() or (
            len(self._heard) < len(self._due) and time.monotonic() - last < SILENCE
        ):
            for name, answer in self._client.receive(0.1):
                last = time.monotonic()
                error = answer["meta"].get("error", "")
                self._heard.append((name, last, error))
        over.set()
        looker.join()
        for name, at, error in self._heard:
            self._account(*self._due.pop(name), at, error)

    def _send(self, phases: list[Phase]) -> None:
        images = itertools.cycle(self._images)
        for phase in phases:
            phase.begun = time.monotonic()
            for number in range(int(phase.rate * phase.seconds)):
                due = phase.begun + number / phase.rate
                time.sleep(max(0.0, due - time.monotonic()))
                stem, content = next(images)
                name = self._client.send(content, f"{stem}#{phase.name}-{number}")
                self._due[name] = (phase, due)
                phase.sent += 1

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(1):
            self.samples.append(self._look())

    @staticmethod
    def _account(phase: Phase, due: float, at: float, error: str) -> None:
        if not error:
            phase.answers.append((due - phase.begun, at - due))
        elif error == QUEUE_FULL:
            phase.refused += 1
            phase.refusals.append(due - phase.begun)
        else:
            phase.errors += 1


def slow_seconds(phase: Phase, limit: float) -> list[bool]:
    """Return for each second of a phase whether it was slow.

    That is one in which an image was refused, none was predicted, or the median of the
    latencies was above a limit in seconds.
    """
    latencies = [[] for _ in range(int(phase.seconds))]
    for due, latency in phase.answers:
        latencies[int(due)].append(latency)
    refused = {int(due) for due in phase.refusals}
    return [
        second in refused or not each or float(np.median(each)) > limit
        for second, each in enumerate(latencies)
    ]


def recovery_seconds(before: Phase, after: Phase) -> float:
    """Return when the latency was what it had been, in seconds after the overload.

    From then on the next IN_A_ROW seconds are not slow, against what 95 % of the images
    took before. Single slow seconds come without an overload, too.
    """
    slow = slow_seconds(after, before.percentile(95))
    for second in range(len(slow) - IN_A_ROW + 1):
        if not any(slow[second : second + IN_A_ROW]):
            return float(second)
    return float("inf")


def slow_before_and_later(before: Phase, after: Phase) -> str:
    """Return how many seconds were slow before, and after the recovery."""
    limit = before.percentile(95)
    earlier, later = slow_seconds(before, limit), slow_seconds(after, limit)
    later = later[int(min(recovery_seconds(before, after), len(later))) :]
    return f"{sum(earlier)} of {len(earlier)}, {sum(later)} of {len(later)}"


@contextmanager
def running_service(
    front: str, port: int, model: list[str], *options: str
) -> Iterator[tuple[int, int]]:
    """Start a service, and yield its process and the port of its health."""
    health = free_port()
    with tempfile.TemporaryFile() as log:
        service = subprocess.Popen(
            [
                Path(sys.executable).parent / "mmdet_predict_redis",
                *("--redis_port", str(port), "--redis_front", front, "--quiet"),
                *("--health", str(health), *model, *options),
            ],
            stderr=log,
        )
        try:
            while not is_ready(health):
                if service.poll() is not None:
                    log.seek(0)
                    raise FlowError(f"the service ended: {log.read().decode()}")
                time.sleep(0.1)
            yield service.pid, health
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait()


def megabytes(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def waiting_in_service(health: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{health}/metrics") as answer:
        text = answer.read().decode()
    return int(float(re.search(r"^mmdet_redis_queue_depth (\S+)", text, re.M)[1]))


def try_front(
    front: str, images: list[Path], model: list[str], minutes: float, normal: float
) -> tuple[list[Phase], list[Sample], float, str]:
    """Return the phases, what was seen meanwhile, the capacity, and the limit."""
    port = free_port()
    with embedded_server(port):
        connection = Connection(f"redis://localhost:{port}/0")
        client = CLIENTS[front](connection, "images", "predictions")
        with running_service(front, port, model):
            load = Load(client, images, SILENCE)
            load.run(count=32)
            capacity = load.run(seconds=normal / 2).throughput
        limit = (LIMITS[front], str(round(SECONDS_THAT_WAIT * capacity)))
        cli.log.info("%s: %.1f images/s, %s %s", front, capacity, *limit)
        redis_process = connection.client.info("server")["process_id"]
        with running_service(front, port, model, *limit) as (service, health):

            def look() -> Sample:
                waiting = connection.client.xlen("images")
                return Sample(
                    time.monotonic(),
                    megabytes(service),
                    megabytes(redis_process),
                    waiting or waiting_in_service(health),
                )

            Load(client, images, SILENCE).run(count=32, in_flight=4)
            phases = [
                Phase("before", NORMAL * capacity, normal),
                Phase("overload", OVER * capacity, 60 * minutes),
                Phase("after", NORMAL * capacity, normal),
            ]
            trial = Trial(client, images, look)
            trial.run(phases)
        client.close()
    return phases, trial.samples, capacity, " ".join(limit)


def memory_row(phases: list[Phase], samples: list[Sample], which: str) -> str:
    """Return megabytes before, at four times of the overload, and at the end."""
    _, over, after = phases
    length = after.begun - over.begun
    times = [over.begun + fraction * length for fraction in (0, 0.25, 0.5, 0.75, 1)]
    chosen = [min(samples, key=lambda one, at=at: abs(one.time - at)) for at in times]
    return ", ".join(f"{getattr(one, which):.0f}" for one in [*chosen, samples[-1]])


def rows(phases, samples, capacity, limit) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of each row of the table."""
    before, over, after = phases
    yield "capacity, images/s", f"{capacity:.1f}"
    yield "what may wait", f"`{limit}`"
    yield (
        "sent in the overload, images/s",
        f"{over.sent / (after.begun - over.begun):.1f}",
    )
    for phase in phases:
        yield (
            f"{phase.name}: sent = predicted + refused + other errors + lost",
            f"{phase.sent} = {len(phase.answers)} + {phase.refused} + {phase.errors} + "
            f"{phase.lost}",
        )
        yield (
            f"{phase.name}: p50, p95, p99 of what was predicted, ms",
            ", ".join(f"{phase.percentile(p) * 1000:.0f}" for p in (50, 95, 99)),
        )
    yield "most that waited", str(max(sample.waiting for sample in samples))
    times = "MB at its start, quarters and end, and at last"
    yield f"service, {times}", memory_row(phases, samples, "service")
    yield f"Redis, {times}", memory_row(phases, samples, "redis")
    recovery = recovery_seconds(before, after)
    yield "latency as before, after the overload", f"{recovery:.0f} s"
    yield "slow seconds before, and later", slow_before_and_later(before, after)


def machine() -> str:
    """Return what the figures depend on, in a line."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{names[0] if names else platform.machine()}, {cli.available_threads()} "
        f"cores, {memory:.0f} GB, Python {platform.python_version()}; what sends, and "
        "Redis, on the same cores"
    )


def measure(args: argparse.Namespace, model: list[str]) -> None:
    """Run the benchmark and print a Markdown table."""
    images = list_images(args.images)[: args.count]
    tried = {
        front: try_front(front, images, model, args.minutes, args.normal)
        for front in args.fronts
    }
    print(f"{machine()}; {args.minutes:g} minutes of {OVER:g} times the capacity\n")
    print("| |", " | ".join(tried), "|")
    print("|---" * (len(tried) + 1) + "|")
    for lines in zip(*(rows(*one) for one in tried.values()), strict=True):
        print("|", lines[0][0], "|", " | ".join(value for _, value in lines), "|")
    for front, (phases, *_) in tried.items():
        if front == "streams" and any(phase.lost for phase in phases):
            raise ServiceError(f"{front}: images were lost; see the table")
        if recovery_seconds(phases[0], phases[2]) > RECOVERY:
            raise ServiceError(f"{front}: not as before within {RECOVERY} s")


def main() -> int:
    parser = cli.new_parser("benchmarks/overload.py", __doc__)
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--count", type=cli.positive_int, default=200)
    parser.add_argument("--minutes", type=float, default=10.0, metavar="MINUTES")
    parser.add_argument(
        "--normal", type=float, default=60.0, metavar="SECONDS", help="before and after"
    )
    parser.add_argument(
        "--fronts", nargs="+", choices=tuple(LIMITS), default=tuple(LIMITS)
    )
    args, model = parser.parse_known_args()
    return cli.run(lambda options: measure(options, model), args)


if __name__ == "__main__":
    sys.exit(main())
