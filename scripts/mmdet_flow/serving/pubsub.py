"""The pub/sub front: bytes of an image in, a line of OPEX out, as all clients know it.

What is published while nobody is subscribed is lost: Redis keeps nothing.
"""

import math
import threading
import time
from collections.abc import Callable

from mmdet_flow.serving.connection import Connection, next_message
from mmdet_flow.serving.fronts import PubSub
from mmdet_flow.serving.inbox import Inbox, Request

LEAVE_SECONDS = 5.0
"""How long to wait for the server's word that we are no longer subscribed."""


class PubSubFront:
    """Requests from a channel, or from all that match a pattern; answers to another."""

    redelivers = False
    """Whether a request that is not answered comes again."""

    def __init__(self, connection: Connection, asked: PubSub) -> None:
        self._connection = connection
        self._asked = asked

    def receive(
        self, inbox: Inbox, stop: threading.Event, on_ready: Callable[[], None]
    ) -> None:
        """Move messages into the inbox until ``stop`` is set and the server knows it.

        Nothing else is done here: the server drops a subscriber that reads too slowly.
        """
        subscription = self._connection.client.pubsub()
        subscribe, unsubscribe = subscription.subscribe, subscription.unsubscribe
        if self._asked.pattern:
            subscribe, unsubscribe = subscription.psubscribe, subscription.punsubscribe
        self._connection.persist(lambda: subscribe(self._asked.redis_in), stop)
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
            lambda: next_message(subscription, self._asked.timeout), stop
        )
        return (message["type"], message["data"]) if message else (None, None)

    def reply(self, request: Request, opex: str, given_up: str = "") -> bool:
        """Publish the answer, waiting through outages."""
        self._connection.persist(
            lambda: self._connection.client.publish(self._asked.redis_out, opex)
        )
        return True

    def close(self) -> None:
        """Leave nothing behind."""
