import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.card import describe, make_card
from mmdet_flow.dataset.check import Rules, check
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.errors import DataError
from mmdet_flow.tiles import Tiles


def splits_of(dataset) -> dict[str, CocoFile]:
    names = ("train", "val", "test")
    return {name: CocoFile.read(dataset.splits / f"{name}.json") for name in names}


def test_the_numbers_of_the_card_are_those_of_the_data(dataset):
    card = describe(splits_of(dataset), image_size=112)
    coco = dataset.coco
    assert card["images"] == len(coco.images)
    assert card["image_sizes"] == {"336x224": len(coco.images)}
    objects = sum(split["objects"] for split in card["splits"].values())
    assert objects == len(coco.annotations) == np.sum(card["positions"])
    assert sum(card["objects_per_image"].values()) == len(coco.images)
    sides = [(w * h) ** 0.5 for *_, w, h in (item["bbox"] for item in coco.annotations)]
    assert card["box_sizes"]["50%"] == round(float(np.median(sides)), 1)
    # The longer side goes from 336 to 112 pixels.
    assert card["box_sizes_seen"]["50%"] == round(float(np.median(sides)) / 3, 1)


def test_of_divided_images_the_network_sees_tiles(dataset, tmp_path, caplog):
    splits = splits_of(dataset)
    whole = describe(splits, image_size=112)
    # Of 336 x 224 pixels it sees 112 at once: three times as much as of all.
    tiled = describe(splits, 112, Tiles(112))
    assert tiled["box_sizes_seen"] == tiled["box_sizes"] == whole["box_sizes"]
    assert whole["box_sizes_seen"]["50%"] < tiled["box_sizes_seen"]["50%"]
    enlarged = describe(splits, 112, Tiles(224, scale=2.0))
    assert enlarged["box_sizes_seen"] == tiled["box_sizes_seen"]
    assert (
        describe(splits, 112, Tiles(400))["box_sizes_seen"] == whole["box_sizes_seen"]
    )
    assert describe(splits, 4)["too_small_to_learn"]
    assert not describe(splits, 4, Tiles(16, scale=1.0))["too_small_to_learn"]
    assert tiled["tiles"]["size"] == 112 and whole["tiles"] is None
    make_card(splits, dataset.images, 1, tmp_path, Tiles(300))
    assert "a larger image_size, or smaller tiles (docs/tiles.md)" in caplog.text


def test_the_files_of_the_card(dataset, tmp_path):
    for folder in (tmp_path / "one", tmp_path / "two"):
        make_card(splits_of(dataset), dataset.images, 112, folder)
    for name in ("card.json", "card.png", "samples.png", "card.html"):
        one, two = (
            (tmp_path / folder / name).read_bytes() for folder in ("one", "two")
        )
        assert one == two
    page = (tmp_path / "one" / "card.html").read_text()
    assert "<td>train</td>" in page and page.count("data:image/png") == 2
    samples = np.asarray(Image.open(tmp_path / "one" / "samples.png").convert("RGB"))
    assert samples.std() > 20
    assert json.loads((tmp_path / "one" / "card.json").read_text())["image_size"] == 112


def test_the_card_tells_which_objects_are_too_small(dataset, tmp_path, caplog):
    """The same that the check says of the data at this size."""
    splits = splits_of(dataset)
    sides = [min(item["bbox"][2:]) for item in dataset.coco.annotations]
    size = 336 // (int(np.median(sides)) + 1)
    few = [side for side in sides if side * size / 336 < 1]
    assert 0 < len(few) < len(sides)
    make_card(splits, dataset.images, size, tmp_path / "small")
    card = json.loads((tmp_path / "small" / "card.json").read_text())
    found = card["too_small_to_learn"]
    assert sorted(min(row["box"][2:]) for row in found) == sorted(few)
    assert {row["split"] for row in found} <= set(splits)
    names = {image["file_name"] for image in dataset.coco.images}
    assert all(row["image"] in names for row in found)
    assert {row["class"] for row in found} <= set(dataset.coco.classes)
    said = f"{len(few)} of {len(sides)} objects with a side below a pixel"
    assert said in caplog.text
    assert "choose a larger image_size, or tiles (docs/tiles.md)" in caplog.text
    assert said in (tmp_path / "small" / "card.html").read_text()

    source = Source(dataset.folder / "annotations.json", dataset.images)
    checked = check(FORMATS["coco"], source, Rules(image_size=size))
    checks = [finding.check for finding in checked.ledger.findings]
    assert checks.count("too-small-to-learn") == len(few)


def test_an_image_that_is_not_there_is_one_line(dataset, tmp_path):
    with pytest.raises(DataError, match=r"ground-\d+\.jpg: No such file"):
        make_card(splits_of(dataset), tmp_path, 112, tmp_path / "card")


def test_the_card_tells_what_a_fraction_of_the_training_leaves_out(dataset, tmp_path):
    splits = splits_of(dataset)
    make_card(splits, dataset.images, 112, tmp_path / "all")
    names = [image["file_name"] for image in splits["train"].images]
    kept = splits["train"].subset(names[2:])
    splits["train"] = replace(kept, info=kept.info | {"left_out": names[:2]})
    make_card(splits, dataset.images, 112, tmp_path / "part")
    every, part = (
        json.loads((tmp_path / name / "card.json").read_text())
        for name in ("all", "part")
    )
    assert "left_out" not in every and part["left_out"] == 2
    assert part["images"] == every["images"] - 2
    assert "2 more images of train" in (tmp_path / "part/card.html").read_text()
    assert "left out" not in (tmp_path / "all/card.html").read_text()
