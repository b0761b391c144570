"""Two processes that train one model, started by each of the launchers."""

import os
import shutil
import subprocess
import tempfile

import pytest
import torch

from mmdet_flow.cache import VARIABLE
from mmdet_flow.files import read_json_lines
from mmdet_flow.model.checkpoint import load_training_checkpoint
from mmdet_flow.model.work_dir import WorkDir
from tests.cluster.slurm import slurm, wait_until
from tests.conftest import BIN, patched_config, run_command, the_error

TIMEOUT = 900
"""Seconds that no run takes, however busy the machine is."""

MPI = pytest.param("mpi", marks=pytest.mark.slow)
SLURM = pytest.param("slurm", marks=pytest.mark.slurm)


@pytest.fixture
def launcher(request) -> str:
    """The name of a launcher that is ready to start processes."""
    if request.param == "slurm":
        request.getfixturevalue("cluster")
    if request.param == "mpi" and not shutil.which("mpirun"):
        pytest.skip("needs mpirun (openmpi-bin)")
    return request.param


class Run:
    """A command that runs; processes that it joins meet inside this machine."""

    def __init__(self, command: list, **variables: str) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 closed at the end
        self.process = subprocess.Popen(
            [*map(str, command)],
            env=os.environ | {"GLOO_SOCKET_IFNAME": "lo"} | variables,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code, and what was said."""
        try:
            code = self.process.wait(TIMEOUT)
        finally:
            self.process.kill()
        with self._log:
            self._log.seek(0)
            return code, self._log.read()


def start_two(launcher: str, *arguments) -> Run:
    """Start mmdet_train twice by a launcher."""
    words = {
        "pytorch": [BIN / "torchrun", "--standalone", "--nproc_per_node=2",
                    "--no_python"],
        "mpi": ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none",
                "-np", "2"],
        "slurm": ["srun", "--nodes=2", "--ntasks=2", "--kill-on-bad-exit"],
    }[launcher]  # fmt: skip
    # mpirun kills what does not end in so many seconds.
    patience = {"OMPI_MCA_odls_base_sigkill_timeout": str(TIMEOUT)}
    command = [
        *words,
        BIN / "mmdet_train",
        f"--launcher={launcher}",
        *arguments,
    ]
    return Run(command, **patience)


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
        *("model.backbone.depth=18", "model.backbone.base_channels=16"),
        *("model.neck.in_channels=[16,32,64,128]", "model.neck.out_channels=64"),
        *("model.bbox_head.in_channels=64", "model.bbox_head.feat_channels=64"),
        *(f"train_dataloader.batch_size={batch}", "param_scheduler=[]"),
        *("optim_wrapper.clip_grad=None", "optim_wrapper.paramwise_cfg=None"),
        *("optim_wrapper.optimizer.lr=1.0", "optim_wrapper.optimizer.momentum=0.0"),
        "optim_wrapper.optimizer.weight_decay=0.0",
    ]


@pytest.fixture(scope="module")
def alone(dataset, tmp_path_factory) -> dict[str, torch.Tensor]:
    """The weights after a step of one process with four images."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    run = run_command("mmdet-flow model train", *one_step(dataset, folder, 4))
    assert run.returncode == 75, run.stderr[-2000:]
    return load_training_checkpoint(folder / "work/iter_1.pth")["state_dict"]


@pytest.mark.parametrize("launcher", ["pytorch", MPI, SLURM], indirect=True)
def test_two_processes_have_the_gradients_of_one_with_twice_the_batch(
    launcher, alone, dataset, tmp_path
):
    code, said = start_two(launcher, *one_step(dataset, tmp_path / "two", 2)).end()
    # torchrun has an exit code of its own.
    assert code == (1 if launcher == "pytorch" else 75), said[-3000:]
    assert "stopped by the time limit after iteration 1 of" in said
    two = load_training_checkpoint(tmp_path / "two/work/iter_1.pth")["state_dict"]
    for key, weights in alone.items():
        if weights.is_floating_point() and "running" not in key:
            assert torch.allclose(weights, two[key], rtol=0, atol=1e-5), key


def test_two_processes_measure_a_precision_together(dataset, tmp_path, monkeypatch):
    """With losses that wait for those of the other process."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    arguments = [*one_step(dataset, tmp_path / "two", 2), "--precision=auto"]
    code, said = start_two("pytorch", *arguments).end()
    assert code == 1, said[-3000:]  # that of torchrun
    assert said.count("INFO precision ") == 1
    assert "stopped by the time limit after iteration 1 of" in said


def training(config, work, *options) -> list:
    """Return arguments for a training of 32 steps that saves when it has to."""
    return [
        *(config, "--work-dir", work, "--threads=1", "--save-minutes=1000"),
        *("--resume", "auto", "--publish", work.with_suffix(".pth"), *options),
        *("--cfg-options", "train_dataloader.batch_size=1"),
    ]


def wait_for_steps(work, run: Run) -> None:
    """Wait until a training is under way."""
    lines = work / "metrics.jsonl"
    wait_until(
        lambda: len(read_json_lines(lines)) > 2 or run.process.poll() is not None,
        *(TIMEOUT, "three iterations"),
    )


@pytest.fixture(scope="module")
def config(dataset, tmp_path_factory):
    return patched_config(
        dataset, tmp_path_factory.mktemp("long") / "config.py", 8, val_interval=4
    )


@pytest.fixture(scope="module")
def undisturbed_two(config, tmp_path_factory):
    """The work folder of two processes that train to the end."""
    work = tmp_path_factory.mktemp("two") / "work"
    code, said = start_two("pytorch", *training(config, work)).end()
    assert code == 0, said[-3000:]
    return work


@pytest.mark.parametrize(
    "launcher",
    [pytest.param("pytorch", marks=pytest.mark.slow), MPI, SLURM],
    indirect=True,
)
def test_sigterm_saves_one_state_from_which_two_processes_go_on(
    launcher, config, undisturbed_two, tmp_path
):
    work = tmp_path / "work"
    run = start_two(launcher, *training(config, work))
    wait_for_steps(work, run)
    if launcher == "slurm":  # srun itself would kill the processes at once
        slurm("scancel", "--signal=TERM", "--name=mmdet_train")
    else:
        run.process.terminate()
    code, said = run.end()
    # torchrun and mpirun have one of their own when they are told to end.
    assert code == (75 if launcher == "slurm" else 1), said[-3000:]
    assert "training stopped by SIGTERM after iteration" in said
    assert len(WorkDir(work).states()) == 1
    code, said = start_two(launcher, *training(config, work)).end()
    assert code == 0, said[-3000:]
    assert "resuming from" in said
    for name in ("metrics.jsonl", "../work.pth"):
        assert (work / name).read_bytes() == (undisturbed_two / name).read_bytes()


@pytest.mark.slow
def test_one_process_does_not_go_on_with_the_training_of_two(
    config, undisturbed_two, tmp_path
):
    work = tmp_path / "work"
    shutil.copytree(undisturbed_two, work)
    run = run_command("mmdet-flow model verify", work)
    assert run.returncode == 4
    assert "was trained by 2 processes" in the_error(run)
    run = run_command(
        "mmdet-flow model train", *training(config, work, "--max-hours", "0.0001")
    )
    assert run.returncode == 75, run.stderr[-2000:]
    assert "training starts from the beginning" in run.stderr


@pytest.mark.slow
def test_a_process_that_loses_the_other_says_so(config, free_port, tmp_path):
    """Without a launcher, which would kill it first."""
    work = tmp_path / "work"
    meeting = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port),
        "WORLD_SIZE": "2",
    }
    command = [
        BIN / "mmdet_train",
        "--launcher=pytorch",
        *training(config, work),
    ]
    runs = [Run(command, RANK=rank, LOCAL_RANK=rank, **meeting) for rank in ("0", "1")]
    wait_for_steps(work, runs[0])
    runs[1].process.kill()
    code, said = runs[0].end()
    assert code == 4, said[-3000:]
    assert "error: another process of this training ended" in said
    runs[1].end()
