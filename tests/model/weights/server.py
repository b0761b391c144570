"""A server of files over HTTP on this machine, which can be as bad as real ones are."""

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RANGE = re.compile(r"bytes=(\d+)-")


@dataclass
class Behaviour:
    """How a file is answered for.

    Attributes:
        content: the file.
        status: of the answer.
        type: what the answer says that it is.
        cuts: after how many bytes the connection ends, of one answer after the other;
            None is a whole answer, as are all later ones.
        claims: how many bytes the answer says that it has more than it has.
        says_length: whether it says a length at all.
        has_ranges: whether it gives parts of a file.
        shift: by how many bytes a part begins later than was asked for.
        stalls: after how many bytes it falls silent, of one answer after the other.
        pause: seconds between two blocks.
        moved_to: another path that has the file.
    """

    content: bytes = b""
    status: int = 200
    type: str = "application/octet-stream"
    cuts: list[int | None] = field(default_factory=list)
    claims: int = 0
    says_length: bool = True
    has_ranges: bool = True
    shift: int = 0
    stalls: list[int | None] = field(default_factory=list)
    pause: float = 0.0
    moved_to: str | None = None


@dataclass
class Files:
    """A running server: what it answers by path, and what it was asked for."""

    url: str
    answers: dict[str, Behaviour] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    """Path and first byte of each request."""


@contextlib.contextmanager
def serving() -> Iterator[Files]:
    """Serve until the context ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            # A proxy is asked by the whole address.
            _answer(self, files, over)

        def log_message(self, *_) -> None:
            pass

    over = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    files = Files(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield files
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(
    request: BaseHTTPRequestHandler, files: Files, over: threading.Event
) -> None:
    behaviour = files.answers.get(request.path)
    asked = RANGE.fullmatch(request.headers.get("Range", ""))
    begin = int(asked[1]) if asked else 0
    files.asked.append((request.path, begin))
    if behaviour is None:
        request.send_error(404)
        return
    if behaviour.moved_to:
        request.send_response(302)
        request.send_header("Location", behaviour.moved_to)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    _send(request, behaviour, begin if behaviour.has_ranges else 0, over)


def _send(
    request: BaseHTTPRequestHandler,
    behaviour: Behaviour,
    begin: int,
    over: threading.Event,
) -> None:
    whole = len(behaviour.content)
    if begin and begin >= whole:
        request.send_response(416)
        request.send_header("Content-Range", f"bytes */{whole}")
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    body = behaviour.content[begin:]
    request.send_response(206 if begin else behaviour.status)
    request.send_header("Content-Type", behaviour.type)
    if begin:
        first = begin + behaviour.shift
        request.send_header("Content-Range", f"bytes {first}-{whole - 1}/{whole}")
    if behaviour.says_length:
        request.send_header("Content-Length", str(len(body) + behaviour.claims))
    request.end_headers()
    cut = behaviour.cuts.pop(0) if behaviour.cuts else None
    stall = behaviour.stalls.pop(0) if behaviour.stalls else None
    end = min(one for one in (cut, stall, len(body)) if one is not None)
    with contextlib.suppress(OSError):  # whoever asked may have gone
        for at in range(0, end, 1 << 14):
            request.wfile.write(body[at : min(end, at + (1 << 14))])
            time.sleep(behaviour.pause)
        if stall is not None:
            over.wait(60)
    request.close_connection = True
