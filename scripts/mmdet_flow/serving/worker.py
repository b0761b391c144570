"""The worker: takes requests out of the inbox, predicts in batches, and answers."""

import math
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mmdet_flow import cli
from mmdet_flow.errors import DataError, FlowError, ServiceError
from mmdet_flow.formats.opex import error_opex, timestamp
from mmdet_flow.images import MAX_PIXELS, decode
from mmdet_flow.inference.predictor import Prediction, Predictor
from mmdet_flow.scrub import for_clients
from mmdet_flow.serving.inbox import Inbox, Request
from mmdet_flow.serving.metrics import Metrics
from mmdet_flow.words import counted

if TYPE_CHECKING:
    import numpy as np


class Front(Protocol):
    """Where requests come from and answers go to.

    ``redelivers`` says whether a request that is not answered comes again.
    """

    redelivers: bool

    def receive(
        self, inbox: Inbox, stop: threading.Event, on_ready: Callable[[], None]
    ) -> None: ...

    def reply(self, request: Request, opex: str, given_up: str = "") -> bool:
        """Send an answer; False if it is not needed.

        Raises DataError where the answer cannot go: the next one goes elsewhere.
        """
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Limits:
    """How much goes together, and how long things may take, in seconds.

    Attributes:
        max_batch, max_delay: images per inference, and how long a worker that has
            work waits for them to come together.
        max_pixels: the largest image that is decoded.
        max_seconds: a batch that takes longer ends the process.
        grace: how long to go on answering after the stop.
        idle_timeout: stop when nothing came in for so long.
    """

    max_batch: int = 8
    max_delay: float = 0.005
    max_pixels: int = MAX_PIXELS
    max_seconds: float = 120.0
    grace: float = 30.0
    idle_timeout: float | None = None


@dataclass(frozen=True)
class Decoded:
    """An image on its way: its pixels, or why there are none, and the time it took."""

    pixels: "np.ndarray | None"
    error: str
    seconds: float


class Worker:
    """A thread that receives, threads that decode ahead, and a loop that predicts."""

    def __init__(
        self,
        predictor: Predictor,
        front: Front,
        inbox: Inbox,
        metrics: Metrics,
        limits: Limits,
        name: str,
    ) -> None:
        self._predictor = predictor
        self._front = front
        self._inbox = inbox
        self._metrics = metrics
        self._limits = limits
        self._meta = predictor.detector.meta | {"worker": name}
        self._ahead: list[tuple[Request, Future[Decoded]]] = []
        self._failure: Exception | None = None
        self.answered = 0

    def run(
        self, stop: threading.Event, on_ready: Callable[[], None] = lambda: None
    ) -> None:
        """Serve until ``stop`` is set and what was received is answered.

        Raises ServiceError when Redis stays away for too long.
        """
        receiver = threading.Thread(
            target=self._receive, args=(stop, on_ready), name="receiver", daemon=True
        )
        receiver.start()
        try:
            with ThreadPoolExecutor(2, "decode") as self._decoders:
                self._work(receiver, stop)
                self._leave_the_rest()
        finally:
            stop.set()
            self._inbox.close()
            self._front.close()
        if self._failure:
            raise self._failure

    def _receive(self, stop: threading.Event, on_ready: Callable[[], None]) -> None:
        try:
            self._front.receive(self._inbox, stop, on_ready)
        except Exception as error:  # it is raised again by run()
            self._failure = error
            stop.set()

    def _work(self, receiver: threading.Thread, stop: threading.Event) -> None:
        """Answer until the receiver has ended and nothing is left, or grace is over."""
        busy_at, end = time.monotonic(), math.inf
        while (receiver.is_alive() or self._has_work()) and time.monotonic() < end:
            refused = self._answer_refused()
            batch = self._next_batch()
            if batch:
                self._look_ahead()
                self._answer(batch)
            if batch or refused:
                busy_at = time.monotonic()
            if self._is_idle(busy_at):
                stop.set()
            if stop.is_set() and end == math.inf:
                end = time.monotonic() + self._limits.grace

    def _has_work(self) -> bool:
        return bool(self._ahead or len(self._inbox))

    def _is_idle(self, last: float) -> bool:
        limit = self._limits.idle_timeout
        return limit is not None and time.monotonic() - last > limit

    def _next_batch(self) -> list[tuple[Request, Future[Decoded]]]:
        """Return what is waiting, up to a batch; wait a moment for the first.

        Requests that found the worker idle do not wait for others; under load those
        that come within ``max_delay`` of the first go with it.
        """
        under_load = self._has_work()
        batch = [*self._ahead]
        self._ahead.clear()
        if not batch:
            if (request := self._inbox.take(timeout=0.1)) is None:
                return []
            batch.append(self._decoding(request))
        until = batch[0][0].arrived + self._limits.max_delay if under_load else 0.0
        while len(batch) < self._limits.max_batch:
            request = self._inbox.take(until - time.monotonic())
            if request is None:
                break
            batch.append(self._decoding(request))
        return batch

    def _look_ahead(self) -> None:
        """Have the images of the next batch decoded while this one is predicted."""
        while len(self._ahead) < self._limits.max_batch:
            if (request := self._inbox.take()) is None:
                return
            self._ahead.append(self._decoding(request))

    def _decoding(self, request: Request) -> tuple[Request, Future[Decoded]]:
        max_pixels = self._limits.max_pixels
        return request, self._decoders.submit(_decode, request, max_pixels)

    def _answer(self, batch: list[tuple[Request, Future[Decoded]]]) -> None:
        watch = threading.Timer(self._limits.max_seconds, self._give_up, [batch])
        watch.daemon = True
        watch.start()
        started = time.monotonic()
        readable: list[tuple[Request, Decoded]] = []
        failed: list[tuple[Request, str]] = []
        for request, decoding in batch:
            decoded = decoding.result()
            if decoded.error:
                failed.append((request, decoded.error))
            else:
                readable.append((request, decoded))
        begun = time.monotonic()
        predictions = self._predict(readable)
        seconds = (time.monotonic() - begun) / max(1, len(readable))
        watch.cancel()
        for (request, decoded), prediction in zip(readable, predictions, strict=True):
            if isinstance(prediction, str):
                failed.append((request, prediction))
                continue
            self._observe("decode", decoded.seconds)
            self._observe("infer", seconds)
            times = (started - request.arrived, decoded.seconds, seconds)
            try:
                opex = self._opex(request, prediction, *times)
            except Exception as error:  # one request must not end the worker
                failed.append((request, _tell(request, "the prediction failed", error)))
            else:
                self._observe("queue", times[0])
                self._send(request, opex, "ok")
        for request, reason in failed:
            self._reply_error(request, reason)

    def _predict(
        self, readable: list[tuple[Request, Decoded]]
    ) -> list[Prediction | str]:
        """Return a prediction per image, or why there is none."""
        if not readable:
            return []
        self._metrics.batch_size.observe(len(readable))
        try:
            return list(self._predictor.predict([one.pixels for _, one in readable]))
        except Exception as error:
            # One image must not spoil the answers of the others.
            if len(readable) > 1:
                return [self._predict([one])[0] for one in readable]
            return [_tell(readable[0][0], "the prediction failed", error)]

    def _opex(
        self,
        request: Request,
        prediction: Prediction,
        queue_seconds: float,
        decode_seconds: float,
        infer_seconds: float,
    ) -> str:
        times = {
            "ms_queue": queue_seconds,
            "ms_decode": decode_seconds,
            "ms_infer": infer_seconds,
        }
        meta = {name: f"{value * 1000:.1f}" for name, value in times.items()}
        meta |= {"request_id": request.id, "worker": self._meta["worker"]}
        return prediction.opex(request.id, timestamp(), meta)

    def _reply_error(self, request: Request, reason: str, given_up: str = "") -> None:
        opex = self._error_opex(request, reason)
        self._send(request, opex, "error", given_up)

    def _error_opex(self, request: Request, reason: str) -> str:
        cli.log.error("image %s: %s", request.short_id, reason)
        meta = self._meta | {"request_id": request.id}
        return error_opex(request.id, reason, meta, timestamp())

    def _send(self, request: Request, opex: str, status: str, given_up="") -> None:
        begun = time.monotonic()
        while True:
            try:
                is_answered = self._front.reply(request, opex, given_up)
                break
            except DataError as error:  # it goes to another place, with the reason
                given_up, status = str(error), "error"
                opex = self._error_opex(request, given_up)
        if is_answered:
            self._metrics.answered.labels(status).inc()
        now = time.monotonic()
        self._observe("reply", now - begun)
        self._observe("total", now - request.arrived)
        self.answered += 1

    def _answer_refused(self) -> bool:
        refused = self._inbox.take_refused()
        for refusal in refused:
            self._metrics.drops.labels(refusal.why).inc()
            given_up = refusal.reason if refusal.why == "given_up" else ""
            self._reply_error(refusal.request, refusal.reason, given_up)
        return bool(refused)

    def _leave_the_rest(self) -> None:
        """Answer what the time was too short for; a stream gives it to others."""
        self._answer_refused()
        rest = [request for request, _ in self._ahead]
        while request := self._inbox.take():
            rest.append(request)
        if self._front.redelivers:
            return
        for request in rest:
            self._metrics.drops.labels("stopping").inc()
            self._reply_error(request, "the service stops; send again")

    def _give_up(self, batch: list[tuple[Request, Future[Decoded]]]) -> None:
        """End the process: nothing else stops a computation that does not end."""
        cli.log.error(
            "%s took more than %g s; the worker ends, to be started again",
            counted(len(batch), "image"),
            self._limits.max_seconds,
        )
        if not self._front.redelivers:
            for request, _ in batch:
                reason = f"the image took more than {self._limits.max_seconds:g} s"
                self._reply_error(request, reason)
        os._exit(ServiceError.exit_code)

    def _observe(self, stage: str, seconds: float) -> None:
        self._metrics.latency.labels(stage).observe(seconds)


def _decode(request: Request, max_pixels: int) -> Decoded:
    begun = time.monotonic()
    # The id may be made of the content, which the pixels then replace.
    _, content, request.content = request.id, request.content, b""
    if request.reason:
        return Decoded(None, request.reason, 0.0)
    if begun > request.deadline:
        return Decoded(None, "the deadline has passed", 0.0)
    pixels, error = None, ""
    try:
        pixels = decode(content, max_pixels)
    except DataError as problem:
        error = str(problem)
    except Exception as problem:  # such as MemoryError
        error = _tell(request, "the image cannot be decoded", problem)
    return Decoded(pixels, error, time.monotonic() - begun)


def _tell(request: Request, what: str, error: Exception) -> str:
    """Log an error in full; return what a client may know of it."""
    cli.log.error("image %s: %s: %r", request.short_id, what, error)
    if isinstance(error, FlowError):
        return f"{what}: {for_clients(error)}"
    return f"{what}: {for_clients(error)}; the log of the worker says more"
