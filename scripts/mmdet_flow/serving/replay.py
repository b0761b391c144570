"""Dead letters, back into their stream."""

from mmdet_flow.serving.connection import Connection
from mmdet_flow.serving.names import dead_letters

MOVE = """
-- KEYS: requests, dead letters; ARGV: entry, fields and values...
-- Where the request cannot be added, this ends, and the letter stays.
redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
redis.call('XDEL', KEYS[2], ARGV[1])
"""

OURS = (b"error", b"deliveries", b"replayed")
"""Fields of a dead letter that were not in the request."""


def replay(connection: Connection, stream: str, entries: list[str]) -> list[str]:
    """Move dead letters back into their stream, all or those given; return their ids.

    Each is moved in one step: it is never in both streams, nor in none.
    """
    redis, dead = connection.client, dead_letters(stream)
    move = redis.register_script(MOVE)
    moved = []
    for entry, fields in redis.xrange(dead):
        name = entry.decode()
        if entries and name not in entries:
            continue
        request = {key: value for key, value in fields.items() if key not in OURS}
        # What says that it is no repetition of the request that was answered.
        request[b"replayed"] = entry
        words = [word for pair in request.items() for word in pair]
        move([stream, dead], [entry, *words])
        moved.append(name)
    return moved
