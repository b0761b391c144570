"""How far a training is, by the files of a real one."""

import json
import os
import shutil

import pytest

from mmdet_flow import layout
from mmdet_flow.model.work_dir import WorkDir
from mmdet_flow.progress.training import ENOUGH, Follower
from mmdet_flow.progress.view import facts_of


@pytest.fixture
def lines(trained) -> list[str]:
    path = trained.work_dir / layout.TRAINING_LINES.name
    return path.read_text().splitlines(keepends=True)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "results/cells" / layout.TRAINING
    folder.mkdir(parents=True)
    return folder


def follower_of(folder, since=0.0) -> Follower:
    checkpoint = folder.parent / layout.CHECKPOINT
    return Follower.of_checkpoint(checkpoint, since)


def write(folder, lines) -> None:
    (folder / layout.TRAINING_LINES.name).write_text("".join(lines))


def test_it_goes_on_with_each_line_that_is_whole(folder, lines):
    follower = follower_of(folder)
    assert follower.look(0).iteration == 0
    path = folder / layout.TRAINING_LINES.name
    seen = []
    with open(path, "w") as stream:
        for line in lines:
            half = len(line) // 2
            for part in (line[:half], line[half:]):
                stream.write(part)
                stream.flush()
                seen.append(follower.look(0).iteration)
    last = json.loads([line for line in lines if '"train"' in line][-1])
    assert seen == sorted(seen) and seen[-1] == last["iter"]
    training = follower.training
    assert training.loss == last["loss"] and training.epoch == last["epoch"]
    scores = [json.loads(line) for line in lines if '"val"' in line]
    if scores := [one for one in scores if "segm_mAP" in one]:
        assert training.last.score == scores[-1]["segm_mAP"]
        assert training.best.score == max(one["segm_mAP"] for one in scores)


def test_time_is_left_by_the_estimate_and_then_by_the_clock(folder):
    """The images grow after 150 iterations; it takes 2.5 times as long as thought."""
    stages = [{"first": 0, "seconds": 2.0}, {"first": 150, "seconds": 6.0}]
    estimate = {"seconds_per_iteration": 3.0, "iterations": 180, "total": 200}
    estimate["stages"] = stages
    (folder / layout.ESTIMATE.name).write_text(json.dumps(estimate))
    follower = follower_of(folder)

    def at(now, iteration):
        rows = [
            {"mode": "train", "iter": number + 1, "epoch": 1, "loss": 1.0}
            for number in range(iteration)
        ]
        write(folder, [json.dumps(row) + "\n" for row in rows])
        return follower.look(now)

    first = at(1000, 20)
    assert (first.total, first.fraction, first.seconds_left) == (200, 0.1, 560.0)
    later = at(1000 + 5 * ENOUGH, 20 + ENOUGH)
    assert later.seconds_left == 2.5 * ((150 - 20 - ENOUGH) * 2 + 50 * 6)


def test_the_best_score_stays(folder):
    rows = [
        {"mode": "val", "iter": 10 * epoch, "epoch": epoch, "bbox_mAP": score}
        for epoch, score in enumerate((0.2, 0.5, 0.4), 1)
    ]
    write(folder, [json.dumps(row) + "\n" for row in rows])
    training = follower_of(folder).look(0)
    assert (training.last.score, training.best.score) == (0.4, 0.5)
    assert training.best.epoch == 2


def test_files_of_a_training_before_do_not_count(folder, lines):
    write(folder, lines)
    old = (folder / layout.TRAINING_LINES.name).stat().st_mtime
    assert follower_of(folder, since=old + 1).look(0).iteration == 0
    assert follower_of(folder, since=old - 1).look(0).iteration > 0


def test_a_training_that_begins_anew_is_read_from_its_beginning(folder, lines):
    write(folder, lines)
    follower = follower_of(folder)
    follower.look(0)
    shutil.move(folder, folder.with_name("training.old-1"))
    folder.mkdir()
    write(folder, lines[:1])
    assert follower.look(0).iteration == json.loads(lines[0])["iter"]


@pytest.mark.parametrize(
    "text", ["", "\n", "[]\n", "{}\n", "nonsense\n", '{"mode": "train"}\n', "\0\n"]
)
def test_lines_of_other_versions_change_nothing(folder, text):
    write(folder, [text])
    (folder / layout.ESTIMATE.name).write_text('{"seconds_per_iteration": 1}')
    training = follower_of(folder).look(0)
    assert training.iteration == 0 and training.fraction is None


def test_what_comes_before_the_first_line_is_told(folder):
    follower = follower_of(folder)
    WorkDir(folder).prepare("comparing precisions", None)
    training = follower.look(0)
    assert facts_of(training) == ["comparing precisions"]
    WorkDir(folder).prepared()
    assert facts_of(follower.look(0)) == []


def test_what_a_killed_training_did_last_is_told_again(folder):
    """The file says the same as before, but it is of the job that runs now."""
    WorkDir(folder).prepare("loading the model", None)
    os.utime(folder / layout.PREPARING.name, (1000, 1000))
    follower = follower_of(folder, since=2000)
    assert facts_of(follower.look(0)) == []
    WorkDir(folder).prepare("loading the model", None)
    assert facts_of(follower.look(0)) == ["loading the model"]


def test_a_training_that_goes_on_begins_where_it_stopped(folder, lines):
    """Until it writes, lines and estimate are older than its job."""
    write(folder, lines)
    estimate = {"seconds_per_iteration": 2.0, "iterations": 80, "total": 100}
    estimate["stages"] = [{"first": 0, "seconds": 2.0}]
    (folder / layout.ESTIMATE.name).write_text(json.dumps(estimate))
    for path in folder.iterdir():
        os.utime(path, (1000, 1000))
    follower = follower_of(folder, since=2000)
    assert facts_of(follower.look(0)) == []  # not: 0 %
    WorkDir(folder).prepare("trying a step", folder / "iter_66.pth")
    told = ["66 %", "resuming after iteration 66: trying a step"]
    assert facts_of(follower.look(0)) == told
    WorkDir(folder).prepared()
    assert facts_of(follower.look(0))[0] == "66 %"


@pytest.mark.parametrize(
    ("turns", "told"),
    [
        ([(20, 146)], "13.3 of 26 epochs, to keep to 10 minutes"),
        ([(20, 146), (100, 135)], "12.3 of 26 epochs, to keep to 10 minutes"),
        ([(20, 146), (100, 286)], ""),
        ([], ""),
    ],
)
def test_an_early_end_is_told(folder, lines, turns, told):
    write(folder, lines)
    work_dir = WorkDir(folder)
    recipe = {"sha256": "0", "hours": 1 / 6, "threads": 1}
    (folder / layout.RECIPE.name).write_text(json.dumps(recipe))
    for after, end in turns:
        work_dir.shorten(after, end, planned=286, epoch_length=11)
    assert follower_of(folder).look(0).early_end == told


@pytest.mark.parametrize(
    "recipe", ["[]", "{", '{"shortened": [{}]}', '{"shortened": 7}', "null"]
)
def test_a_recipe_of_another_version_tells_nothing(folder, lines, recipe):
    write(folder, lines)
    (folder / layout.RECIPE.name).write_text(recipe)
    assert follower_of(folder).look(0).early_end == ""
