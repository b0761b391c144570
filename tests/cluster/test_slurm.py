"""The workflow on a real Slurm: two nodes, and what goes wrong on a cluster."""

import os
import signal
from pathlib import Path

import pytest

from mmdet_flow.model.work_dir import WorkDir
from tests.cluster.conftest import MODEL
from tests.cluster.slurm import NODES, processes_of, slurm
from tests.conftest import ROOT

pytestmark = pytest.mark.slurm

BASE = "results/example/model/base.py"


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".snakemake")
    }


def test_the_workflow_runs_on_two_nodes(undisturbed):
    assert "mAP" in (undisturbed.results / "summary.txt").read_text()
    jobs = slurm("squeue", "-h", "--states=all", "-o", "%k %N %T").splitlines()
    jobs = [job for job in jobs if job.startswith("rule_")]
    assert all("COMPLETED" in job for job in jobs)
    nodes = [job.split()[1] for job in jobs if "rule_predict_images" in job]
    assert sorted(nodes) == sorted(NODES)
    objects = (undisturbed.results / "predictions/objects.csv").read_text()
    assert len(objects.splitlines()) > 1


def test_nodes_give_the_bytes_of_one_machine(project, undisturbed):
    """Weights, predictions and tables."""
    project.forget_training()
    project.run(profile=None)
    for folder in ("model", "predictions", "evaluation"):
        assert files_below(project.results / folder) == files_below(
            undisturbed.results / folder
        ), folder


def test_a_training_survives_its_node(cluster, project, undisturbed):
    project.forget_training()
    run = project.start(MODEL)
    project.wait_for_a_state(run)
    cluster.lose_node(project.job_of("train_model")["NodeList"])
    project.expect_success(run)
    assert project.job_of("train_model")["Restarts"] == "1"
    project.assert_resumed_to_weights_of(undisturbed)


def test_a_training_leaves_a_drained_node(cluster, project, undisturbed):
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
    project.assert_resumed_to_weights_of(undisturbed)


def test_a_cancelled_training_goes_on_in_another_job(cluster, project, undisturbed):
    project.cancel_training()
    project.assert_resumed_to_weights_of(undisturbed)


def test_a_training_that_hangs_is_cut_off_and_goes_on(cluster, project, undisturbed):
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
    project.assert_resumed_to_weights_of(undisturbed)


def test_a_limited_training_is_a_chain_of_jobs(cluster, project, undisturbed):
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
    project.assert_resumed_to_weights_of(undisturbed)


def test_a_job_over_its_memory_gets_more(cluster, project):
    base = project.folder / BASE
    wanted = base.read_bytes()
    base.unlink()
    memory = "export_config:mem_mb=20 if attempt == 1 else 4000"
    project.run(BASE, options=["--set-resources", memory])
    assert base.read_bytes() == wanted
    assert project.job_of("export_config")["MinMemoryNode"] == "4000M"


def test_another_submit_command(cluster, project):
    """The generic executor, with sbatch in the place of any scheduler's command."""
    base = project.folder / BASE
    base.unlink()
    status = str(ROOT / "profiles/cluster-generic/status.sh")
    options = ["--cluster-generic-status-cmd", status]
    project.run(BASE, options=options, profile="cluster-generic")
    assert base.is_file()
