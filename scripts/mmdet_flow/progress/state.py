"""What is so in a run: made of the events that Snakemake logs, and of nothing else."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from logging import ERROR, LogRecord

from mmdet_flow.progress.stages import TARGET, Step, in_order, rank_of, step_of
from mmdet_flow.workflow.names import in_natural_order
from mmdet_flow.workflow.plan import PLAN

WAITING, RUNNING, DONE, FAILED, STOPPED = (
    *("waiting", "running", "done", "failed", "stopped"),
)
ALL = "all experiments"
"""What jobs are of that no experiment has for itself."""

STOPPING = (
    "Terminating processes on user request",
    "Will exit after finishing currently running jobs",
    "Cancelling snakemake on user request",
)
RESTARTED = re.compile(r"Trying to restart job (\d+)")
EXIT = re.compile(r"exit status (\d+)|died with <Signals\.(\w+)")
KILLED = 128
"""What a shell adds to the number of the signal that ended a command."""

CHATTER = (
    *("Assuming unrestricted shared", "Building DAG", "Using shell", "Select jobs"),
    *("Execute ", "Provided ", "Rules claiming", "Conda environments", "Job stats"),
    *("Complete log", "Elapsed time", "Shutting down", "Finished job", "Would "),
    *("DAG of jobs will", "Updating checkpoint", "Exiting because a job", "Reasons:"),
    *("Remaining jobs", "Config file ", "Using profile", "Group jobs"),
    *("Will exit after", "Terminating processes"),
    *("Singularity containers", "Using workflow", "Touching output", "Shell command"),
    *("Waiting at most", "WorkflowError:\nAt least one job did not", "Removing output"),
    *("At least one job did not complete", "Trying to restart", "Storing output"),
    *("This was a dry-run", "The run involves checkpoint jobs"),
    *("Some jobs were triggered by", "Rules with provenance triggered jobs"),
)
"""How lines begin whose content is shown in a better way, or matters to nobody."""


@dataclass
class Job:
    """A job of the workflow; times are seconds since 1970.

    ``others`` are errors that its command found beside its ``reason``.
    """

    number: int
    rule: str
    wildcards: dict[str, str]
    needs: tuple[int, ...] = ()
    status: str = WAITING
    started: float | None = None
    ended: float | None = None
    tries: int = 0
    why: str = ""
    reason: str = ""
    others: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def experiment(self) -> str:
        return self.wildcards.get("experiment", ALL)

    @property
    def step(self) -> Step:
        return step_of(self.rule)

    @property
    def what(self) -> str:
        """What it does, with what tells it from others of its rule."""
        rest = [
            f"{name} {value}"
            for name, value in self.wildcards.items()
            if name != "experiment"
        ]
        return ", ".join([self.step.what, *rest])

    def seconds(self, now: float) -> float:
        """Return how long it ran, or has been running."""
        if self.started is None:
            return 0.0
        return max(0.0, (now if self.ended is None else self.ended) - self.started)


@dataclass(frozen=True)
class Jobs:
    """Jobs that are shown together, under a name."""

    name: str
    jobs: tuple[Job, ...]

    @property
    def status(self) -> str:
        return status_of(self.jobs)

    @property
    def has_begun(self) -> bool:
        return any(job.status != WAITING for job in self.jobs)

    def seconds(self, now: float) -> float:
        """Return how long they ran, all together."""
        return sum(job.seconds(now) for job in self.jobs)


class Experiment(Jobs):
    """The jobs of an experiment, or those that are of all of them."""

    @property
    def stages(self) -> list[Jobs]:
        """Its jobs by their stage, in the order of the stages."""
        names = dict.fromkeys(job.step.stage for job in self.jobs)
        return [
            Jobs(name, tuple(job for job in self.jobs if job.step.stage == name))
            for name in sorted(names, key=in_order)
        ]


def status_of(jobs: Iterable[Job]) -> str:
    """Return what many jobs are together: what most needs to be known."""
    found = {job.status for job in jobs}
    for status in (FAILED, RUNNING, STOPPED):
        if status in found:
            return status
    return DONE if found == {DONE} else WAITING


@dataclass
class Run:
    """A run of the workflow, as far as it has been told.

    ``total`` and ``done`` count jobs as Snakemake does; ``said`` are lines for the user
    that are about no job, with their level.
    """

    jobs: dict[int, Job] = field(default_factory=dict)
    total: int = 0
    done: int = 0
    cores: int | None = None
    command: str = ""
    started: float | None = None
    is_planned: bool = False
    is_stopping: bool = False
    log: str = ""
    said: list[tuple[int, str]] = field(default_factory=list)
    _error: str = ""

    def take(self, record: LogRecord) -> list[Job]:
        """Take in an event, and return the jobs that it changed."""
        values = vars(record)
        if PLAN in values:
            return list(self._plan(values[PLAN]))
        event = str(values.get("event") or "")
        handler = getattr(self, f"_on_{event}", None)
        if handler is None:
            return self._message(record)
        return list(handler(values) or ())

    @property
    def has_begun(self) -> bool:
        """Whether a job was started, or is known to be."""
        return self.is_planned or any(job.tries for job in self.jobs.values())

    @property
    def experiments(self) -> list[Experiment]:
        """What has jobs, in natural order of names; what is of all of them is last."""
        jobs: dict[str, list[Job]] = {}
        for job in self.jobs.values():
            if job.rule != TARGET:
                jobs.setdefault(job.experiment, []).append(job)
        names = sorted(jobs, key=lambda name: (name == ALL, in_natural_order(name)))
        return [Experiment(name, tuple(jobs[name])) for name in names]

    def with_status(self, *statuses: str) -> list[Job]:
        return [
            job
            for job in self.jobs.values()
            if job.status in statuses and job.rule != TARGET
        ]

    def blockers(self, jobs: Iterable[Job]) -> list[Job]:
        """Return what the next of these jobs waits for: it runs, failed, or waits too.

        Empty where one of them could run, if there was a core for it.
        """
        waiting = [job for job in jobs if job.status == WAITING]
        if not waiting or any(not self._unfinished(job) for job in waiting):
            return []
        found: dict[int, Job] = {}
        seen: set[int] = set()
        todo = self._unfinished(min(waiting, key=lambda job: rank_of(job.rule)))
        while todo:
            job = todo.pop()
            if job.number in seen:
                continue
            seen.add(job.number)
            before = self._unfinished(job) if job.status == WAITING else []
            todo += before
            if not before:
                found[job.number] = job
        return sorted(found.values(), key=lambda job: job.number)

    def _unfinished(self, job: Job) -> list[Job]:
        needed = (self.jobs.get(number) for number in job.needs)
        return [one for one in needed if one is not None and one.status != DONE]

    def _plan(self, planned: list[dict]) -> Iterator[Job]:
        for one in planned:
            job = self._job(one)
            job.needs = tuple(one["needs"])
            yield job
        self.is_planned = True

    def _job(self, values: dict) -> Job:
        number = values["jobid"]
        wildcards = dict(values.get("wildcards") or {})
        if number not in self.jobs:
            self.jobs[number] = Job(number, values["rule_name"], wildcards)
        return self.jobs[number]

    def _on_workflow_started(self, values: dict) -> None:
        self.command = str(values.get("cmd", ""))
        self.started = values["created"]

    def _on_resources_info(self, values: dict) -> None:
        self.cores = values.get("cores", self.cores)

    def _on_run_info(self, values: dict) -> None:
        self.total = values["stats"].get("total", self.total)

    def _on_progress(self, values: dict) -> None:
        self.done, self.total = values["done"], values["total"]

    def _on_job_info(self, values: dict) -> Iterator[Job]:
        job = self._job(values)
        job.status, job.ended = RUNNING, None
        job.started = values["created"]
        job.tries += 1
        job.why = values.get("reason") or ""
        job.logs = tuple(map(str, values.get("log") or ()))
        job.outputs = tuple(map(str, values.get("output") or ()))
        yield job

    def _on_job_finished(self, values: dict) -> Iterator[Job]:
        job = self.jobs.get(values["job_id"])
        if job is not None:
            job.status, job.ended = DONE, values["created"]
            yield job

    def _on_job_error(self, values: dict) -> Iterator[Job]:
        job = self._job(values)
        job.status = STOPPED if self.is_stopping else FAILED
        job.ended = values["created"]
        job.logs = tuple(map(str, values.get("log") or job.logs))
        job.reason, self._error = self._error, ""
        yield job

    def _on_group_error(self, values: dict) -> Iterator[Job]:
        for one in values.get("job_error_info") or ():
            yield from self._on_job_error({"created": values["created"], **one})

    def _on_error(self, values: dict) -> None:
        text = str(values["msg"])
        ended = EXIT.search(text)
        if ended:
            self._error = in_words(ended[1], ended[2])
        elif not text.startswith(CHATTER):
            self.said.append((ERROR, text))

    def _on_shellcmd(self, values: dict) -> None:
        """The command is in the log of the run."""

    _on_job_started = _on_group_info = _on_debug_dag = _on_rulegraph = _on_shellcmd

    def _message(self, record: LogRecord) -> list[Job]:
        text = str(record.msg or "").strip()
        if text.startswith(STOPPING):
            self.is_stopping = True
        if text.startswith("Complete log"):
            self.log = text.partition(": ")[2]
        again = RESTARTED.match(text)
        if again and (job := self.jobs.get(int(again[1]))):
            job.status = WAITING
            return [job]
        if text and not text.startswith(CHATTER):
            self.said.append((record.levelno, text))
        return []

    def stop(self, now: float) -> None:
        """Take what still runs for stopped: nothing more is told of it."""
        for job in self.with_status(RUNNING):
            job.status, job.ended = STOPPED, now


def in_words(status: str | None, signal: str | None) -> str:
    """Say how a command ended, by its exit status or by the name of a signal."""
    if status is None:
        return f"was ended by {signal}"
    number = int(status)
    if number == KILLED + 9:
        return "was killed (exit status 137), as by a system that lacks memory"
    if number > KILLED:
        return f"was ended by a signal (exit status {number})"
    return f"ended with exit status {number}"
