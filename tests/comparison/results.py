"""Results folders of experiments by hand, as the workflow leaves them."""

import json
import tempfile
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config

from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.evaluation.detect import Found
from mmdet_flow.evaluation.evaluate import evaluate
from mmdet_flow.files import write_json
from mmdet_flow.inference.scores import Scores
from mmdet_flow.model.config import load_config
from tests.evaluation.scenes import SIZE, truth_of

VERSIONS = {"mmdet": "3.3.0", "torch": "2.13.0"}


def write_experiment(
    folder: Path,
    truth: CocoFile,
    found: list[dict],
    seed: int = 0,
    lr: float = 0.004,
    beta2: float = 0.999,
    versions: dict[str, str] = VERSIONS,
    score: float = 0.3,
    grey: int = 128,
) -> Path:
    """Write what an experiment would have made; ``grey`` colours its images."""
    for name in ("train", "val", "test"):
        truth.write(folder / "splits" / f"{name}.json")
    images = folder / "dataset" / "images"
    images.mkdir(parents=True)
    for image in truth.images:
        pixels = np.full((SIZE, SIZE, 3), grey, np.uint8)
        cv2.imwrite(str(images / image["file_name"]), pixels)
    parts = (truth.images, truth.annotations, truth.categories, found)
    (folder / "evaluation").mkdir()
    for name, content in evaluation(*map(json.dumps, parts), score).items():
        (folder / "evaluation" / name).write_bytes(content)
    (folder / "model").mkdir()
    text = config_text(f"results/{folder.name}", seed, lr, beta2)
    (folder / "model" / "config.py").write_text(text)
    meta = {"dataset_meta": {"classes": truth.classes}, "versions": versions}
    meta["cfg"] = text
    content = {"meta": meta, "state_dict": {"weight": torch.zeros(1000, 250)}}
    torch.save(content, folder / "model" / "checkpoint.pth")
    recipe = {"precision": "fp32", "threads": 2, "cpu": "AVX2", "load_from": None}
    write_json(folder / "training" / "recipe.json", recipe)
    return folder


def write_learned(
    folder: Path, truth: CocoFile, found: list[dict], labelled: int, **how
) -> Path:
    """Write an experiment that trained and validated on so many images."""
    # An optimizer remembers more steps where there are more images.
    write_experiment(folder, truth, found, beta2=1 - 1 / (labelled + 9), **how)
    more = truth_of(*[[("leaf", 0, 0, 40, 40)]] * labelled)
    for number, image in enumerate(more.images):
        image["file_name"] = f"new-{number}.png"
    names = [image["file_name"] for image in more.images]
    more.subset(names[1:]).write(folder / "splits/train.json")
    more.subset(names[:1]).write(folder / "splits/val.json")
    return folder


def write_times(folder: Path, seconds: float, images: int, predicting: float) -> None:
    """Write how long the training job took, and the prediction of two shards."""
    benchmarks = folder / "benchmarks"
    benchmarks.mkdir()
    table = f"s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t900.0\n"
    (benchmarks / "train_model.tsv").write_text(table)
    for shard in range(2):
        run = {"images": images, "seconds": predicting, "engine": "openvino"}
        write_json(benchmarks / f"predict_images-{shard}.json", run)


@cache
def evaluation(
    images: str, annotations: str, categories: str, found: str, score: float
) -> dict[str, bytes]:
    """Return the files of an evaluation; most of the time it takes is for pictures."""
    lists = map(json.loads, (images, annotations, categories))
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)
        truth, rows = CocoFile(Path("truth.json"), *lists), json.loads(found)
        evaluate(truth, Found(rows), Scores(score), 20, output)
        return {path.name: path.read_bytes() for path in output.iterdir()}


def config_text(folder: str, seed: int, lr: float, beta2: float) -> str:
    """Return a config of the model zoo as the workflow would have patched it."""
    config = Config(_zoo_config(), format_python_code=False)
    config.train_dataloader.dataset.ann_file = f"{folder}/splits/train.json"
    config.train_dataloader.dataset.data_prefix.img = f"{folder}/dataset/images/"
    config.optim_wrapper.optimizer.update(lr=lr, betas=(0.9, beta2))
    config.randomness = {"seed": seed}
    config.work_dir = f"{folder}/training"
    return config.pretty_text


@cache
def _zoo_config() -> dict:
    return load_config("rtmdet_tiny_8xb32-300e_coco").to_dict()
