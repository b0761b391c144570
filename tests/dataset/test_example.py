import json

import cv2
import numpy as np

from mmdet_flow.dataset.example import CLASSES, draw_scene, make_example


def test_same_seed_same_bytes(tmp_path):
    for name in ("one", "two"):
        make_example(tmp_path / name, images=3, seed=5)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(names) == 6
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (
            tmp_path / "two" / name
        ).read_bytes()


def test_other_seed_other_pictures(tmp_path):
    make_example(tmp_path / "one", images=1, seed=5)
    make_example(tmp_path / "two", images=1, seed=6)
    first, second = (next((tmp_path / n).glob("*.jpg")) for n in ("one", "two"))
    assert first.read_bytes() != second.read_bytes()


def test_outlines_do_not_overlap_and_fill_their_boxes():
    for seed in range(10):
        picture, objects = draw_scene(np.random.default_rng(seed))
        covered = np.zeros(picture.shape[:2], int)
        for item in objects:
            mask = np.zeros(picture.shape[:2], np.uint8)
            cv2.fillPoly(mask, [np.array(item["polygon"]["points"])], 1)
            covered += mask
            rows, columns = np.nonzero(mask)
            box = item["bbox"]
            assert (box["left"], box["right"]) == (columns.min(), columns.max())
            assert (box["top"], box["bottom"]) == (rows.min(), rows.max())
        assert covered.max() <= 1


def test_every_class_appears(dataset):
    labels = {
        item["label"]
        for path in dataset.source.glob("*.json")
        for item in json.loads(path.read_text())["objects"]
    }
    assert labels == set(CLASSES)
