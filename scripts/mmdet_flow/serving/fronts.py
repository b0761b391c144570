"""What the two fronts of the service are asked for."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PubSub:
    """Requests from one channel, or from all that match a pattern; answers to another.

    Attributes:
        timeout: the longest wait in seconds before a stop is looked at.
        max_queue, when_full: how many requests wait, and what happens to one more.
    """

    redis_in: str
    redis_out: str
    pattern: bool
    timeout: float
    max_queue: int
    when_full: str


@dataclass(frozen=True)
class Streams:
    """Requests from a stream, shared with all workers of a group; answers to another.

    Attributes:
        claim_after: seconds after which a request in the hand of a silent worker is
            taken over. What is in hand is reported as alive three times in this time.
        max_deliveries: a request that ended so many workers is given up.
        max_replies: about how many answers a reply stream keeps.
        max_backlog: of more requests in the stream the oldest are refused, if any.
        image_root: the folder below which ``path`` may point, if anywhere.
    """

    redis_in: str
    redis_out: str
    group: str
    claim_after: float = 30.0
    max_deliveries: int = 5
    max_replies: int = 10_000
    max_backlog: int | None = None
    image_root: Path | None = None
