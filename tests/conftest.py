"""What tests share: a small example, a model trained on it, and a Redis server."""

import argparse
import atexit
import fcntl
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from mmdet_flow import cli
from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.convert import convert
from mmdet_flow.dataset.example import make_example
from mmdet_flow.dataset.split import split
from mmdet_flow.main import PROG, command_at, main
from tests.forks import ForkServer

# Threads that wait for each other spin, for which the tests have too few processors:
# two run at a time, and what each of them starts takes two threads. Read by torch when
# it is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# A shell lets what it starts in the background ignore Ctrl-C, and that is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
IMAGE_SIZE = 128
SEGMENTER = "rtmdet-ins_tiny_8xb32-300e_coco"
NARROW = (
    # A third of its channels; each layer is there.
    *("model.backbone.widen_factor=0.125", "model.neck.in_channels=[32,64,128]"),
    *("model.neck.out_channels=32", "model.bbox_head.in_channels=32"),
    "model.bbox_head.feat_channels=32",
    # A model that has hardly learned finds something only at low scores.
    "model.test_cfg.score_thr=0.0001",
)
"""Overrides that make a segmenter of it which trains in seconds."""

LOW_SCORE = 0.001
FINISHED = "sea-side"


PRELOADED = {
    "snakemake": ("snakemake.cli",),
    "mmdet-flow": (
        *("mmdet_flow.imports:import_mmdet", "mmdet_flow.inference.runner"),
        *("matplotlib.figure", "matplotlib.backends.backend_agg"),
    ),
}
"""What commands need seconds to import, by the process that they are forks of."""

PROGRAMS = {one.name: one.value for one in entry_points(group="console_scripts")}


@functools.cache
def fork_server(name: str) -> ForkServer:
    """Return a process of this worker that has imported what commands need."""
    server = ForkServer(PRELOADED[name], os.environ)
    atexit.register(server.close)
    return server


def run_command(
    command: str,
    *args,
    cwd: Path | None = None,
    timeout: int = 600,
    fresh: bool = False,
    **variables,
) -> subprocess.CompletedProcess:
    """Run a command, in one word or several, as a user does.

    Those of the project and Snakemake are forks of a process that has imported what
    they need, unless they are to be ``fresh``, as for variables that Python reads.
    """
    program, *words = command.split()
    argv = [str(BIN / program), *words, *map(str, args)]
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path} | variables
    if "MMDET_CLASSES" not in variables:
        environment.pop("MMDET_CLASSES", None)
    preloaded = "snakemake" if program == "snakemake" else "mmdet-flow"
    function = PROGRAMS.get(program, "")
    fresh = fresh or any(name.startswith("PYTHON") for name in variables)
    if fresh or not function.startswith(("mmdet_flow.", "snakemake.")):
        options = {"capture_output": True, "text": True, "timeout": timeout}
        return subprocess.run(argv, cwd=cwd, env=environment, **options)
    run = fork_server(preloaded).run(
        function, argv, cwd or Path.cwd(), environment, seconds=timeout
    )
    if run.was_late:
        raise subprocess.TimeoutExpired(argv, timeout, run.stdout, run.stderr)
    return subprocess.CompletedProcess(argv, run.code, run.stdout, run.stderr)


def command_of(words: str) -> Callable[[Iterable], int]:
    """Return a command as a function of its arguments that runs in this process."""
    return lambda argv: main([*words.split(), *map(str, argv)])


def parser_of(words: str) -> argparse.ArgumentParser:
    """Return the parser of a command."""
    return command_at(words.split()).build_parser(f"{PROG} {words}")


def the_error(run: subprocess.CompletedProcess) -> str:
    """Return the one line that a failed command ended with."""
    assert run.returncode != 0
    assert "Traceback" not in run.stderr
    lines = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, run.stderr
    return lines[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: each worker has a half of the tests, in order."""
    long = [one for one in items if one.get_closest_marker("first")]
    others = [one for one in items if one not in long]
    half = len(others) // 2
    items[:] = [*long[::2], *others[:half], *long[1::2], *others[half:]]


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """The folder of a run of pytest, which is one for all its workers."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


def made_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first worker which needs it makes for all."""
    made = folder.with_suffix(".made")
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of one that failed
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(shared):
    """Let the tests convert models anew, with the code as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMDET_FLOW_CACHE", str(shared / "cache"))
        yield


@pytest.fixture(autouse=True)
def own_log():
    """Let each test begin without what commands of others set up for their log."""
    cli.log.handlers[:] = []
    cli.log.propagate = True


@dataclass(frozen=True)
class Dataset:
    """The folders of a converted and divided example."""

    source: Path
    folder: Path
    splits: Path

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def coco(self) -> CocoFile:
        return CocoFile.read(self.folder / "annotations.json")


@pytest.fixture(scope="session")
def dataset(shared) -> Dataset:
    return dataset_at(made_once(shared / "dataset", make_dataset))


def dataset_at(root: Path) -> Dataset:
    return Dataset(root / "source", root / "dataset", root / "splits")


def make_dataset(root: Path) -> None:
    made = dataset_at(root)
    make_example(made.source, images=16, seed=3)
    convert("opex", Source(made.source, made.source), made.folder)
    split(made.coco, made.splits, {"train": "0.5", "val": "0.25", "test": "0.25"}, 0)


def patched_config(
    dataset: Dataset,
    output: Path,
    epochs: int = 2,
    val_interval: int = 10,
    base: str = SEGMENTER,
    augment: str = "light",
    grow_from: float = 1,
    side: int = IMAGE_SIZE,
) -> Path:
    """Write the config of a small model, a segmenter unless it is told otherwise."""
    splits = [f"--{name}={dataset.splits / name}.json" for name in ("train", "val")]
    run = run_command(
        "mmdet-flow model patch",
        base,
        f"--output={output}",
        *splits,
        f"--test={dataset.splits / 'test.json'}",
        f"--images={dataset.images}",
        f"--epochs={epochs}",
        "--batch-size=4",
        f"--image-size={side}",
        f"--augment={augment}",
        "--optimizer=auto",
        f"--grow-from={grow_from}",
        f"--val-interval={val_interval}",
        *(("--cfg-options", *NARROW) if base == SEGMENTER else ()),
    )
    assert run.returncode == 0, run.stderr
    return output


@dataclass(frozen=True)
class Trained:
    """A training that ran to its end."""

    config: Path
    work_dir: Path
    checkpoint: Path


@pytest.fixture(scope="session")
def trained(dataset, shared) -> Trained:
    root = made_once(shared / "trained", lambda root: train_model(dataset, root))
    return Trained(root / "config.py", root / "work", root / "checkpoint.pth")


def train_model(dataset: Dataset, root: Path) -> None:
    """Train on a data set, and publish the checkpoint."""
    run = run_command(
        *("mmdet-flow model train", patched_config(dataset, root / "config.py")),
        *("--work-dir", root / "work", "--publish", root / "checkpoint.pth"),
        *("--threads", "1"),
    )
    assert run.returncode == 0, run.stderr[-3000:]


@pytest.fixture(scope="session")
def deployed(trained, dataset, shared) -> Path:
    """The checkpoint with its deployable form, which starts without torch."""

    def make(folder: Path) -> None:
        shutil.copy(trained.checkpoint, folder / "model.pth")
        assert deploy(folder / "model.pth", dataset) == 0

    return made_once(shared / "deployed", make) / "model.pth"


def deploy(checkpoint: Path, dataset: Dataset, *options) -> int:
    return command_of("model deploy")(
        [
            *("--checkpoint", checkpoint, "--images", dataset.images),
            *("--annotations", dataset.splits / "val.json", "--threads", 2, *options),
        ]
    )


@pytest.fixture(scope="session")
def finished(trained, dataset, shared) -> Path:
    """A finished run, which tests leave as it is."""
    results = made_once(
        shared / "results", lambda root: finish(trained, dataset, root / FINISHED)
    )
    return results / FINISHED


def finish(trained: Trained, dataset: Dataset, run: Path) -> None:
    """Write what a run with this model and these splits would have made."""
    from mmdet_flow.dataset.card import make_card

    (run / "model").mkdir(parents=True)
    shutil.copy(trained.checkpoint, run / "model" / "checkpoint.pth")
    shutil.copy(trained.config, run / "model" / "config.py")
    base = [SEGMENTER, "--save-path", run / "model" / "base.py"]
    assert command_of("model config")(base) == 0
    (run / "training").mkdir()
    for name in ("recipe.json", "validation.csv"):
        shutil.copy(trained.work_dir / name, run / "training")
    (run / "dataset").mkdir()
    shutil.copy(dataset.folder / "report.json", run / "dataset")
    shutil.copytree(dataset.splits, run / "splits")
    splits = {
        name: CocoFile.read(dataset.splits / f"{name}.json")
        for name in ("train", "val", "test")
    }
    make_card(splits, dataset.images, IMAGE_SIZE, run / "card")
    model = ["--checkpoint", run / "model" / "checkpoint.pth", "--threads", 2]
    test = ["--annotations", dataset.splits / "test.json", "--images", dataset.images]
    val = ["--annotations", dataset.splits / "val.json", "--images", dataset.images]
    places = run / "evaluation", run / "evaluation" / "thresholds.json"
    options = ["--score", LOW_SCORE, "--bootstrap", 20, "--output", places[0]]
    assert command_of("evaluate metrics")([*model, *test, *options]) == 0
    chosen = [*model, *val, "--output", places[1]]
    assert command_of("evaluate thresholds")(chosen) == 0
    # A model that has hardly learned may have no scores of its own.
    content = json.loads(places[1].read_text())
    content["scores"] = dict.fromkeys(splits["val"].classes, LOW_SCORE)
    places[1].write_text(json.dumps(content))
    assert command_of("handover card")([run]) == 0


@pytest.fixture(scope="session")
def predictor(trained):
    """A predictor that keeps a few objects of the hardly trained model."""
    from mmdet_flow.formats.objects import Outlines
    from mmdet_flow.inference.detector import Detector
    from mmdet_flow.inference.predictor import Predictor

    return Predictor(Detector(trained.checkpoint, threads=2), LOW_SCORE, Outlines())


def unused_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def free_port() -> int:
    return unused_port()


@pytest.fixture
def redis_port(free_port):
    from mmdet_flow.serving.connection import embedded_server

    with embedded_server(free_port):
        yield free_port


def assert_valid_opex(text: str) -> dict:
    """Check a text against the OPEX format, strictly; return its content."""
    content = json.loads(text)
    assert set(content) <= {"timestamp", "id", "objects", "meta"}
    assert content["id"]
    for meta in [
        content.get("meta", {}),
        *(o.get("meta", {}) for o in content["objects"]),
    ]:
        assert all(isinstance(value, str) for value in meta.values())
    for item in content["objects"]:
        assert set(item) <= {"score", "label", "bbox", "polygon", "meta"}
        assert item["label"] and item["score"] >= 0
        box = item["bbox"]
        assert set(box) == {"left", "top", "right", "bottom"}
        assert 0 <= box["left"] <= box["right"]
        assert 0 <= box["top"] <= box["bottom"]
        points = item["polygon"]["points"]
        assert len(points) >= 3
        assert all(type(value) is int for point in points for value in point)
        assert all(type(value) is int for value in box.values())
    return content
