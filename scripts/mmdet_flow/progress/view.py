"""The text that shows a run: what runs, failed, waits and is done.

``Screen`` fits it to the terminal: what does not fit is counted instead.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions
from rich.text import Text

from mmdet_flow.columns import wrapped
from mmdet_flow.progress.state import (
    ALL,
    DONE,
    FAILED,
    RUNNING,
    STOPPED,
    WAITING,
    Experiment,
    Job,
    Run,
)
from mmdet_flow.progress.training import Training
from mmdet_flow.words import counted

if TYPE_CHECKING:
    from rich.console import RenderResult

MARKS = {
    DONE: ("✓", "+", "green"),
    RUNNING: ("▸", ">", "cyan"),
    FAILED: ("✗", "x", "bold red"),
    STOPPED: ("■", "=", "yellow"),
    WAITING: ("·", ".", "dim"),
}
"""The sign of each status, that of terminals without Unicode, and its colour."""

BAR = 30
"""Columns of a bar at most."""

NARROW = 60
"""Columns below which a line has only what matters most."""

FEW = 3
"""Waiting experiments up to which each has its stages."""

Trainings = Mapping[int, Training]
"""How far trainings are, by the numbers of their jobs."""


def duration(seconds: float) -> str:
    """Return a time as 0:07, 12:30 or 3:05:00."""
    text = str(timedelta(seconds=round(seconds)))
    return text[3:] if text.startswith("0:0") else text.removeprefix("0:")


def left(seconds: float) -> str:
    """Return a time that is left, in words."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s left"
    if seconds < 5400:
        return f"{round(seconds / 60)} min left"
    return f"{seconds / 3600:.1f} h left"


def fitting(text: Text, width: int) -> Text:
    """Return a text whose lines fit into so many columns, as far as their words do.

    One that is not to be wrapped stays as it is.
    """
    if text.no_wrap:
        return text
    lines = text.split("\n", allow_blank=True)
    return Text("\n").join(one for line in lines for one in _wrapped(line, width))


def _wrapped(line: Text, width: int) -> list[Text]:
    """Return a line, or those that it is broken into, in the style of its beginning."""
    if line.cell_len <= width:
        return [line]
    style = line.spans[0].style if line.spans else line.style
    return [Text(one, style) for one in wrapped(line.plain, width)]


def score_of(training: Training) -> str:
    """Return the newest mAP, with the best one where that is another."""
    if training.last is None or training.best is None:
        return ""
    kind = {"segm_mAP": "mask mAP", "bbox_mAP": "mAP"}[training.last.metric]
    text = f"{kind} {training.last.score:.3f}"
    if training.best.score > training.last.score:
        text += f" (best {training.best.score:.3f}, epoch {training.best.epoch})"
    return text


def facts_of(training: Training) -> list[str]:
    """Return what is known of a training, the most important first."""
    facts = []
    if training.fraction is not None:
        facts.append(f"{int(100 * training.fraction)} %")
    if training.seconds_left is not None and not training.doing:
        facts.append(left(training.seconds_left))
    if score := score_of(training):
        facts.append(score)
    if training.doing:
        facts.append(training.doing)
    elif training.loss is not None:
        facts.append(f"epoch {training.epoch}")
        facts.append(f"loss {training.loss:.3f}")
    return facts


def waits_for(run: Run, experiment: Experiment) -> str:
    """Say what an experiment waits for that has nothing running."""
    blockers = run.blockers(experiment.jobs)
    if not blockers:
        return "waits for a free core"
    failed = [job for job in blockers if job.status in (FAILED, STOPPED)]
    if failed:
        return f"cannot go on: {_named(failed[0], experiment)} {failed[0].status}"
    more = f" and {len(blockers) - 1} more" if len(blockers) > 1 else ""
    return f"waits for {_named(blockers[0], experiment)}{more}"


def _named(job: Job, experiment: Experiment) -> str:
    is_named = job.experiment not in (experiment.name, ALL)
    where = f"{job.experiment}: " if is_named else ""
    return f"{where}{job.what}"


@dataclass(frozen=True)
class View:
    """A moment of a run; ``now`` is in seconds since 1970."""

    run: Run
    trainings: Trainings
    now: float

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> "RenderResult":
        width = options.max_width
        drawing = Drawing(self, width, options.ascii_only)
        yield from drawing.fitting(console.size.height - 1)


class Drawing:
    """Draws a view for a width, with or without Unicode."""

    def __init__(self, view: View, width: int, ascii_only: bool) -> None:
        self._run, self._trainings, self._now = view.run, view.trainings, view.now
        self._width, self._ascii = width, ascii_only

    def _text(self, text: str = "", style: str = "") -> Text:
        """Return a line that is cut where the terminal ends."""
        overflow = "crop" if self._ascii else "ellipsis"
        return Text(text, style, no_wrap=True, overflow=overflow)

    def fitting(self, height: int) -> list[Text]:
        """Return lines of which there are at most ``height``."""
        experiments = self._run.experiments
        for most in self._choices(len(experiments)):
            lines = [self._head(), *self._body(experiments, *most)]
            if len(lines) <= height:
                return lines
        return lines[: max(1, height)]

    @staticmethod
    def _choices(count: int) -> Iterator[tuple[bool, bool, int]]:
        """Yield ways to draw, the longest first.

        Whether stages are shown, whether a running experiment has more than a line, and
        how many others are named one by one.
        """
        yield True, True, count
        for named in sorted({count, *(24, 16, 12, 8, 5, 3, 2, 1)}, reverse=True):
            if named <= count:
                yield True, True, named
        yield True, True, 0
        yield False, True, 0
        yield False, False, 0

    def _body(
        self, experiments: list[Experiment], stages: bool, blocks: bool, named: int
    ) -> Iterator[Text]:
        by_status = {
            status: [one for one in experiments if one.status == status]
            for status in (DONE, STOPPED, FAILED, RUNNING, WAITING)
        }
        yield from self._quiet(by_status[DONE], named, "done")
        for status in (STOPPED, FAILED, RUNNING):
            for one in by_status[status]:
                yield from self._block(one, stages, blocks)
        yield from self._waiting(by_status[WAITING], stages, named)

    def _head(self) -> Text:
        run = self._run
        text = self._text()
        text.append("mmdet-flow", "bold")
        text.append(f"  {run.done} of {counted(run.total, 'job')}")
        if run.started is not None:
            text.append(f"  {duration(self._now - run.started)}")
        if run.cores:
            text.append(f"  {counted(run.cores, 'core')}", "dim")
        if run.is_stopping:
            text.append("  stopping", "yellow")
        elif failed := len(run.with_status(FAILED)):
            text.append(f"  {failed} failed", "bold red")
        return text

    def _block(self, one: Experiment, stages: bool, blocks: bool) -> Iterator[Text]:
        """Yield the lines of an experiment in which something runs or failed."""
        yield from self._stages(one) if stages else [self._line(one)]
        if not blocks:
            return
        running = [job for job in one.jobs if job.status == RUNNING]
        shown = running if len(running) <= 4 else running[:3]
        for job in one.jobs:
            if job.status in (FAILED, STOPPED):
                yield from self._failed(job)
        for job in shown:
            yield self._running(job)
            if early := self._trainings.get(job.number, Training()).early_end:
                yield self._text(f"    {early}", "dim")
        if len(running) > len(shown):
            yield self._text(
                f"    and {counted(len(running) - len(shown), 'more job')}", "dim"
            )

    def _line(self, one: Experiment, what: str = "") -> Text:
        text = self._text()
        text.append_text(self._mark(one.status))
        text.append(f" {one.name}", "bold")
        if what:
            text.append(f"  {what}", "dim")
        return text

    def _stages(self, one: Experiment) -> list[Text]:
        """Return the stages of an experiment, on as many lines as they take."""
        line = self._line(one)
        lines = []
        for stage in one.stages:
            part = self._text(f"  {stage.name}")
            if not stage.has_begun:
                part.stylize("dim")
            else:
                part.append(" ").append_text(self._mark(stage.status))
            if stage.has_begun and self._width >= NARROW:
                part.append(f" {duration(stage.seconds(self._now))}", "dim")
            if line.cell_len + part.cell_len > self._width:
                lines.append(line)
                line = self._text("  ")
            line.append_text(part)
        return [*lines, line]

    def _running(self, job: Job) -> Text:
        seconds = duration(job.seconds(self._now))
        training = self._trainings.get(job.number, Training())
        if training.fraction is not None:
            return self._training(training)
        again = [f"try {job.tries}"] if job.tries > 1 else []
        words = "  ".join([job.what, seconds, *again, *facts_of(training)])
        return self._text(f"    {words}")

    def _training(self, training: Training) -> Text:
        columns = max(8, min(BAR, self._width // 4))
        full = int(columns * training.fraction)
        done, rest = ("#", "-") if self._ascii else ("━", "─")
        text = self._text("    ")
        text.append(done * full, "cyan").append(rest * (columns - full), "dim")
        return text.append("  ".join(["", *facts_of(training)]))

    def _failed(self, job: Job) -> Iterator[Text]:
        how = f"    {job.what} {job.status} after {duration(job.seconds(self._now))}"
        style = MARKS[job.status][2]
        yield self._text(how, style)
        if job.reason:
            yield self._text(f"    {job.reason}")

    def _quiet(
        self, experiments: list[Experiment], named: int, what: str
    ) -> Iterator[Text]:
        """Yield those that are done: by name, or their number."""
        if len(experiments) > named:
            yield self._counted(
                DONE, f"{counted(len(experiments), 'experiment')} {what}"
            )
            return
        for one in experiments:
            yield self._line(one, f"{what} in {duration(one.seconds(self._now))}")

    def _waiting(
        self, experiments: list[Experiment], stages: bool, named: int
    ) -> Iterator[Text]:
        reasons = {one.name: waits_for(self._run, one) for one in experiments}
        for one in experiments[:named]:
            if one.has_begun and stages and len(experiments) <= FEW:
                yield from self._stages(one)
                yield self._text(f"    {reasons[one.name]}", "dim")
            else:
                yield self._line(one, reasons[one.name])
        rest = experiments[named:]
        for reason, number in Counter(reasons[one.name] for one in rest).most_common(3):
            how_many = counted(number, f"{'more ' if named else ''}experiment")
            yield self._counted(WAITING, f"{how_many}: {reason}")

    def _counted(self, status: str, what: str) -> Text:
        text = self._text()
        text.append_text(self._mark(status))
        text.append(f" {what}", "dim")
        return text

    def _mark(self, status: str) -> Text:
        sign, plain, style = MARKS[status]
        return Text(plain if self._ascii else sign, style)
