"""Experiments that have one data set: what makes it another, and what does not."""

import copy
import re

import pytest

from mmdet_flow.workflow.config import prepare
from mmdet_flow.workflow.sharing import find_converted, names_pattern
from tests.workflow.test_workflow import SMALL

SAME = {
    "seed": {"model": {"seed": 1}},
    "fraction": {"splits": {"train": 0.6}},
    "size": {"model": {"image_size": 640}},
    "license": {"data": {"license": "terms.txt"}},
    "score": {"predict": {"score": 0.5}},
}
OTHER = {
    "lists": {"splits": {"train": "t", "val": "v", "test": "u"}},
    "images": {"data": {"images": "other"}},
    "classes": {"data": {"classes": ["leaf"]}},
    "policy": {"data": {"policy": {"tiny-box": "drop"}}},
}


def test_only_what_converts_alike_is_converted_once():
    base = SMALL["experiments"]["example"]
    experiments = {"a": copy.deepcopy(base)}
    for name, sections in (SAME | OTHER | {"again": OTHER["images"]}).items():
        experiments[name] = copy.deepcopy(base)
        for section, changes in sections.items():
            experiments[name].setdefault(section, {}).update(changes)
    prepare({"experiments": experiments})
    assert find_converted(experiments) == {
        "a": "a",
        **dict.fromkeys(SAME, "a"),
        **{name: name for name in OTHER},
        "again": "images",
    }


@pytest.mark.parametrize("names", [[], ["a"], ["a.b", "a-b"]])
def test_a_pattern_matches_its_names_alone(names):
    pattern = re.compile(names_pattern(names))
    for name in ("a", "a.b", "a-b", "axb", "", "ab"):
        assert bool(pattern.fullmatch(name)) == (name in names)
