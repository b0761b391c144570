"""Requests that wait in this process: a bounded queue with a stated policy."""

import hashlib
import math
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from mmdet_flow.errors import DataError
from mmdet_flow.serving.metrics import Metrics

POLICIES = ("drop-oldest", "drop-new", "block")

QUEUE_FULL = "the queue is full; send slower"


class Refused(DataError):
    """What is wrong with a request: a sentence, and a word for the metrics."""

    def __init__(self, reason: str, why: str = "unreadable") -> None:
        super().__init__(reason)
        self.why = why


def refuse_large(size: int, max_bytes: int) -> None:
    """Raise Refused for an encoded image of more bytes than allowed."""
    if size > max_bytes:
        raise Refused(
            f"the image has {size} bytes; the limit is {max_bytes}", "too_large"
        )


@dataclass(eq=False)
class Request:
    """An image to predict.

    Attributes:
        content: the encoded image.
        arrived, deadline: seconds of the monotonic clock.
        name: the caller's id; the SHA-256 of the image where there is none.
        ticket: what the front needs to answer.
        reason: why it is not predicted when its turn comes, if so.
    """

    content: bytes
    arrived: float = field(default_factory=time.monotonic)
    deadline: float = math.inf
    name: str | None = None
    ticket: object = None
    reason: str = ""

    @property
    def id(self) -> str:
        if self.name is None:
            self.name = hashlib.sha256(self.content).hexdigest()
        return self.name

    @property
    def short_id(self) -> str:
        """The id as it stands in a line of the log."""
        return "".join(c if c.isprintable() else "?" for c in self.id[:40])


@dataclass(frozen=True)
class Refusal:
    """A request that is answered with an error, and why: a word and a sentence."""

    request: Request
    why: str
    reason: str


class Inbox:
    """At most ``max_queue`` requests that wait, and those that were refused.

    A request of more than ``max_bytes`` is refused. The front puts requests in from its
    thread, the worker takes them out. When ``max_messages`` have come in, ``stop`` is
    set; ``left`` counts down to it.
    """

    def __init__(
        self,
        max_queue: int,
        policy: str,
        max_bytes: int,
        stop: threading.Event,
        metrics: Metrics,
        max_messages: int | None = None,
    ) -> None:
        self._max_queue = max_queue
        self._policy = policy
        self._max_bytes = max_bytes
        self._closed = False
        self._stop = stop
        self._metrics = metrics
        self.left = sys.maxsize if max_messages is None else max_messages
        self._waiting: deque[Request] = deque()
        self._refused: deque[Refusal] = deque()
        self._changed = threading.Condition()
        metrics.queue_depth.set_function(lambda: len(self._waiting))

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, request: Request) -> None:
        """Add a request; what the policy drops, or this one, is refused."""
        try:
            refuse_large(len(request.content), self._max_bytes)
        except Refused as refused:
            self.refuse(request, refused.why, str(refused))
            return
        if not self._count():
            return
        with self._changed:
            while self._policy == "block" and self._is_full() and not self._closed:
                self._changed.wait()
            if self._is_full():
                victim = request
                if self._policy == "drop-oldest":
                    victim = self._waiting.popleft()
                self._refuse(victim, "queue_full", QUEUE_FULL)
                if victim is request:
                    return
            self._waiting.append(request)
            self._changed.notify_all()

    def refuse(self, request: Request, why: str, reason: str) -> None:
        """Have a request answered with an error instead of predicting it."""
        if not self._count():
            return
        with self._changed:
            self._refuse(request, why, reason)

    def take(self, timeout: float = 0.0) -> Request | None:
        """Return the next request; None after ``timeout`` seconds or on a refusal."""
        with self._changed:
            if timeout > 0:
                self._changed.wait_for(lambda: self._waiting or self._refused, timeout)
            if not self._waiting:
                return None
            self._changed.notify_all()
            return self._waiting.popleft()

    def close(self) -> None:
        """Let nobody wait for room any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take_refused(self) -> list[Refusal]:
        with self._changed:
            refused = list(self._refused)
            self._refused.clear()
            return refused

    def _is_full(self) -> bool:
        return len(self._waiting) >= self._max_queue

    def _count(self) -> bool:
        """Count a request that came in; False if it is one too many."""
        if self.left <= 0:
            return False
        self.left -= 1
        self._metrics.received.inc()
        if self.left <= 0:
            self._stop.set()
        return True

    def _refuse(self, request: Request, why: str, reason: str) -> None:
        # The id is all that the answer needs of it.
        _ = request.id
        request.content = b""
        self._refused.append(Refusal(request, why, reason))
        self._changed.notify_all()
