"""No command writes over a file that it reads, whatever name it is given by."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from mmdet_flow import layout
from mmdet_flow.main import PATHS, main
from tests.conftest import parser_of, run_command

OUTPUTS = {
    *("output", "save_path", "publish", "curves", "csv", "png", "html", "report"),
    *("receipt", "excerpt", "onnx", "objects", "images_csv", "objects_csv", "manifest"),
    *("coco_results", "speed", "keep"),
}
"""What options that say where to write are called."""

MEASURED = "--annotations=a.json --images=images"
PREDICT = "predict --prediction_in=images --prediction_out=done"
PATCH = "model patch on-given.py --test=a.json --images=images --epochs=1"

OVER_A_FILE = (
    "compare annotators given.json b.json --output=OUT",
    "data check --format=coco --annotations=given.json --images=images --report=OUT",
    f"evaluate gallery --detections=given.json {MEASURED} --output=OUT",
    f"evaluate gallery --checkpoint=given.json {MEASURED} --output=OUT",
    f"evaluate gallery --checkpoint=m --config=given.json {MEASURED} --output=OUT",
    "evaluate gallery --checkpoint=m --annotations=given.json --images=i --output=page"
    " --excerpt=OUT",
    f"evaluate gallery --checkpoint=m {MEASURED} --thresholds=given.json --output=OUT",
    f"evaluate thresholds --detections=given.json {MEASURED} --output=OUT",
    f"evaluate tiles --checkpoint=given.json {MEASURED} --tile-size=9 --output=OUT",
    f"evaluate tiles --checkpoint=m --config=given.json {MEASURED} --tile-size=9"
    " --output=OUT",
    "handover package run --license=given.json --output=OUT",
    "model config given.py --save-path=OUT",
    "model config on-given.py --save-path=OUT",
    f"model deploy --checkpoint=m --config=given.json {MEASURED} --output=OUT",
    "model deploy --checkpoint=m --annotations=given.json --images=i --output=OUT",
    f"{PATCH} --train=given.json --output=OUT",
    f"{PATCH} --train=a.json --val=given.json --output=OUT",
    "model patch on-given.py --train=a.json --test=given.json --images=i --epochs=1"
    " --output=OUT",
    "model patch on-given.py --train=a.json --test=a.json --images=i --epochs=1"
    " --output=OUT",
    f"{PREDICT} --checkpoint=m --image_list=given.json --objects_csv=OUT",
    f"{PREDICT} --checkpoint=m --config=given.json --images_csv=OUT",
    f"{PREDICT} --checkpoint=given.json --manifest=OUT",
    f"{PREDICT} --checkpoint=m --thresholds=given.json --score=auto --coco_results=OUT",
    f"{PREDICT} --checkpoint=m --speed=OUT --image_list=images/given.png",
    "start init data --labels=given.json --force --output=OUT",
    "step gather run/predictions --objects=OUT --lists=lists",
)
"""Command lines whose output is another name of the file that is given."""

OVER_EACH_OTHER = (
    "compare curve run --csv=OUT --png=given.json",
    "compare leaderboard run --csv=given.json --html=OUT",
    "compare rounds run --csv=OUT --png=given.json",
    "data check --format=coco --annotations=a.json --images=images --report=b.csv",
    f"evaluate gallery --checkpoint=m {MEASURED} --output=OUT --excerpt=given.json",
    f"{PREDICT} --checkpoint=m --speed=OUT --manifest=given.json",
    "step gather run/predictions/shard-0 --manifest=OUT --images=given.json",
)
"""Those with two outputs, by two names of one file; a report is a CSV, too."""

INTO_A_FOLDER = (
    "compare annotators OUT/a.json b.json --output=OUT",
    "data card OUT/card.json --images=images --output=OUT",
    "data convert --format=yolo --annotations=labels --images=images"
    " --labels=OUT/classes.txt --output=OUT",
    "data convert --format=voc --annotations=labels --images=images"
    " --lists=OUT/report.csv --output=OUT",
    "data difference OUT/difference.json b.json --output=OUT",
    "data split OUT/val.json --output=OUT",
    "data split a.json --val=OUT/val.txt --output=OUT",
    "data tile OUT/train.json --images=images --tile-size=99 --output=OUT",
    "data tile OUT/findings.csv --images=images --tile-size=99 --output=OUT",
    f"evaluate metrics --detections=OUT/detections.json {MEASURED} --output=OUT",
    "evaluate metrics --checkpoint=m --annotations=OUT/metrics.json --output=OUT",
    "label choose run --checkpoint=OUT/choice.json --output=OUT",
    "label join run --format=voc --annotations=labels --images=images"
    " --splits=OUT/splits --output=OUT",
    "model deploy --checkpoint=m --annotations=OUT/model.json --images=i --onnx=OUT",
    "step reuse OUT/annotations.json --output=OUT",
    "step shard images --image-list=OUT/0.txt --output=OUT",
)
"""Those whose output is a folder, in which a file that is read has that name."""

OVER_RESULTS = (
    "compare curve run --csv=OUT",
    "compare curve run --csv=table.csv --png=OUT",
    "compare leaderboard run --csv=OUT",
    "compare leaderboard run --csv=table.csv --html=OUT",
    "compare rounds run --csv=OUT",
    "compare rounds run --csv=table.csv --png=OUT",
    "handover card run --output=OUT",
    "handover package run --output=OUT",
    "step summary run --output=OUT",
    "track run --receipt=OUT",
)
"""Those whose output is another name of one of the results that they read."""

READ = (
    *(layout.METRICS, layout.CHECKPOINT, layout.DATA_CARD, layout.TRAINING_LINES),
    *(layout.fill(layout.SPLIT, split="test"), layout.IMAGES / "a.png"),
    *(layout.fill(layout.SHARD_OBJECTS, shard=0), layout.BEST_WEIGHTS),
)

ELSEWHERE = {
    "compare experiments": "its folder is tried below",
    "label export": "writes over nothing that is there",
    "model families": "reads configs of the zoo",
    "model train": "reads what a config names, and is tried with one",
    "start example": "reads nothing",
    "step pages": "no results are called as its pages are",
    "weights get": "what it writes is what it read",
    "evaluate draw": "reads the images of what was predicted, and is tried with them",
}
"""Why a command is not among them."""


@pytest.fixture
def there(tmp_path, monkeypatch):
    """Stand in a folder with all that the command lines name, of the same content."""
    names = "given.json given.py a.json b.json m images/given.png lists/0.txt"
    names += " labels/a.xml"
    results = [Path("run", place) for place in READ]
    for path in [*map(Path, names.split()), *results]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("{}")
    (tmp_path / "on-given.py").write_text("_base_ = './given.py'\nmodel = dict(a=1)\n")
    (tmp_path / "given.py").write_text("model = dict(b=2)\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def relative(path: Path) -> Path:
    return Path("images", "..", os.path.relpath(path))


def symlink(path: Path) -> Path:
    Path("another-name").symlink_to(path)
    return Path("another-name")


def hard_link(path: Path) -> Path:
    Path("another-name").hardlink_to(path)
    return Path("another-name")


NAMES = (relative, symlink, hard_link)


def require_refusal(line: str, capsys) -> None:
    before = contents()
    code = main(line.split())
    said = capsys.readouterr().err
    assert contents() == before, line
    assert code == 2 and said.count("\n") == 1, (line, said)
    assert re.search(
        r"is what is read|which is read|which are read|is named for two outputs|"
        r"would be one of the images",
        said,
    ), (line, said)


def contents() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("line", OVER_A_FILE)
def test_a_file_that_is_read_is_not_written_over(line, name, there, capsys):
    given = re.findall(r"(?:images/)?given\.\w+|lists$", line)[-1]
    path = there / given.replace("lists", "lists/0.txt")
    require_refusal(line.replace("OUT", str(name(path))), capsys)


@pytest.mark.parametrize("line", OVER_EACH_OTHER)
def test_two_outputs_are_two_files(line, there, capsys):
    require_refusal(line.replace("OUT", str(relative(there / "given.json"))), capsys)


@pytest.mark.parametrize("name", [relative, symlink])
@pytest.mark.parametrize("line", INTO_A_FOLDER)
def test_a_folder_with_a_file_that_is_read_is_not_written_over(
    line, name, there, capsys
):
    read = re.search(r"OUT/(\S+)", line)[1]
    path = there / "made" / read
    path.parent.mkdir(parents=True)
    path.mkdir() if read == "splits" else path.write_text("{}")
    line = line.replace(f"OUT/{read}", f"made/{read}")
    require_refusal(line.replace("OUT", str(name(there / "made"))), capsys)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("line", OVER_RESULTS)
def test_results_that_are_read_are_not_written_over(line, name, there, capsys):
    for place in READ:
        if name is hard_link and place.parent == layout.IMAGES:
            continue  # it is a link of the image that the user has
        Path("another-name").unlink(missing_ok=True)
        require_refusal(line.replace("OUT", str(name(there / "run" / place))), capsys)


def test_a_comparison_is_not_written_over_results(there, capsys):
    (there / "run" / layout.IMAGE_RESULTS).write_text("")
    require_refusal("compare experiments run run --output=run/evaluation", capsys)


@pytest.fixture
def data(dataset, trained, tmp_path, monkeypatch):
    """Stand in a folder with a small data set, and what was trained on it."""
    shutil.copytree(dataset.source, tmp_path / "source")
    shutil.copytree(dataset.images, tmp_path / "images")
    content = json.loads((dataset.splits / "test.json").read_text())
    first = content["images"][0]["file_name"]
    for name in ("card.png", "curves.png"):
        entry = content["images"].pop(0)
        (tmp_path / "images" / entry["file_name"]).rename(tmp_path / "images" / name)
        content["images"].append(entry | {"file_name": name})
    (tmp_path / "split.json").write_text(json.dumps(content))
    (tmp_path / "found.json").write_text("[]")
    text = trained.config.read_text()
    for split in ("train", "val", "test"):
        text = text.replace(str(dataset.splits / f"{split}.json"), "split.json")
    (tmp_path / "base.py").write_text(text.replace(str(dataset.images), "images"))
    (tmp_path / "config.py").write_text("_base_ = './base.py'\n")
    shutil.copy(trained.checkpoint, tmp_path / "weights.pth")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "best.pth").write_text("")
    monkeypatch.chdir(tmp_path)
    broken = content["images"][1]["file_name"]
    return {
        "ANNOTATION": f"source/{Path(first).stem}.json",
        "BROKEN": f"source/{Path(broken).stem}.json",
        "IMAGE": f"source/{first}",
    }


FOUND = "--detections=found.json --annotations=split.json --images=images"
TRAIN = "model train config.py --work-dir=work"


@pytest.mark.parametrize(
    "line",
    [
        "data card split.json --images=images --output=images",
        "data check --format=opex --annotations=source --images=source"
        " --report=ANNOTATION",
        "data check --format=opex --annotations=source --images=source --report=BROKEN",
        "evaluate draw source --images=source --output=IMAGE",
        f"evaluate gallery {FOUND} --output=images/card.png",
        f"evaluate metrics {FOUND} --output=images",
        f"evaluate thresholds {FOUND} --output=images/card.png",
        f"{TRAIN} --publish=split.json",
        f"{TRAIN} --publish=config.py",
        f"{TRAIN} --publish=base.py",
        f"{TRAIN} --publish=work/best.pth",
        f"{TRAIN} --publish=m.pth --curves=images/card.png",
        f"{TRAIN} --publish=m.pth --curves=m.pth",
        f"{TRAIN} --load-from=weights.pth --publish=weights.pth",
        "start init source --quick --force --output=ANNOTATION",
        "start init source --quick --force --output=BROKEN",
    ],
)
def test_what_is_found_by_reading_is_not_written_over(line, data):
    if "BROKEN" in line:
        Path(data["BROKEN"]).write_text("{")
    for name, path in data.items():
        line = line.replace(name, path)
    before = contents()
    words = line.split()
    run = run_command(" ".join(("mmdet-flow", *words[:2])), *words[2:], cwd=Path.cwd())
    assert run.returncode == 2, run.stderr[-500:]
    last = run.stderr.splitlines()[-1]
    assert re.search("is what is read|is named for two outputs", last), last
    assert contents() == before


def test_each_option_that_says_where_to_write_is_tried():
    tried = " ".join((*OVER_A_FILE, *OVER_EACH_OTHER, *INTO_A_FOLDER, *OVER_RESULTS))
    for words in map(" ".join, PATHS):
        if words in ELSEWHERE:
            continue
        lines = tried.split(f"{words} ")[1:]
        for action in parser_of(words)._actions:
            is_input = words == "data split" and action.dest == "report"
            if action.type is Path and action.dest in OUTPUTS and not is_input:
                assert any(
                    f"{option}=OUT" in line
                    for option in action.option_strings
                    for line in lines
                ), (words, action.dest)
