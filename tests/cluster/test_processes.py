"""Two processes that train one model, started by each of the launchers."""

import os
import shutil
import subprocess

import pytest
import torch

from mmdet_flow.model.checkpoint import load_training_checkpoint
from mmdet_flow.model.metrics import read_metrics
from mmdet_flow.model.work_dir import WorkDir
from tests.cluster.slurm import wait_until
from tests.conftest import BIN, patched_config, run_command

TIMEOUT = 900
"""Seconds that no run takes, however busy the machine is."""

MPI = pytest.param("mpi", marks=pytest.mark.slow)
SLURM = pytest.param("slurm", marks=pytest.mark.slurm)


@pytest.fixture
def start_two(request):
    """What starts mmdet_train twice by a launcher, and returns the launcher."""

    def start(launcher: str, *arguments) -> subprocess.Popen:
        if launcher == "slurm":
            request.getfixturevalue("cluster")
        if launcher == "mpi" and not shutil.which("mpirun"):
            pytest.skip("needs mpirun (openmpi-bin)")
        words = {
            "pytorch": [BIN / "torchrun", "--standalone", "--nproc_per_node=2",
                        "--no_python"],
            "mpi": ["mpirun", "--allow-run-as-root", "--oversubscribe",
                    "--bind-to", "none", "-np", "2"],
            "slurm": ["srun", "--nodes=2", "--ntasks=2", "--kill-on-bad-exit"],
        }[launcher]  # fmt: skip
        command = [*words, BIN / "mmdet_train", f"--launcher={launcher}", *arguments]
        return subprocess.Popen(
            [*map(str, command)],
            env=os.environ
            | {
                "GLOO_SOCKET_IFNAME": "lo",
                # Else mpirun kills what does not end in a second.
                "OMPI_MCA_odls_base_sigkill_timeout": "60",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


def end_of(run: subprocess.Popen) -> tuple[int, str]:
    """Wait for the end of a run; return its exit code, and what it said."""
    try:
        said, _ = run.communicate(timeout=TIMEOUT)
    finally:
        run.kill()
    return run.returncode, said


def one_step(dataset, folder, batch: int) -> list:
    """Return arguments to move the weights of a model by their gradients.

    Without batch norm, which sees the images of its own process alone.
    """
    folder.mkdir()
    base = "fcos_r50-caffe_fpn_gn-head_1x_coco"
    config = patched_config(dataset, folder / "config.py", 1, 10, base)
    return [
        *(config, f"--work-dir={folder / 'work'}", "--threads=1", "--save-minutes=0"),
        *("--max-hours=0.0001", "--cfg-options", "model.backbone.norm_eval=True"),
        *(f"train_dataloader.batch_size={batch}", "param_scheduler=[]"),
        *("optim_wrapper.clip_grad=None", "optim_wrapper.paramwise_cfg=None"),
        *("optim_wrapper.optimizer.lr=1.0", "optim_wrapper.optimizer.momentum=0.0"),
        "optim_wrapper.optimizer.weight_decay=0.0",
    ]


@pytest.fixture(scope="module")
def alone(dataset, tmp_path_factory) -> dict[str, torch.Tensor]:
    """The weights after a step of one process with four images."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    run = run_command("mmdet_train", *one_step(dataset, folder, 4))
    assert run.returncode == 75, run.stderr[-2000:]
    return load_training_checkpoint(folder / "work/iter_1.pth")["state_dict"]


@pytest.mark.parametrize("launcher", ["pytorch", MPI, SLURM])
def test_two_processes_have_the_gradients_of_one_with_twice_the_batch(
    launcher, start_two, alone, dataset, tmp_path
):
    code, said = end_of(
        start_two(launcher, *one_step(dataset, tmp_path / "two", batch=2))
    )
    # torchrun has an exit code of its own.
    assert code == (1 if launcher == "pytorch" else 75), said[-3000:]
    assert "stopped by the time limit after iteration 1 of" in said
    two = load_training_checkpoint(tmp_path / "two/work/iter_1.pth")["state_dict"]
    for key, weights in alone.items():
        if weights.is_floating_point() and "running" not in key:
            assert torch.allclose(weights, two[key], rtol=0, atol=1e-5), key


def training(config, work, *options) -> list:
    """Return arguments for a training of 32 steps that saves when it has to."""
    return [
        *(config, "--work-dir", work, "--threads=1", "--save-minutes=1000"),
        *("--resume", "auto", "--publish", work.with_suffix(".pth"), *options),
        *("--cfg-options", "train_dataloader.batch_size=1"),
    ]


@pytest.fixture(scope="module")
def config(dataset, tmp_path_factory):
    return patched_config(
        dataset, tmp_path_factory.mktemp("long") / "config.py", 8, val_interval=4
    )


@pytest.mark.parametrize(
    "launcher", [pytest.param("pytorch", marks=pytest.mark.slow), MPI, SLURM]
)
def test_sigterm_saves_one_state_from_which_two_processes_go_on(
    launcher, start_two, config, tmp_path
):
    whole, work = tmp_path / "whole", tmp_path / "work"
    code, said = end_of(start_two(launcher, *training(config, whole)))
    assert code == 0, said[-3000:]
    run = start_two(launcher, *training(config, work))
    lines = work / "metrics.jsonl"
    wait_until(
        lambda: len(read_metrics(lines)) > 2 or run.poll() is not None,
        *(TIMEOUT, "three iterations"),
    )
    run.terminate()
    code, said = end_of(run)
    assert code == (1 if launcher == "pytorch" else 75), said[-3000:]
    assert len(WorkDir(work).states()) == 1
    code, said = end_of(start_two(launcher, *training(config, work)))
    assert code == 0, said[-3000:]
    assert "resuming from" in said
    published = [path.with_suffix(".pth").read_bytes() for path in (whole, work)]
    assert published[0] == published[1]
    assert (whole / "metrics.jsonl").read_bytes() == lines.read_bytes()
