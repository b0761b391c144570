"""A way to a server that can be cut, stalled, or cut in the middle of a message."""

import socket
import threading
import time
from contextlib import suppress


class Wire:
    """Passes connections on to a port of this machine, until it is told otherwise."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._flows = threading.Event()
        self._flows.set()
        self._left: int | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cut all connections."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _shut(*pair)

    def truncate(self, count: int, seconds: float = 10.0) -> None:
        """Cut the next connection that passes so many bytes on, in their middle.

        Returns when that is done, or after some seconds in which little passed.
        """
        self._left = count
        end = time.monotonic() + seconds
        while self._left is not None and time.monotonic() < end:
            time.sleep(0.02)
        self._left = None

    def stall(self, seconds: float) -> None:
        """Pass nothing on for a while; connections stay."""
        self._flows.clear()
        time.sleep(seconds)
        self._flows.set()

    def close(self) -> None:
        self._listener.close()
        self._flows.set()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            self._pairs.append((client, server))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self._flows.wait()
                left = self._left
                if left is not None:
                    self._left = left - len(data)
                    if left <= len(data):
                        target.sendall(data[: len(data) // 2])
                        self._left = None
                        break
                target.sendall(data)
        _shut(source, target)


def _shut(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
