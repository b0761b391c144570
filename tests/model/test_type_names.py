"""Configs in the new style, whose types are classes, against those with names."""

import re

import pytest

from mmdet_flow.errors import ModelError
from mmdet_flow.model.config import export_config, load_config
from mmdet_flow.model.fit.tree import walk
from mmdet_flow.model.patch import patch_config
from mmdet_flow.model.readers import registered
from tests.conftest import command_of
from tests.model.test_patch import recipe_for

HEAD = "from mmdet.models.detectors.rtmdet import RTMDet\n"


class Word(str):
    """A name of Python, written without quotes."""

    __repr__ = str.__str__


def in_new_style(name: str) -> str:
    """Return the text of a zoo config with imported classes in place of names."""
    cfg = load_config(name).to_dict()
    imports = {}
    for node in walk(cfg):
        for key in ("type", "ema_type"):
            cls = registered(node.get(key))
            if isinstance(cls, type):
                word = f"{cls.__name__}_{cls.__module__.partition('.')[0]}"
                line = f"from {cls.__module__} import {cls.__qualname__} as {word}"
                imports[word] = line
                node[key] = Word(word)
    lines = (f"{key} = {value!r}" for key, value in cfg.items())
    return "\n".join((*imports.values(), *lines, ""))


@pytest.mark.parametrize(
    "name",
    [
        "rtmdet_tiny_8xb32-300e_coco",
        "mask-rcnn_r50_fpn_1x_coco",
        "dino-4scale_r50_8xb2-12e_coco",
    ],
)
def test_classes_become_the_names_that_the_zoo_has(dataset, tmp_path, name):
    new = tmp_path / f"{name}.py"
    new.write_text(in_new_style(name))
    assert "import" in new.read_text()
    assert load_config(str(new)).to_dict() == load_config(name).to_dict()
    bases = name, str(new)
    for number, base in enumerate(bases):
        export_config(base, tmp_path / f"base-{number}.py", [])
        patch_config(base, tmp_path / f"{number}.py", recipe_for(dataset), [])
    for pattern in ("base-{}.py", "{}.py"):
        texts = [(tmp_path / pattern.format(one)).read_text() for one in (0, 1)]
        # Weights are published of the zoo's own file, not of one that equals it.
        assert re.sub("(?m)^published_weights = .*\n", "", texts[0]) == texts[1]


def test_a_name_that_another_library_has_keeps_its_library(tmp_path):
    config = tmp_path / "config.py"
    config.write_text(
        "from mmcv.transforms.processing import Resize\n"
        "from torch.nn.modules.batchnorm import BatchNorm2d\n"
        "model = dict(norm_cfg=dict(type=BatchNorm2d), step=dict(type=Resize))\n"
    )
    model = load_config(str(config)).model
    assert model.norm_cfg.type == "BN"
    assert model.step.type == "mmengine.Resize"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("dict(type=RTMDet, act=print)", "model.act: is print"),
        ("dict(type=RTMDet, act=[lambda x: x])", "model.act.0: is <lambda>"),
        ("dict(type=RTMDet, size=1j)", "model.size: is of type complex"),
        ("dict(type=RTMDet, near=PIPE)", "model.near: is partial"),
    ],
)
def test_what_a_text_cannot_hold_is_one_line(tmp_path, value, told, capsys):
    config = tmp_path / "config.py"
    config.write_text(f"{HEAD}from functools import partial as PIPE\nmodel = {value}\n")
    with pytest.raises(ModelError) as refused:
        load_config(str(config))
    assert told in str(refused.value) and "\n" not in str(refused.value)
    output = tmp_path / "out.py"
    assert command_of("model config")([config, "--save-path", output]) == 4
    assert not output.exists()
