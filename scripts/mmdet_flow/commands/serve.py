"""Predict for images that arrive over Redis, and answer with OPEX.

Over pub/sub, each message on the channel --redis_in is an encoded image, and each
answer on --redis_out is one OPEX JSON whose id is the SHA-256 of the image. With
--redis_front streams, --redis_in and --redis_out are streams, and a request stays
until it is answered. An image that cannot be predicted is answered too, without
objects and with the reason in meta.error. SIGTERM ends the service after the images
in hand are answered.
"""

import argparse
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow import cli
from mmdet_flow.clock import source_date_epoch
from mmdet_flow.images import MAX_PIXELS
from mmdet_flow.inference.options import add_model_options, model_options
from mmdet_flow.serving.inbox import POLICIES
from mmdet_flow.serving.options import (
    add_connection_options,
    add_front_options,
    connect,
)
from mmdet_flow.words import counted

if TYPE_CHECKING:
    from mmdet_flow.serving.fronts import PubSub, Streams
    from mmdet_flow.serving.service import Service


OF_PUBSUB = ("--redis_pattern", "--redis_timeout", "--max_queue", "--when_full")
OF_STREAMS = (
    *("--redis_group", "--claim_after", "--max_deliveries", "--max_replies"),
    *("--max_backlog", "--image_root"),
)
"""Options of one front alone."""


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "--checkpoint model.pth --score 0.3 --redis_host redis.example.org",
        "--package cells.zip --embedded_redis --redis_port 16379 --redis_front streams",
    )
    add_model_options(parser)
    add_connection_options(parser.add_argument_group("Redis"), dash="_")
    fronts = parser.add_argument_group("the two fronts")
    add_front_options(fronts, dash="_")
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
        type=cli.not_negative,
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
        type=cli.not_negative,
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
        type=cli.not_negative,
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
        type=cli.positive,
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
        type=cli.not_negative,
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
        type=cli.not_negative,
        metavar="SECONDS",
        help="stop when no image came in for so long",
    )


def run(options: argparse.Namespace) -> None:
    """Connect, load the model, serve until a signal comes."""
    from mmdet_flow.inference.predictor import Predictor
    from mmdet_flow.serving.connection import embedded_server
    from mmdet_flow.serving.health import health_server
    from mmdet_flow.serving.names import check_names
    from mmdet_flow.serving.service import warm_up

    streams = options.redis_front == "streams"
    others, other = (OF_PUBSUB, "pubsub") if streams else (OF_STREAMS, "streams")
    cli.refuse_given(options, others, f"is for --redis_front {other}", build_parser(""))
    check_names(
        options.redis_in,
        options.redis_out,
        streams=streams,
        pattern=options.redis_pattern,
    )
    model = model_options(options)
    source_date_epoch()  # a wrong one is said at once
    with ExitStack() as stack:
        if options.embedded_redis:
            stack.enter_context(embedded_server(options.redis_port))
        if options.redis_password:
            cli.log.warning("every user of this machine can read --redis_password")
        service = service_of(options)
        service.connection.check()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: service.stop())
        if options.health:
            stack.enter_context(
                health_server(options.health, service.metrics, service.why_not_ready)
            )
        predictor = Predictor.from_options(model)
        warm_up(predictor)
        cli.log.info("stopped after %s", counted(service.run(predictor), "answer"))


def service_of(options: argparse.Namespace) -> "Service":
    """Return the service that the options ask for, without its model."""
    from mmdet_flow.serving.metrics import Metrics
    from mmdet_flow.serving.service import Service
    from mmdet_flow.serving.worker import Limits

    metrics = Metrics()
    limits = Limits(
        max_batch=options.max_batch,
        max_delay=options.max_delay_ms / 1000,
        max_pixels=options.max_pixels,
        max_seconds=options.max_seconds,
        grace=options.grace,
        idle_timeout=options.idle_timeout,
    )
    return Service(
        connect(options, on_reconnect=metrics.reconnects.inc),
        metrics,
        _streams(options) if options.redis_front == "streams" else _pubsub(options),
        limits,
        max_bytes=options.max_bytes,
        max_messages=options.max_messages,
    )


def _pubsub(options: argparse.Namespace) -> "PubSub":
    from mmdet_flow.serving.fronts import PubSub

    return PubSub(
        redis_in=options.redis_in,
        redis_out=options.redis_out,
        pattern=options.redis_pattern,
        timeout=options.redis_timeout,
        max_queue=options.max_queue,
        when_full=options.when_full,
    )


def _streams(options: argparse.Namespace) -> "Streams":
    from mmdet_flow.serving.fronts import Streams

    return Streams(
        redis_in=options.redis_in,
        redis_out=options.redis_out,
        group=options.redis_group,
        claim_after=options.claim_after,
        max_deliveries=options.max_deliveries,
        max_replies=options.max_replies,
        max_backlog=options.max_backlog,
        image_root=options.image_root,
    )
