"""Which images to label next."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_flow.dataset.predictions import read_predictions
from mmdet_flow.errors import DataError
from mmdet_flow.inference.features import Features
from mmdet_flow.labelling.base import read_base
from mmdet_flow.labelling.choose import choose
from mmdet_flow.labelling.export import Export, export
from mmdet_flow.labelling.picture import principal_components
from mmdet_flow.labelling.ranking import (
    METHODS,
    SOURCES,
    Method,
    k_centre,
    rank,
    uncertainty,
)
from tests.conftest import command_of
from tests.labelling.predicted import CLASSES, boxed, write_predictions
from tests.labelling.test_join import make_base


@pytest.mark.parametrize(
    ("scores", "aggregate", "expected"),
    [
        ([], "sum", 0.0),
        ([0.5], "sum", 1.0),
        ([0.5, 0.5], "sum", 2.0),
        ([0.5, 1.0], "mean", 0.5),
        ([0.5, 1.0, 0.0], "max", 1.0),
        ([0.25], "sum", 0.811278),
        ([0.75], "sum", 0.811278),
    ],
)
def test_the_uncertainty_is_the_entropy_of_the_scores(scores, aggregate, expected):
    assert uncertainty(scores, aggregate) == pytest.approx(expected, abs=1e-6)


SCENES = np.array([[0, 0], [0.1, 0], [0, 0.1], [5, 0], [5, 0.1], [0, 9], [2, 2.0]])
"""Three of one scene, two of another, and two alone."""


def test_the_spread_takes_one_of_each_scene_before_a_second_of_any():
    chosen, distance = k_centre(SCENES, None, 4, np.arange(7))
    assert chosen[0] == 0
    assert sorted(chosen.tolist()) == [0, 4, 5, 6]
    assert distance[chosen[0]] == np.inf
    # Each is as far from those before it as none other was.
    for number, one in enumerate(chosen[1:].tolist(), 1):
        before = SCENES[chosen[:number]]
        away = np.linalg.norm(SCENES[:, None] - before, axis=2).min(1)
        assert away[one] == away.max() == distance[one]


def test_the_spread_keeps_away_from_what_is_labelled():
    labelled = np.array([[0, 0], [0, 9.0]])
    chosen, _ = k_centre(SCENES, labelled, 2, np.arange(7))
    assert chosen.tolist() == [4, 6]
    chosen, _ = k_centre(SCENES, labelled, 9, np.array([1, 2, 3]))
    assert chosen.tolist() == [3, 1, 2]  # all there are


def test_both_spreads_over_the_most_uncertain():
    doubts = np.array([9, 8, 7, 1, 6, 2, 0.0])
    method = Method("both", pool=2)
    ranking = rank(2, method, doubts, SCENES, None)
    assert set(ranking.order[:2].tolist()) == {0, 4}  # of 0, 1, 2, 4, one a scene
    assert ranking.order[2:].tolist() == [1, 2, 5, 3, 6]
    assert rank(2, Method("uncertain"), doubts).order.tolist() == [0, 1, 2, 4, 5, 3, 6]


def test_a_seed_decides_what_is_random_and_the_order_of_equals():
    doubts = np.zeros(50)
    for name in ("random", "uncertain"):
        orders = [rank(5, Method(name, seed=s), doubts).order for s in (0, 0, 1)]
        assert (orders[0] == orders[1]).all() and (orders[0] != orders[2]).any()
        assert sorted(orders[2].tolist()) == list(range(50))


def test_every_method_says_what_it_is():
    assert METHODS.keys() == SOURCES.keys()


def mean_colour(image: np.ndarray) -> np.ndarray:
    """Stand in for a network: what it sees is the colour."""
    return image.reshape(-1, 3).mean(0)


PICTURES = {
    f"{name}{n}.png": None for name in ("red", "green", "blue") for n in range(4)
}


def make_candidates(root: Path) -> Path:
    """Write pictures of three colours, four of each, of growing uncertainty."""
    scores = np.linspace(0.95, 0.5, len(PICTURES))
    objects = {
        name: [boxed("no", round(float(score), 3), 1, 1, 9, 9)]
        for name, score in zip(PICTURES, scores, strict=True)
    }
    folder = write_predictions(root, objects)
    for number, name in enumerate(PICTURES):
        colour = np.zeros((48, 64, 3), np.uint8)
        colour[..., number // 4] = 200 + number
        cv2.imwrite(str(folder / name), colour)
    return folder


def rows_of(folder: Path) -> list[dict]:
    with (folder / "choice.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_the_choice_is_a_list_a_table_and_a_picture(tmp_path):
    predictions = make_candidates(tmp_path / "predicted")
    output = tmp_path / "choice"
    method = Method("both", pool=4)
    choose(predictions, None, None, 3, method, output, mean_colour)
    names = (output / "choice.txt").read_text().splitlines()
    assert {name[:3] for name in names} == {"red", "gre", "blu"}
    assert names[0] == "blue3.png"  # the most uncertain one
    rows = rows_of(output)
    assert [row["file"] for row in rows[:3]] == names
    assert [row["chosen"] for row in rows] == ["1"] * 3 + ["0"] * 9
    doubts = [float(row["uncertainty"]) for row in rows[3:]]
    assert doubts == sorted(doubts, reverse=True)
    about = json.loads((output / "choice.json").read_text())
    assert about["method"] == "both" and about["seed"] == 0
    picture = cv2.imread(str(output / "choice.png"))
    assert picture.shape[1] == 900 and picture.std() > 20

    before = [path.read_bytes() for path in sorted(output.iterdir())]
    choose(predictions, None, None, 3, method, tmp_path / "again", mean_colour)
    again = [path.read_bytes() for path in sorted((tmp_path / "again").iterdir())]
    assert again == before


def test_the_list_is_what_an_export_takes(tmp_path):
    predictions = make_candidates(tmp_path / "predicted")
    choose(predictions, None, None, 2, Method("uncertain"), tmp_path / "choice")
    names = (tmp_path / "choice" / "choice.txt").read_text().splitlines()
    assert names == ["blue3.png", "blue2.png"]
    chosen = tmp_path / "choice" / "choice.txt"
    how = Export("labelme", classes=CLASSES, image_list=chosen)
    export(predictions, None, tmp_path / "round", how)
    images = sorted(path.name for path in (tmp_path / "round/labelme").glob("*.png"))
    assert images == sorted(names)
    (tmp_path / "wrong.txt").write_text("blue9.png\n")
    with pytest.raises(DataError, match=r"no image blue9\.png; did you mean blue"):
        read_predictions(predictions, only=tmp_path / "wrong.txt")


def test_what_is_labelled_is_not_chosen_nor_what_is_like_it(tmp_path):
    """Nor an image of the test split, which is no centre either, nor a copy."""
    base = make_base(tmp_path / "base")
    predictions = make_candidates(tmp_path / "predicted")
    images = base / "dataset" / "images"
    for place, known in (("red0.png", "t1.jpg"), ("red1.png", "x.jpg")):
        (predictions / place).write_bytes((images / known).read_bytes())
    copied = (predictions / "green2.png").read_bytes()
    (predictions / "green3.png").write_bytes(copied)
    seen = []

    def embed(image: np.ndarray) -> np.ndarray:
        seen.append(image)
        return mean_colour(image)

    before = read_base(base)
    method = Method("spread")
    choose(predictions, None, before, 20, method, tmp_path / "choice", embed)
    names = [row["file"] for row in rows_of(tmp_path / "choice")]
    assert set(names) == PICTURES.keys() - {"red0.png", "red1.png", "green3.png"}
    assert len(seen) == len(names) + 3  # two of train, one of val
    distances = [float(row["distance"]) for row in rows_of(tmp_path / "choice")]
    assert distances == sorted(distances, reverse=True) and max(distances) < np.inf
    for name in PICTURES:
        (predictions / name).write_bytes((images / "v.jpg").read_bytes())
    with pytest.raises(DataError, match="no image is left to choose"):
        choose(predictions, None, before, 5, Method("random"), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_principal_components_are_where_vectors_differ_most():
    points = np.array([[0, 0, 1], [10, 1, 1], [20, 0, 1], [30, 1, 1.0]])
    found = principal_components(points)
    assert np.abs(np.diff(found[:, 0])) == pytest.approx([10] * 3, abs=0.2)
    assert np.ptp(found[:, 1]) < 2
    assert principal_components(points[:1]).tolist() == [[0, 0]]


def test_features_are_of_the_image_not_of_its_size_or_padding(trained, dataset):
    features = Features(trained.checkpoint, threads=1)
    paths = sorted(dataset.images.iterdir())[:3]
    images = [cv2.imread(str(path)) for path in paths]
    first, second, third = map(features.embed, images)
    assert first.dtype == np.float32 and first.ndim == 1
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-5)
    assert (features.embed(images[0]) == first).all()
    other = min(np.linalg.norm(first - second), np.linalg.norm(first - third))
    larger = cv2.resize(images[0], None, fx=2, fy=2)
    assert np.linalg.norm(features.embed(larger) - first) < other / 2
    assert features.embed(images[0][:40]).shape == first.shape


def test_the_padding_of_an_image_is_no_part_of_its_features():
    """Of a level of 4x4 cells, of which the image has the upper 2 rows, 3 columns."""
    import torch

    level = torch.full((1, 2, 4, 4), 100.0)
    level[0, 0, :2, :3] = 1
    level[0, 1, :2, :3] = torch.arange(6.0).reshape(2, 3)
    shapes = {"img_shape": (64, 96), "batch_input_shape": (128, 128)}
    assert Features._averaged(level, shapes).tolist() == [1, 2.5]
    padded = {"img_shape": (64, 96), "pad_shape": (128, 128, 3)}
    assert Features._averaged(level, padded).tolist() == [1, 2.5]


def test_frames_of_one_scene_are_chosen_once(trained, dataset, tmp_path, capsys):
    """By the command, with what a real network sees."""
    folder = tmp_path / "predicted"
    paths = sorted(dataset.images.iterdir())[:4]
    objects = {path.name: [boxed("no", 0.7, 1, 1, 9, 9)] for path in paths}
    frames = [f"frame{number}.png" for number in range(8)]
    objects |= {name: [boxed("no", 0.6, 1, 1, 9, 9)] for name in frames}
    write_predictions(folder, objects)
    for path in paths:
        (folder / path.name).write_bytes(path.read_bytes())
    scene = cv2.imread(str(paths[0]))
    noise = np.random.default_rng(0)
    for name in frames:
        shifted = scene + noise.integers(0, 3, scene.shape)
        cv2.imwrite(str(folder / name), shifted.clip(0, 255).astype(np.uint8))
    for path in folder.glob("*.json"):
        content = json.loads(path.read_text())
        del content["meta"]["width"], content["meta"]["height"]
        path.write_text(json.dumps(content))
    command = command_of("label choose")
    words = [folder, "--count", 4, "--threads", 1, "--output", tmp_path / "choice"]
    assert command([*words, "--checkpoint", trained.checkpoint]) == 0
    names = (tmp_path / "choice" / "choice.txt").read_text().splitlines()
    scene_of = {name: paths[0].name if name in frames else name for name in names}
    assert len(set(scene_of.values())) == 4
    said = capsys.readouterr().err
    assert "chose 4 of 12 images: the most uncertain images, spread" in said
    assert command(words) == 2
    said = capsys.readouterr().err
    assert said.endswith("give --checkpoint, or choose --method uncertain\n")
