"""Clients of the two fronts: what the load tester sends with, and users may."""

import hashlib
import secrets
import time
from collections.abc import Iterator

import orjson

from mmdet_flow.errors import ServiceError
from mmdet_flow.serving.connection import Connection, next_message

SUBSCRIBE_TIMEOUT = 10.0


class PubSubClient:
    """Publishes images and listens for all answers on the channel."""

    def __init__(self, connection: Connection, redis_in: str, redis_out: str) -> None:
        self._connection = connection
        self._in = redis_in
        self._answers = connection.client.pubsub()
        self._answers.subscribe(redis_out)
        self._answers.get_message(timeout=SUBSCRIBE_TIMEOUT)

    def send(self, content: bytes, name: str) -> str:
        """Send an image under a name of its own; return the id of its answer."""
        # Decoders ignore what follows an image, and the id is that of all bytes.
        content += name.encode()
        self._connection.persist(
            lambda: self._connection.client.publish(self._in, content)
        )
        return hashlib.sha256(content).hexdigest()

    def wait_for_service(self, seconds: float) -> None:
        """Raise ServiceError if nobody listens within so many seconds."""
        end = time.monotonic() + seconds
        while not self._connection.client.pubsub_numsub(self._in)[0][1]:
            if time.monotonic() > end:
                raise ServiceError(
                    f"nobody listens on {self._in} at {self._connection.address}; "
                    "start mmdet-flow serve"
                )
            time.sleep(0.05)

    def receive(self, seconds: float) -> Iterator[tuple[str, dict]]:
        """Yield the answers that come within so many seconds, each with its id."""
        message = self._connection.persist(lambda: next_message(self._answers, seconds))
        if message and message["type"] == "message":
            answer = orjson.loads(message["data"])
            yield answer["id"], answer

    def close(self) -> None:
        self._answers.close()


class StreamsClient:
    """Adds requests to a stream and reads its own stream of answers."""

    def __init__(self, connection: Connection, redis_in: str, redis_out: str) -> None:
        self._connection = connection
        self._redis = connection.client
        self._in = redis_in
        self._answers = f"{redis_out}:{secrets.token_hex(8)}"
        self._last: bytes = b"0"

    def send(self, content: bytes, name: str) -> str:
        """Send an image under a name of its own; return the id of its answer."""
        request = {"image": content, "id": name, "reply_to": self._answers}
        self._connection.persist(lambda: self._redis.xadd(self._in, request))
        return name

    def wait_for_service(self, seconds: float) -> None:
        """Do not wait: a stream keeps what comes before the service."""

    def receive(self, seconds: float) -> Iterator[tuple[str, dict]]:
        """Yield the answers that come within so many seconds, each with its id."""
        answer = self._connection.persist(
            lambda: self._redis.xread(
                {self._answers: self._last}, block=max(1, int(seconds * 1000))
            )
        )
        for entry, fields in answer[0][1] if answer else []:
            self._last = entry
            yield fields[b"id"].decode(), orjson.loads(fields[b"opex"])

    def close(self) -> None:
        self._redis.delete(self._answers)


CLIENTS = {"pubsub": PubSubClient, "streams": StreamsClient}
