"""The pub/sub front: bytes of an image in, a line of OPEX out, as all clients know it.

What is published while nobody is subscribed is lost: Redis keeps nothing.
"""

import math
import threading
import time
from collections.abc import Callable

from mmdet_flow.serving.connection import Connection, next_message
from mmdet_flow.serving.inbox import Inbox, Request

LEAVE_SECONDS = 5.0
"""How long to wait for the server's word that we are no longer subscribed."""


class PubSubFront:
    """Requests from one channel, or from all that match a pattern; answers to another.

    ``timeout`` is the longest wait in seconds before ``stop`` is looked at.
    """

    redelivers = False
    """Whether a request that is not answered comes again."""

    def __init__(
        self,
        connection: Connection,
        redis_in: str,
        redis_out: str,
        pattern: bool = False,
        timeout: float = 0.01,
    ) -> None:
        self._connection = connection
        self._in, self._out = redis_in, redis_out
        self._pattern = pattern
        self._timeout = timeout

    def receive(
        self, inbox: Inbox, stop: threading.Event, on_ready: Callable[[], None]
    ) -> None:
        """Move messages into the inbox until ``stop`` is set and the server knows it.

        Nothing else is done here: the server drops a subscriber that reads too slowly.
        """
        subscription = self._connection.client.pubsub()
        subscribe, unsubscribe = subscription.subscribe, subscription.unsubscribe
        if self._pattern:
            subscribe, unsubscribe = subscription.psubscribe, subscription.punsubscribe
        self._connection.persist(lambda: subscribe(self._in), stop)
        end = math.inf
        try:
            while time.monotonic() < end:
                if stop.is_set() and end == math.inf:
                    # All that was published before is on its way ahead of the answer.
                    end = time.monotonic() + LEAVE_SECONDS
                    self._connection.persist(unsubscribe, stop)
                message_type, data = self._next_message(subscription, stop)
                if message_type in ("message", "pmessage"):
                    inbox.put(Request(data))
                elif message_type in ("subscribe", "psubscribe"):
                    on_ready()
                elif message_type in ("unsubscribe", "punsubscribe"):
                    return
        finally:
            subscription.close()

    def _next_message(self, subscription, stop: threading.Event) -> tuple:
        """Return type and data of a message; two times None if there is none."""
        message = self._connection.persist(
            lambda: next_message(subscription, self._timeout), stop
        )
        return (message["type"], message["data"]) if message else (None, None)

    def reply(self, request: Request, opex: str, given_up: str = "") -> bool:
        """Publish the answer, waiting through outages."""
        self._connection.persist(
            lambda: self._connection.client.publish(self._out, opex)
        )
        return True

    def close(self) -> None:
        """Leave nothing behind."""
