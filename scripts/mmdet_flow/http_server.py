"""The HTTP server of the standard library, with the limits that all of ours have."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mmdet_flow import cli
from mmdet_flow.errors import ServiceError

LOOPBACK = ("127.0.0.1", "localhost")


class Server(ThreadingHTTPServer):
    daemon_threads = False
    """Answers that are under way are waited for at the end."""

    def handle_error(self, *_) -> None:
        """Say little of a connection that broke: whoever asked has gone."""
        cli.log.debug("a connection broke", exc_info=True)


class Handler(BaseHTTPRequestHandler):
    """Waits ten seconds for a request, and says nothing of Python."""

    timeout = 10
    server_version, sys_version = "mmdet-flow", ""

    def log_message(self, form: str, *values) -> None:
        cli.log.debug("%s", form % values)


def bound(host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> Server:
    """Return a server at an address; port 0 is any that is free.

    ServiceError where the address cannot be taken.
    """
    try:
        return Server((host, port), handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ServiceError(
            f"{host}:{port}: {reason}; choose another --port or --host"
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
