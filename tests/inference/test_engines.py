"""The engines: OpenVINO gives what torch gives, and torch steps in where it cannot."""

import logging
import shutil

import numpy as np
import pytest

from mmdet_flow import processor
from mmdet_flow.errors import ModelError, UsageError
from mmdet_flow.images import read_image
from mmdet_flow.inference.detector import Detector
from tests.conftest import LOW_SCORE

CLASSES = ("a", "b", "c")

SCORING = ("_cls", "conv_cls", "conv_obj")
"""In the names of the weights that make scores."""

SMALL = {
    "model.backbone.depth": 18,
    "model.neck.in_channels": [64, 128, 256, 512],
    "model.neck.out_channels": 64,
    "model.rpn_head.in_channels": 64,
    "model.rpn_head.feat_channels": 64,
    "model.roi_head.bbox_roi_extractor.out_channels": 64,
    "model.roi_head.bbox_head.in_channels": 64,
    "model.roi_head.bbox_head.fc_out_channels": 64,
    "model.roi_head.mask_roi_extractor.out_channels": 64,
    "model.roi_head.mask_head.in_channels": 64,
    "model.roi_head.mask_head.conv_out_channels": 64,
}
"""Makes Mask R-CNN quick to convert."""


@pytest.fixture(scope="module")
def pictures(dataset):
    found = [read_image(path)[1] for path in sorted(dataset.images.iterdir())[:4]]
    found[1] = np.ascontiguousarray(found[1].transpose(1, 0, 2))  # another shape
    return found


SMALL_HEAD = {
    "model.neck.out_channels": 64,
    "model.bbox_head.in_channels": 64,
    "model.bbox_head.feat_channels": 64,
}


def random_checkpoint(name: str, path, gain: float = 30, **options) -> None:
    """Write a model of the zoo with fixed random weights, whose scores are spread.

    ``gain`` says how far; scores of 1 are equal, and their order is by chance then.
    """
    import torch
    from mmdet.registry import MODELS
    from mmengine.registry import init_default_scope

    from mmdet_flow.model.config import load_config
    from mmdet_flow.model.fit.network import drop_pretrained, set_classes

    cfg = load_config(name)
    cfg.merge_from_dict(options)
    set_classes(cfg.model, len(CLASSES))
    drop_pretrained(cfg.model)
    cfg.model.backbone.init_cfg = None
    for node in cfg.test_dataloader.dataset.pipeline or ():
        if node.type == "Resize":
            node.scale = (160, 160)
    init_default_scope("mmdet")
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    for key, weight in model.named_parameters():
        if weight.dim() > 1 and any(part in key for part in SCORING):
            weight.data = torch.randn_like(weight) * weight.data.std() * gain
        if "multi_level_conv_reg" in key:
            weight.data *= 0.01  # YOLOX's sizes are exponents of them
    if cfg.model.backbone.type.startswith("CSP"):
        _normalise_batches(model)
    meta = {"dataset_meta": {"classes": CLASSES}, "cfg": cfg.pretty_text}
    torch.save({"meta": meta, "state_dict": model.state_dict()}, path)


def _normalise_batches(model) -> None:
    """Take the statistics of noise, without which activations vanish or overflow."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    noise = [torch.randint(0, 256, (3, 160, 160), dtype=torch.uint8) for _ in range(2)]
    with torch.no_grad():
        model.train()(model.data_preprocessor({"inputs": noise})["inputs"])


def assert_same(ours, theirs) -> None:
    """Within 0.01 pixels and 1e-4, in the order of scores that differ by more.

    Masks have one pixel of 10,000 otherwise, no single one more than ten: where a value
    is at the threshold, the last bit decides.
    """
    for one, other in zip(ours, theirs, strict=True):
        assert len(one) == len(other)
        assert (np.diff(one.scores) <= 0).all()
        apart = np.abs(one.boxes[:, None] - other.boxes).max(2)
        apart[one.labels[:, None] != other.labels] = np.inf
        apart[np.abs(one.scores[:, None] - other.scores) > 1e-4] = np.inf
        for axis in (0, 1):
            assert (apart.min(axis, initial=np.inf) < 0.01).all()
        if other.masks is not None:
            size = one.width, one.height
            twins = [other.masks[match] for match in apart.argmin(1)]
            differ = [
                (mask.in_image(*size) ^ twin.in_image(*size)).mean()
                for mask, twin in zip(one.masks, twins, strict=True)
            ]
            assert sum(differ) <= 1e-4 * len(differ) and max(differ, default=0) < 1e-3


def test_the_trained_segmenter_gives_what_torch_gives(trained, pictures):
    ours = Detector(trained.checkpoint, threads=2, score=LOW_SCORE)
    assert (ours.engine.name, ours.engine.precision) == ("openvino", "fp32")
    torch_side = Detector(trained.checkpoint, threads=2, backend="torch")
    found = [one.above(0.01) for one in ours.predict(pictures)]
    expected = [one.above(0.01) for one in torch_side.predict(pictures)]
    assert sum(map(len, expected)) > 0
    for one, other in zip(found, expected, strict=True):
        # A hardly trained model scores many boxes alike, in any order.
        assert len(one) == len(other)
        assert np.abs(one.scores - other.scores).max(initial=0) < 1e-4


def test_the_company_of_an_image_changes_no_bit_in_torch(tmp_path):
    """So a run that continues, with other batches, makes the same bytes."""
    path = tmp_path / "model.pth"
    random_checkpoint("retinanet_r18_fpn_1x_coco", path)
    detector = Detector(path, threads=2, backend="torch")
    noise = np.random.default_rng(0)
    images = [noise.integers(0, 256, (96, 128, 3), np.uint8) for _ in range(4)]
    for one, image in zip(detector.predict(images), images, strict=True):
        (alone,) = detector.predict([image])
        assert len(one) > 0
        assert np.array_equal(one.boxes, alone.boxes)
        assert np.array_equal(one.scores, alone.scores)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mask-rcnn_r50_fpn_1x_coco", SMALL),
        *(
            pytest.param(name, {}, marks=pytest.mark.slow)
            for name in (
                "cascade-mask-rcnn_r50_fpn_1x_coco",
                "faster-rcnn_r50_fpn_1x_coco",
                "retinanet_r50_fpn_1x_coco",
            )
        ),
    ],
)
def test_other_families_give_what_torch_gives(name, options, pictures, tmp_path):
    """Two-stage detectors with their heads, and anchors; several sizes of images."""
    path = tmp_path / "model.pth"
    random_checkpoint(name, path, **options)
    ours = Detector(path, threads=2, backend="openvino").predict(pictures)
    theirs = Detector(path, threads=2, backend="torch").predict(pictures)
    assert sum(map(len, theirs)) > 0
    assert_same(ours, theirs)


def test_an_early_threshold_loses_nothing_above_it(trained, pictures):
    everything = Detector(trained.checkpoint, threads=2).predict(pictures)
    scores = np.sort(np.concatenate([one.scores for one in everything]))
    middle = float(scores[len(scores) // 2])
    early = Detector(trained.checkpoint, threads=2, score=middle).predict(pictures)
    for late, one in zip(everything, early, strict=True):
        late = late.above(middle)
        assert len(one.above(middle)) == len(late)
        assert np.array_equal(one.above(middle).scores, late.scores)


def test_what_cannot_be_traced_runs_in_torch(trained, monkeypatch, pictures, caplog):
    from mmdet_flow.inference.engines import CannotTrace, openvino_engine

    def refuse(*_):
        raise CannotTrace("its network returns a dict")

    monkeypatch.setattr(openvino_engine, "_graphs", refuse)
    with caplog.at_level(logging.INFO, logger="mmdet_flow"):
        detector = Detector(trained.checkpoint, threads=2)
    assert detector.engine.name == "torch"
    assert [r.message for r in caplog.records] == [
        "torch runs this model, OpenVINO cannot: its network returns a dict"
    ]
    assert len(detector.predict(pictures)) == len(pictures)
    with pytest.raises(ModelError, match="cannot run this model"):
        Detector(trained.checkpoint, backend="openvino")


def test_a_wrong_graph_is_not_used(trained, monkeypatch, tmp_path):
    """Each graph is compared with torch before it is used or kept."""
    from mmdet_flow.inference.engines import openvino_engine

    monkeypatch.setenv("MMDET_FLOW_CACHE", str(tmp_path))
    monkeypatch.setattr(openvino_engine, "TOLERANCE", -1.0)
    assert Detector(trained.checkpoint, threads=2).engine.name == "torch"
    assert list(tmp_path.rglob("*.xml")) == []


def test_a_damaged_cache_is_made_again(trained, monkeypatch, pictures, tmp_path):
    detector = Detector(trained.checkpoint, threads=2)
    first = detector.predict(pictures[:1])
    made = detector.engine.graphs["dense"].path.parent
    graph = shutil.copytree(made, tmp_path / "openvino" / made.name) / "dense.xml"
    monkeypatch.setenv("MMDET_FLOW_CACHE", str(tmp_path))
    graph.write_text("damaged")
    second = Detector(trained.checkpoint, threads=2).predict(pictures[:1])
    assert_same(second, first)
    assert graph.read_text() != "damaged"


def test_bf16_is_refused_where_the_processor_has_none(trained):
    import openvino

    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if "BF16" in able:
        assert Detector(trained.checkpoint, precision="bf16").engine.precision == "bf16"
    else:
        with pytest.raises(UsageError, match="this CPU has no bf16"):
            Detector(trained.checkpoint, precision="bf16")
    with pytest.raises(UsageError, match="in fp32 alone"):
        Detector(trained.checkpoint, precision="bf16", backend="torch")
    assert processor.name()
