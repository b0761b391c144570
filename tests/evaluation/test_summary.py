import csv
import json
import re
import shutil

from tests.conftest import LOW_SCORE, command_of
from tests.wide_names import KANA, MARKED, WIDE, columns_of

summary = command_of("step summary")


def test_it_says_what_was_made_and_where(finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "sea")
    (run / "predictions").mkdir()
    output = tmp_path / "summary.txt"

    def summarize(*options) -> str:
        assert summary([str(run), "--output", str(output), *options]) == 0
        return output.read_text()

    table = run / "predictions" / "images.csv"
    for failed in (1, 50):
        with open(table, "w", newline="") as stream:
            rows = [["file", "status", "error"], ["a.jpg", "ok", ""]]
            rows += [[f"{n}.jpg", "failed", f"{n}.jpg: cut"] for n in range(failed)]
            csv.writer(stream).writerows(rows)
        text = summarize("--place", "r/sea")
        told = "; why some failed: r/sea/predictions/images.csv"
        assert f"1 ok, {failed} failed{told}" in text
        assert text.count(": cut") == (1 if failed == 1 else 0)
    with open(table, "w", newline="") as stream:
        rows = [["file", "status"], ["a.jpg", "ok"], ["b.jpg", "empty"]]
        csv.writer(stream).writerows(rows)
    text = summarize()
    assert "why some" not in text
    assert "16 images" in text and "1 ok, 1 empty" in text
    lines = text.splitlines()
    images = json.loads((run / "evaluation/metrics.json").read_text())["images"]
    assert lines[1].startswith(f"  At its score thresholds, on {images} test images, ")
    assert [line.split()[0] for line in lines[3:7]] == [
        *("all", "leaf", "pebble", "shell")
    ]
    assert lines[2].split() == ["score", "finds", "recall", "wrong", "precision"]
    cells = r"\d+ of \d+ +\d+ %, \d+ to \d+ +\d+ of \d+ +\d+ %, \d+ to \d+"
    assert re.fullmatch(rf" +all +{cells}", lines[3])
    assert len(lines[3]) <= 80
    assert "  scores       chosen on the validation split, for the best F1" in text
    assert lines[4].split()[1] == f"{LOW_SCORE:.3f}"
    assert "boxes        mAP" in text and "masks        mAP" in text
    assert f"{run}/model/sea.zip" in text
    assert "s3://bucket/sea/model/sea.zip" in summarize("--place", "s3://bucket/sea")
    chosen = run / "evaluation/thresholds.json"
    content = json.loads(chosen.read_text())
    metrics = run / "evaluation/metrics.json"
    used = json.loads(metrics.read_text())

    def scores_line(score: float, best: dict | None) -> str:
        scores = dict.fromkeys(content["scores"], score)
        metrics.write_text(json.dumps(used | {"scores": scores}))
        chosen.unlink(missing_ok=True)
        if best is not None:
            chosen.write_text(json.dumps(content | {"scores": best}))
        return re.search("^  scores       (.*)", summarize(), re.M)[1]

    point = dict.fromkeys(("score", "precision", "recall", "f1"), 0.3)
    for name, own in content["classes"].items():
        own["f1"] = None if name == "pebble" else point
    said = scores_line(0.3, dict.fromkeys(content["scores"], 0.3))
    assert said.endswith("of each class; pebble: not found there, that of all classes")
    better = dict.fromkeys(content["scores"], 0.9)
    assert scores_line(0.3, better) == "0.3, as the config has it"
    nothing = "0.3; the model found no object of the validation split"
    assert scores_line(0.3, {}) == nothing
    assert scores_line(0.5, {}) == scores_line(0.5, None) == "0.5, as the config has it"
    nowhere = "0.3; there is no validation split to choose them by"
    assert scores_line(0.3, None) == nowhere
    assert "  training " not in summarize()
    turn = {"iteration": 20, "end": 135, "planned": 286, "epoch_length": 11}
    recipe = run / "training/recipe.json"
    short = json.loads(recipe.read_text()) | {"hours": 0.25, "shortened": [turn]}
    recipe.write_text(json.dumps(short))
    early = "  training     12.3 of 26 epochs, to keep to 15 minutes"
    assert early in summarize().splitlines()


def test_columns_are_those_of_names_in_any_script(finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / WIDE)
    path = run / "evaluation/metrics.json"
    text = path.read_text()
    for old, new in (("leaf", WIDE), ("pebble", KANA), ("shell", MARKED)):
        text = text.replace(f'"{old}"', json.dumps(new))
    path.write_text(text)
    (run / "predictions").mkdir(exist_ok=True)
    (run / "predictions/images.csv").write_text("file,status\n")
    output = tmp_path / "summary.txt"
    assert summary([str(run), "--output", str(output), "--place", "r"]) == 0
    lines = output.read_text().splitlines()

    def place(line: str, what: str) -> int:
        return columns_of(line[: re.search(what, line).start()])

    assert {place(line, r"\d+ of \d+") for line in lines[3:7]} == {
        place(lines[2], "finds")
    }
    below = lines[lines.index("Where to look") + 1 :]
    found = {
        what: place(line, what)
        for line in below
        for what in ("the model in one file", "all metrics")
        if what in line
    }
    assert len(found) == 2 and len({*found.values()}) == 1
