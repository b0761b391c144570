"""How far an experiment is, by its files."""

import pytest

from mmdet_flow import layout
from mmdet_flow.progress.stages import STAGES, STEPS
from mmdet_flow.watch.curves import HEIGHT, MOST_POINTS, WIDTH, curve
from mmdet_flow.watch.machine import load_of
from mmdet_flow.watch.overview import Results
from mmdet_flow.watch.stages import ALIVE, EARLY, MADE, stages_of
from tests.watch.results import begun, finished, put


def statuses(folder) -> dict[str, str]:
    return {stage.name: stage.status for stage in stages_of(folder)}


def test_nothing_is_there(tmp_path):
    assert set(statuses(tmp_path).values()) == {"waiting"}
    assert Results(tmp_path / "none").names() == Results(tmp_path).names() == []


def test_stages_are_those_of_a_run():
    assert [*MADE] == [stage for stage in STAGES if stage in MADE]
    assert {step.stage for step in STEPS.values()} - MADE.keys() == {"compare", "serve"}


def test_a_training_runs_while_it_writes(tmp_path):
    begun(tmp_path)
    found = statuses(tmp_path)
    assert found["data"] == found["config"] == "done"
    assert found["train"] == "running" and found["evaluate"] == "waiting"
    begun(tmp_path, age=ALIVE + 5)
    assert statuses(tmp_path)["train"] == "stopped"
    # It may log nothing for an hour, and still write a line for each iteration.
    put(tmp_path, layout.TRAINING_LINES, age=1)
    assert statuses(tmp_path)["train"] == "running"


def test_an_error_is_told_until_the_job_runs_again(tmp_path):
    begun(tmp_path)
    log = "logs/train_model.log"
    put(tmp_path, log, "INFO a\nerror: the loss is nan; lower the learning rate\n")
    (train,) = [stage for stage in stages_of(tmp_path) if stage.name == "train"]
    assert train.status == "failed"
    assert train.reason == "the loss is nan; lower the learning rate"
    put(tmp_path, log, (tmp_path / log).read_text() + "INFO it goes on\n")
    assert statuses(tmp_path)["train"] == "running"


def test_a_list_of_images_is_no_prediction(tmp_path):
    """It is made while the model is trained, or before."""
    begun(tmp_path)
    for age in (0, ALIVE + 5):
        put(tmp_path, "logs/list_images.log", "INFO divided 17 images\n", age)
        assert statuses(tmp_path)["predict"] == "waiting"
    put(tmp_path, "logs/predict_images-0.log", "INFO it goes on\n")
    assert statuses(tmp_path)["predict"] == "running"
    put(tmp_path, "logs/predict_images-0.log", "", ALIVE + 5)
    put(tmp_path, "logs/list_images.log", "error: no image; add some\n", ALIVE + 5)
    assert statuses(tmp_path)["predict"] == "failed"


def test_what_early_rules_are_there():
    assert {*EARLY} <= STEPS.keys()


def test_all_is_done(tmp_path):
    finished(tmp_path / "cells")
    assert set(statuses(tmp_path / "cells").values()) == {"done"}
    one = Results(tmp_path).one("cells")
    assert one.status == "done"
    assert one.figures == "boxes mAP 0.412, at IoU 0.5 0.734, on 3 test images"
    assert one.training.fraction == 0.6 and one.training.best.score == 0.3


def test_a_stage_of_which_a_part_is_there_is_not_done(tmp_path):
    put(tmp_path, layout.CHECKPOINT)
    assert statuses(tmp_path)["train"] == "stopped"


def test_what_wrote_last_comes_first_and_other_folders_are_left_out(tmp_path):
    begun(tmp_path / "late", age=5)
    finished(tmp_path / "early")
    put(tmp_path, "tracking/early.json")
    put(tmp_path, "leaderboard.csv")
    (tmp_path / "empty").mkdir()
    assert [one.name for one in Results(tmp_path).all()] == ["late", "early"]
    with pytest.raises(LookupError):
        Results(tmp_path).one("../etc")


def test_a_real_run_is_done(finished_folder):
    one = Results(finished_folder.parent).one(finished_folder.name)
    found = {stage.name: stage.status for stage in one.stages}
    assert found["evaluate"] in ("done", "stopped")
    assert found["data"] == "stopped"  # this one has no annotations of its own


@pytest.fixture
def finished_folder(request):
    return request.getfixturevalue("finished")


@pytest.mark.parametrize("number", [1, 2, MOST_POINTS, MOST_POINTS + 1, 10_000])
def test_a_curve_stays_in_its_plot_and_is_not_long(number):
    found = curve("loss", [(x + 1, 1 / (x + 1)) for x in range(number)], number * 2)
    points = [tuple(map(float, point.split(","))) for point in found.points.split()]
    assert 1 <= len(points) <= MOST_POINTS
    assert all(0 <= x <= WIDTH / 2 and 0 <= y <= HEIGHT for x, y in points)
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    if number == 2:
        assert points == [(WIDTH / 4, 0), (WIDTH / 2, HEIGHT / 2)]


@pytest.mark.parametrize(
    ("first", "top", "is_cut"),
    [(1.0, 1.0, False), (2.5, 2.5, False), (90.0, 1.0, True)],
)
def test_a_curve_tells_its_highest_value_and_where_it_is_cut(first, top, is_cut):
    found = curve("loss", [(1, first), *((x, 1.0) for x in range(2, 200))], 200)
    assert (found.highest, found.top, found.is_cut) == (first, top, is_cut)


def test_of_many_values_means_are_drawn_and_the_highest_is_told():
    values = [(x, 2.0 if x == 500 else 1.0) for x in range(1, 10 * MOST_POINTS)]
    found = curve("loss", values, 0)
    assert found.highest == 2.0 and found.top < 2 and not found.is_cut


def test_a_curve_of_nothing_is_none():
    assert curve("loss", [], 10) is None
    assert curve("loss", [(1, float("nan")), (2, float("inf"))], 10) is None
    assert curve("loss", [(1, 0.0)], 0).points == f"{WIDTH}.0,{HEIGHT}.0"


def test_the_machine_is_told(tmp_path):
    names = dict(load_of(tmp_path))
    assert {"load", "memory", "disk"} == names.keys()
    assert "GiB are free" in names["memory"] and "processor" in names["load"]
    assert "disk" not in dict(load_of(tmp_path / "none"))
