import json
import re

import pytest

from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.files import sha256_of
from tests.conftest import IMAGE_SIZE, command_of
from tests.handover.conftest import NAME

main = command_of("handover card")

SECTIONS = [
    *("Model details", "Intended use", "Factors", "Metrics", "Evaluation data"),
    *("Training data", "Quantitative analyses", "Speed", "Where it fails"),
    *("Ethical considerations", "Caveats and recommendations", "How to use it"),
]


def card_of(run, *options) -> str:
    assert main([str(run), *map(str, options)]) == 0
    return (run / "model" / "card.md").read_text()


def rows_of(card: str) -> dict[str, list[str]]:
    """Return the cells of the rows by their first one, the first of each name."""
    rows: dict[str, list[str]] = {}
    for line in re.findall(r"^\| (.*) \|$", card, re.MULTILINE):
        first, *cells = line.split(" | ")
        rows.setdefault(first, cells)
    return rows


def test_it_says_what_the_files_say(run):
    card = card_of(run)
    assert re.findall("^## (.*)$", card, re.MULTILINE) == SECTIONS
    assert card.startswith(f"# Model card: {NAME}\n")
    rows = rows_of(card)
    assert rows["Base config"] == ["`rtmdet-ins_tiny_8xb32-300e_coco`"]
    assert rows["Task"] == ["instance segmentation (boxes and masks)"]
    assert rows["Classes"] == ["leaf, pebble, shell"]
    assert rows["Image size"] == [f"fitted into {IMAGE_SIZE} x {IMAGE_SIZE} pixels"]
    assert rows["Epochs"] == ["2"] and rows["Seed"] == ["0"]
    assert rows["First weights"] == ["random"]
    assert rows["Precision of the training"] == ["fp32"]
    weights = sha256_of(run / "model" / "checkpoint.pth")
    assert rows["SHA-256 of the weights"] == [f"`{weights}`"]


def test_counts_and_figures_are_those_of_the_data_and_the_evaluation(run):
    card = card_of(run)
    rows = rows_of(card)
    for name in ("train", "val", "test"):
        coco = CocoFile.read(run / f"splits/{name}.json")
        images, objects, *_, sha256 = rows[name]
        assert (int(images), int(objects)) == (len(coco.images), len(coco.annotations))
        assert sha256 == f"`{sha256_of(run / f'splits/{name}.json')}`"
    measured = json.loads((run / "evaluation/metrics.json").read_text())
    found, interval, *_ = rows_of(card[card.index("| class (boxes)") :])["all"]
    assert float(found) == round(measured["metrics"]["bbox"]["mAP"], 3)
    low, high = measured["intervals"]["bbox"]["mAP"]
    assert interval == f"{low:.3f} to {high:.3f}"
    at_scores = measured["at_scores"]
    # The model has hardly learned, and may find nothing of a class.
    name = next(
        name
        for name, one in at_scores.items()
        if name != "all" and one["precision"] is not None
    )
    kept, sure = at_scores[name], measured["intervals"]["at_scores"][name]
    right, wrong = kept["true_positives"], kept["false_positives"]
    assert f"| {right} of {kept['objects']} | {kept['recall']:.3f} |" in card
    assert f"| {wrong} of {right + wrong} | {kept['precision']:.3f} |" in card
    low, high = sure["recall"]
    assert f"| {kept['recall']:.3f} | {low:.3f} to {high:.3f} |" in card
    every = at_scores["all"]
    first = card.splitlines()[2]
    assert f"the model finds {every['true_positives']} of {every['objects']} " in first
    assert card.index(" of ") < card.index("mAP")
    for name, own in measured["errors"].items():
        assert rows[name][0] == str(own["count"])
    worst = (run / "evaluation/images.csv").read_text().splitlines()[1].split(",")
    assert rows[f"`{worst[0]}`"] == [worst[6], worst[4], worst[5]]


def test_the_same_bytes_anywhere(finished, run):
    card = card_of(run)
    assert card == (finished / "model" / "card.md").read_text()
    assert str(run.parent.parent) not in card and "/tmp" not in card


def test_what_is_not_known_is_not_said(run):
    (run / "evaluation/thresholds.json").unlink()
    for name in ("recipe.json", "validation.csv"):
        (run / "training" / name).unlink()
    (run / "model/base.py").unlink()
    card = card_of(run)
    rows = rows_of(card)
    for name in ("Base config", "First weights", "Precision of the training"):
        assert rows[name] == ["n/a"]
    assert "Thresholds by class: n/a" in card
    assert "## Speed\n\nn/a" in card
    assert "--score auto" not in card and "No validation chose the weights" in card


def test_a_training_that_ended_early_says_so_and_why(run):
    assert rows_of(card_of(run))["Epochs"] == ["2"]
    path = run / "training" / "recipe.json"
    turn = {"iteration": 3, "end": 5, "planned": 6, "epoch_length": 3}
    recipe = json.loads(path.read_text()) | {"hours": 0.5, "shortened": [turn]}
    path.write_text(json.dumps(recipe))
    said = "1.67 of 2 that were planned: ended early to keep to 30 minutes"
    assert rows_of(card_of(run))["Epochs"] == [f"{said}, as decided after 1"]


def test_the_speed_that_mmdet_export_measured(run):
    content = {
        "model_sha256": sha256_of(run / "model" / "checkpoint.pth"),
        "processor": "A processor",
        "winner": "bf16",
        "candidates": [
            {"precision": "fp32", "mAP": 0.5, "images_per_second": 10.0, "reason": ""},
            {"precision": "bf16", "mAP": 0.49, "images_per_second": 20.5, "reason": ""},
        ],
    }
    path = run / "model" / "checkpoint.precision.json"
    path.write_text(json.dumps(content))
    card = card_of(run)
    assert "Prediction on A processor, where bf16 is used" in card
    assert rows_of(card)["bf16"][:2] == ["0.490", "20.500"]
    path.write_text(json.dumps(content | {"model_sha256": "another"}))
    assert "A processor" not in card_of(run)


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("model/checkpoint.pth", "there is no such checkpoint"),
        ("evaluation/metrics.json", "metrics.json: No such file"),
        ("card/card.json", "card.json: No such file"),
    ],
)
def test_a_run_that_is_not_finished_is_one_line(run, capsys, missing, expected):
    (run / missing).unlink()
    assert main([str(run)]) in (3, 4)
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1 and expected in errors[0]
