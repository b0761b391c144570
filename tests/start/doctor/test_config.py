"""The config as it stands in its file."""

import pytest

from mmdet_flow.errors import UsageError
from mmdet_flow.start.doctor import config as configs
from mmdet_flow.start.doctor.check import Note


@pytest.mark.parametrize(
    ("text", "reason"),
    [("a:\n  b: [\n", "line 3: "), ("", "is empty"), ("- a\n", "there are no keys")],
)
def test_a_file_that_is_no_config(tmp_path, text, reason):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UsageError, match=reason):
        configs.read_config(tmp_path / "config.yaml")


@pytest.mark.parametrize("val, is_noted", [("val.txt", False), ("test.txt", True)])
def test_it_is_said_where_trainval_is_train_alone(val, is_noted):
    """Also of the experiments of a campaign."""
    splits = {"train": "train.txt", "val": val, "test": "test.txt"}
    data = {"format": "voc", "annotations": "a", "images": "b"}
    one = {"data": data, "splits": splits, "model": {"train_on": "trainval"}}
    both = {"model.train_on": ["train", "trainval"]}
    config = {
        "experiments": {"one": one, "two": one | {"model": {}}},
        "campaigns": {"c": {"base": "two", "grid": both}},
    }
    said = configs.what_it_holds(config)
    assert said.startswith("4 to run, of one, two, c")
    assert isinstance(said, Note) == is_noted
    assert ("; one, c-train_on-trainval: trainval is train alone" in said) == is_noted
    assert configs.what_it_holds({"experiments": {"one": 3}}) == "1 to run, of one"


def test_data_of_experiments_and_campaigns_is_found():
    data = {"format": "voc", "annotations": "a", "images": "b"}
    config = {
        "experiments": {"one": {"data": data}},
        "campaigns": {
            "many": {
                "base": {"data": data},
                "grid": {"model.seed": [0, 1, 2], "size": {"s": {}, "l": {}}},
            },
            "loop": {"base": "one", "rounds": ["data/round-1", "data/round-2"]},
        },
    }
    places = [place for place, _ in configs.data_sections(config)]
    assert places == ["experiments.one.data", "campaigns.many.base.data"]
    assert configs.experiments(config) == 1 + 3 * 2 + 2
    assert configs.experiments({"experiments": ["wrong"], "campaigns": {"x": 3}}) == 0
