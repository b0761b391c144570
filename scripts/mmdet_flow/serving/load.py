"""A load for the service, and what is measured of its answers."""

import itertools
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmdet_flow import cli
from mmdet_flow.files import read_json

ROUNDS = 5
"""Rates that --find-rate tries: each halves what is not known."""


@dataclass
class Report:
    """What came back, and when: times in seconds."""

    sent: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: int = 0
    duplicates: int = 0
    different: int = 0

    @property
    def lost(self) -> int:
        return self.sent - len(self.latencies)

    @property
    def throughput(self) -> float:
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    @property
    def is_perfect(self) -> bool:
        return not (self.lost or self.errors or self.duplicates or self.different)

    def percentile(self, percent: float) -> float:
        """Return a latency; infinite where nothing came back."""
        if not self.latencies:
            return float("inf")
        return float(np.percentile(self.latencies, percent))

    def lines(self) -> Iterator[str]:
        yield f"sent {self.sent}, answered {len(self.latencies)}"
        yield (
            f"errors {self.errors}, lost {self.lost}, duplicates {self.duplicates}, "
            f"different {self.different}"
        )
        yield f"throughput {self.throughput:.1f} images/s over {self.seconds:.1f} s"
        values = ", ".join(
            f"p{percent} {self.percentile(percent) * 1000:.1f} ms"
            for percent in (50, 95, 99)
        )
        yield f"latency {values}"


class Load:
    """One run: a thread that sends, and a loop that takes the answers."""

    def __init__(
        self,
        client,
        images: list[Path],
        timeout: float,
        expected: dict[str, Path] | None = None,
    ) -> None:
        """Prepare to send images.

        ``timeout``: seconds without any answer after which the rest is lost.
        ``expected``: the OPEX file that each answer must equal, by stem.
        """
        self._client = client
        self._images = [(path.stem, path.read_bytes()) for path in images]
        self._timeout = timeout
        self._expected = expected or {}

    def run(
        self,
        count: int | None = None,
        seconds: float = float("inf"),
        rate: float | None = None,
        in_flight: int = 32,
    ) -> Report:
        """Send ``count`` images, or for so many seconds; wait for the answers."""
        self._report = Report()
        self._sent: dict[str, tuple[str, float]] = {}
        self._answered: set[str] = set()
        self._lock = threading.Lock()
        self._window = threading.Semaphore(in_flight)
        self._failure: Exception | None = None
        sender = threading.Thread(
            target=self._send, args=(count, seconds, rate), daemon=True
        )
        begun = last = time.monotonic()
        sender.start()
        while sender.is_alive() or self._sent:
            for name, answer in self._client.receive(0.1):
                last = time.monotonic()
                self._take(name, answer, last)
            if time.monotonic() - last > self._timeout:
                break
        if self._failure:
            raise self._failure
        # What comes twice may come a little later.
        for name, answer in self._client.receive(0.2):
            self._take(name, answer, time.monotonic())
        self._report.seconds = last - begun
        return self._report

    def _send(self, count: int | None, seconds: float, rate: float | None) -> None:
        run = secrets.token_hex(4)
        begun = time.monotonic()
        try:
            for number, (stem, content) in enumerate(itertools.cycle(self._images)):
                due = begun + number / rate if rate else time.monotonic()
                if number == count or due - begun > seconds:
                    return
                if rate:
                    time.sleep(max(0.0, due - time.monotonic()))
                elif not self._window.acquire(timeout=self._timeout):
                    return
                with self._lock:  # the answer may be faster than the return
                    at = due if rate else time.monotonic()
                    name = self._client.send(content, f"{stem}#{run}-{number}")
                    self._sent[name] = (stem, at)
                    self._report.sent += 1
        except Exception as error:  # it is raised again by run()
            self._failure = error

    def _take(self, name: str, answer: dict, now: float) -> None:
        with self._lock:
            stem, at = self._sent.pop(name, ("", 0.0))
        if not stem:
            self._report.duplicates += name in self._answered
            return
        self._window.release()
        self._answered.add(name)
        self._report.latencies.append(now - at)
        if "error" in answer["meta"]:
            self._report.errors += 1
            cli.log.warning("%s: %s", stem, answer["meta"]["error"])
        elif self._differs(stem, answer):
            self._report.different += 1
            cli.log.error("%s: not what mmdet-flow predict found", stem)

    def _differs(self, stem: str, answer: dict) -> bool:
        if stem not in self._expected:
            return False
        return read_json(self._expected[stem])["objects"] != answer["objects"]


def find_rate(load: Load, count: int, latency: float) -> float:
    """Return the highest rate with 95 % of the answers within ``latency`` seconds.

    Images per second; 0 if the service answers none of the tried rates in time.
    """
    low, high = 0.0, load.run(count).throughput
    for _ in range(ROUNDS):
        rate = high if not low else (low + high) / 2
        report = load.run(count, rate=rate)
        in_time = report.is_perfect and report.percentile(95) <= latency
        cli.log.info(
            "%.1f images/s: p95 %.0f ms, %s",
            rate,
            report.percentile(95) * 1000,
            "sustained" if in_time else "too much",
        )
        if in_time and rate == high:
            return rate  # more than flat out it cannot be
        if in_time:
            low = rate
        else:
            high = rate if low else rate * 0.8
    return low
