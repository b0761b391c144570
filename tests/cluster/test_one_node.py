"""A training on a node of a real Slurm, and what becomes of it."""

import os
import signal

import pytest

from mmdet_flow.model.work_dir import WorkDir
from tests.cluster.conftest import MODEL
from tests.cluster.slurm import processes_of, slurm

pytestmark = pytest.mark.slurm


def test_a_training_survives_its_node(cluster, project, trained_here):
    project.forget_training()
    run = project.start(MODEL)
    project.wait_for_a_state(run)
    cluster.lose_node(project.job_of("train_model")["NodeList"])
    project.expect_success(run)
    assert project.job_of("train_model")["Restarts"] == "1"
    project.assert_resumed_to_weights_of(trained_here)


def test_a_training_leaves_a_drained_node(cluster, project, trained_here):
    project.forget_training()
    run = project.start(MODEL)
    project.wait_for_a_state(run)
    job = project.job_of("train_model")
    with cluster.drained(job["NodeList"]):
        slurm("scontrol", "requeue", job["JobId"])
        project.expect_success(run)
    after = project.job_of("train_model")
    assert (after["JobId"], after["Restarts"]) == (job["JobId"], "1")
    assert after["NodeList"] != job["NodeList"]
    project.assert_resumed_to_weights_of(trained_here)


def test_a_cancelled_training_goes_on_in_another_job(cluster, project, trained_here):
    project.cancel_training()
    project.assert_resumed_to_weights_of(trained_here)


def test_a_training_that_hangs_is_cut_off_and_goes_on(cluster, project, trained_here):
    """Slurm's time limit ends the first job; the next one asks for more time."""
    project.forget_training()
    limit = "train_model:runtime=1 if attempt == 1 else 30"
    run = project.start(MODEL, options=["--set-resources", limit])
    project.wait_for_a_state(run)
    job = project.job_of("train_model")
    for pid in processes_of(job["NodeList"], "mmdet-flow"):
        os.kill(pid, signal.SIGSTOP)
    project.expect_success(run)
    state = slurm("squeue", "-h", "--states=all", "-o", "%T", "-j", job["JobId"])
    assert state.strip() == "TIMEOUT"
    assert project.job_of("train_model")["TimeLimit"] == "00:30:00"
    project.assert_resumed_to_weights_of(trained_here)


def test_a_limited_training_is_a_chain_of_jobs(cluster, project, trained_here):
    """Each job does a step, saves and ends, long before Slurm's own limit."""
    project.checkpoint.unlink()
    (project.training / "best.pth").unlink(missing_ok=True)
    states = WorkDir(project.training).states()
    for state in states[1:]:
        state.unlink()
    project.set_model(max_hours=1e-6)
    project.run(MODEL)
    jobs = project.jobs_of("train_model")
    assert len(jobs) == len(states) - 1
    assert project.job_of("train_model")["TimeLimit"] == "00:31:00"
    project.assert_resumed_to_weights_of(trained_here)
