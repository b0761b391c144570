"""The HTTP server of the standard library, with the limits that all of ours have."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mmdet_flow import cli
from mmdet_flow.errors import ServiceError

LOOPBACK = ("127.0.0.1", "localhost")
IDLE_S, LINGER_S = 2, 10
"""Seconds without a byte, and in all, until a connection is ended after its answer."""


class Server(ThreadingHTTPServer):
    """Closes no connection on a client that still sends, nor waits for an idle one."""

    daemon_threads = False
    """Answers that are under way are waited for at the end."""

    def __init__(self, *args, **options) -> None:
        self._idle: set[socket.socket] = set()
        super().__init__(*args, **options)

    def process_request(self, request: socket.socket, client_address) -> None:
        self._idle.add(request)
        super().process_request(request, client_address)

    def has_asked(self, request: socket.socket) -> None:
        """Wait for the answer of this connection, should the server end now."""
        self._idle.discard(request)

    def shutdown_request(self, request: socket.socket) -> None:
        """End a connection when its client does, or has had the time to.

        What a client sends and nobody reads, such as a request that is too large,
        resets a connection that is closed at once: the client then has an error, and
        not the answer (RFC 9112, section 9.6).
        """
        self._idle.add(request)
        end = time.monotonic() + LINGER_S
        with suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            request.settimeout(IDLE_S)
            while request.recv(1 << 16) and time.monotonic() < end:
                pass
        self._idle.discard(request)
        self.close_request(request)

    def server_close(self) -> None:
        """End the connections that ask for nothing, and answer the others first."""
        for request in tuple(self._idle):
            with suppress(OSError):
                request.shutdown(socket.SHUT_RD)
        super().server_close()

    def handle_error(self, *_) -> None:
        """Say little of a connection that broke: whoever asked has gone."""
        cli.log.debug("a connection broke", exc_info=True)


class Handler(BaseHTTPRequestHandler):
    """Waits ten seconds for a request, and says nothing of Python."""

    timeout = 10
    server_version, sys_version = "mmdet-flow", ""
    server: Server

    def parse_request(self) -> bool:
        is_request = super().parse_request()
        if is_request and "Content-Length" not in self.headers:
            self.server.has_asked(self.connection)
        return is_request

    def content(self, length: int) -> bytes:
        """Return the content of a request, of so many bytes; fewer if no more come."""
        content = self.rfile.read(length)
        self.server.has_asked(self.connection)
        return content

    def log_message(self, form: str, *values) -> None:
        cli.log.debug("%s", form % values)


def bound(
    host: str, port: int, handler: type[Handler], option: str = "--port or --host"
) -> Server:
    """Return a server at an address; port 0 is any that is free.

    ServiceError where the address cannot be taken, which names the ``option`` it is of.
    """
    try:
        return Server((host, port), handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ServiceError(
            f"{host}:{port}: {reason}; choose another {option}"
        ) from None


@contextmanager
def serving(
    server: Server, before_end: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Answer until the block ends, and then what was asked for before."""
    thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    thread.start()
    try:
        yield
    finally:
        before_end()
        server.shutdown()
        server.server_close()
