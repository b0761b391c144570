"""The picture of a run: it fits any terminal and says what matters there."""

import io
import re
import threading
from dataclasses import replace

import pytest
from rich.console import Console

from mmdet_flow.progress.display import Lines
from mmdet_flow.progress.ending import ending
from mmdet_flow.progress.stages import STEPS, SUMMARY
from mmdet_flow.progress.state import DONE, FAILED, RUNNING, Job, Run
from mmdet_flow.progress.training import Training, Validation
from mmdet_flow.progress.view import View, duration, facts_of, fitting, left
from tests.wide_names import KANA, MARKED, NAMES, WIDE, columns_of

CHAIN = [rule for rule in STEPS if STEPS[rule].stage not in ("compare", "serve")]
NOW = 1_000_000.0
HALF = Training(
    iteration=500,
    total=1000,
    epoch=12,
    loss=0.8,
    last=Validation(400, 10, "bbox_mAP", 0.41),
    best=Validation(320, 8, "bbox_mAP", 0.43),
    seconds_left=500,
)


def run_with(experiments: dict[str, int], failed: str = "", running: int = 2) -> Run:
    """Return a run whose experiments have so many jobs done.

    The next job of the first that are not done runs; that of ``failed`` failed.
    """
    run = Run(started=NOW - 3661, cores=2, is_planned=True)
    number = 0
    for name, done in experiments.items():
        for position, rule in enumerate(CHAIN):
            number += 1
            needs = (number - 1,) if position else ()
            job = Job(number, rule, {"experiment": name}, needs)
            run.jobs[number] = job
            if position < done:
                job.status, job.started, job.ended = DONE, NOW - 90, NOW - 60
            elif position == done and name == failed:
                job.status, job.started, job.ended = FAILED, NOW - 90, NOW - 60
                job.reason, job.tries = "x.xml: has no box; draw one", 1
                job.logs = (f"results/{name}/logs/{rule}.log",)
            elif position == done and running:
                job.status, job.started, job.tries = RUNNING, NOW - 30, 1
                running -= 1
    run.total = number
    run.done = len(run.with_status(DONE))
    return run


def drawn(run, width, height, encoding="utf-8", trainings=None, **options) -> str:
    """Return what a terminal of this size shows."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    options = {"force_terminal": True, "no_color": True} | options
    console = Console(file=stream, width=width, height=height, **options)
    console.print(View(run, trainings or {}, NOW))
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


MANY = {f"grid-{number:03}": 0 for number in range(200)}
MANY |= {name: len(CHAIN) for name in list(MANY)[:50]}
RUNS = {
    "one": ({"cells": CHAIN.index("train_model")}, ""),
    "twelve": ({f"lr-{n}": len(CHAIN) if n < 3 else 0 for n in range(12)}, "lr-4"),
    "many": (MANY, "grid-060"),
    "long": ({"x" * 120: 6, "y": 0}, ""),
    "wide": ({10 * WIDE: 6, 9 * MARKED: 0, KANA: len(CHAIN)}, ""),
}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("width", [20, 40, 80, 160])
@pytest.mark.parametrize("height", [3, 12, 24, 60])
def test_no_line_is_wider_and_no_picture_higher_than_the_terminal(name, width, height):
    run = run_with(*RUNS[name])
    trainings = {job.number: HALF for job in run.with_status(RUNNING)}
    lines = plain(drawn(run, width, height, trainings=trainings)).splitlines()
    assert max(map(columns_of, lines)) <= width
    assert 1 <= len(lines) <= height - 1
    assert lines[0].startswith("mmdet-flow")


def test_one_experiment_with_its_stages_and_training():
    run = run_with(*RUNS["one"])
    (job,) = run.with_status(RUNNING)
    text = plain(drawn(run, 80, 24, trainings={job.number: HALF}))
    lines = text.splitlines()
    assert re.match(r"mmdet-flow  9 of \d+ jobs  1:01:01  2 cores", lines[0])
    assert "data ✓ 3:00  config ✓ 1:30  train ▸ 0:30  evaluate  predict" in text
    assert "50 %  8 min left  mAP 0.410 (best 0.430, epoch 8)" in text
    assert len(lines) <= 5


def test_a_training_that_ends_early_has_a_line_that_says_so():
    run = run_with(*RUNS["one"])
    (job,) = run.with_status(RUNNING)
    early = replace(HALF, early_end="13 of 26 epochs, to keep to 10 minutes")
    for width in (40, 80):
        lines = plain(drawn(run, width, 24, trainings={job.number: early})).splitlines()
        assert "    13 of 26 epochs, to keep to 10" in lines[-1][:width]


def test_a_log_says_once_that_a_training_ends_early():
    run, stream = run_with(*RUNS["one"]), io.StringIO()
    (job,) = run.with_status(RUNNING)
    early = replace(HALF, early_end="13 of 26 epochs, to keep to 10 minutes")
    views = [View(run, {job.number: one}, NOW) for one in (HALF, early, early, HALF)]
    lines = Lines(Console(file=stream, width=80), iter(views).__next__)
    lines.lock = threading.Lock()
    for _ in views:
        lines.tick()
    told = [line.split("training, ")[1] for line in stream.getvalue().splitlines()]
    assert told[1:] == [early.early_end, "all epochs, as planned"]


def test_of_200_experiments_those_that_matter_are_named_and_all_are_counted():
    run = run_with(*RUNS["many"])
    text = plain(drawn(run, 80, 24))
    assert "50 experiments done" in text and "1 failed" in text
    assert "grid-060" in text and "x.xml: has no box; draw one" in text
    for job in run.with_status(RUNNING):
        assert job.experiment in text and job.what in text
    named = set(re.findall(r"^· (grid-\d+)", text, re.M))
    rest = [int(one) for one in re.findall(r"(\d+) more experiments?:", text)]
    failed_and_running = 3
    assert 50 + failed_and_running + len(named) + sum(rest) == 200
    assert "waits for a free core" in text


def test_an_experiment_that_waits_says_for_what():
    run = run_with({"a": 1, "b": 0}, running=1)
    first = run.jobs[len(CHAIN) + 1]
    first.needs = (2,)  # what runs in a
    text = plain(drawn(run, 120, 24))
    assert f"· b  waits for a: {run.jobs[2].what}" in text
    run = run_with({"a": 1, "b": 0}, failed="a", running=0)
    run.jobs[len(CHAIN) + 1].needs = (2,)
    text = plain(drawn(run, 120, 24))
    assert f"· b  cannot go on: a: {run.jobs[2].what} failed" in text


def test_an_experiment_waits_for_what_its_next_job_needs_not_its_last():
    run = run_with({"a": 1, "b": 0, "c": 0}, running=1)
    run.jobs[len(CHAIN) + 1].needs = (2,)
    # The last job of b waits for all of c, which could begin.
    run.jobs[2 * len(CHAIN)].needs += (3 * len(CHAIN),)
    text = plain(drawn(run, 120, 24))
    assert f"· b  waits for a: {run.jobs[2].what}\n" in text


@pytest.mark.parametrize("name", [one for one in RUNS if one != "wide"])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_unicode_gets_none(name, encoding):
    run = run_with(*RUNS[name])
    trainings = {job.number: HALF for job in run.with_status(RUNNING)}
    text = plain(drawn(run, 80, 24, encoding=encoding, trainings=trainings))
    assert text.isascii() and "?" not in text
    assert "\n> " in text and re.search(r"\n    #{10}-{10}  50 %", text)


def test_without_colours_all_is_said_in_words_and_signs():
    run = run_with(*RUNS["twelve"])
    trainings = {job.number: HALF for job in run.with_status(RUNNING)}
    coloured = drawn(run, 80, 40, trainings=trainings, no_color=False)
    bare = drawn(run, 80, 40, trainings=trainings)
    colours = r"\x1b\[(?:[0-9;]*;)?(?:3|9)[0-7](?:;[0-9;]*)?m"
    assert re.search(colours, coloured) and not re.search(colours, bare)
    assert "failed" in bare
    assert f"    {'━' * 10}{'─' * 10}  50 %" in plain(bare)


def test_what_a_log_says_is_no_markup_and_no_order_to_the_terminal():
    run = run_with({"cells": 3}, failed="cells")
    run.with_status(FAILED)[0].reason = "[bold]x[/bold] [red]: fix it"
    assert "[bold]x[/bold] [red]: fix it" in plain(drawn(run, 80, 24))


def test_the_end_says_what_failed_where_and_how_to_go_on():
    run = run_with(*RUNS["many"])
    run.command = "/venv/bin/mmdet-flow run --keep-going"
    text = "\n".join(map(str, ending(run, NOW)))
    assert "grid-060: draw the embedded example failed\n  x.xml: has no box" in text
    assert "log: results/grid-060/logs/make_example.log" in text
    assert text.endswith("go on: mmdet-flow run --keep-going")


def test_the_end_tells_a_few_errors_of_a_job_and_where_all_are():
    run = run_with({"cells": 3}, failed="cells")
    (job,) = run.with_status(FAILED)
    (short,) = [str(one) for one in ending(run, NOW) if "failed\n" in str(one)]
    assert short.splitlines()[2] == f"  log: {job.logs[0]}"
    job.others = tuple(f"b{number}.xml: has no box" for number in range(70))
    (text,) = [str(one) for one in ending(run, NOW) if "failed\n" in str(one)]
    lines = text.splitlines()
    assert lines[1:4] == [f"  {job.reason}", *(f"  {one}" for one in job.others[:2])]
    assert len(lines) <= 7 and lines[-1] == f"  all of them: {job.logs[0]}"


def test_figures_stand_below_each_other_after_names_in_any_script(tmp_path):
    run = run_with(dict.fromkeys(NAMES, len(CHAIN)), running=0)
    for job in run.jobs.values():
        if job.rule == SUMMARY:
            path = tmp_path / job.experiment
            path.write_text("  boxes        mAP 0.412\n")
            job.outputs = (str(path),)
    (lines,) = [str(one) for one in ending(run, NOW) if "mAP" in str(one)]
    before = [line.partition("boxes")[0] for line in lines.splitlines()]
    assert [line.rstrip() for line in before] == sorted(NAMES)
    assert {columns_of(line) for line in before} == {columns_of(WIDE) + 2}


def test_the_end_of_many_failures_is_short():
    run = run_with({f"e{number}": 0 for number in range(40)}, running=40)
    for job in run.with_status(RUNNING):
        job.status, job.ended = FAILED, NOW
    text = "\n".join(map(str, ending(run, NOW)))
    assert text.count(" failed\n  no message was left") == 10
    assert "and 30 more jobs" in text


@pytest.mark.parametrize("width", [40, 60, 100])
def test_the_end_fits_into_a_terminal_without_breaking_words(width):
    run = run_with({"cells": 3}, failed="cells")
    (job,) = run.with_status(FAILED)
    run.command = "/venv/bin/mmdet-flow run --cores 4 results/cells/summary.txt"
    job.reason = "a shape that encloses nothing is no object; " * 8
    for text in ending(run, NOW):
        lines = fitting(text, width).plain.splitlines()
        if "go on: " in text.plain:  # with a command, which is copied
            assert lines == [text.plain]
            continue
        assert " ".join(lines).split() == text.plain.split()
        assert all(
            columns_of(line) <= width or " " not in line.strip() for line in lines
        )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (7.4, "0:07"), (67, "1:07"), (750, "12:30"), (11100, "3:05:00")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 s left"), (80, "80 s left"), (300, "5 min left"), (9000, "2.5 h left")],
)
def test_what_is_left(seconds, text):
    assert left(seconds) == text


def test_the_facts_of_a_training_begin_with_what_matters_most():
    assert facts_of(Training()) == []
    assert facts_of(HALF)[:2] == ["50 %", "8 min left"]
