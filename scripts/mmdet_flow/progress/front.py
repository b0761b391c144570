"""Where events come in and text goes out: one run on one stream."""

import logging
import sys
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from mmdet_flow.progress.display import Display, Lines, Live
from mmdet_flow.progress.ending import ending
from mmdet_flow.progress.failures import in_short
from mmdet_flow.progress.reasons import error_in, others_in, reason_in
from mmdet_flow.progress.stages import TARGET, TRAINING
from mmdet_flow.progress.state import FAILED, RUNNING, STOPPED, Job, Run
from mmdet_flow.progress.training import Follower, Training
from mmdet_flow.progress.view import View, fitting
from mmdet_flow.scrub import shown

PLANNING = "planning the jobs"
"""What a terminal shows until Snakemake has its plan."""

LOOK_EVERY = 1.0
"""Seconds between looks at the files of a training."""


class Front:
    """Shows the run of which it is given the events; ``settings`` are Snakemake's.

    Events come in one thread, and pictures are drawn in another.
    """

    def __init__(self, settings) -> None:
        stream = sys.stdout if settings.stdout else sys.stderr
        self._settings = settings
        self._console = Console(
            file=stream,
            no_color=settings.nocolor or None,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._run = Run()
        self._lock = threading.Lock()
        self._followers: dict[int, Follower] = {}
        self._trainings: dict[int, Training] = {}
        self._looked = 0.0
        self._told = 0
        self._display: Display | None = None
        self._is_closed = False
        if self._is_live and self._shows_jobs:
            self._say(Text(PLANNING, "dim"))

    @property
    def _is_live(self) -> bool:
        """Whether text goes to a terminal that can draw a picture anew."""
        # Rich takes any stream for a terminal where FORCE_COLOR is set.
        return self._console.file.isatty() and not self._console.is_dumb_terminal

    @property
    def _shows_jobs(self) -> bool:
        return not (self._settings.dryrun or self._is_silent)

    @property
    def _is_silent(self) -> bool:
        """Whether no more than errors are to be said, as by --quiet all."""
        kinds = {one.name for one in self._settings.quiet or ()}
        return "ALL" in kinds and not self._settings.dryrun

    def take(self, record: logging.LogRecord) -> None:
        """Take in an event, and show what it changes."""
        with self._lock:
            changed = [job for job in self._run.take(record) if job.rule != TARGET]
            for job in changed:
                self._follow(job)
            new = self._run.said[self._told :]
            self._told = len(self._run.said)
        self._begin()
        for level, text in new:
            if level > logging.INFO or not self._is_silent:
                is_short = level >= logging.ERROR and not self._settings.verbose
                self._say(_message(level, in_short(text) if is_short else text))
        self._say_more(record)
        if self._display and changed:
            self._display.changed(self._view(), changed)

    def close(self) -> None:
        """Show the end; a second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        with self._lock:
            self._run.stop(time.time())
        if self._display:
            self._display.stop()
            self._display = None
        if not self._is_silent:
            for text in ending(self._run, time.time(), self._settings.dryrun):
                self._say(text)

    def _begin(self) -> None:
        if self._display or not self._run.has_begun:
            return
        if self._is_closed or not self._shows_jobs:
            return
        self._display = (Live if self._is_live else Lines)(self._console, self._look)
        self._display.start(self._lock)

    def _follow(self, job: Job) -> None:
        """Begin and end to read the files of a training; find out why a job failed."""
        if job.rule == TRAINING and job.status == RUNNING and job.outputs:
            place = Path(job.outputs[0])
            self._followers[job.number] = Follower.of_checkpoint(place, job.started)
        elif job.status != RUNNING:
            self._followers.pop(job.number, None)
        if job.status == FAILED:
            job.reason = reason_in(job.logs) or job.reason
            job.others = tuple(others_in(job.logs, job.reason))
        elif job.status == STOPPED:
            # Whatever else the log ends with was written while the job was ended.
            job.reason = error_in(job.logs)

    def _look(self) -> View:
        """Return the run as it is now, trainings included; the lock is held."""
        now = time.time()
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            for number, follower in self._followers.items():
                self._trainings[number] = follower.look(now)
        return self._view()

    def _view(self) -> View:
        return View(self._run, self._trainings, time.time())

    def _say(self, text: Text) -> None:
        if self._is_live:
            text = fitting(text, self._console.width)
        if self._display:
            self._display.say(text)
        else:
            self._console.print(text, soft_wrap=True)

    def _say_more(self, record: logging.LogRecord) -> None:
        """Say what was asked for with Snakemake's options."""
        event = str(getattr(record, "event", None) or "")
        if self._settings.printshellcmds and event == "shellcmd" and record.shellcmd:
            self._say(Text(record.shellcmd.strip(), "dim"))
        elif record.levelno < logging.INFO and self._settings.verbose:
            self._say(Text(str(record.msg).strip(), "dim"))


def _message(level: int, text: str) -> Text:
    text = shown(text)
    if level >= logging.ERROR:
        return Text(f"error: {text}", "red")
    if level >= logging.WARNING:
        return Text(f"warning: {text}", "yellow")
    return Text(text)
