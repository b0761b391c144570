"""The pages over HTTP: to read alone, from this machine alone."""

from collections.abc import Collection
from contextlib import AbstractContextManager
from http import HTTPStatus
from urllib.parse import unquote

from mmdet_flow import cli
from mmdet_flow.http_server import LOOPBACK, Handler, Server, bound, serving
from mmdet_flow.pages.render import policy
from mmdet_flow.watch.overview import SUFFIXES, Overview, Results
from mmdet_flow.watch.page import SCRIPTS, SOURCES, experiment_html, overview_html

HOST = "127.0.0.1"
HEADERS = {
    "Content-Security-Policy": f"{policy(SCRIPTS, SOURCES)}; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
HTML = "text/html; charset=utf-8"


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


def watch_server(results: Results, port: int, hosts: Collection[str] = ()) -> Server:
    """Return a server of the pages; port 0 is any that is free.

    Only requests are answered whose Host is this machine by name, or one of ``hosts``:
    a page of others, whose name leads here, learns nothing.
    """
    handler = _handler(results, {*LOOPBACK, "[::1]", *hosts})
    return bound(HOST, port, handler, "--port")


def address_of(server: Server) -> str:
    return f"http://{HOST}:{server.server_port}/"


def served(server: Server) -> AbstractContextManager[None]:
    """Answer until the block ends."""
    return serving(server)


def _handler(results: Results, hosts: Collection[str]) -> type[Handler]:
    class Pages(Handler):
        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_POST(self) -> None:
            why = "this is to read alone"
            self._send(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", why.encode(), True)

        do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_POST

        def _answer(self, with_body: bool) -> None:
            try:
                kind, body = self._content()
                self._send(HTTPStatus.OK, kind, body, with_body)
            except _Refused as error:
                self._send(error.status, "text/plain", str(error).encode(), with_body)
            except OSError:  # whoever asked has gone
                raise
            except Exception as error:
                cli.log.exception("%s: a bug in mmdet-flow", self.path[:100])
                what = f"{type(error).__name__}, which the log explains"
                status = HTTPStatus.INTERNAL_SERVER_ERROR
                self._send(status, "text/plain", what.encode(), with_body)

        def _content(self) -> tuple[str, bytes]:
            self._require_host()
            path = unquote(self.path.partition("?")[0])
            if path == "/":
                page = overview_html(results.folder, results.all())
                return HTML, page.encode(errors="replace")
            if path == "/favicon.ico":  # which browsers ask for unasked
                raise _Refused(HTTPStatus.NO_CONTENT, "")
            what, _, rest = path.removeprefix("/").partition("/")
            if what == "experiments":
                page = experiment_html(results.folder, self._experiment(rest))
                return HTML, page.encode(errors="replace")
            if what == "pictures":
                name, _, picture = rest.partition("/")
                return self._picture(self._experiment(name), picture)
            raise _Refused(HTTPStatus.NOT_FOUND, "there is no such page; go to /")

        def _require_host(self) -> None:
            given = self.headers.get("Host", "")
            name = given if given.endswith("]") else given.rpartition(":")[0] or given
            if name.lower() not in hosts:
                raise _Refused(
                    HTTPStatus.MISDIRECTED_REQUEST,
                    "this answers to the names of this machine alone; "
                    "mmdet-flow watch --allow-host NAME adds one",
                )

        def _experiment(self, name: str) -> Overview:
            try:
                return results.one(name)
            except LookupError:
                raise _Refused(
                    HTTPStatus.NOT_FOUND, "there is no such experiment; go to /"
                ) from None

        def _picture(self, one: Overview, path: str) -> tuple[str, bytes]:
            """Return one of the pictures that the page names, and nothing else."""
            place = one.folder / path
            inside = place.resolve().is_relative_to(results.folder.resolve())
            if path not in one.pictures() or not inside:
                raise _Refused(HTTPStatus.NOT_FOUND, "there is no such picture")
            return SUFFIXES[place.suffix], place.read_bytes()

        def _send(
            self, status: HTTPStatus, kind: str, body: bytes, with_body: bool
        ) -> None:
            self.send_response(status)
            for name, value in HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

    return Pages
