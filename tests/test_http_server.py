"""What every server of ours does with a connection, whatever it is asked."""

import http.client
import socket
import time
from contextlib import contextmanager

import pytest

from mmdet_flow import http_server
from mmdet_flow.hints.backend import Backend
from mmdet_flow.hints.server import Door, hint_server
from mmdet_flow.http_server import Handler, bound, serving
from mmdet_flow.serving.health import health_server
from mmdet_flow.serving.metrics import Metrics
from mmdet_flow.watch.overview import Results
from mmdet_flow.watch.server import served, watch_server
from tests.conftest import unused_port

MUCH = 20_000_000
"""Bytes of a request: more than a kernel keeps for a server that does not read."""


@contextmanager
def hints(_, predictor):
    backend = Backend(predictor, {}, 1, 1)
    with hint_server(backend, Door("127.0.0.1", 0, "ann:x", 1 << 20)) as address:
        yield int(address.rpartition(":")[2])


@contextmanager
def watch(folder, _):
    server = watch_server(Results(folder), 0)
    with served(server):
        yield server.server_port


@contextmanager
def health(*_):
    port = unused_port()
    with health_server(str(port), Metrics(), lambda: ""):
        yield port


HALF = (
    b"POST /setup HTTP/1.1\r\nAuthorization: Basic YW5uOng=\r\n"
    b"Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
)
"""A request whose content does not come to its end."""

SERVERS = pytest.mark.parametrize("server", [hints, watch, health])


@SERVERS
@pytest.mark.parametrize("pause", [0, 0.3])
def test_who_sends_what_nobody_reads_gets_the_answer(
    server, pause, tmp_path, predictor
):
    """The client sends all of its request before it reads, and not always at once."""
    with server(tmp_path, predictor) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(MUCH))
        connection.endheaders()
        for _ in range(4):
            time.sleep(pause)
            connection.send(b" " * (MUCH // 4))
        assert connection.getresponse().status in (401, 405, 501)


@SERVERS
def test_a_connection_that_asks_for_nothing_does_not_hold_the_end(
    server, tmp_path, predictor
):
    """A browser opens connections before it needs them; half of one is none."""
    with server(tmp_path, predictor) as port:
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
        clients[1].sendall(b"GET / HT")
        clients[3].sendall(HALF)
        clients[2].sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        while clients[2].recv(1 << 16):
            pass  # answered, and not closed
        before = time.monotonic()
    assert time.monotonic() - before < 5
    for client in clients:
        client.close()


def test_an_answer_under_way_is_sent_before_the_end():
    class Slow(Handler):
        def do_GET(self) -> None:
            asked.append(self.path)
            time.sleep(0.5)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"late")

    asked: list[str] = []
    server = bound("127.0.0.1", 0, Slow)
    with serving(server):
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
        connection.request("GET", "/")
        while not asked:
            time.sleep(0.01)
    assert connection.getresponse().read() == b"late"


def test_who_never_ends_is_cut_off(monkeypatch):
    monkeypatch.setattr(http_server, "LINGER_S", 1)
    server = bound("127.0.0.1", 0, Handler)
    with serving(server):
        client = socket.create_connection(("127.0.0.1", server.server_port))
        client.sendall(b"POST / HTTP/1.1\r\n\r\n")
        before = time.monotonic()
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            while time.monotonic() - before < 20:
                client.sendall(b" " * 1000)
                time.sleep(0.2)
