"""/healthz, /readyz and /metrics over HTTP."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from mmdet_flow.errors import UsageError
from mmdet_flow.http_server import LOOPBACK, Handler, bound, serving
from mmdet_flow.serving.metrics import Metrics


def health_server(
    address: str, metrics: Metrics, why_not_ready: Callable[[], str]
) -> AbstractContextManager[None]:
    """Answer at an address "[HOST:]PORT" until the block ends; on loopback at first.

    ``why_not_ready`` returns "" when the service takes requests. Raises UsageError for
    what is no address, ServiceError for one that is taken.
    """
    host, _, port = address.rpartition(":")
    if not re.fullmatch("[0-9]+", port) or int(port[:6]) > 65535:
        raise UsageError(f"--health {address}: write it as PORT or HOST:PORT")
    probes = _handler(metrics, why_not_ready)
    return serving(bound(host or LOOPBACK[0], int(port), probes, "--health"))


def _handler(metrics: Metrics, why_not_ready: Callable[[], str]) -> type[Handler]:
    class Probes(Handler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                self._send(200, b"alive\n")
            elif self.path == "/readyz":
                reason = why_not_ready()
                self._send(503 if reason else 200, f"{reason or 'ready'}\n".encode())
            elif self.path == "/metrics":
                text = generate_latest(metrics.registry)
                self._send(200, text, CONTENT_TYPE_LATEST)
            else:
                self._send(404, b"/healthz, /readyz or /metrics\n")

        def _send(
            self, status: int, body: bytes, content_type: str = "text/plain"
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Probes
