"""A real Chromium for tests, driven over its DevTools pipe; no driver is needed."""

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--remote-debugging-pipe"),
)
PATIENCE = 120


class Page:
    """A page of a running Chromium.

    Attributes:
        errors: what the console said as a warning or an error, and exceptions.
        requests: the addresses of everything that was fetched, frames included.
    """

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._numbers = itertools.count(1)
        self._rest = b""
        self._session: str | None = None
        self._contexts: dict[int, dict] = {}
        self.errors: list[str] = []
        self.requests: list[str] = []
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(one["targetId"] for one in targets if one["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def open(self, address: str) -> None:
        """Open an address, and wait until it is loaded."""
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def run(self, script: str, frame: bool = False):
        """Return the value of an expression, in the page or in its only frame."""
        where = {"contextId": self._context_of_frame()} if frame else {}
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, **where
        )
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def wait(self, condition: str, frame: bool = False) -> None:
        """Wait until an expression holds."""
        end = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(LookupError, RuntimeError):  # it is just loading
                if self.run(condition, frame):
                    return
            assert time.monotonic() < end, f"in vain: {condition}; {self.errors}"
            time.sleep(0.05)

    def click(self, text: str, selector: str = "a, button") -> None:
        """Click on the first element of that text."""
        which = f"""[...document.querySelectorAll({json.dumps(selector)})]
            .find((one) => one.textContent.trim() === {json.dumps(text)})"""
        self.wait(f"!!{which}")
        self.run(f"{which}.click()")

    def picture(self) -> bytes:
        """Return the visible part as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def call(self, method: str, **options) -> dict:
        """Send a command of the DevTools protocol, and return its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": options}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                break
            self._note(answer)
        if "error" in answer:
            raise RuntimeError(answer["error"]["message"])
        return answer["result"]

    def _read(self) -> dict:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], PATIENCE)
            received = os.read(self._answers, 1 << 20) if ready else b""
            assert received, "chromium does not answer"
            self._rest += received
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict) -> None:
        what, values = event.get("method"), event.get("params", {})
        if what == "Runtime.exceptionThrown":
            details = values["exceptionDetails"]
            self.errors.append(
                details.get("exception", {}).get("description", details["text"])
            )
        elif what == "Runtime.consoleAPICalled":
            if values["type"] in ("error", "warning", "assert"):
                self.errors.append(str([arg.get("value") for arg in values["args"]]))
        elif what == "Log.entryAdded":
            if values["entry"]["level"] in ("error", "warning"):
                self.errors.append(values["entry"]["text"])
        elif what == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])
        elif what == "Runtime.executionContextCreated":
            self._contexts[values["context"]["id"]] = values["context"]["auxData"]
        elif what == "Runtime.executionContextDestroyed":
            self._contexts.pop(values["executionContextId"], None)
        elif what == "Runtime.executionContextsCleared":
            self._contexts.clear()

    def _context_of_frame(self) -> int:
        """Return the context of the only frame; LookupError while there is none."""
        frames = self.call("Page.getFrameTree")["frameTree"].get("childFrames", [])
        for number, data in self._contexts.items():
            if data["isDefault"] and [data["frameId"]] == [
                one["frame"]["id"] for one in frames
            ]:
                return number
        raise LookupError("the frame is not there yet")


@contextlib.contextmanager
def chromium(profile: Path, size: tuple[int, int] = (1600, 1000)) -> Iterator[Page]:
    """Start Chromium with a profile of its own, and yield its page."""
    commands_in, commands_out = os.pipe()
    answers_in, answers_out = os.pipe()

    process = subprocess.Popen(
        [
            # Chromium reads from the descriptor 3 and writes to 4.
            *("bash", "-c", f'exec "$0" "$@" 3<&{commands_in} 4>&{answers_out}'),
            *(CHROMIUM, *OPTIONS, f"--user-data-dir={profile}"),
            *(f"--window-size={size[0]},{size[1]}", "about:blank"),
        ],
        pass_fds=(commands_in, answers_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(commands_in)
    os.close(answers_out)
    try:
        yield Page(commands_out, answers_in)
    finally:
        process.terminate()
        process.wait(timeout=30)
        os.close(commands_out)
        os.close(answers_in)
