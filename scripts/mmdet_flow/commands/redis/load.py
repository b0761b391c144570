"""Send images to a running mmdet-flow serve and measure what comes back.

Images are sent as fast as --in-flight unanswered ones allow, or at a steady --rate;
--find-rate looks for the highest rate that the service sustains. With --compare only
images with an OPEX file of mmdet-flow predict are sent, and the answers must equal
these. The command fails when an answer is missing, comes twice, is an error or differs.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow import cli
from mmdet_flow.errors import DataError, ServiceError
from mmdet_flow.inference.folder import list_images
from mmdet_flow.serving.names import check_names
from mmdet_flow.serving.options import (
    add_connection_options,
    add_front_options,
    connect,
)

if TYPE_CHECKING:
    from mmdet_flow.serving.load import Load, Report


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "--images photos --redis-port 16379 --rate 20 --seconds 60",
    )
    _add_image_options(parser.add_argument_group("images"))
    redis = parser.add_argument_group("Redis")
    add_connection_options(redis, dash="-")
    add_front_options(redis, dash="-")
    _add_amount_options(parser.add_argument_group("how many"))
    _add_speed_options(parser.add_argument_group("how fast"))
    return parser


def _add_image_options(parser) -> None:
    parser.add_argument(
        "--images", type=Path, required=True, metavar="FOLDER", help="what to send"
    )
    parser.add_argument(
        "--compare",
        type=Path,
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="OPEX files of the same images, by mmdet-flow predict",
    )


def _add_amount_options(parser) -> None:
    amounts = parser.add_mutually_exclusive_group()
    amounts.add_argument(
        "--count",
        type=cli.positive_int,
        metavar="N",
        help="how many images to send, over and over (default: each once)",
    )
    amounts.add_argument(
        "--seconds", type=cli.positive, metavar="SECONDS", help="how long to send"
    )
    parser.add_argument(
        "--timeout",
        type=cli.positive,
        default=30.0,
        metavar="SECONDS",
        help="how long to wait for the service, and for the next answer: what then "
        "is not answered is lost (default: 30)",
    )


def _add_speed_options(parser) -> None:
    parser.add_argument(
        "--rate",
        type=cli.positive,
        metavar="N",
        help="images per second (default: flat out)",
    )
    parser.add_argument(
        "--in-flight",
        type=cli.positive_int,
        default=32,
        metavar="N",
        help="flat out: how many images may be unanswered (default: 32)",
    )
    parser.add_argument(
        "--find-rate",
        type=cli.positive,
        metavar="SECONDS",
        help="then find the highest rate with 95 %% of the answers within SECONDS",
    )


def run(options: argparse.Namespace) -> None:
    from mmdet_flow.serving.clients import CLIENTS
    from mmdet_flow.serving.load import Load

    front, places = options.redis_front, (options.redis_in, options.redis_out)
    check_names(*places, streams=front == "streams")
    images, expected = list_images(options.images), _opex_files(options.compare)
    if options.compare:
        images = [path for path in images if path.stem in expected]
    if not images:
        raise DataError(f"{options.images}: there is no image to send")
    connection = connect(options)
    connection.check(options.timeout)
    with connection.told():
        client = CLIENTS[front](connection, *places)
        try:
            client.wait_for_service(options.timeout)
            load = Load(client, images, options.timeout, expected)
            report = _measure(load, options, len(images))
        finally:
            client.close()
    if not report.is_perfect:
        raise ServiceError("not every image was answered once and well; see above")


def _measure(load: "Load", options: argparse.Namespace, images: int) -> "Report":
    """Send as much as is asked for, each of the images once by default; print it."""
    from mmdet_flow.serving.load import find_rate

    report = load.run(
        count=options.count or (None if options.seconds else images),
        seconds=options.seconds or float("inf"),
        rate=options.rate,
        in_flight=options.in_flight,
    )
    print(*report.lines(), sep="\n")
    if options.find_rate:
        count = options.count or images
        sustained = find_rate(load, count, options.find_rate)
        print(f"sustained {sustained:.1f} images/s")
    return report


def _opex_files(folders: Iterable[Path]) -> dict[str, Path]:
    """Return the OPEX files of folders, by the stem of their image."""
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{folder}: there is no such folder; check --compare")
    return {path.stem: path for folder in folders for path in folder.glob("*.json")}
