"""Arguments of a config's file that no class takes: one line, whenever it is built."""

import pytest

from mmdet_flow.errors import ModelError
from mmdet_flow.imports import import_mmdet
from mmdet_flow.model.config import load_config
from tests.conftest import patched_config


@pytest.mark.parametrize(
    "base", ["ssd300_coco", "ssdlite_mobilenetv2-scratch_8xb24-600e_coco"]
)
def test_a_network_that_is_made_for_one_size_takes_a_step_with_wide_images(
    base, dataset, tmp_path
):
    """Its last maps have a pixel, however flat the images of a batch are."""
    import_mmdet()
    from mmdet_flow.model.preflight import preflight
    from mmdet_flow.model.runner import build_runner

    assert all(one["width"] > one["height"] for one in dataset.coco.images)
    output = tmp_path / "config.py"
    cfg = load_config(str(patched_config(dataset, output, base=base, side=320)))
    cfg.update(work_dir=str(tmp_path / "work"), launcher="none")
    preflight(build_runner(cfg))


@pytest.fixture(scope="module")
def config(dataset, tmp_path_factory):
    return patched_config(dataset, tmp_path_factory.mktemp("built") / "config.py")


@pytest.mark.parametrize(
    ("place", "values"),
    [
        ("model.backbone", {"depht": 3}),
        ("train_dataloader", {"batchsize": 9}),
        ("val_dataloader.dataset", {"ann_fil": "x"}),
        ("train_cfg", {"max_epoch": 3}),
        ("val_cfg", {"fp_16": True}),
        ("val_evaluator", {"metrics": "bbox"}),
        ("optim_wrapper.optimizer", {"learning_rate": 0.1}),
        ("optim_wrapper", {"clip_grad": {"maximum": 3}}),
        ("param_scheduler.0", {"bgin": 3}),
        ("default_hooks.logger", {"intervall": 3}),
        ("auto_scale_lr", {"enable": True}),
        ("model.backbone", {"init_cfg": {"type": "Pretrained", "checkpoint": "no"}}),
    ],
)
def test_an_argument_that_nothing_takes(config, tmp_path, place, values):
    import_mmdet()
    from mmdet_flow.model.preflight import preflight
    from mmdet_flow.model.runner import build_runner

    cfg = load_config(str(config))
    cfg.setdefault("auto_scale_lr", {})
    cfg.update(work_dir=str(tmp_path / "work"), launcher="none")
    part = cfg
    for word in place.split("."):
        part = part[int(word) if isinstance(part, list) else word]
    part.update(values)
    with pytest.raises(ModelError, match="the config cannot be built") as refused:
        runner = build_runner(cfg)
        preflight(runner)
        runner.train()
    assert "\n" not in str(refused.value)
