"""Predict for images that arrive over Redis, and answer with OPEX.

Over pub/sub, each message on the channel --redis_in is an encoded image, and each
answer on --redis_out is one OPEX JSON whose id is the SHA-256 of the image. With
--redis_front streams, --redis_in and --redis_out are streams, and a request stays
until it is answered. An image that cannot be predicted is answered too, without
objects and with the reason in meta.error. SIGTERM ends the service after the images
in hand are answered.
"""

import argparse
import os
import secrets
import signal
import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmdet_flow import cli
from mmdet_flow.clock import source_date_epoch
from mmdet_flow.formats.opex import timestamp
from mmdet_flow.inference.images import MAX_PIXELS
from mmdet_flow.inference.predictor import (
    Predictor,
    add_model_options,
    use_package,
)
from mmdet_flow.serving.connection import (
    Connection,
    add_connection_options,
    add_front_options,
    embedded_server,
)
from mmdet_flow.serving.health import health_server
from mmdet_flow.serving.inbox import POLICIES, Inbox
from mmdet_flow.serving.metrics import Metrics
from mmdet_flow.serving.names import check_names
from mmdet_flow.serving.pubsub import PubSubFront
from mmdet_flow.serving.worker import Limits, Worker

if TYPE_CHECKING:
    from mmdet_flow.serving.streams import StreamsFront


class Service:
    """A worker behind one of the fronts, and whether it is ready."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._stop = threading.Event()
        self._name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._ready = threading.Event()
        self.metrics = Metrics()
        self.connection = Connection.from_options(
            args, on_reconnect=self.metrics.reconnects.inc
        )

    def stop(self) -> None:
        """Receive no more; what was received is still answered."""
        # Whoever stops us does not wait for Redis longer than for us.
        self.connection.max_outage = min(self._args.grace, self._args.max_outage)
        self._stop.set()
        self.metrics.ready.set(0)

    def why_not_ready(self) -> str:
        """Return "" when the service takes requests and Redis answers."""
        import redis

        if self._stop.is_set():
            return "the service stops"
        if not self._ready.is_set():
            return "the service starts"
        try:
            self.connection.client.ping()
        except (redis.RedisError, OSError) as error:
            return f"Redis does not answer: {error}"
        return ""

    def run(self, predictor: Predictor) -> int:
        """Serve until ``stop`` or one of the limits; return the number of answers."""
        args = self._args
        over_streams = args.redis_front == "streams"
        limits = Limits(
            max_batch=args.max_batch,
            max_delay=args.max_delay_ms / 1000,
            max_pixels=args.max_pixels,
            max_seconds=args.max_seconds,
            grace=args.grace,
            idle_timeout=args.idle_timeout,
        )
        inbox = Inbox(
            # What a stream's worker does not take waits in the stream.
            max_queue=2 * args.max_batch if over_streams else args.max_queue,
            policy="block" if over_streams else args.when_full,
            max_bytes=args.max_bytes,
            stop=self._stop,
            metrics=self.metrics,
            max_messages=args.max_messages,
        )
        front = self._streams() if over_streams else self._pubsub()
        worker = Worker(predictor, front, inbox, self.metrics, limits, self._name)
        self.metrics.model.info(predictor.detector.meta)
        with self.connection.told():
            worker.run(self._stop, self._become_ready)
        return worker.answered

    def _become_ready(self) -> None:
        args = self._args
        if self._ready.is_set():
            return
        self._ready.set()
        self.metrics.ready.set(1)
        cli.log.info(
            "ready: images on %s, predictions on %s, Redis at %s",
            args.redis_in,
            args.redis_out,
            self.connection.address,
        )

    def _pubsub(self) -> PubSubFront:
        args = self._args
        return PubSubFront(
            self.connection,
            args.redis_in,
            args.redis_out,
            args.redis_pattern,
            args.redis_timeout,
        )

    def _streams(self) -> "StreamsFront":
        from mmdet_flow.serving.streams import StreamsFront

        args = self._args
        return StreamsFront(
            self.connection,
            args.redis_in,
            args.redis_out,
            args.redis_group,
            self._name,
            self.metrics,
            ahead=2 * args.max_batch,
            claim_after=args.claim_after,
            max_deliveries=args.max_deliveries,
            max_replies=args.max_replies,
            max_backlog=args.max_backlog,
            max_bytes=args.max_bytes,
            image_root=args.image_root,
        )


def serve(args: argparse.Namespace) -> None:
    """Run the command: connect, load the model, serve until a signal comes."""
    check_names(args)
    use_package(args)
    source_date_epoch()  # a wrong one is said at once
    with ExitStack() as stack:
        if args.embedded_redis:
            stack.enter_context(embedded_server(args.redis_port))
        if args.redis_password:
            cli.log.warning("every user of this machine can read --redis_password")
        service = Service(args)
        service.connection.check()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: service.stop())
        if args.health:
            stack.enter_context(
                health_server(args.health, service.metrics, service.why_not_ready)
            )
        answered = service.run(_warm_predictor(args))
        cli.log.info("stopped after %d answers", answered)


def _warm_predictor(args: argparse.Namespace) -> Predictor:
    """Load the model, and let it do once what it does only the first time."""
    predictor = Predictor.from_options(args)
    # Noise: what has no object at all would not go all the way.
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    predictor.predict([noise])[0].opex("warm-up", timestamp())
    return predictor


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser(
        "mmdet_predict_redis",
        __doc__,
        "--checkpoint model.pth --score 0.3 --redis_host redis.example.org",
        "--package cells.zip --embedded_redis --redis_port 16379 --redis_front streams",
    )
    add_model_options(parser)
    add_connection_options(parser.add_argument_group("Redis"))
    fronts = parser.add_argument_group("the two fronts")
    add_front_options(fronts)
    _add_pubsub_options(fronts)
    _add_streams_options(fronts)
    _add_limit_options(parser.add_argument_group("batches and limits"))
    _add_life_options(parser.add_argument_group("start, stop and health"))
    return parser


def _add_pubsub_options(parser) -> None:
    parser.add_argument(
        "--redis_pattern",
        action="store_true",
        help="pubsub: take --redis_in as a pattern of channel names",
    )
    parser.add_argument(
        "--redis_timeout",
        type=float,
        default=0.01,
        metavar="SECONDS",
        help="pubsub: longest wait before looking at signals (default: 0.01)",
    )
    parser.add_argument(
        "--max_queue",
        type=cli.positive_int,
        default=256,
        metavar="N",
        help="pubsub: images that may wait (default: 256)",
    )
    parser.add_argument(
        "--when_full",
        choices=POLICIES,
        default="drop-new",
        help="pubsub: what to do with more; block leaves them to Redis, which drops "
        "slow subscribers (default: drop-new)",
    )


def _add_streams_options(parser) -> None:
    parser.add_argument(
        "--redis_group",
        default="mmdet",
        metavar="NAME",
        help="streams: the group of workers that share the requests (default: mmdet)",
    )
    parser.add_argument(
        "--claim_after",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="streams: take over from a worker that is silent for so long (default: "
        "30)",
    )
    parser.add_argument(
        "--max_deliveries",
        type=cli.positive_int,
        default=5,
        metavar="N",
        help="streams: a request that was tried so often goes to the dead letters "
        "(default: 5)",
    )
    parser.add_argument(
        "--max_replies",
        type=cli.positive_int,
        default=10_000,
        metavar="N",
        help="streams: about how many answers are kept (default: 10000)",
    )
    parser.add_argument(
        "--max_backlog",
        type=cli.positive_int,
        metavar="N",
        help="streams: when more requests wait, answer the oldest with an error "
        "(default: all wait)",
    )
    parser.add_argument(
        "--image_root",
        type=Path,
        metavar="FOLDER",
        help="streams: the folder that requests with a path may read (default: none)",
    )


def _add_limit_options(parser) -> None:
    parser.add_argument(
        "--max_batch", type=cli.positive_int, default=8, metavar="N", help="default: 8"
    )
    parser.add_argument(
        "--max_delay_ms",
        type=float,
        default=5.0,
        metavar="MS",
        help="under load, how long to wait for a batch to fill (default: 5)",
    )
    parser.add_argument(
        "--max_bytes",
        type=cli.positive_int,
        default=32 << 20,
        metavar="N",
        help="largest encoded image (default: 32 MiB)",
    )
    parser.add_argument(
        "--max_pixels",
        type=cli.positive_int,
        default=MAX_PIXELS,
        metavar="N",
        help="largest decoded image (default: 200 million)",
    )
    parser.add_argument(
        "--max_seconds",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="a batch that takes longer ends the process (default: 120)",
    )


def _add_life_options(parser) -> None:
    parser.add_argument(
        "--embedded_redis",
        action="store_true",
        help="start a Redis server of our own on --redis_port, on this machine only",
    )
    parser.add_argument(
        "--health",
        metavar="[HOST:]PORT",
        help="answer /healthz, /readyz and /metrics there (default host: 127.0.0.1)",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="after a signal, how long to go on answering (default: 30)",
    )
    parser.add_argument(
        "--max_messages",
        type=cli.positive_int,
        metavar="N",
        help="stop after so many images",
    )
    parser.add_argument(
        "--idle_timeout",
        type=float,
        metavar="SECONDS",
        help="stop when no image came in for so long",
    )


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(lambda: serve(args), args)
