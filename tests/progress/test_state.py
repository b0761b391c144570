"""The state of a run, made of events that Snakemake itself wrote."""

from collections import Counter

import pytest

from mmdet_flow.progress.state import (
    ALL,
    DONE,
    FAILED,
    RUNNING,
    STOPPED,
    WAITING,
    Job,
    Run,
    in_words,
)
from tests.progress.recorded import record, run_of, words


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> list:
    """The events of a run of two experiments in which all went well."""
    return record(tmp_path_factory.mktemp("whole"), words(names="cells,worms"))


@pytest.fixture(scope="module")
def failing(tmp_path_factory) -> list:
    """The events of a run in which the second try of a training fails, too."""
    options = words("--keep-going", "--retries=1", names="cells", train="exit 137")
    return record(tmp_path_factory.mktemp("failing"), options)


def statuses(run) -> Counter:
    return Counter(job.status for job in run.jobs.values() if job.rule != "all")


def test_all_that_was_made_is_done(whole):
    run = run_of(whole)
    assert statuses(run) == {DONE: 12}
    assert run.done == run.total == 13  # with the rule all
    assert run.cores == 2 and run.started and not run.said
    assert [one.name for one in run.experiments] == ["cells", "worms"]
    stages = {one.name: len(one.jobs) for one in run.experiments[0].stages}
    expected = {"data": 1, "train": 1, "predict": 3, "handover": 1}
    assert stages == expected and list(stages) == list(expected)
    shards = [job for job in run.jobs.values() if job.rule == "predict_images"]
    assert sorted(job.what for job in shards if job.experiment == "cells") == [
        "predict, shard 0",
        "predict, shard 1",
    ]
    assert all(0 <= job.seconds(0) < 60 for job in run.jobs.values())


def test_before_a_job_starts_it_is_known_what_it_waits_for(whole):
    first = next(
        number
        for number, one in enumerate(whole)
        if getattr(one, "event", None) == "job_info"
    )
    run = run_of(whole[:first])
    assert run.is_planned and statuses(run) == {WAITING: 8}
    # The data wait for a core alone, so that nothing is in their way.
    assert [run.blockers(one.jobs) for one in run.experiments] == [[], []]
    run = run_of(whole[: first + 1])
    assert statuses(run) == {RUNNING: 1, WAITING: 7}
    (running,) = run.with_status(RUNNING)
    own = next(one for one in run.experiments if one.name == running.experiment)
    assert run.blockers(own.jobs) == [running]
    assert running.why.startswith("Missing output files")


def test_a_job_that_fails_is_tried_again_and_then_in_the_way(failing):
    run = run_of(failing)
    (job,) = run.with_status(FAILED)
    assert (job.rule, job.tries) == ("train_model", 2)
    assert job.logs == ("results/cells/logs/train_model.log",)
    assert "killed" in job.reason and "137" in job.reason
    (one,) = run.experiments
    assert one.status == FAILED and run.blockers(one.jobs) == [job]
    assert statuses(run) == {DONE: 1, FAILED: 1, WAITING: 2}
    assert run.said == []  # nothing of Snakemake's page of shell
    again = next(
        number
        for number, record in enumerate(failing)
        if str(record.msg).startswith("Trying to restart")
    )
    assert run_of(failing[:again]).with_status(FAILED)
    assert not run_of(failing[: again + 1]).with_status(FAILED)


def test_ctrl_c_stops_what_runs(tmp_path):
    options = words(names="cells", train="sleep 60")
    run = run_of(record(tmp_path, options, stop_when=" Rule: train_model"))
    run.stop(0)
    assert run.is_stopping
    assert statuses(run) == {DONE: 1, STOPPED: 1, WAITING: 2}
    assert run.done == 1 and not run.with_status(FAILED)


def test_an_error_before_any_job_is_said(tmp_path):
    run = run_of(record(tmp_path, words("nothing/such.txt")))
    assert not run.has_begun
    assert any("nothing/such.txt" in text for _, text in run.said)


def test_experiments_are_in_the_order_in_which_people_count():
    run = Run()
    names = ["b-seed10", "b-seed2", "a", "b-seed2-size320", "2", "10", "b"]
    for number, name in enumerate(names):
        run.jobs[number] = Job(number, "train_model", {"experiment": name})
    run.jobs[99] = Job(99, "build_leaderboard", {})
    shown = [one.name for one in run.experiments]
    assert shown[:3] == ["2", "10", "a"]
    assert shown[3:] == ["b", "b-seed2", "b-seed2-size320", "b-seed10", ALL]


def test_jobs_of_no_experiment_are_of_all():
    run = run_of([])
    run._job({"jobid": 1, "rule_name": "rank_experiments"})
    run._job({"jobid": 2, "rule_name": "train_model", "wildcards": {"experiment": "z"}})
    assert [one.name for one in run.experiments] == ["z", ALL]


@pytest.mark.parametrize(
    ("status", "signal", "said"),
    [
        ("3", None, "ended with exit status 3"),
        ("137", None, "was killed (exit status 137), as by a system that lacks memory"),
        ("143", None, "was ended by a signal (exit status 143)"),
        (None, "SIGKILL", "was ended by SIGKILL"),
    ],
)
def test_how_a_command_ended(status, signal, said):
    assert in_words(status, signal) == said
