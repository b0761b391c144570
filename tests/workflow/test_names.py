"""Names and paths that the workflow cannot use are refused at its start."""

import copy

import pytest

from mmdet_flow.errors import UsageError
from mmdet_flow.workflow.names import require_names, require_paths

EXPERIMENT = {
    "data": {"annotations": "a", "images": "i", "classes": "all"},
    "splits": {"train": 0.7},
    "predict": {"images": None},
}


@pytest.mark.parametrize(
    "name", ["a", "cells.v2", "report-2", "A1_b", "reports", "x" * 120]
)
def test_names_that_fit(name):
    require_names([name])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["leaderboard"], "'leaderboard': results/ has files of that name"),
        (["leaderboard.csv"], "results/ has files of that name"),
        (["Tracking"], "results/ has files of that name"),
        (["report"], "results/ has files of that name"),
        (["rounds"], "results/ has files of that name"),
        (["report.html"], "results/ has files of that name"),
        (["logs"], "results/ has files of that name"),
        (["matrix"], "results/ has files of that name"),
        (["checkpoint.int8"], "results/ has files of that name"),
        (["cells.zip"], "a folder should not end like a file, in .zip"),
        (["cells.PNG"], "a folder should not end like a file, in .PNG"),
        (["cells", "Cells"], "'Cells': differs from cells by case alone"),
        (["cells\n"], "a name is one line"),
        ([1], "a name must be text; write it in quotes, as '1'"),
        ([True], "a name must be text"),
        (["x" * 121], "a name has 120 characters at most"),
    ],
)
def test_names_that_would_collide(names, expected):
    with pytest.raises(UsageError) as caught:
        require_names(names)
    assert expected in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("section", "key", "value", "expected"),
    [
        ("data", "images", "data/{new}", "a.data.images: Snakemake would replace {"),
        ("data", "annotations", "<results>", "would replace <results>"),
        ("splits", "train", "{}.txt", "a.splits.train"),
        ("predict", "images", "}", "a.predict.images"),
        ("data", "classes", ["cat", "d\0g"], "a.data.classes: there is a NUL"),
    ],
)
def test_texts_that_no_path_or_command_can_hold(section, key, value, expected):
    experiment = copy.deepcopy(EXPERIMENT)
    experiment[section][key] = value
    with pytest.raises(UsageError) as caught:
        require_paths({"a": experiment})
    assert expected in str(caught.value)


def test_paths_that_only_look_odd_are_taken():
    experiment = copy.deepcopy(EXPERIMENT)
    experiment["data"] |= {"images": "my $(x) 'photos' <3", "annotations": "-x"}
    require_paths({"a": experiment})
