"""What tests share: a small example, a model trained on it, and a Redis server."""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmdet_flow import cli
from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.convert import convert
from mmdet_flow.dataset.example import make_example
from mmdet_flow.dataset.split import split
from mmdet_flow.main import PROG, command_at, main

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
IMAGE_SIZE = 128
LOW_SCORE = 0.001
FINISHED = "sea-side"


def run_command(
    command: str, *args, cwd: Path | None = None, timeout: int = 600, **variables
) -> subprocess.CompletedProcess:
    """Run a command of the project, in one word or several, the way a user does."""
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("MMDET_CLASSES", None)
    program, *words = command.split()
    return subprocess.run(
        [BIN / program, *words, *map(str, args)],
        cwd=cwd,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


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


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Let the tests convert models anew, with the code as it is."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMDET_FLOW_CACHE", str(folder))
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
def dataset(tmp_path_factory) -> Dataset:
    root = tmp_path_factory.mktemp("dataset")
    made = Dataset(root / "source", root / "dataset", root / "splits")
    make_example(made.source, images=16, seed=3)
    convert("opex", Source(made.source, made.source), made.folder)
    split(made.coco, made.splits, {"train": "0.5", "val": "0.25", "test": "0.25"}, 0)
    return made


def patched_config(
    dataset: Dataset,
    output: Path,
    epochs: int = 2,
    val_interval: int = 10,
    base: str = "rtmdet-ins_tiny_8xb32-300e_coco",
    augment: str = "light",
) -> Path:
    """Write the config of a small instance segmenter that trains in seconds."""
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
        f"--image-size={IMAGE_SIZE}",
        f"--augment={augment}",
        f"--val-interval={val_interval}",
        # A model that has hardly learned finds something only at low scores.
        *(
            ("--cfg-options", "model.test_cfg.score_thr=0.0001")
            if "rtm" in base
            else ()
        ),
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
def trained(dataset, tmp_path_factory) -> Trained:
    root = tmp_path_factory.mktemp("trained")
    config = patched_config(dataset, root / "config.py")
    run = run_command(
        *(
            "mmdet-flow model train",
            config,
            "--work-dir",
            root / "work",
            "--threads",
            "2",
        ),
        *("--publish", root / "checkpoint.pth"),
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return Trained(config, root / "work", root / "checkpoint.pth")


@pytest.fixture(scope="session")
def finished(trained, dataset, tmp_path_factory):
    """A finished run, which tests leave as it is."""
    from mmdet_flow.dataset.card import make_card

    run = tmp_path_factory.mktemp("results") / FINISHED
    (run / "model").mkdir(parents=True)
    shutil.copy(trained.checkpoint, run / "model" / "checkpoint.pth")
    shutil.copy(trained.config, run / "model" / "config.py")
    base = ["rtmdet-ins_tiny_8xb32-300e_coco", "--save-path"]
    assert command_of("model config")([*base, run / "model" / "base.py"]) == 0
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
    return run


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
