"""The two ways to show a run: a picture that is drawn anew, and lines."""

import contextlib
import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from io import TextIOWrapper

from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderResult
from rich.live import Live as RichLive
from rich.text import Text

from mmdet_flow.progress.state import DONE, FAILED, RUNNING, STOPPED, Job
from mmdet_flow.progress.training import Training
from mmdet_flow.progress.view import View, duration, facts_of
from mmdet_flow.scrub import shown


class Display(ABC):
    """Shows a run from ``start`` to ``stop``; ``look`` returns how it is now."""

    seconds = 0.5
    """Between two looks."""

    def __init__(self, console: Console, look: Callable[[], View]) -> None:
        self.console, self.look = console, look
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def start(self, lock: threading.Lock) -> None:
        """Begin; ``lock`` is held while a view is read."""
        self.lock = lock
        self._ticker.start()

    def stop(self) -> None:
        self._ended.set()
        self._ticker.join()

    def _tick(self) -> None:
        while not self._ended.wait(self.seconds):
            self.tick()

    @abstractmethod
    def tick(self) -> None:
        """Show what has changed with time."""

    @abstractmethod
    def changed(self, view: View, jobs: Iterable[Job]) -> None:
        """Show what an event has changed."""

    @abstractmethod
    def say(self, text: Text) -> None:
        """Show lines that stay."""


class Lines(Display):
    """A line for each job that starts or ends, and for the course of trainings."""

    seconds = 5.0

    def __init__(self, console: Console, look: Callable[[], View]) -> None:
        super().__init__(console, look)
        self._seen: dict[int, tuple] = {}
        self._early_ends: dict[int, str] = {}

    def tick(self) -> None:
        with self.lock:
            view = self.look()
            lines = [
                f"{job.experiment}: training, {text}"
                for number, training in view.trainings.items()
                if (job := view.run.jobs[number]).status == RUNNING
                for text in self._news(number, training)
            ]
        for line in lines:
            self._line(line, time.time())

    def _news(self, number: int, training: Training) -> Iterator[str]:
        """Yield what was not told of a training."""
        if self._is_news(number, training):
            yield ", ".join(facts_of(training))
        if training.early_end != self._early_ends.get(number, ""):
            self._early_ends[number] = training.early_end
            yield training.early_end or "all epochs, as planned"

    def _is_news(self, number: int, training: Training) -> bool:
        """Whether there is a validation, or a tenth of the work, that was not told."""
        tenth = None if training.fraction is None else int(10 * training.fraction)
        before = self._seen.get(number, (None, None))
        self._seen[number] = training.last, tenth
        return self._seen[number] != before and training.iteration > 0

    def changed(self, view: View, jobs: Iterable[Job]) -> None:
        for job in jobs:
            if text := _told(job):
                when = job.started if job.status == RUNNING else job.ended
                self._line(f"{job.experiment}: {job.what} {text}", when or view.now)

    def say(self, text: Text) -> None:
        self.console.print(text, soft_wrap=True)

    def _line(self, text: str, when: float) -> None:
        clock = time.strftime("%H:%M:%S", time.localtime(when))
        self.say(Text(f"{clock}  {text}"))


def _told(job: Job) -> str:
    """Return what a line says of a job; "" where nothing is to be said."""
    if job.status == RUNNING:
        return f"starts, try {job.tries}" if job.tries > 1 else "starts"
    took = duration(job.seconds(0.0))
    if job.status == DONE:
        return f"is done in {took}"
    if job.status == FAILED:
        return f"failed after {took}: {job.reason}"
    return f"is stopped after {took}" if job.status == STOPPED else ""


class Live(Display):
    """A picture of the run at the end of the terminal; what others say is above it."""

    def start(self, lock: threading.Lock) -> None:
        self.lock = lock  # of each drawing, and what a job says draws
        self._terminal, self._stream = _Terminal(), self.console.file
        self.console.file = self._terminal.stream
        self._fit()
        self._live = self._new_live()
        self._live.start()
        self._terminal.listen(self._overheard)
        super().start(lock)

    def stop(self) -> None:
        super().stop()
        self._terminal.release()
        self._live.refresh()
        self._live.stop()
        self._terminal.stream.close()
        self.console.file = self._stream

    def tick(self) -> None:
        if self._fit():
            # What was drawn for another width is broken into other lines by now.
            self._live.stop()
            self.console.clear()
            self._live = self._new_live()
            self._live.start()
        self._live.refresh()

    def changed(self, view: View, jobs: Iterable[Job]) -> None:
        """The next picture shows it."""

    def say(self, text: Text) -> None:
        self.console.print(text, soft_wrap=True)

    def _new_live(self) -> RichLive:
        return RichLive(
            _Now(self),
            console=self.console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )

    def _fit(self) -> bool:
        """Take the size of the terminal; return whether it is another one."""
        size = self._terminal.size()
        is_new = self.console.size != size
        self.console.size = size
        return is_new

    def _overheard(self, line: str) -> None:
        self.say(Text.from_ansi(shown(line)))


class _Now:
    """The view at the time when it is drawn."""

    def __init__(self, display: Live) -> None:
        self._display = display

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        with self._display.lock:
            lines = list(self._display.look().__rich_console__(console, options))
        yield from lines


class _Terminal:
    """The terminal for us alone: what else goes there comes through a pipe.

    Jobs write to it as well, such as one that shows its log; in the middle of the
    picture that would be lost.
    """

    def __init__(self) -> None:
        self._kept = {number: os.dup(number) for number in (1, 2) if os.isatty(number)}
        self._own = os.dup(next(iter(self._kept.values()), 2))
        encoding = sys.stderr.encoding or "utf-8"
        self.stream = os.fdopen(
            self._own, "w", encoding=encoding, errors="backslashreplace"
        )

    def size(self) -> ConsoleDimensions:
        try:
            columns, lines = os.get_terminal_size(self._own)
        except OSError:
            columns, lines = 80, 24
        return ConsoleDimensions(columns or 80, lines or 24)

    def listen(self, heard: Callable[[str], None]) -> None:
        """Call ``heard`` with each line that somebody writes."""
        reading, writing = os.pipe()
        for number in self._kept:
            os.dup2(writing, number)
        os.close(writing)
        stream = os.fdopen(reading, errors="replace")
        self._listener = threading.Thread(
            target=_listen, args=(stream, heard), daemon=True
        )
        self._listener.start()

    def release(self) -> None:
        """Let others write to the terminal again."""
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        for number, kept in self._kept.items():
            os.dup2(kept, number)
            os.close(kept)
        # A job that was left behind may hold the pipe open.
        self._listener.join(timeout=1)


def _listen(stream: TextIOWrapper, heard: Callable[[str], None]) -> None:
    with stream:
        for line in stream:
            heard(line.rstrip("\n"))
