"""The options of the commands that speak to Redis.

``dash`` stands between the words of an option: "_" in the service, whose options are
those of the reference image, and "-" in its tools.
"""

import argparse
import os
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import UsageError
from mmdet_flow.serving.connection import Connection


def add_front_options(parser, dash: str) -> None:
    """Add the options that say how images and predictions travel."""
    parser.add_argument(
        f"--redis{dash}front",
        choices=("pubsub", "streams"),
        default="pubsub",
        help="pubsub, as all clients know it, or streams, which lose nothing "
        "(default: pubsub)",
    )
    parser.add_argument(
        f"--redis{dash}in",
        default="images",
        metavar="NAME",
        help="channel or stream of the images (default: images)",
    )
    parser.add_argument(
        f"--redis{dash}out",
        default="predictions",
        metavar="NAME",
        help="of the answers (default: predictions)",
    )


def add_connection_options(parser, dash: str) -> None:
    """Add the options that say where Redis is and how to get in."""
    parser.add_argument(
        f"--redis{dash}host",
        default="localhost",
        metavar="HOST",
        help="default: localhost",
    )
    parser.add_argument(
        f"--redis{dash}port",
        type=_port,
        default=6379,
        metavar="PORT",
        help="default: 6379",
    )
    parser.add_argument(
        f"--redis{dash}db",
        type=cli.whole,
        default=0,
        metavar="NUMBER",
        help="default: 0",
    )
    parser.add_argument(
        f"--redis{dash}url",
        metavar="URL",
        help="instead of the three above: rediss://USER@HOST:PORT/DB for TLS, with "
        "?ssl_ca_certs=FILE for a private authority, or unix://SOCKET",
    )
    passwords = parser.add_mutually_exclusive_group()
    passwords.add_argument(
        f"--redis{dash}password",
        metavar="PASSWORD",
        help="shown to every user of this machine: better one of the next two",
    )
    passwords.add_argument(
        f"--redis{dash}password{dash}env",
        metavar="NAME",
        help="variable that holds the password",
    )
    passwords.add_argument(
        f"--redis{dash}password{dash}file",
        type=Path,
        metavar="FILE",
        help="file that holds the password",
    )
    parser.add_argument(
        f"--max{dash}outage",
        type=cli.not_negative,
        default=300.0,
        metavar="SECONDS",
        help="give up when Redis stays away for longer (default: 300)",
    )


@cli.takes("a port, from 0 to 65535")
def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value < 1 << 16:
        raise ValueError(text)
    return value


def connect(options: argparse.Namespace, **more) -> Connection:
    """Return the connection that ``add_connection_options`` asked for."""
    url = options.redis_url
    if url is None:
        url = f"redis://{options.redis_host}:{options.redis_port}/{options.redis_db}"
    return Connection(url, _password(options), options.max_outage, **more)


def _password(options: argparse.Namespace) -> str | None:
    file, variable = options.redis_password_file, options.redis_password_env
    if file:
        try:
            return file.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise UsageError(
                f"password of Redis: {file}: {error.strerror}; correct it"
            ) from None
    if not variable:
        return options.redis_password
    if variable not in os.environ:
        raise UsageError(f"password of Redis: {variable} is not set; export it")
    return os.environ[variable]
