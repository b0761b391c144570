"""A Slurm for the session, and the small workflow that is run through it."""

import filecmp
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.cluster.slurm import Slurm, slurm, wait_until, why_not
from tests.conftest import BIN, ROOT, made_once, run_command

CONFIG = {
    "experiments": {
        "example": {
            "data": {
                "format": "opex",
                "annotations": "data/example",
                "images": "data/example",
            },
            "splits": {"train": 0.5, "val": 0.2, "test": 0.3},
            "model": {
                "base": "rtmdet-ins_tiny_8xb32-300e_coco",
                "image_size": 128,
                "epochs": 6,
                "val_interval": 6,
                # The default measures, and nodes that are busy come to another end.
                "precision": "fp32",
                # A state after each step, so that there is one when a job is killed.
                "save_minutes": 0,
                "keep_checkpoints": 4,
                "cfg_options": ["model.test_cfg.score_thr=0.0001"],
            },
            "predict": {"images_per_shard": 3, "score": 0.0},
        }
    }
}

# A small model without batch norm, which sees the images of its own process alone, and
# whose losses count the objects of all processes.
TWO_NODES = {
    "nodes": 2,
    "batch_size": 2,
    "base": "fcos_r50-caffe_fpn_gn-head_1x_coco",
    "cfg_options": [
        *("model.backbone.depth=18", "model.backbone.norm_eval=True"),
        *("model.neck.in_channels=[64,128,256,512]", "model.neck.out_channels=64"),
        *("model.bbox_head.in_channels=64", "model.bbox_head.feat_channels=64"),
    ],
}

MODEL = "results/example/model/checkpoint.pth"

# What a user's own profile says of the site.
SITE = {
    "default-resources": {"slurm_partition": "short"},
    "slurm-status-command": "squeue",
    "slurm-init-seconds-before-status-checks": 5,
}

PLACES = "predict_images:slurm_extra=f'--nodelist=n{int(wildcards.shard) + 1}'"
"""Each shard on a node of its own."""

THREADS = "predict_images=2 train_model=2 evaluate_model=2 convert_annotations=2"
"""The test's nodes have two CPUs each."""


@dataclass(frozen=True)
class Project:
    """A folder in which the workflow is run as a user runs it."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results/example"

    @property
    def checkpoint(self) -> Path:
        return self.folder / MODEL

    @property
    def training(self) -> Path:
        return self.results / "training"

    def copy(self, folder: Path) -> "Project":
        """Copy with the times of the files, by which Snakemake knows what is new."""
        shutil.copytree(self.folder, folder)
        return Project(folder)

    def set_model(self, **options) -> None:
        """Change options of the model in the config."""
        path = self.folder / "config.yaml"
        config = yaml.safe_load(path.read_text())
        config["experiments"]["example"]["model"] |= options
        path.write_text(yaml.safe_dump(config))

    def start(
        self,
        *targets: str,
        options: Sequence[str] = (),
        profile: str | None = "slurm",
    ) -> subprocess.Popen:
        """Start snakemake through a profile of the project, or on this machine."""
        command = [BIN / "snakemake", "--snakefile", ROOT / "Snakefile", *options]
        if profile:
            command += ["--workflow-profile", ROOT / "profiles" / profile]
            command += ["--profile", self.folder / "site", "--latency-wait", "20"]
            command += ["--set-threads", *THREADS.split()]
        else:
            command += ["--cores", "2"]
        command += ["--", *targets]
        with open(self.folder / "run.log", "ab") as log:
            return subprocess.Popen(
                [*map(str, command)],
                cwd=self.folder,
                # The nodes are one machine, so processes meet inside it.
                env=os.environ | {"SOURCE_DATE_EPOCH": "0", "GLOO_SOCKET_IFNAME": "lo"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def run(self, *targets: str, **how) -> None:
        """Run snakemake to its end, which must be a good one."""
        self.expect_success(self.start(*targets, **how))

    def expect_success(self, run: subprocess.Popen) -> None:
        try:
            code = run.wait(timeout=1800)
        finally:
            run.kill()
        assert code == 0, (self.folder / "run.log").read_text()[-3000:]

    def forget_training(self) -> None:
        """Remove the model and all that a training could go on from."""
        self.checkpoint.unlink()
        shutil.rmtree(self.training)

    def wait_for_a_state(self, run: subprocess.Popen) -> None:
        """Wait until the training can go on from a state, and is not at its end."""
        wait_until(
            lambda: list(self.training.glob("iter_*.pth")) or run.poll() is not None,
            900,
            "a state of the training",
        )
        assert run.poll() is None

    def cancel_training(self) -> None:
        """Train anew, cancel the job, and wait for the end of the next one."""
        self.forget_training()
        run = self.start(MODEL)
        self.wait_for_a_state(run)
        cancelled = self.job_of("train_model")["JobId"]
        slurm("scancel", cancelled)
        self.expect_success(run)
        assert self.job_of("train_model")["JobId"] != cancelled

    def assert_resumed_to_weights_of(self, whole: "Project") -> None:
        assert "resuming from" in (self.results / "logs/train_model.log").read_text()
        assert filecmp.cmp(self.checkpoint, whole.checkpoint, shallow=False)

    def jobs_of(self, rule: str) -> list[dict[str, str]]:
        """Return what Slurm knows of the jobs of a rule that were started here."""
        marks = (f"Comment=rule_{rule}", f"WorkDir={self.folder} ")
        return [
            dict(part.split("=", 1) for part in job.split() if "=" in part)
            for job in slurm("scontrol", "--oneliner", "show", "job").splitlines()
            if all(mark in job for mark in marks)
        ]

    def job_of(self, rule: str) -> dict[str, str]:
        """Return what Slurm knows of the newest job of a rule."""
        return max(self.jobs_of(rule), key=lambda job: int(job["JobId"]))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[Slurm]:
    if reason := why_not():
        pytest.fail(reason)
    slurm = Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


def new_project(folder: Path) -> Project:
    """Write a config, a profile of the site, and the data set."""
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "site").mkdir()
    (folder / "site/profile.yaml").write_text(yaml.safe_dump(SITE))
    example = ("--output", folder / "data/example", "--images", "16")
    run_command("mmdet-flow start example", *example)
    return Project(folder)


@pytest.fixture(scope="session")
def trained_here(shared) -> Project:
    """A model that was trained on this machine, without Slurm."""

    def make(folder: Path) -> None:
        new_project(folder).run(MODEL, profile=None)

    return Project(made_once(shared / "trained_here", make))


@pytest.fixture
def project(trained_here, tmp_path) -> Project:
    """A copy of what was made up to the model."""
    return trained_here.copy(tmp_path / "project")


@pytest.fixture(scope="session")
def undisturbed_pair(cluster, trained_here, tmp_path_factory) -> Project:
    """A model trained once by two nodes through Slurm."""
    project = trained_here.copy(tmp_path_factory.mktemp("pair") / "project")
    project.set_model(**TWO_NODES)
    project.forget_training()
    project.run(MODEL)
    assert project.job_of("train_model")["NumNodes"] == "2"
    return project


@pytest.fixture
def pair(undisturbed_pair, tmp_path) -> Project:
    """A copy of what two undisturbed nodes made."""
    return undisturbed_pair.copy(tmp_path / "pair")


@pytest.fixture(scope="session")
def whole(cluster, tmp_path_factory) -> Project:
    """The whole workflow, run once through Slurm."""
    project = new_project(tmp_path_factory.mktemp("project"))
    project.run(options=["--set-resources", PLACES])
    return project
