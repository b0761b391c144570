"""Predict for images that arrive over Redis, and answer with OPEX.

Each message on the channel --redis_in is an encoded image; each answer on
--redis_out is one OPEX JSON whose id is the SHA-256 of the image. An image that cannot
be predicted is answered too, without objects and with the reason in meta.error.
SIGTERM ends the service after the images in hand are answered.
"""

import argparse
import hashlib
import os
import queue
import signal
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmdet_flow import cli
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.formats.opex import error_opex, timestamp
from mmdet_flow.inference.images import decode
from mmdet_flow.inference.predictor import Predictor, add_model_options
from mmdet_flow.serving.connection import Connection, embedded_server

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Request:
    """An image as it came in, and when, in seconds of the monotonic clock."""

    encoded: bytes
    arrived: float

    @property
    def id(self) -> str:
        return hashlib.sha256(self.encoded).hexdigest()


class Service:
    """A thread that only receives, and a loop that predicts and answers."""

    def __init__(
        self,
        predictor: Predictor,
        connection: Connection,
        redis_in: str,
        redis_out: str,
        max_batch: int,
        max_queue: int,
    ) -> None:
        self._predictor = predictor
        self._connection = connection
        self._in, self._out = redis_in, redis_out
        self._max_batch = max_batch
        self._queue: queue.Queue[Request] = queue.Queue(max_queue)
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self.answered = 0

    def stop(self) -> None:
        """Receive no more; what was received is still answered."""
        self._stop.set()

    def run(self, max_messages: int | None = None) -> None:
        """Serve until ``stop``, or until so many images are answered.

        Raises ServiceError when Redis stays away for too long.
        """
        receiver = threading.Thread(target=self._receive, name="receiver")
        receiver.start()
        try:
            while not (self._stop.is_set() and self._queue.empty()):
                if batch := self._next_batch():
                    self._answer(batch)
                if max_messages is not None and self.answered >= max_messages:
                    break
                if not receiver.is_alive():
                    self._stop.set()
        finally:
            self._stop.set()
            receiver.join()
        if self._failure:
            raise self._failure

    def _receive(self) -> None:
        """Move messages into the queue, so that Redis never waits for us."""
        try:
            for message in self._connection.messages(self._in, self._stop):
                request = Request(message, time.monotonic())
                try:
                    self._queue.put_nowait(request)
                except queue.Full:
                    self._reply_error(request, "the queue is full; send more slowly")
        except Exception as error:  # it is raised again by run()
            self._failure = error
            self._stop.set()

    def _next_batch(self) -> list[Request]:
        """Return what is waiting, up to a batch; wait a moment for the first."""
        batch: list[Request] = []
        try:
            batch.append(self._queue.get(timeout=0.1))
            while len(batch) < self._max_batch:
                batch.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return batch

    def _answer(self, batch: list[Request]) -> None:
        started = time.monotonic()
        readable: list[tuple[Request, np.ndarray]] = []
        for request in batch:
            try:
                readable.append((request, decode(request.encoded)))
            except DataError as error:
                self._reply_error(request, str(error))
        predictions = self._predictor.predict([pixels for _, pixels in readable])
        spent = time.monotonic() - started
        for (request, _), prediction in zip(readable, predictions, strict=True):
            times = {
                "ms_queue": f"{(started - request.arrived) * 1000:.1f}",
                "ms_infer": f"{spent / len(readable) * 1000:.1f}",
            }
            self._reply(prediction.opex(request.id, timestamp(), times))

    def _reply_error(self, request: Request, reason: str) -> None:
        cli.log.error("image %s: %s", request.id[:12], reason)
        meta = self._predictor.detector.meta
        self._reply(error_opex(request.id, reason, meta, timestamp()))

    def _reply(self, opex: str) -> None:
        self._connection.publish(self._out, opex)
        self.answered += 1


def serve(args: argparse.Namespace) -> None:
    """Run the command: connect, load the model, serve until a signal comes."""
    with ExitStack() as stack:
        if args.embedded_redis:
            stack.enter_context(embedded_server(args.redis_port))
        connection = Connection(
            host=args.redis_host,
            port=args.redis_port,
            password=_password(args),
            db=args.redis_db,
            timeout=args.redis_timeout,
            max_outage=args.max_outage,
        )
        connection.check()
        service = Service(
            Predictor.from_options(args),
            connection,
            args.redis_in,
            args.redis_out,
            args.max_batch,
            args.max_queue,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: service.stop())
        cli.log.info(
            "ready: images on %s, predictions on %s, Redis at %s:%d",
            args.redis_in,
            args.redis_out,
            args.redis_host,
            args.redis_port,
        )
        service.run(args.max_messages)
        cli.log.info("stopped after %d answers", service.answered)


def _password(args: argparse.Namespace) -> str | None:
    if not args.redis_password_env:
        return args.redis_password
    if args.redis_password_env not in os.environ:
        raise UsageError(
            f"--redis_password_env {args.redis_password_env}: this variable is not set"
        )
    return os.environ[args.redis_password_env]


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser("mmdet_predict_redis", __doc__)
    add_model_options(parser)
    parser.add_argument("--redis_in", default="images", metavar="CHANNEL")
    parser.add_argument("--redis_out", default="predictions", metavar="CHANNEL")
    parser.add_argument("--redis_host", default="localhost", metavar="HOST")
    parser.add_argument("--redis_port", type=int, default=6379, metavar="PORT")
    parser.add_argument("--redis_password", metavar="PASSWORD")
    parser.add_argument(
        "--redis_password_env", metavar="NAME", help="variable that holds the password"
    )
    parser.add_argument("--redis_db", type=int, default=0, metavar="NUMBER")
    parser.add_argument(
        "--redis_timeout",
        type=float,
        default=0.01,
        metavar="SECONDS",
        help="longest wait for a message before looking at signals (default: 0.01)",
    )
    parser.add_argument(
        "--embedded_redis",
        action="store_true",
        help="start a Redis server of our own on --redis_port, on this machine only",
    )
    parser.add_argument(
        "--max_outage",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="give up when Redis stays away for longer (default: 300)",
    )
    parser.add_argument("--max_batch", type=cli.positive_int, default=8)
    parser.add_argument(
        "--max_queue", type=cli.positive_int, default=256, help="images that may wait"
    )
    parser.add_argument(
        "--max_messages", type=cli.positive_int, help="stop after so many answers"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(lambda: serve(args), args)
