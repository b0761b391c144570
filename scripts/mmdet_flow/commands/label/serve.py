"""Predict for Label Studio while somebody labels, as its ML backend.

Connect http://127.0.0.1:9090 in a project, under Settings, Model. The labelling
interface needs RectangleLabels or PolygonLabels with the classes of the model. Images
are read in two places alone: the folder of --local-files, and the Label Studio of
--label-studio, with the token of a user in the environment. Nothing is trained here.
SIGTERM ends the service after the image in hand.
"""

import argparse
import os
import signal
import threading
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import UsageError
from mmdet_flow.images import MAX_PIXELS
from mmdet_flow.inference.options import add_model_options, model_options

TOKEN = "LABEL_STUDIO_API_KEY"
LOGIN = "MMDET_FLOW_LOGIN"


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "--checkpoint model.pth --score 0.3 --local-files rounds/1/label-studio",
        "--package cells.zip --label-studio http://127.0.0.1:8080",
    )
    add_model_options(parser, dash="-")
    _add_image_options(parser.add_argument_group("images"))
    _add_server_options(parser.add_argument_group("server"))
    return parser


def _add_image_options(parser) -> None:
    parser.add_argument(
        "--local-files",
        type=Path,
        metavar="FOLDER",
        help="LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT: images of /data/local-files/ are "
        "read below it",
    )
    parser.add_argument(
        "--label-studio",
        metavar="URL",
        help="fetch other images, such as uploaded ones, from this Label Studio alone",
    )
    parser.add_argument(
        "--token-env",
        default=TOKEN,
        metavar="NAME",
        help=f"variable that holds the access token of a user there (default: {TOKEN})",
    )
    parser.add_argument(
        "--max-bytes",
        type=cli.positive_int,
        default=32 << 20,
        metavar="N",
        help="largest image file (default: 32 MiB)",
    )
    parser.add_argument(
        "--max-pixels",
        type=cli.positive_int,
        default=MAX_PIXELS,
        metavar="N",
        help="largest decoded image (default: 200 million)",
    )


def _add_server_options(parser) -> None:
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument("--port", type=cli.count, default=9090, help="default: 9090")
    parser.add_argument(
        "--login-env",
        default=LOGIN,
        metavar="NAME",
        help="variable that holds USER:PASSWORD, for the basic authentication of a "
        f"model in Label Studio; without it anybody who gets there is answered "
        f"(default: {LOGIN})",
    )
    parser.add_argument(
        "--max-request",
        type=cli.positive_int,
        default=64 << 20,
        metavar="N",
        help="largest request in bytes (default: 64 MiB)",
    )
    parser.add_argument(
        "--max-seconds",
        type=cli.not_negative,
        default=80.0,
        metavar="SECONDS",
        help="begin no further image of a request after so long, because Label Studio "
        "waits for 100; ask again for the rest (default: 80)",
    )


def run(options: argparse.Namespace) -> None:
    """Load the model, and answer until a signal comes."""
    from mmdet_flow.hints.backend import Backend
    from mmdet_flow.hints.server import hint_server, require_free
    from mmdet_flow.inference.predictor import Predictor
    from mmdet_flow.serving.service import warm_up

    images, door = images_of(options), door_of(options)
    require_free(door)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    predictor = Predictor.from_options(model_options(options))
    warm_up(predictor)
    backend = Backend(predictor, images, options.max_pixels, options.max_seconds)
    with hint_server(backend, door) as address:
        cli.log.info("ready: %s answers Label Studio at %s", backend.version, address)
        stop.wait()
    cli.log.info("stopped")


def images_of(options: argparse.Namespace):
    """Return where images may be read; UsageError for what is no place."""
    from mmdet_flow.hints.host import Host
    from mmdet_flow.hints.images import Images

    folder, host = options.local_files, None
    if folder and not folder.is_dir():
        raise UsageError(f"--local-files {folder}: is no folder; correct the path")
    if options.label_studio:
        host = Host(options.label_studio, os.environ.get(options.token_env))
    if not folder and not host:
        raise UsageError(
            "no place to read images from; give --local-files or --label-studio"
        )
    return Images(folder and folder.resolve(), host, options.max_bytes)


def door_of(options: argparse.Namespace):
    """Return where to listen; UsageError for a login without a password."""
    from mmdet_flow.hints.server import Door
    from mmdet_flow.http_server import LOOPBACK

    login = os.environ.get(options.login_env)
    if login is not None and not all(login.partition(":")):
        raise UsageError(f"{options.login_env}: is no USER:PASSWORD; set it anew")
    if login is None and options.host not in LOOPBACK:
        cli.log.warning(
            "%s: whoever gets there is answered; set %s to USER:PASSWORD",
            options.host,
            options.login_env,
        )
    return Door(options.host, options.port, login, options.max_request)
