"""What is said when a run is over: what failed, what was made, and how to go on."""

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.text import Text

from mmdet_flow import layout
from mmdet_flow.columns import cells, padded
from mmdet_flow.progress.stages import CHANGING, SUMMARY, TARGET
from mmdet_flow.progress.state import DONE, FAILED, STOPPED, Experiment, Job, Run
from mmdet_flow.progress.view import duration
from mmdet_flow.words import counted

FIGURES = re.compile(r"^  (boxes|masks) +(.*)$", re.M)
WHERE_TO_LOOK = "Where to look"

NOT_MADE = "not made yet"
"""Why most jobs run, in the words of a reader; Snakemake calls it a missing output."""

OPTION = re.compile(r"--[a-z]")
DIGEST = re.compile(r"\b[0-9a-f]{16,}\b")
"""Of a file or a folder, among params that changed."""

IN_FULL = 3
"""Experiments whose summaries are shown, not only their figures."""

OTHERS = 4
"""Errors of a job that are told beside the first one."""

FAILURES = 10
"""Failed jobs that are told one by one."""


def ending(run: Run, now: float, is_dry: bool = False) -> Iterator[Text]:
    """Yield paragraphs for the end of a run."""
    if is_dry:
        yield from plan(run.experiments)
        if jobs := sum(job.rule != TARGET for job in run.jobs.values()):
            yield Text(f"{counted(jobs, 'job')} would run.")
        return
    if not run.has_begun:
        return
    failed, stopped = run.with_status(FAILED), run.with_status(STOPPED)
    yield from _failures(failed)
    yield from _made(run)
    jobs = f"{run.done} of {counted(run.total, 'job')}"
    if run.started is not None:
        jobs += f" in {duration(now - run.started)}"
    if run.is_stopping or stopped:
        yield Text(f"Stopped: {jobs}; what they made is kept.", "yellow")
        yield _go_on("To go on", run)
    elif failed:
        yield Text(f"Not finished: {jobs}.", "red")
        yield _go_on("Mend what is said above, then go on", run)
    elif run.done >= run.total:
        yield Text(f"Done: {jobs}.", "green")
    if run.log and (failed or stopped):
        yield Text(f"All that Snakemake said: {_short(run.log)}", "dim")


def _go_on(what: str, run: Run) -> Text:
    # A command that is broken into lines cannot be copied.
    return Text(f"{what}: {command_of(run)}", no_wrap=True)


def command_of(run: Run) -> str:
    """Return the command line of a run, as its user wrote it."""
    words = run.command.split(" ")
    return " ".join([Path(words[0]).name, *words[1:]])


def _short(path: str) -> str:
    """Return a path from here, where it is below."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return path


def _failures(jobs: list[Job]) -> Iterator[Text]:
    for job in jobs[:FAILURES]:
        text = Text(f"{job.experiment}: {job.what} failed\n", "bold red")
        text.append(f"  {job.reason or 'no message was left'}", "not bold default")
        for other in job.others[:OTHERS]:
            text.append(f"\n  {other}", "not bold default")
        name = "all of them" if job.others else "log"
        for log in job.logs:
            text.append(f"\n  {name}: {shlex.quote(log)}", "not bold default")
        yield text
    if len(jobs) > FAILURES:
        yield Text(f"and {counted(len(jobs) - FAILURES, 'more job')}", "bold red")


def _made(run: Run) -> Iterator[Text]:
    """Yield what was made: the summary of each experiment, or its figures."""
    summaries = {
        one.name: Path(output)
        for one in run.experiments
        for job in one.jobs
        if job.rule == SUMMARY and job.status == DONE
        for output in job.outputs
    }
    if 0 < len(summaries) <= IN_FULL:
        for path in summaries.values():
            yield from _summary(path)
    elif summaries:
        width = max(map(cells, summaries))
        lines = [
            f"{padded(name, width)}  {figures_in(path)}"
            for name, path in summaries.items()
        ]
        yield Text("\n".join(lines))


def _summary(path: Path) -> Iterator[Text]:
    text = text_of(path).partition(WHERE_TO_LOOK)[0].rstrip()
    if text:
        gallery = path.parent / layout.GALLERY
        yield Text(f"{text}\n  more         {path}\n  pictures     {gallery}")


def figures_in(path: Path) -> str:
    """Return the figures of a summary in a line; "" if they are not there."""
    found = FIGURES.findall(text_of(path))
    return "; ".join(f"{kind} {what}" for kind, what in found)


def text_of(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def plan(experiments: Iterable[Experiment]) -> Iterator[Text]:
    """Yield what a run would make: the jobs of each stage of each experiment."""
    for one in experiments:
        text = Text(f"{one.name}", "bold")
        for stage in one.stages:
            text.append(f"\n  {stage.name}", "not bold default")
            for what, jobs in _by_what(stage.jobs).items():
                times = f" ({len(jobs)} jobs)" if len(jobs) > 1 else ""
                text.append(f"\n    {what}{times}", "not bold default")
                text.append(f"  {_why(jobs[0])}", "not bold dim")
        yield text


def _by_what(jobs: Iterable[Job]) -> dict[str, list[Job]]:
    found: dict[str, list[Job]] = {}
    for job in jobs:
        found.setdefault(job.step.what, []).append(job)
    return found


def _why(job: Job) -> str:
    """Return why a job is to run, in short."""
    why = job.why.split(":")[0].split(";")[0].lower()
    if why == "missing output files":
        return NOT_MADE
    return _changed(job) if why.startswith("params have changed") else why


def _changed(job: Job) -> str:
    """Return what has changed of that which Snakemake calls params.

    That are the options of the command, and digests of what the user may change.
    """
    is_inputs = job.rule in CHANGING and DIGEST.search(job.why)
    is_options = not is_inputs or OPTION.search(job.why)
    words = [*([CHANGING[job.rule]] if is_inputs else ())]
    words += ["its settings"] if is_options else []
    return f"{' and '.join(words)} have changed"
