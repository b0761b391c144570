"""The streams front: a consumer group in which nothing is lost.

A request is a stream entry with ``image`` (the encoded image) or ``path``, and if
wanted ``id``, ``reply_to`` (the stream for the answer) and ``deadline_ms`` (counted
from the entry's own time). An answer is an entry with ``id`` and ``opex``. A request
stays in the stream until it is answered; the answer is written and the request removed
in one step, so that of several workers that have the same request one answers.
"""

import hashlib
import math
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import redis

from mmdet_flow import cli
from mmdet_flow.errors import DataError
from mmdet_flow.serving.connection import Connection
from mmdet_flow.serving.inbox import Inbox, Request
from mmdet_flow.serving.metrics import Metrics

WAIT_MS = 200
"""How long at most to wait for a request before looking at what else is to do."""

REMEMBER = 600
"""Seconds in which a request that is sent again gets no second answer."""

REPLY_LIFETIME = 86400
"""Seconds without an answer after which a caller's own reply stream goes."""

FINISH = """
-- KEYS: requests, replies, answered, dead letters
-- ARGV: group, entry, id, opex or "", why it is given up or "", seconds to remember,
--       longest reply stream, lifetime of the reply stream or 0
local entry = ARGV[2]
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], entry, entry, 1)
if #pending == 0 then return 'gone' end
local outcome = 'given up'
if redis.call('EXISTS', KEYS[3]) == 1 then
  outcome = 'repeated'
elseif ARGV[4] ~= '' then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[7], '*', 'id', ARGV[3],
             'opex', ARGV[4])
  if ARGV[8] ~= '0' then redis.call('EXPIRE', KEYS[2], ARGV[8]) end
  redis.call('SET', KEYS[3], entry, 'EX', ARGV[6])
  outcome = 'answered'
end
if ARGV[5] ~= '' then
  local fields = redis.call('XRANGE', KEYS[1], entry, entry)[1][2]
  local more = {'error', ARGV[5], 'deliveries', tostring(pending[1][4])}
  for _, value in ipairs(more) do fields[#fields + 1] = value end
  redis.call('XADD', KEYS[4], '*', unpack(fields))
end
redis.call('XACK', KEYS[1], ARGV[1], entry)
redis.call('XDEL', KEYS[1], entry)
return outcome
"""

KEEP = """
-- KEYS: requests; ARGV: group, worker, entries...
-- Those that are still the worker's own count as just delivered.
for index = 3, #ARGV do
  local entry = ARGV[index]
  if #redis.call('XPENDING', KEYS[1], ARGV[1], entry, entry, 1, ARGV[2]) == 1 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, entry, 'JUSTID')
  end
end
"""

LEAVE = """
-- KEYS: requests; ARGV: group, worker
-- With a worker that is deleted goes its list of requests, which must be empty.
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
"""


def dead_letters(stream: str) -> str:
    """Return the name of the stream for requests that were given up."""
    return f"{stream}:dead"


class StreamsFront:
    """Requests from a stream, shared with all workers of a group.

    Attributes:
        ahead: how many requests this worker has in hand at most.
        claim_after: seconds after which a request in the hand of a silent worker is
            taken over. What is in hand is reported as alive three times in this time.
        max_deliveries: a request that ended so many workers is given up.
        max_replies: about how many answers a reply stream keeps.
        image_root: the folder below which ``path`` may point, if anywhere.
    """

    redelivers = True

    def __init__(
        self,
        connection: Connection,
        redis_in: str,
        redis_out: str,
        group: str,
        worker: str,
        metrics: Metrics,
        *,
        ahead: int = 16,
        claim_after: float = 30.0,
        max_deliveries: int = 5,
        max_replies: int = 10_000,
        image_root: Path | None = None,
    ) -> None:
        self._connection = connection
        self._redis = connection.client
        self._in, self._out = redis_in, redis_out
        self._group, self._worker = group, worker
        self._metrics = metrics
        self._ahead = ahead
        self._claim_ms = int(claim_after * 1000)
        # What is in hand must be reported as alive in time.
        self._wait_ms = max(1, min(WAIT_MS, self._claim_ms // 4))
        self._max_deliveries = max_deliveries
        self._max_replies = max_replies
        self._image_root = image_root and image_root.resolve()
        self._finish = self._redis.register_script(FINISH)
        self._keep = self._redis.register_script(KEEP)
        self._leave = self._redis.register_script(LEAVE)
        self._in_hand: set[bytes] = set()
        self._freed = threading.Condition()
        self._kept = self._looked = time.monotonic()

    def receive(
        self, inbox: Inbox, stop: threading.Event, on_ready: Callable[[], None]
    ) -> None:
        """Move requests into the inbox; after ``stop`` keep alive what is in hand."""
        self._with_group(self._left_behind, stop)
        on_ready()
        while not stop.is_set():
            room = self._wait_for_room(self._ahead)
            if self._is_time(self._looked, 0.5):
                self._looked = time.monotonic()
                self._take_over(inbox, stop)
            elif room > 0:
                for entry, fields in self._read(min(room, inbox.left), stop):
                    self._deliver(inbox, entry, fields)
        self._wait_until_free()

    def reply(self, request: Request, opex: str, given_up: str = "") -> bool:
        """Answer and acknowledge in one step; False if it was answered already.

        With the reason in ``given_up``, the request goes to the dead letters too.
        """
        entry, reply_to, digest = request.ticket
        keys = [
            self._in,
            reply_to or self._out,
            f"{self._in}:answered:{digest}",
            dead_letters(self._in),
        ]
        values = [
            *(self._group, entry, request.id, opex, given_up, REMEMBER),
            *(self._max_replies, REPLY_LIFETIME if reply_to else 0),
        ]
        try:
            outcome = self._connection.persist(lambda: self._finish(keys, values))
        except redis.ResponseError as error:
            if opex and "WRONGTYPE" in str(error):
                reason = f"reply_to {reply_to or self._out!r} is no stream"
                return self.reply(request, "", reason)
            if "NOGROUP" not in str(error):
                raise
            outcome = b"gone"  # with the whole memory of the server
        with self._freed:
            self._in_hand.discard(entry)
            self._freed.notify_all()
        if given_up:
            self._metrics.dead_letters.inc()
            cli.log.error("image %s: given up: %s", request.id[:40], given_up)
        if outcome in (b"gone", b"repeated"):
            self._metrics.suppressed.inc()
        return outcome == b"answered"

    def close(self) -> None:
        """Let go of what is in hand, and leave the group if nothing was."""
        with self._freed:
            self._in_hand.clear()
            self._freed.notify_all()
        try:
            self._leave([self._in], [self._group, self._worker])
        except (redis.RedisError, OSError) as error:
            cli.log.warning("%s stays in the group: %s", self._worker, error)

    def _read(self, count: int, stop: threading.Event) -> list:
        """Return new entries, each (id, fields), waiting a moment for them."""

        def read():
            return self._redis.xreadgroup(
                self._group,
                self._worker,
                {self._in: ">"},
                count=count,
                block=self._wait_ms,
            )

        answer = self._with_group(read, stop)
        return answer[0][1] if answer else []

    def _with_group(self, call: Callable, stop: threading.Event | None = None):
        """Call, and make the group when the server does not know it (any more)."""

        def with_group():
            try:
                return call()
            except redis.ResponseError as error:
                # UNBLOCKED: it went while we waited for it.
                if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
                    raise
            try:
                self._redis.xgroup_create(self._in, self._group, "0", mkstream=True)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise
            return call()

        return self._connection.persist(with_group, stop)

    def _take_over(self, inbox: Inbox, stop: threading.Event) -> None:
        """Take over what a worker left that is gone.

        Any of it may be what ended that worker, so each is delivered with nothing else
        in hand: a delivery then counts against the request that was tried, and
        against no other.
        """
        while not stop.is_set() and inbox.left > 0:
            left = self._with_group(self._left_behind, stop)
            if not left:
                return
            self._wait_until_free()
            entry = left[0]["message_id"]
            claimed = self._with_group(partial(self._claim, entry), stop)
            if claimed is None:
                continue
            got, fields, deliveries = claimed
            self._metrics.redeliveries.inc()
            cli.log.warning("taking over request %s", got.decode())
            if deliveries <= self._max_deliveries:
                self._deliver(inbox, got, fields)
                self._wait_until_free()
            else:
                reason = f"delivered {deliveries - 1} times and never answered"
                inbox.refuse(self._request(got, fields), "given_up", reason)

    def _left_behind(self) -> list:
        return self._redis.xpending_range(
            self._in, self._group, "-", "+", 1, idle=self._claim_ms
        )

    def _claim(self, entry: bytes) -> tuple[bytes, dict, int] | None:
        """Return the id, fields and number of deliveries, if it is still free."""
        names = (self._in, self._group)
        claimed = self._redis.xautoclaim(
            *names, self._worker, self._claim_ms, start_id=entry, count=1
        )[1]
        if not claimed:
            return None
        got, fields = claimed[0]
        if fields is None:
            # Redis 6 lists what was deleted from the stream; nobody can answer that.
            self._redis.xack(*names, entry)
            return None
        pending = self._redis.xpending_range(*names, got, got, 1)
        return got, fields, pending[0]["times_delivered"] if pending else 0

    def _wait_until_free(self) -> None:
        """Wait until nothing is in hand."""
        while self._wait_for_room(1) < 1:
            pass

    def _deliver(self, inbox: Inbox, entry: bytes, fields: dict) -> None:
        request = self._request(entry, fields)
        self._in_hand.add(entry)
        try:
            request.content = self._content(fields)
        except DataError as error:
            inbox.refuse(request, "unreadable", str(error))
        else:
            inbox.put(request)

    def _request(self, entry: bytes, fields: dict) -> Request:
        sent = int(entry.split(b"-")[0]) / 1000
        age = max(0.0, time.time() - sent)
        arrived = time.monotonic() - age
        limit = fields.get(b"deadline_ms", b"")
        # The same request sent twice has the same digest, if the caller named it.
        digest = hashlib.sha256(b"" if b"id" in fields else entry)
        for name, value in sorted(fields.items()):
            digest.update(b"%b %d %b" % (name, len(value), value))
        reply_to = fields.get(b"reply_to", b"").decode(errors="replace")
        return Request(
            content=b"",
            arrived=arrived,
            deadline=arrived + int(limit) / 1000 if limit.isdigit() else math.inf,
            name=fields.get(b"id", entry).decode(errors="replace"),
            ticket=(entry, reply_to, digest.hexdigest()),
        )

    def _content(self, fields: dict) -> bytes:
        if b"image" in fields:
            return fields[b"image"]
        if b"path" not in fields:
            raise DataError("the request has neither image nor path")
        if self._image_root is None:
            raise DataError("the request has a path; this service reads none")
        path = self._image_root / fields[b"path"].decode(errors="replace")
        try:
            path = path.resolve()
            if not path.is_relative_to(self._image_root):
                raise DataError("the path leaves the folder of the images")
            return path.read_bytes()
        except (OSError, ValueError) as error:
            raise DataError(f"the path cannot be read: {error}") from None

    def _wait_for_room(self, limit: int) -> int:
        """Return how many more may be in hand; wait a moment if it is none."""
        with self._freed:
            self._freed.wait_for(
                lambda: len(self._in_hand) < limit, timeout=self._wait_ms / 1000
            )
            room, in_hand = limit - len(self._in_hand), list(self._in_hand)
        if in_hand and self._is_time(self._kept, 1 / 3):
            self._kept = time.monotonic()
            values = [self._group, self._worker, *in_hand]
            self._with_group(lambda: self._keep([self._in], values))
        return room

    def _is_time(self, since: float, share: float) -> bool:
        return time.monotonic() - since > self._claim_ms / 1000 * share
