"""The workflow on a real Slurm: two nodes, and what goes wrong on a cluster."""

import filecmp
import os
import signal
from pathlib import Path

import pytest

from mmdet_flow.model.work_dir import WorkDir
from tests.cluster.slurm import NODES, processes_of, slurm, wait_until
from tests.conftest import ROOT

pytestmark = pytest.mark.slurm

MODEL = "results/example/model/checkpoint.pth"
BASE = "results/example/model/base.py"


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".snakemake")
    }


def wait_for_a_state(project, run) -> None:
    """Wait until the training has something to go on from, and is not at its end."""
    wait_until(
        lambda: list(project.training.glob("iter_*.pth")) or run.poll() is not None,
        900,
        "a state of the training",
    )
    assert run.poll() is None


def assert_resumed_to_same_weights(project, undisturbed) -> None:
    assert "resuming from" in (project.results / "logs/train_model.log").read_text()
    assert filecmp.cmp(project.checkpoint, undisturbed.checkpoint, shallow=False)


def test_the_workflow_runs_on_two_nodes(undisturbed):
    assert "mAP" in (undisturbed.results / "summary.txt").read_text()
    jobs = slurm("squeue", "-h", "--states=all", "-o", "%k %N %T").splitlines()
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
    wait_for_a_state(project, run)
    node = project.job_of("train_model")["NodeList"]
    cluster.kill_node(node)
    wait_until(lambda: "down*" in cluster.node_states(), 300, "a dead node")
    cluster.start_node(node)
    project.expect_success(run)
    assert project.job_of("train_model")["Restarts"] == "1"
    assert_resumed_to_same_weights(project, undisturbed)


def test_a_cancelled_training_goes_on_in_another_job(cluster, project, undisturbed):
    project.forget_training()
    run = project.start(MODEL)
    wait_for_a_state(project, run)
    cancelled = project.job_of("train_model")["JobId"]
    slurm("scancel", cancelled)
    project.expect_success(run)
    assert project.job_of("train_model")["JobId"] != cancelled
    assert_resumed_to_same_weights(project, undisturbed)


def test_a_training_that_hangs_is_cut_off_and_goes_on(cluster, project, undisturbed):
    """Slurm's time limit ends the first job; the next one asks for more time."""
    project.forget_training()
    limit = "train_model:runtime=1 if attempt == 1 else 30"
    run = project.start(MODEL, options=["--set-resources", limit])
    wait_for_a_state(project, run)
    job = project.job_of("train_model")
    for pid in processes_of(job["NodeList"], "mmdet_train"):
        os.kill(pid, signal.SIGSTOP)
    project.expect_success(run)
    state = slurm("squeue", "-h", "--states=all", "-o", "%T", "-j", job["JobId"])
    assert state.strip() == "TIMEOUT"
    assert project.job_of("train_model")["TimeLimit"] == "00:30:00"
    assert_resumed_to_same_weights(project, undisturbed)


def test_a_limited_training_is_a_chain_of_jobs(cluster, project, undisturbed):
    """Each job does a step, saves and ends, long before Slurm's own limit."""
    project.checkpoint.unlink()
    (project.training / "best.pth").unlink(missing_ok=True)
    states = WorkDir(project.training).states()
    for state in states[1:]:
        state.unlink()
    config = project.folder / "config.yaml"
    config.write_text(
        config.read_text().replace("epochs: 6", "epochs: 6\n      max_hours: 1.0e-6")
    )
    project.run(MODEL)
    jobs = project.jobs_of("train_model")
    assert len(jobs) == len(states) - 1
    assert project.job_of("train_model")["TimeLimit"] == "00:31:00"
    assert_resumed_to_same_weights(project, undisturbed)


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
