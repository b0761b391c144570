"""The service: a worker behind one of the fronts, from its start to the last answer."""

import os
import secrets
import socket
import threading
from typing import TYPE_CHECKING

import numpy as np

from mmdet_flow import cli
from mmdet_flow.formats.opex import timestamp
from mmdet_flow.inference.predictor import Predictor
from mmdet_flow.serving.connection import Connection
from mmdet_flow.serving.fronts import PubSub, Streams
from mmdet_flow.serving.inbox import Inbox
from mmdet_flow.serving.metrics import Metrics
from mmdet_flow.serving.pubsub import PubSubFront
from mmdet_flow.serving.worker import Limits, Worker

if TYPE_CHECKING:
    from mmdet_flow.serving.streams import StreamsFront


class Service:
    """A worker behind one of the fronts, and whether it is ready."""

    def __init__(
        self,
        connection: Connection,
        metrics: Metrics,
        front: PubSub | Streams,
        limits: Limits,
        *,
        max_bytes: int,
        max_messages: int | None = None,
    ) -> None:
        """Prepare to serve.

        ``max_bytes``: the largest encoded image. ``max_messages``: stop after so many.
        """
        self.connection = connection
        self.metrics = metrics
        self._front = front
        self._limits = limits
        self._max_bytes = max_bytes
        self._max_messages = max_messages
        self._stop = threading.Event()
        self._name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._ready = threading.Event()

    def stop(self) -> None:
        """Receive no more; what was received is still answered."""
        # Whoever stops us does not wait for Redis longer than for us.
        longest = min(self._limits.grace, self.connection.max_outage)
        self.connection.max_outage = longest
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
        over_streams = isinstance(self._front, Streams)
        inbox = Inbox(
            # What a stream's worker does not take waits in the stream.
            max_queue=self._ahead if over_streams else self._front.max_queue,
            policy="block" if over_streams else self._front.when_full,
            max_bytes=self._max_bytes,
            stop=self._stop,
            metrics=self.metrics,
            max_messages=self._max_messages,
        )
        front = self._streams() if over_streams else self._pubsub()
        worker = Worker(predictor, front, inbox, self.metrics, self._limits, self._name)
        self.metrics.model.info(predictor.detector.meta)
        with self.connection.told():
            worker.run(self._stop, self._become_ready)
        return worker.answered

    @property
    def _ahead(self) -> int:
        """How many requests a worker of a stream has in hand at most."""
        return 2 * self._limits.max_batch

    def _become_ready(self) -> None:
        if self._ready.is_set():
            return
        self._ready.set()
        self.metrics.ready.set(1)
        cli.log.info(
            "ready: over %s, images on %s, predictions on %s, Redis at %s",
            "streams" if isinstance(self._front, Streams) else "pub/sub",
            self._front.redis_in,
            self._front.redis_out,
            self.connection.address,
        )

    def _pubsub(self) -> PubSubFront:
        return PubSubFront(self.connection, self._front)

    def _streams(self) -> "StreamsFront":
        from mmdet_flow.serving.streams import StreamsFront

        return StreamsFront(
            self.connection,
            self._front,
            worker=self._name,
            metrics=self.metrics,
            ahead=self._ahead,
            max_bytes=self._max_bytes,
        )


def warm_up(predictor: Predictor) -> None:
    """Let a model do once what it does only the first time."""
    # Noise: what has no object at all would not go all the way.
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    predictor.predict([noise])[0].opex("warm-up", timestamp())
