"""What mmdet's model index, and metafiles of others, say of weights."""

import pytest
import yaml

from mmdet_flow.errors import ModelError
from mmdet_flow.model.config import load_config
from mmdet_flow.model.weights.checks import hash_in
from mmdet_flow.model.weights.index import published, published_of, require_published
from mmdet_flow.model.zoo import zoo_configs

OWN = "https://weights.example.org/own/mine-0123abcd.pth"


def test_the_weights_of_the_index_have_names_of_files_that_are_all_different():
    names = [one.name for one in published()]
    assert len(names) > 500
    # A file of two configs is one file.
    assert len(names) - len(set(names)) == len(names) - len(
        {one.url for one in published()}
    )
    assert all(name.endswith(".pth") and "%" not in name for name in names)
    without = [name for name in names if not hash_in(name)]
    assert without == ["ddq_detr_5scale_coco_1x.pth", "ddq_detr_swinl_30e.pth"]


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (
            "rtmdet_tiny_8xb32-300e_coco",
            "rtmdet_tiny_8xb32-300e_coco_20220902_112414-78e30dcc.pth",
        ),
        (
            "configs/faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
            "faster_rcnn_r50_fpn_1x_coco_20200130-047c8118.pth",
        ),
        # Its metafile says another folder.
        ("ddq-detr-4scale_swinl_8xb2-30e_coco", "ddq_detr_swinl_30e.pth"),
        # Its folder, gn+ws, is escaped in the metafile.
        (
            "faster-rcnn_r50_fpn_gn-ws-all_1x_coco",
            "faster_rcnn_r50_fpn_gn_ws-all_1x_coco_20200130-613d9fe2.pth",
        ),
    ],
)
def test_weights_are_found_by_the_config(config, name):
    assert require_published(config).name == name


def test_most_configs_of_the_index_are_found_by_their_name():
    names = {one.config_name for one in published()} & zoo_configs().keys()
    assert len(names) > 480
    assert {name for name in names if published_of(name) is None} == set()


def test_a_config_without_weights_is_told_with_the_nearest_that_has_some():
    config = "faster-rcnn_r50_fpn_1x_cityscapes"
    assert config in zoo_configs() and published_of(config) is None
    with pytest.raises(ModelError) as error:
        require_published(config)
    assert f"{config}: the model index names no weights of it; did you mean fas" in str(
        error.value
    )


def own_config(folder):
    """Write a config file of one's own."""
    text = load_config("rtmdet_tiny_8xb32-300e_coco").pretty_text
    (folder / "mine.py").write_text(text)
    return str(folder / "mine.py")


def test_a_config_file_may_have_a_metafile_beside_it(tmp_path):
    models = [
        {"Name": "other", "Config": "other.py", "Weights": "https://x/other.pth"},
        # What is not a model with weights does no harm.
        *(None, "mine", {"Config": "mine.py"}, {"Config": "mine.py", "Weights": [OWN]}),
        {"Config": "mine.py", "Weights": "https://weights.example.org/mine.txt"},
        {"Name": "mine", "Config": "models/mine.py", "Weights": OWN, "Results": None},
    ]
    (tmp_path / "metafile.yml").write_text(yaml.safe_dump({"Models": models}))
    assert require_published(own_config(tmp_path)).url == OWN


@pytest.mark.parametrize("text", ["", "a list:", "- 1", "Models: 3", "Models: {}"])
def test_a_metafile_without_models_names_nothing(tmp_path, text):
    (tmp_path / "metafile.yml").write_text(text)
    assert published_of(own_config(tmp_path)) is None


@pytest.mark.parametrize("content", [b"Models: [", b"\xff\xfe", b"a: b: c"])
def test_a_broken_metafile_is_told_in_one_line(tmp_path, content):
    (tmp_path / "metafile.yml").write_bytes(content)
    with pytest.raises(ModelError, match=r"metafile.yml: cannot be read as a model i"):
        published_of(own_config(tmp_path))


def test_the_metafile_of_a_folder_above_is_of_other_configs(tmp_path):
    models = [{"Config": "mine.py", "Weights": OWN}]
    (tmp_path / "metafile.yml").write_text(yaml.safe_dump({"Models": models}))
    (tmp_path / "deeper").mkdir()
    assert published_of(own_config(tmp_path / "deeper")) is None
