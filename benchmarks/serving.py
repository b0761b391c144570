"""Measure the Redis service beside batch prediction, in one run on one machine.

    python benchmarks/serving.py --images FOLDER --checkpoint FILE [model options]

Options of the model are those of mmdet-flow predict, and go to both sides. Figures are
medians of several rounds, taken in turns, with the lowest and the highest. What sends
the images runs on the same cores; the CPU time of the service alone, which it reports
itself, is compared with that of the network and of decoding. The reference's way of
serving is measured too, where its environment is there (see reference_service.py).
"""

import argparse
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mmdet_flow import cli
from mmdet_flow.errors import FlowError
from mmdet_flow.images import decode
from mmdet_flow.inference.folder import list_images
from mmdet_flow.inference.options import add_model_options, model_options
from mmdet_flow.inference.predictor import ModelOptions, Predictor
from mmdet_flow.serving.clients import CLIENTS
from mmdet_flow.serving.connection import Connection, embedded_server
from mmdet_flow.serving.load import Load, Report, find_rate
from prediction import CALIBRATION, ROOT, calibrate, start, take_images, write_model

FRONTS = ("pubsub", "streams")
FRACTIONS = (0.25, 0.5, 0.75, 0.9)
WARM = 16
"""Images before the figures of a batch prediction and of a service begin."""

LATENCY = 0.5
"""Seconds in which 95 % of the answers come at a rate that counts as sustained."""


class Started(NamedTuple):
    """Services that are ready, after so many seconds, and what sends to them."""

    load: Load
    ports: list[int]
    seconds: float

    def cpu_seconds(self) -> float:
        """Return the CPU time of the services until now, by their own metrics."""
        return sum(map(cpu_seconds, self.ports))


class Measured(NamedTuple):
    """What a round tells of a front.

    Attributes:
        start: seconds from the start of the process to being ready.
        full, idle: the answers flat out, and one by one.
        cpu: CPU seconds of the service for an image, flat out.
    """

    start: float
    full: Report
    idle: Report
    cpu: float


class Bench:
    """Services are started anew for each measurement, and warmed up."""

    def __init__(self, port: int, images: list[Path], model: list[str]) -> None:
        self._port = port
        self._images = images
        self.model = model

    def measure(self, front: str) -> Measured:
        with self.started(front) as services:
            before = services.cpu_seconds()
            full = services.load.run(count=len(self._images))
            cpu = (services.cpu_seconds() - before) / len(self._images)
            idle = services.load.run(count=50, in_flight=1)
            return Measured(services.seconds, full, idle, cpu)

    @contextmanager
    def load(self, front: str, *options: str, replicas: int = 1) -> Iterator[Load]:
        """Start services and yield what sends to them."""
        with self.started(front, *options, replicas=replicas) as services:
            yield services.load

    @contextmanager
    def started(
        self, front: str, *options: str, replicas: int = 1
    ) -> Iterator[Started]:
        ports = [free_port() for _ in range(replicas)]
        begun = time.monotonic()
        services = [self._start(front, port, *options) for port in ports]
        connection = Connection(f"redis://localhost:{self._port}/0")
        client = CLIENTS[front](connection, "images", "predictions")
        try:
            while not all(map(is_ready, ports)):
                if any(service.poll() is not None for service in services):
                    raise FlowError("a service ended; see its error above")
                time.sleep(0.02)
            seconds = time.monotonic() - begun
            load = Load(client, self._images, timeout=60)
            load.run(count=WARM * replicas)
            yield Started(load, ports, seconds)
        finally:
            client.close()
            for service in services:
                service.send_signal(signal.SIGTERM)
            for service in services:
                service.wait()

    def reference_rate(
        self, python: Path, config: Path, options: ModelOptions
    ) -> float:
        """Return images per second of the reference's way of serving."""
        script = Path(__file__).parent / "reference_service.py"
        score = options.scores.minimum
        arguments = (self._port, config, options.checkpoint, score)
        threads = str(options.threads)
        service = subprocess.Popen(
            [python, script, *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": threads},
        )
        connection = Connection(f"redis://localhost:{self._port}/0")
        client = CLIENTS["pubsub"](connection, "images", "predictions")
        try:
            while "ready" not in (line := service.stdout.readline()):
                if not line:
                    raise FlowError("the reference did not start; see above")
            load = Load(client, self._images, timeout=60)
            load.run(count=WARM)
            return load.run(count=len(self._images)).throughput
        finally:
            client.close()
            service.kill()
            service.wait()

    def _start(self, front: str, health: int, *options: str) -> subprocess.Popen:
        return subprocess.Popen(
            [
                Path(sys.executable).parent / "mmdet_predict_redis",
                *("--redis_port", str(self._port), "--redis_front", front, "--quiet"),
                *("--health", str(health), *self.model, *options),
            ]
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz"):
            return True
    except OSError:
        return False


def cpu_seconds(port: int) -> float:
    """Return the CPU time of a service until now, by its metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    return float(re.search(r"^process_cpu_seconds_total (\S+)", text, re.M)[1])


def limit_seconds(
    images: list[Path], options: ModelOptions, precision: str, rounds: int
) -> list[float]:
    """Return the CPU seconds of the network and of decoding for an image, by round."""
    with tempfile.TemporaryDirectory() as folder:
        linked = Path(folder) / "images"
        count = take_images(images[0].parent, len(images), linked)
        # Apart from its forms, so that the network is the one that the side looks for.
        checkpoint = Path(shutil.copy(str(options.checkpoint), folder))
        if precision == "int8":
            calibrate(checkpoint, list_images(linked)[:CALIBRATION])
        job = {
            "checkpoint": str(checkpoint),
            "threads": options.threads,
            "precision": precision,
            "decode": True,
        }
        side = start("limit", Path(sys.executable), "limit.py", job)
        side.round(linked)
        wall = [side.round(linked) for _ in range(rounds)]
        side.end()
    return [seconds * options.threads / count for seconds in wall]


def batch_rate(images: list[Path], model: list[str]) -> float:
    """Return images per second of mmdet-flow predict, from file to OPEX file.

    Counted from the second batch on, by the times of the files: without the start.
    """
    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder) / "names.txt"
        names.write_text("".join(f"{path.name}\n" for path in images))
        subprocess.run(
            [
                *(Path(sys.executable).parent / "mmdet_predict", *model),
                *("--prediction_in", images[0].parent, "--image_list", names),
                *("--prediction_out", folder, "--keep_input", "--quiet"),
            ],
            check=True,
        )
        times = sorted(path.stat().st_mtime for path in Path(folder).glob("*.json"))
        return (len(times) - WARM) / (times[-1] - times[WARM - 1])


def call_seconds(predictor: Predictor, images: list[Path]) -> float:
    """Return the median time of an inference call for one decoded image."""
    times = []
    for path in images:
        pixels = decode(path.read_bytes())
        begun = time.monotonic()
        predictor.predict([pixels])
        times.append(time.monotonic() - begun)
    return statistics.median(times)


def show(name: str, values: list[float], unit: str) -> None:
    middle = statistics.median(values)
    print(f"| {name} | {middle:.2f} {unit} | {min(values):.2f} to {max(values):.2f} |")


def compare(
    bench: Bench,
    options: ModelOptions,
    images: list[Path],
    rounds: int,
    reference: tuple[Path, Path] | None,
) -> None:
    """Print throughput and latency as fractions of batch prediction and a single call.

    ``reference`` is the Python of the reference stack and a config for it.
    """
    predictor = Predictor.from_options(options)
    predictor.predict([decode(images[0].read_bytes())])
    rates: list[float] = []
    calls: list[float] = []
    references: list[float] = []
    rounds_of: dict[str, list[Measured]] = {front: [] for front in FRONTS}
    for _ in range(rounds):
        rates.append(batch_rate(images, bench.model))
        calls.append(call_seconds(predictor, images[:50]))
        cli.log.info("batch %.1f images/s, call %.0f ms", rates[-1], calls[-1] * 1000)
        if reference:
            rate = bench.reference_rate(*reference, options)
            references.append(rate)
            cli.log.info("reference %.1f images/s", rate)
        for front in FRONTS:
            one = bench.measure(front)
            rounds_of[front].append(one)
            middle = one.idle.percentile(50) * 1000
            cli.log.info(
                "%s %.1f images/s, p50 %.0f ms", front, one.full.throughput, middle
            )
    precision = predictor.detector.engine.precision
    limits = limit_seconds(images, options, precision, rounds)
    least = statistics.median(limits)
    print("| figure | median | range |\n|---|---|---|")
    show("batch prediction", rates, "images/s")
    if references:
        show("the reference's way of serving", references, "images/s")
    show("inference call", [call * 1000 for call in calls], "ms")
    show("network and decoding, CPU", [cpu * 1000 for cpu in limits], "ms")
    for front, measured in rounds_of.items():
        full = [one.full.throughput for one in measured]
        idle = [one.idle.percentile(50) for one in measured]
        show(f"{front}, start to ready", [one.start for one in measured], "s")
        show(f"{front}, under load", full, "images/s")
        ratios = [rate / batch for rate, batch in zip(full, rates, strict=True)]
        show(f"{front}, under load / batch", ratios, "x")
        if references:
            ratios = [rate / old for rate, old in zip(full, references, strict=True)]
            show(f"{front}, under load / reference", ratios, "x")
        show(f"{front}, under load, CPU", [one.cpu * 1000 for one in measured], "ms")
        shares = [least / one.cpu for one in measured]
        show(f"{front}, network and decoding / its CPU", shares, "x")
        show(f"{front}, p50 at no load", [value * 1000 for value in idle], "ms")
        ratios = [value / call for value, call in zip(idle, calls, strict=True)]
        show(f"{front}, p50 at no load / call", ratios, "x")


def show_report(name: str, report: Report) -> None:
    latencies = " | ".join(
        f"{report.percentile(percent) * 1000:.0f}" for percent in (50, 95, 99)
    )
    print(
        f"| {name} | {report.throughput:.1f} | {latencies} | {report.errors} | "
        f"{report.lost} | {report.duplicates} |",
        flush=True,
    )


def load_table(bench: Bench, count: int, threads: int) -> None:
    """Print latencies at several rates, and what replicas do."""
    print("\n| load | images/s | p50 ms | p95 | p99 | errors | lost | duplicates |")
    print("|---|---|---|---|---|---|---|---|")
    for front in FRONTS:
        with bench.load(front) as load:
            full = load.run(count=count)
            show_report(f"{front}, flat out, 32 in flight", full)
            for fraction in FRACTIONS:
                rate = fraction * full.throughput
                report = load.run(count=count, rate=rate)
                show_report(f"{front}, {fraction:.0%} of that", report)
            sustained = find_rate(load, count, LATENCY)
            print(f"| {front}, p95 <= {LATENCY * 1000:.0f} ms | {sustained:.1f} ||||||")
    half = str(max(1, threads // 2))
    with bench.load("streams", "--threads", half, replicas=2) as load:
        show_report("streams, 2 replicas, half the threads", load.run(count=count))


def measure(args: argparse.Namespace, model: list[str]) -> None:
    """Run the benchmark and print Markdown tables."""
    images = list_images(args.images)[: args.count]
    parser = argparse.ArgumentParser()
    add_model_options(parser)
    options = model_options(parser.parse_args(model))
    port = free_port()
    print(f"{len(images)} images, {args.rounds} rounds, {os.cpu_count()} cores")
    with embedded_server(port):
        bench = Bench(port, images, model)
        python = args.reference / "bin" / "python"
        with tempfile.TemporaryDirectory() as folder:
            write_model(options.checkpoint, Path(folder))
            config = Path(folder) / "config.py"
            reference = (python, config) if python.exists() else None
            compare(bench, options, images, args.rounds, reference)
        load_table(bench, len(images), options.threads)


def main() -> int:
    parser = cli.new_parser("benchmarks/serving.py", __doc__)
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--count", type=cli.positive_int, default=200)
    parser.add_argument("--rounds", type=cli.positive_int, default=3)
    parser.add_argument(
        "--reference", type=Path, default=ROOT / ".venv-reference", metavar="FOLDER"
    )
    args, model = parser.parse_known_args()
    return cli.run(lambda options: measure(options, model), args)


if __name__ == "__main__":
    sys.exit(main())
