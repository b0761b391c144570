"""A model of a stranger is data: what is not sound is one line, and nothing runs."""

import ast
import inspect
import math
import re
import sys
from functools import cache

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging.history_buffer import HistoryBuffer
from PIL import Image

from mmdet_flow.errors import FlowError, ModelError
from mmdet_flow.imports import import_mmdet
from mmdet_flow.inference.detector import Detector
from mmdet_flow.inference.package_file import open_package
from mmdet_flow.model.checkpoint import load_checkpoint, load_training_checkpoint
from mmdet_flow.model.config import load_config
from mmdet_flow.model.config_text import read_config_text
from mmdet_flow.model.known_types import LOADING, require_known_types
from tests.conftest import command_of
from tests.model.hostile_models import (
    CONFIG,
    hostile_checkpoints,
    hostile_configs,
    hostile_packages,
    mutations,
    save_checkpoint,
    save_package,
)

predict = command_of("predict")


def test_every_hostile_checkpoint_is_refused_in_one_line(tmp_path, capsys):
    (tmp_path / "models").mkdir()
    marker = tmp_path / "marker"
    let_in = {}
    for name, path in hostile_checkpoints(tmp_path / "models", marker):
        try:
            Detector(path, threads=1, backend="torch")
            let_in[name] = None
        except FlowError as error:
            if error.exit_code not in (3, 4) or len(str(error).splitlines()) != 1:
                let_in[name] = error
        except Exception as error:
            let_in[name] = error
    assert let_in == {}
    assert not marker.exists()
    assert "a stranger" not in capsys.readouterr().out


def test_a_config_is_refused_before_anything_is_built(tmp_path):
    import_mmdet()
    build = {"type-no-detector", "type-text", "type-wide"}  # sound until then
    for name, text in [*hostile_configs(tmp_path / "marker"), ("sound", CONFIG)]:
        try:
            require_known_types(read_config_text(text, "x.pth"), "x.pth")
        except ModelError as error:
            assert name not in build | {"sound"}, error
            assert re.match(r"x.pth: its config.*give the config that you", str(error))
        else:
            assert name in build | {"sound"}
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("ResNet", "ResNet"),
        ("mmdet.ResNet", "mmdet.ResNet"),
        ("mmdet.models.backbones.ResNet", "ResNet"),
        ("mmcv.cnn.ConvModule", "ConvModule"),
        ("mmengine.ConvModule", "mmengine.ConvModule"),
        ("os.ResNet", None),
        ("mmdet.models.path", None),
        ("", None),
    ],
)
def test_types_become_names_of_registries(given, wanted):
    import_mmdet()
    cfg = read_config_text(CONFIG.replace("'ResNet'", repr(given)), "x.pth")
    if wanted:
        require_known_types(cfg, "x.pth")
        assert cfg.model.backbone.type == wanted
    else:
        with pytest.raises(ModelError, match=r"backbone\.type: .* is not in the"):
            require_known_types(cfg, "x.pth")


def test_no_class_that_loads_can_be_named():
    """All registered classes, by what their methods call."""
    import_mmdet()
    from mmdet.registry import MODELS, TASK_UTILS, TRANSFORMS

    calls = re.compile(
        r"\b(load_checkpoint|fromfile|fromstring|from_pretrained|import_module|open|"
        r"exec|__import__|(?<!\.)eval|fileio\.get|(?<!\.)(?<!def )get|"
        r"(?<!logger\.)load)\(|getattr\(albumentations"
    )
    # They load when first weights are made, whose names are dropped, or are replaced.
    harmless = {"DetectoRS_ResNet", "DetectoRS_ResNeXt", "SSDVGG", "SwinTransformer"}
    harmless |= {"PyramidVisionTransformer", "PyramidVisionTransformerV2"}
    harmless |= {"LoadAnnotations", "LoadImageFromFile", "LoadImageFromNDArray"}
    found = set()
    for registry in (MODELS, TASK_UTILS, TRANSFORMS):
        for name, cls in (registry.parent.module_dict | registry.module_dict).items():
            own = [c for c in cls.__mro__ if c.__module__.startswith("mm")]
            if any(calls.search(_code(one)) for one in own):
                found.add(name)
    assert {"LAD", "BertModel", "CameraMotionCompensation", "Albu"} <= found
    assert found - harmless <= LOADING


def _code(cls: type) -> str:
    """Return the source of a class without texts and comments."""
    return _classes(cls.__module__)[cls.__name__]


@cache
def _classes(module: str) -> dict[str, str]:
    """Return the sources of a module's classes; inspect would parse it for each."""
    tree = _WithoutTexts().visit(ast.parse(inspect.getsource(sys.modules[module])))
    return {
        node.name: ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


class _WithoutTexts(ast.NodeTransformer):
    def visit_Expr(self, node):
        texts = isinstance(node.value, ast.Constant)
        return ast.Pass() if texts else self.generic_visit(node)


def test_a_config_of_mmdet_reads_as_mmengine_reads_it():
    """Whatever mmengine writes, without a difference in values or types."""
    for name in (
        "rtmdet-ins_tiny_8xb32-300e_coco",
        "mask2former_r50_8xb2-lsj-50e_coco",
    ):
        text = load_config(name).pretty_text
        wanted = Config.fromstring(text, file_format=".py").to_dict()
        assert repr(read_config_text(text, name).to_dict()) == repr(wanted)
    values = {"a": [math.inf, -math.inf, -1.5, True, None], "b": {"x y": {1: (2,)}}}
    values |= {"c": {1, 2}, "d": "it's\n", "e": (), "f": {}, "g": set(), "h": 1e-8}
    text = Config(values).pretty_text
    assert read_config_text(text, "x").to_dict() == values
    assert math.isnan(read_config_text("a = nan", "x").a)


def test_every_hostile_package_is_refused_in_one_line(tmp_path):
    (tmp_path / "packages").mkdir()
    marker = tmp_path / "marker"
    let_in = {}
    for name, path in hostile_packages(tmp_path / "packages", marker):
        try:
            Detector(open_package(path) / "checkpoint.pth", threads=1)
            let_in[name] = None
        except ModelError as error:
            if len(str(error).splitlines()) != 1:
                let_in[name] = error
        except Exception as error:
            let_in[name] = error
    assert let_in == {}
    assert not marker.exists()


@pytest.mark.parametrize("option", ["--checkpoint", "--package"])
def test_the_commands_say_so_with_exit_code_4(tmp_path, capsys, option):
    marker, images = tmp_path / "marker", tmp_path / "in"
    images.mkdir()
    Image.new("RGB", (8, 8)).save(images / "a.png")
    text = f"model = dict(type='RetinaNet')\nopen({str(marker)!r}, 'w')\n"
    if option == "--checkpoint":
        path = save_checkpoint(tmp_path / "x.pth", cfg=text)
    else:
        inner = save_checkpoint(tmp_path / "y.pth", cfg=text).read_bytes()
        path = save_package(tmp_path / "x.zip", **{"checkpoint.pth": inner})
    where = ["--prediction_in", str(images), "--prediction_out", str(tmp_path / "out")]
    assert predict([option, str(path), *where]) == 4
    assert "line 2: is code" in (message := capsys.readouterr().err)
    assert "--config" in message
    assert not marker.exists()


def test_damage_anywhere_in_a_checkpoint_is_an_error_or_changes_nothing(tmp_path):
    path = save_checkpoint(tmp_path / "x.pth")
    whole = load_checkpoint(path)
    for spoilt in mutations(path.read_bytes(), 400, seed=7):
        path.write_bytes(spoilt)
        for read in (load_checkpoint, load_training_checkpoint):
            if read_or_refused(read, path) and read is load_checkpoint:
                assert_same_model(load_checkpoint(path), whole)


def test_damage_in_a_checkpoint_without_checksums_is_an_error_at_most(tmp_path):
    """As versions of torch before 1.6 wrote them."""
    path = save_checkpoint(tmp_path / "x.pth")
    content = torch.load(path, weights_only=True)
    torch.save(content, path, _use_new_zipfile_serialization=False)
    for spoilt in mutations(path.read_bytes(), 400, seed=7):
        path.write_bytes(spoilt)
        read_or_refused(load_checkpoint, path)
        read_or_refused(load_training_checkpoint, path)


def read_or_refused(read, path) -> bool:
    """Whether a file was read; if not, that was said in one line."""
    try:
        read(path)
    except FlowError as error:
        assert len(str(error).splitlines()) == 1
        return False
    return True


def assert_same_model(model, wanted) -> None:
    assert model.classes == wanted.classes
    assert model.config == wanted.config
    assert model.state_dict.keys() == wanted.state_dict.keys()
    for name, value in wanted.state_dict.items():
        assert torch.equal(model.state_dict[name], value)


def test_damage_anywhere_in_a_package_is_an_error_or_changes_nothing(tmp_path):
    path = save_package(tmp_path / "x.zip")
    for spoilt in mutations(path.read_bytes(), 1000, seed=8):
        path.write_bytes(spoilt)
        try:
            load_checkpoint(open_package(path) / "checkpoint.pth")
        except ModelError as error:
            assert len(str(error).splitlines()) == 1


def test_histories_and_arrays_come_back(tmp_path):
    history = HistoryBuffer([1.0, 2.5], [1, 2], max_length=7)
    hub = {"log_scalars": {"loss": history}, "more": np.arange(6, dtype=">i4")}
    hub["rows"] = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    hub["number"], hub["truth"] = np.float32(0.5), np.bool_(True)
    torch.save({"state_dict": {}, "message_hub": hub}, tmp_path / "x.pth")
    found = load_training_checkpoint(tmp_path / "x.pth")["message_hub"]
    again = found["log_scalars"]["loss"]
    assert type(again) is HistoryBuffer and again.max_length == 7
    assert again.statistics("mean") == history.statistics("mean")
    for mine, theirs in zip(again.data, history.data, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for name in ("more", "rows", "number", "truth"):
        assert found[name].dtype == hub[name].dtype
        np.testing.assert_array_equal(found[name], hub[name])
    again.update(3.0)


def test_a_file_changes_nothing_in_this_process(tmp_path, monkeypatch):
    """mmengine's class would keep methods, and numpy's types what a file says."""
    allowed = set(torch.serialization.get_safe_globals())
    history = HistoryBuffer([1.0], [1])
    methods = dict(HistoryBuffer._statistics_methods)
    monkeypatch.setattr(
        HistoryBuffer, "_statistics_methods", methods | {"mean": "not the mean"}
    )
    torch.save({"state_dict": {}, "hub": history}, tmp_path / "x.pth")
    monkeypatch.setattr(HistoryBuffer, "_statistics_methods", methods)
    load_training_checkpoint(tmp_path / "x.pth")
    assert HistoryBuffer._statistics_methods["mean"] is HistoryBuffer.mean
    assert set(torch.serialization.get_safe_globals()) == allowed
