"""The streams front: a consumer group in which nothing is lost.

A request is a stream entry with ``image`` (the encoded image) or ``path``, and if
wanted ``id``, ``reply_to`` (the stream for the answer) and ``deadline_ms`` (counted
from the entry's own time). An answer is an entry with ``id`` and ``opex``. A request
stays in the stream until it is answered; the answer is written and the request removed
in one step, so that of several workers that have the same request one answers.

Whatever is wrong with one request is its own affair: it is answered with an error, in
the stream that it names or, where that takes none, in that of all answers; and it goes
to the dead letters where it cannot be answered as it asks.
"""

import hashlib
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import redis

from mmdet_flow import cli
from mmdet_flow.errors import DataError, ServiceError, reason_of
from mmdet_flow.serving.connection import Connection
from mmdet_flow.serving.files import read_below
from mmdet_flow.serving.fronts import Streams
from mmdet_flow.serving.inbox import QUEUE_FULL, Inbox, Refused, Request
from mmdet_flow.serving.metrics import Metrics
from mmdet_flow.serving.names import answered, dead_letters, is_own, removed

WAIT_MS = 200
"""How long at most to wait for a request before looking at what else is to do."""

REMEMBER = 600
"""Seconds in which a request that is sent again gets no second answer."""

REPLY_LIFETIME = 86400
"""Seconds without an answer after which a caller's own reply stream goes."""

LONGEST_NAME = 1000
"""Bytes of an ``id`` or ``reply_to``: each answer holds the one several times."""

NO_LIMIT = 2**63 - 1
"""A length that no stream has."""

FINISH = """
-- KEYS: requests, replies, answered, given up, dead letters, how many we removed
-- ARGV: group, entry, id, opex or "", why it is given up or "", seconds to remember,
--       longest reply stream, lifetime of the reply stream or 0,
--       1 if nobody else can have answered without our knowing
-- Returns the outcome, how many entries were removed, and what else went wrong.
-- Whatever may fail comes before what was written would have to be taken back.
local function why(result) return type(result) == 'table' and result.err end

local entry = ARGV[2]
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], entry, entry, 1)
local known = not why(pending) and pending[1]
if redis.call('EXISTS', KEYS[4]) == 1 or not (known or ARGV[9] == '1') then
  return {'gone', 0, ''}
end
-- A first write, of nothing: a server that takes no writes says so here. After it
-- none fails for want of memory, so that the requests get out of a full server.
redis.call('DEL', KEYS[4])
local outcome, trouble = 'given up', ''
if redis.call('EXISTS', KEYS[3]) == 1 then
  outcome = 'repeated'
elseif ARGV[4] ~= '' then
  local added = redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[7], '*',
                            'id', ARGV[3], 'opex', ARGV[4])
  if why(added) then return added end
  if ARGV[8] ~= '0' then redis.pcall('EXPIRE', KEYS[2], ARGV[8]) end
  redis.pcall('SET', KEYS[3], entry, 'EX', ARGV[6])
  outcome = 'answered'
end
if ARGV[5] ~= '' then
  local found = redis.pcall('XRANGE', KEYS[1], entry, entry)
  local fields = not why(found) and found[1] and found[1][2] or {'id', ARGV[3]}
  if #fields > 200 then  -- a command takes no more than some thousand words
    local values, few = {}, {}
    for index = 1, #fields, 2 do values[fields[index]] = fields[index + 1] end
    for _, name in ipairs({'image', 'path', 'id', 'reply_to', 'deadline_ms'}) do
      if values[name] then few[#few + 1] = name; few[#few + 1] = values[name] end
    end
    fields = few
  end
  local deliveries = known and tostring(known[4]) or '1'
  for _, word in ipairs({'error', ARGV[5], 'deliveries', deliveries}) do
    fields[#fields + 1] = word
  end
  local added = redis.pcall('XADD', KEYS[5], '*', unpack(fields))
  if why(added) then
    if outcome == 'given up' then return added end
    trouble = added.err
  end
  redis.pcall('SET', KEYS[4], entry, 'EX', ARGV[6])
end
redis.pcall('XACK', KEYS[1], ARGV[1], entry)
local removed = redis.pcall('XDEL', KEYS[1], entry)
if removed == 1 then redis.pcall('INCR', KEYS[6]) end
return {outcome, why(removed) and 1 or removed, trouble}
"""

COUNT_TRIMMED = """
-- KEYS: requests, how many we removed; ARGV: group
-- Returns how many requests left the stream otherwise, or -1 if the server does not
-- count what was added (Redis 6). No worker is told of them again.
local facts, now = redis.call('XINFO', 'STREAM', KEYS[1]), {}
for index = 1, #facts, 2 do now[facts[index]] = facts[index + 1] end
if not now['entries-added'] then return -1 end
local left = now['entries-added'] - now['length']
local known = tonumber(redis.call('GET', KEYS[2]) or '')
if known and known > left then known = 0 end  -- the stream is another one
if not known then  -- the service is new here: only what it had read counts
  known = left
  for _, one in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1000)) do
    if #redis.call('XRANGE', KEYS[1], one[1], one[1]) == 0 then known = known - 1 end
  end
end
redis.call('SET', KEYS[2], string.format('%.0f', left))
return left - known
"""

KEEP = """
-- KEYS: requests; ARGV: group, worker, entries...
-- Those that are still the worker's own count as just delivered. Redis 7 forgets here
-- who has one that was trimmed away; FINISH answers it all the same.
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


@dataclass
class Ticket:
    """What answering a request takes.

    Attributes:
        entry: its id in the stream.
        places: the streams that may take the answer, best first; None stands for the
            dead letters alone.
        digest: what requests have in common that are repetitions of each other.
        taken: when it came into our hand, in seconds of the monotonic clock.
    """

    entry: bytes
    places: list[bytes | str | None]
    digest: str = ""
    taken: float = 0.0


class StreamsFront:
    """Requests from a stream, shared with all workers of a group.

    Attributes:
        worker: the name of this worker among them.
        ahead: how many requests this worker has in hand at most.
        max_bytes: the largest file that a ``path`` may name.
    """

    redelivers = True

    def __init__(
        self,
        connection: Connection,
        asked: Streams,
        *,
        worker: str,
        metrics: Metrics,
        ahead: int = 16,
        max_bytes: int = 32 << 20,
    ) -> None:
        self._connection = connection
        self._redis = connection.client
        self._asked = asked
        self._in, self._out = asked.redis_in, asked.redis_out
        self._group, self._worker = asked.group, worker
        self._metrics = metrics
        self._ahead = ahead
        self._claim_ms = int(asked.claim_after * 1000)
        # What is in hand must be reported as alive in time.
        self._wait_ms = max(1, min(WAIT_MS, self._claim_ms // 4))
        self._max_bytes = max_bytes
        self._image_root = asked.image_root and asked.image_root.resolve()
        self._finish = self._redis.register_script(FINISH)
        self._keep = self._redis.register_script(KEEP)
        self._leave = self._redis.register_script(LEAVE)
        self._trimmed = self._redis.register_script(COUNT_TRIMMED)
        self._server_counts = False
        self._in_hand: set[bytes] = set()
        self._freed = threading.Condition()
        self._kept = self._looked = time.monotonic()

    def receive(
        self, inbox: Inbox, stop: threading.Event, on_ready: Callable[[], None]
    ) -> None:
        """Move requests into the inbox; after ``stop`` keep alive what is in hand."""
        self._check_keys(stop)
        on_ready()
        while not stop.is_set():
            room = self._wait_for_room(self._ahead)
            if self._is_time(self._looked, 0.5):
                self._looked = time.monotonic()
                self._take_over(inbox, stop)
                self._count_trimmed(stop)
            elif room > 0:
                entries = self._read(min(room, inbox.left), stop)
                too_many = self._too_many(stop) if entries else 0
                for number, (entry, fields) in enumerate(entries):
                    self._deliver(inbox, entry, fields, is_late=number < too_many)
        self._wait_until_free()

    def reply(self, request: Request, opex: str, given_up: str = "") -> bool:
        """Answer and acknowledge in one step; False if it was answered already.

        With the reason in ``given_up``, the request goes to the dead letters too.
        Raises DataError if the answer is not taken; the next goes to another place.
        """
        ticket = request.ticket
        try:
            finished = self._connection.persist(
                lambda: self._finish_in(ticket.places[0], request, opex, given_up)
            )
        except redis.ResponseError as error:
            return self._try_elsewhere(request, error)
        outcome, was_there, trouble = finished
        self._let_go(ticket.entry)
        self._count(request, outcome, was_there)
        if given_up and outcome != b"gone":
            self._metrics.dead_letters.inc()
            cli.log.error("image %s: given up: %s", request.short_id, given_up)
        if trouble:
            cli.log.error("image %s: no dead letter: %r", request.short_id, trouble)
        return outcome == b"answered"

    def _finish_in(self, place, request: Request, opex: str, given_up: str):
        ticket = request.ticket
        held = time.monotonic() - ticket.taken
        keys = [
            self._in,
            place or self._out,
            answered(self._in, ticket.digest),
            answered(self._in, ticket.entry.decode()),
            dead_letters(self._in),
            removed(self._in),
        ]
        values = [
            *(self._group, ticket.entry, request.id, opex if place else "", given_up),
            *(REMEMBER, self._asked.max_replies),
            0 if place in (self._out, None) else REPLY_LIFETIME,
            # Whoever answers leaves a note for longer than this.
            int(held < REMEMBER / 2),
        ]
        return self._finish(keys, values)

    def _try_elsewhere(self, request: Request, error: Exception) -> bool:
        """Raise DataError if there is another place for the answer."""
        ticket = request.ticket
        place = ticket.places.pop(0)
        if ticket.places:
            name = place if isinstance(place, str) else place.decode(errors="replace")
            what = f"{'redis_out' if place == self._out else 'reply_to'} {name!r}"
            if "WRONGTYPE" in str(error):
                raise DataError(f"{what} is no stream")
            raise DataError(f"{what} takes no answer: {error}")
        # It stays in the stream, and is tried again like what a dead worker left.
        self._let_go(ticket.entry)
        cli.log.error("image %s: it cannot be given up: %s", request.short_id, error)
        return False

    def _let_go(self, entry: bytes) -> None:
        with self._freed:
            self._in_hand.discard(entry)
            self._freed.notify_all()

    def _count(self, request: Request, outcome: bytes, was_there: int) -> None:
        if outcome in (b"gone", b"repeated"):
            self._metrics.suppressed.inc()
        if outcome != b"gone" and not was_there:
            self._tell_trimmed(request.ticket.entry, "and answered all the same")

    def _count_trimmed(self, stop: threading.Event | None = None) -> None:
        """Count what left the stream without us, read or not; of all workers one does.

        A server that cannot tell leaves it to ``_tell_trimmed``.
        """
        count = self._with_group(self._ask_for_trimmed, stop)
        if count is not None:
            self._tell_count(count)

    def _ask_for_trimmed(self) -> int:
        return self._trimmed([self._in, removed(self._in)], [self._group])

    def _tell_count(self, count: int) -> None:
        self._server_counts = count >= 0
        if count > 0:
            self._metrics.trimmed.inc(count)
            cli.log.warning(
                "%d requests were trimmed or deleted by others, and have no answer if "
                "no worker had them in hand; producers must not trim %s",
                *(count, self._in),
            )

    def _tell_trimmed(self, entry: bytes, what: str) -> None:
        if not self._server_counts:
            self._metrics.trimmed.inc()
        cli.log.warning(
            "request %s was trimmed or deleted before its answer, %s; producers must "
            "not trim %s",
            entry.decode(),
            what,
            self._in,
        )

    def close(self) -> None:
        """Let go of what is in hand, and leave the group if nothing was."""
        with self._freed:
            self._in_hand.clear()
            self._freed.notify_all()
        try:
            self._tell_count(self._ask_for_trimmed())
            self._leave([self._in], [self._group, self._worker])
        except (redis.RedisError, OSError) as error:
            cli.log.warning("%s stays in the group: %s", self._worker, error)

    def _check_keys(self, stop: threading.Event) -> None:
        """Raise ServiceError if the keys of the service are none that it can use."""
        redis_, keep = self._redis, [self._group, self._worker]
        # Each of these writes changes nothing.
        tries = {
            name: partial(redis_.xtrim, name, maxlen=NO_LIMIT)
            for name in (self._in, self._out, dead_letters(self._in))
        }
        note = answered(self._in, "0")
        tries[note] = partial(redis_.delete, note)
        tries[f"group {self._group}"] = lambda: self._keep([self._in], keep)
        tries["the pending list"] = self._left_behind
        tries[removed(self._in)] = self._count_trimmed
        for name, call in tries.items():
            try:
                self._with_group(call, stop)
            except redis.ResponseError as error:
                raise ServiceError(
                    f"Redis at {self._connection.address} refuses a command, on "
                    f"{name}: {reason_of(error)}; check the names of --redis_in and "
                    "--redis_out, and the rights of the user"
                ) from None

    def _too_many(self, stop: threading.Event) -> int:
        """Return how many requests are more than may wait, before any is taken up."""
        if self._asked.max_backlog is None:
            return 0
        in_hand = len(self._in_hand)  # first: those answered since are no longer there
        length = self._with_group(lambda: self._redis.xlen(self._in), stop) or 0
        return max(0, length - in_hand - self._asked.max_backlog)

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
            if deliveries <= self._asked.max_deliveries:
                self._deliver(inbox, got, fields)
                self._wait_until_free()
            else:
                reason = f"delivered {deliveries - 1} times and never answered"
                self._deliver(inbox, got, fields, given_up=reason)

    def _left_behind(self) -> list:
        return self._redis.xpending_range(
            self._in, self._group, "-", "+", 1, idle=self._claim_ms
        )

    def _claim(self, entry: bytes) -> tuple[bytes, dict, int] | None:
        """Return the id, fields and number of deliveries, if it is still free."""
        names = (self._in, self._group)
        answer = self._redis.xautoclaim(
            *names, self._worker, self._claim_ms, start_id=entry, count=1
        )
        # What was deleted from the stream nobody can answer: Redis 7 says what it was,
        got, fields = answer[1][0] if answer[1] else (None, None)
        trimmed = answer[2] if len(answer) > 2 else []
        if answer[1] and fields is None:
            # and Redis 6 that it was something.
            self._redis.xack(*names, entry)
            trimmed = [entry]
        for lost in trimmed:
            self._tell_trimmed(lost, "which it never gets from a worker that is gone")
        if fields is None:
            return None
        pending = self._redis.xpending_range(*names, got, got, 1)
        return got, fields, pending[0]["times_delivered"] if pending else 0

    def _wait_until_free(self) -> None:
        """Wait until nothing is in hand."""
        while self._wait_for_room(1) < 1:
            pass

    def _deliver(
        self,
        inbox: Inbox,
        entry: bytes,
        fields: dict,
        is_late: bool = False,
        given_up: str = "",
    ) -> None:
        """Have a request predicted, or refused for whatever is wrong with it.

        ``is_late``: too many wait. ``given_up``: why it is not tried again.
        """
        ticket = Ticket(entry, [self._out, None], taken=time.monotonic())
        request = Request(b"", name=entry.decode(), ticket=ticket)
        self._in_hand.add(entry)
        try:
            self._understand(request, fields)
            if given_up:
                raise Refused(given_up, "given_up")
            if is_late:
                # It waits for its turn all the same, which is soon.
                self._metrics.drops.labels("queue_full").inc()
                request.reason = QUEUE_FULL
            else:
                request.content = self._content(fields)
        except Refused as refused:
            inbox.refuse(request, refused.why, str(refused))
        except Exception as error:  # one request must not end the worker
            cli.log.error("image %s: %s", request.short_id, error, exc_info=True)
            reason = f"the request cannot be read: {type(error).__name__}"
            inbox.refuse(request, "given_up", reason)
        else:
            inbox.put(request)

    def _understand(self, request: Request, fields: dict) -> None:
        """Fill in all but the content."""
        ticket, name = request.ticket, fields.get(b"id", b"")
        # The same request sent twice has the same digest, if the caller named it.
        digest = hashlib.sha256(b"" if name else ticket.entry)
        for field, value in sorted(fields.items()):
            digest.update(b"%b %d %b" % (field, len(value), value))
        ticket.digest = digest.hexdigest()
        if name:
            request.name = name[:LONGEST_NAME].decode(errors="replace")
        if reply_to := self._reply_to(fields):
            ticket.places.insert(0, reply_to)
        if len(name) > LONGEST_NAME:
            raise Refused(f"the id has {len(name)} bytes; the limit is {LONGEST_NAME}")
        sent = int(ticket.entry.split(b"-")[0]) / 1000
        request.arrived = time.monotonic() - max(0.0, time.time() - sent)
        request.deadline = request.arrived + _seconds(fields.get(b"deadline_ms"))

    def _reply_to(self, fields: dict) -> bytes:
        """Return the stream for the answer, or b"" if the request names none."""
        reply_to = fields.get(b"reply_to", b"")
        if len(reply_to) > LONGEST_NAME:
            raise Refused(
                f"reply_to has {len(reply_to)} bytes; the limit is {LONGEST_NAME}",
                "given_up",
            )
        name = reply_to.decode(errors="replace")
        if reply_to and (name == self._out or is_own(name, self._in)):
            raise Refused(
                f"reply_to {name!r} is a key of the service; name one of your own",
                "given_up",
            )
        return reply_to

    def _content(self, fields: dict) -> bytes:
        if b"image" in fields:
            return fields[b"image"]
        if b"path" not in fields:
            raise Refused("the request has neither image nor path")
        if self._image_root is None:
            raise Refused("the request has a path; this service reads none")
        return read_below(self._image_root, fields[b"path"], self._max_bytes)

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

    def _is_time(self, since: float, fraction: float) -> bool:
        return time.monotonic() - since > self._claim_ms / 1000 * fraction


def _seconds(milliseconds: bytes | None) -> float:
    """Return a time limit; infinite where there is none."""
    if not milliseconds:
        return math.inf
    try:
        value = float(milliseconds)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        text = milliseconds[:40].decode(errors="replace")
        raise Refused(f"deadline_ms {text!r} is no number of milliseconds")
    return value / 1000
