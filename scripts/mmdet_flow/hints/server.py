"""The ML backend protocol over HTTP, with the server of the standard library."""

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

from mmdet_flow import cli
from mmdet_flow.dataset.fields import mapping
from mmdet_flow.errors import DataError
from mmdet_flow.hints.backend import Backend
from mmdet_flow.hints.request import RequestError
from mmdet_flow.http_server import Handler as Base
from mmdet_flow.http_server import bound, serving

LONGEST_REASON = 300


@dataclass(frozen=True)
class Door:
    """Where the server listens, and who may come in.

    Attributes:
        host, port: its address; port 0 is any that is free.
        login: "USER:PASSWORD" of each request, or None for all.
        max_request: the most bytes of a request.
    """

    host: str
    port: int
    login: str | None
    max_request: int


@contextmanager
def hint_server(backend: Backend, door: Door) -> Iterator[str]:
    """Answer until the block ends, and then what was asked for; yield the address.

    ServiceError where the address cannot be taken.
    """
    server = bound(door.host, door.port, _handler(backend, door))
    with serving(server, before_end=backend.stop):
        yield f"http://{door.host}:{server.server_port}"


def require_free(door: Door) -> None:
    """ServiceError where the address cannot be taken: said before a model is loaded."""
    bound(door.host, door.port, Base).server_close()


def _handler(backend: Backend, door: Door) -> type[Base]:
    health = {"status": "UP", "model_class": "mmdet-flow"}
    asked: dict[str, Callable[[], dict]] = {
        "/": lambda: health,
        "/health": lambda: health,
        "/versions": backend.versions,
    }
    told: dict[str, Callable[[dict], dict]] = {
        "/setup": backend.setup,
        "/predict": backend.predict,
        "/webhook": backend.webhook,
    }

    class Handler(Base):
        def do_GET(self) -> None:
            self._answer(asked, lambda answer: answer())

        def do_POST(self) -> None:
            self._answer(told, lambda answer: answer(self._body()))

        def _answer(self, known: dict, call: Callable[[Callable], dict]) -> None:
            """Send what a function gives, or what is wrong with the request.

            Label Studio shows the first line of an answer, so that says it, too.
            """
            status, content = self._outcome(known, call)
            self._send(status, content, _in_a_line(content.get("error", "")))

        def _outcome(
            self, known: dict, call: Callable[[Callable], dict]
        ) -> tuple[HTTPStatus, dict]:
            try:
                if not self._may_come_in():
                    raise RequestError(
                        "user and password are wrong", HTTPStatus.UNAUTHORIZED
                    )
                path = self.path.partition("?")[0]
                if path not in known:
                    names = ", ".join(known)
                    raise RequestError(f"there is {names}", HTTPStatus.NOT_FOUND)
                return HTTPStatus.OK, call(known[path])
            except DataError as error:
                status = getattr(error, "status", HTTPStatus.BAD_REQUEST)
                return status, {"error": str(error)}
            except OSError:  # whoever asked has gone, or sends no more
                raise
            except Exception as error:
                cli.log.exception("%s: a bug in mmdet-flow", self.path[:100])
                what = f"{type(error).__name__}, which the log explains"
                return HTTPStatus.INTERNAL_SERVER_ERROR, {"error": what}

        def _may_come_in(self) -> bool:
            if door.login is None:
                return True
            wanted = b"Basic " + base64.b64encode(door.login.encode())
            given = self.headers.get("Authorization", "").encode("utf-8", "replace")
            return hmac.compare_digest(given, wanted)

        def _body(self) -> dict:
            """Return the JSON of a request; RequestError if none, or too much of it."""
            kind = self.headers.get_content_type()
            if kind != "application/json":  # which no page of others can send unasked
                raise RequestError(
                    "the content is no application/json",
                    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                )
            length = self.headers.get("Content-Length", "")
            if not (length.isascii() and length.isdigit()):
                raise RequestError(
                    "Content-Length is missing", HTTPStatus.LENGTH_REQUIRED
                )
            if len(length) > 18 or int(length) > door.max_request:
                raise RequestError(
                    f"the request has more than {door.max_request} bytes",
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                )
            try:
                content = json.loads(self.content(int(length)))
            except (ValueError, RecursionError):
                raise RequestError("the content is no JSON") from None
            return mapping(content, "the content")

        def _send(self, status: HTTPStatus, answer: dict, line: str) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status, line or None)
            if status == HTTPStatus.UNAUTHORIZED:
                self.send_header("WWW-Authenticate", 'Basic realm="mmdet-flow"')
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _in_a_line(reason: str) -> str:
    """Return a reason as the first line of an answer can have it: short, and ASCII."""
    line = " ".join(reason.encode("ascii", "replace").decode().split())
    return line[:LONGEST_REASON]
