"""The text of a config is the YAML that it should be."""

import pytest
import yaml

from mmdet_flow.start.init.text import comment, in_yaml


@pytest.mark.parametrize(
    "value",
    [
        ["yes", "1", "a: b", "größe", "#5", "it's", "null"],
        {"unsupported-image": "repair"},
        "data/my cells",
        "no",
        0.15,
        320,
        [f"class {number}" for number in range(80)],
    ],
)
def test_values_come_back_as_they_are_and_take_one_line(value):
    text = in_yaml(value)
    assert "\n" not in text
    assert yaml.safe_load(f"key: {text}\n")["key"] == value


def test_comments_are_broken_into_lines():
    text = comment("word " * 40 + "\n# experiments: {}", indent=4)
    assert all(len(line) <= 88 for line in text.split("\n"))
    assert all(line.startswith("    # ") for line in text.split("\n"))
