import json
import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import mmdet.engine  # noqa: F401  its schedulers and mmengine's are registered
import mmengine.optim  # noqa: F401
import pytest
import torch
from mmengine.registry import PARAM_SCHEDULERS

from mmdet_flow.dataset.tiling.cut import cut
from mmdet_flow.dataset.tiling.plan import Cutting
from mmdet_flow.errors import DataError, ModelError, UsageError
from mmdet_flow.model.changes import changes
from mmdet_flow.model.config import export_config, load_config, text_of
from mmdet_flow.model.fit.recipe import Recipe
from mmdet_flow.model.fit.tree import LOADERS, walk
from mmdet_flow.model.patch import patch, patch_config
from mmdet_flow.start.init import plan
from mmdet_flow.start.init.speed import assumed_speed
from mmdet_flow.tiles import Tiles
from tests.conftest import run_command, the_error

# One of each family: how class counts, wrappers, schedules and sizes are nested.
FAMILIES = [
    "faster-rcnn_r50_fpn_1x_coco",
    "mask-rcnn_r50_fpn_1x_coco",
    "cascade-mask-rcnn_r50_fpn_1x_coco",
    "retinanet_r50_fpn_1x_coco",
    "retinanet_pvt-t_fpn_1x_coco",
    "fcos_r50-caffe_fpn_gn-head_1x_coco",
    "yolox_tiny_8xb8-300e_coco",
    "ssd300_coco",
    "centernet_r18_8xb16-crop512-140e_coco",
    "detr_r50_8xb2-150e_coco",
    "dino-4scale_r50_8xb2-12e_coco",
    "mask2former_r50_8xb2-lsj-50e_coco",
    "solov2_r50_fpn_1x_coco",
    "rtmdet_tiny_8xb32-300e_coco",
    "rtmdet-ins_tiny_8xb32-300e_coco",
]


def recipe_for(dataset, **changes) -> Recipe:
    values = {
        "train": dataset.splits / "train.json",
        "val": dataset.splits / "val.json",
        "test": dataset.splits / "test.json",
        "images": dataset.images,
        "epochs": 6,
        "batch_size": 4,
        "image_size": 256,
    }
    return Recipe(**values | changes)


def leaves(cfg, key):
    return [node for node in walk(cfg[key]) if "ann_file" in node]


@pytest.mark.parametrize("name", FAMILIES)
def test_data_classes_and_evaluators_agree(dataset, name):
    cfg = load_config(name)
    patch(cfg, recipe_for(dataset))
    counts = [
        node[key]
        for node in walk(cfg.model)
        for key in ("num_classes", "num_things_classes")
        if key in node and "RPN" not in node.get("type", "")
    ]
    assert counts and set(counts) == {3}
    for key, split in zip(LOADERS, ("train", "val", "test"), strict=True):
        (leaf,) = leaves(cfg, key)
        assert leaf.ann_file == str(dataset.splits / f"{split}.json")
        assert leaf.metainfo.classes == ("leaf", "pebble", "shell")
        assert not cfg[key].pin_memory and cfg[key].num_workers == 0
    assert cfg.val_evaluator.ann_file == str(dataset.splits / "val.json")
    assert cfg.test_evaluator.ann_file == str(dataset.splits / "test.json")
    types = {str(node.get("type")) for node in walk(cfg.model)}
    assert "SyncBN" not in types
    inits = [node.get("init_cfg") or {} for node in walk(cfg.model)]
    assert not any(isinstance(i, dict) and "checkpoint" in i for i in inits)
    assert cfg.train_cfg.max_epochs == 6
    assert "coco/" not in text_of(cfg).replace("coco/bbox_mAP", "")


@pytest.mark.parametrize("name", FAMILIES)
def test_the_patched_config_reads_back(dataset, name, tmp_path):
    cfg = load_config(name)
    patch(cfg, recipe_for(dataset))
    path = tmp_path / "config.py"
    path.write_text(text_of(cfg))
    assert text_of(load_config(str(path))) == text_of(cfg)


def test_schedules_keep_their_shape(dataset):
    cfg = load_config("faster-rcnn_r50_fpn_1x_coco")  # 12 epochs, steps at 8 and 11
    patch(cfg, recipe_for(dataset, epochs=24))
    warm_up, steps = cfg.param_scheduler
    assert steps.milestones == [16, 22]
    names = (dataset.splits / "train.txt").read_text().splitlines()
    assert warm_up.end == int(0.1 * 24 * math.ceil(len(names) / 4))  # batches of 4


@pytest.mark.parametrize("epochs", [1, 2, 3])
@pytest.mark.parametrize("name", FAMILIES)
def test_short_trainings_have_schedules_with_a_length(dataset, name, epochs):
    cfg = load_config(name)
    patch(cfg, recipe_for(dataset, epochs=epochs))
    for scheduler in cfg.param_scheduler:
        if scheduler.get("end"):
            assert scheduler.get("begin", 0) < scheduler.end


def learning_rates(cfg, epochs: int, iterations: int) -> list[float]:
    """Return the rate of each iteration, by the schedulers of a config, from 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)
    schedulers = []
    for options in cfg.param_scheduler:
        kind = PARAM_SCHEDULERS.get(options.pop("type"))
        if options.pop("convert_to_iter_based", False):
            options.epoch_length = iterations
            kind = kind.build_iter_from_epoch
        schedulers.append(kind(optimizer=optimizer, **options))
    rates = []
    for iteration in range(1, epochs * iterations + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for scheduler in schedulers:
            if not (scheduler.by_epoch and iteration % iterations):
                scheduler.step()
    return rates


@pytest.mark.parametrize("epochs", [1, 2, 3, 5, 8, 9, 11, 17])
@pytest.mark.parametrize(
    "name",
    [
        "rtmdet_tiny_8xb32-300e_coco",
        "yolox_tiny_8xb8-300e_coco",
        "ssdlite_mobilenetv2-scratch_8xb24-600e_coco",
        "faster-rcnn_r50_fpn_1x_coco",
    ],
)
def test_after_its_warm_up_a_learning_rate_never_rises(dataset, name, epochs):
    """A cosine does once it is over, as where half of an odd number was rounded."""
    cfg = load_config(name)
    patch(cfg, recipe_for(dataset, epochs=epochs))
    rates = learning_rates(cfg, epochs, iterations=30)
    after = rates[rates.index(max(rates)) :]
    if epochs > 1:
        assert after[0] == pytest.approx(1), "the warm-up ends"
    assert all(now >= later - 1e-9 for now, later in pairwise(after))
    if "rtmdet" in name and epochs > 1:
        assert after[-1] < 0.1


@pytest.mark.parametrize("epochs", [4, 6, 30])
def test_a_warm_up_by_epoch_ends_too(dataset, epochs):
    cfg = load_config("faster-rcnn_r50_fpn_1x_coco")
    by_epoch = {"by_epoch": True, "begin": 0, "end": 3}
    cfg.param_scheduler[0] = cfg.param_scheduler[0] | by_epoch
    patch(cfg, recipe_for(dataset, epochs=epochs))
    assert max(learning_rates(cfg, epochs, iterations=5)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # SGD: linear. AdamW: by the square root. Both recipes name 16 images.
        ("faster-rcnn_r50_fpn_1x_coco", 0.02 * 4 / 16),
        ("rtmdet_tiny_8xb32-300e_coco", 0.004 * (4 / 16) ** 0.5),
    ],
)
def test_the_learning_rate_follows_the_batch_size(dataset, name, expected):
    cfg = load_config(name)
    patch(cfg, recipe_for(dataset))
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "epochs", "betas"),
    [
        ("rtmdet_tiny_8xb32-300e_coco", 200, "by the updates"),
        ("rtmdet_tiny_8xb32-300e_coco", 1, (0.9, 0.95)),
        ("rtmdet_tiny_8xb32-300e_coco", 10**5, (0.9, 0.999)),
        ("faster-rcnn_r50_fpn_1x_coco", 10, None),
    ],
)
def test_short_trainings_forget_their_first_gradients(dataset, name, epochs, betas):
    cfg = load_config(name)
    patch(cfg, recipe_for(dataset, epochs=epochs))
    if betas == "by the updates":
        names = (dataset.splits / "train.txt").read_text().splitlines()
        updates = epochs * math.ceil(len(names) / 4)
        betas = (0.9, pytest.approx(1 - 1 / (0.065 * updates), abs=1e-4))
    assert cfg.optim_wrapper.optimizer.get("betas") == betas


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("rtmdet_tiny_8xb32-300e_coco", {"optimizer": "muon"}, "MuonForKernels"),
        ("rtmdet_tiny_8xb32-300e_coco", {"optimizer": "auto"}, "MuonForKernels"),
        ("rtmdet_tiny_8xb32-300e_coco", {"optimizer": "recipe"}, "AdamW"),
        (
            "rtmdet_tiny_8xb32-300e_coco",
            {"optimizer": "auto", "pretrained": True},
            "AdamW",
        ),
        ("faster-rcnn_r50_fpn_1x_coco", {"optimizer": "auto"}, "SGD"),
    ],
)
def test_muon_takes_the_place_of_adamw_in_what_learns_from_nothing(
    dataset, name, changes, expected
):
    """With twice its learning rate, and its schedule and decay."""
    cfg, plain = load_config(name), load_config(name)
    patch(cfg, recipe_for(dataset, **changes))
    patch(plain, recipe_for(dataset, **changes | {"optimizer": "recipe"}))
    optimizer = cfg.optim_wrapper.optimizer
    assert optimizer.pop("type") == expected
    if expected == "MuonForKernels":
        optimizer.lr /= 2
    assert optimizer == {
        key: value
        for key, value in plain.optim_wrapper.optimizer.items()
        if key != "type"
    }
    constructor = cfg.optim_wrapper.pop("constructor", None)
    assert (constructor == "KernelGroups") == (expected == "MuonForKernels")
    for one in (cfg, plain):
        one.pop("optim_wrapper")
    assert cfg.to_dict() == plain.to_dict()


def test_muon_without_a_learning_rate_that_suits_is_one_line(dataset):
    with pytest.raises(UsageError, match="takes the learning rate of a recipe with Ad"):
        patch(
            load_config("faster-rcnn_r50_fpn_1x_coco"),
            recipe_for(dataset, optimizer="muon"),
        )


def test_muon_leaves_learning_rates_that_a_constructor_gives_by_layer(dataset):
    """As those of ConvNeXt do; one that is only named, and gives none, is no matter."""

    def patched(constructor, optimizer):
        cfg = load_config("rtmdet_tiny_8xb32-300e_coco")
        cfg.optim_wrapper.constructor = constructor
        patch(cfg, recipe_for(dataset, optimizer=optimizer))
        return cfg.optim_wrapper

    by_layer = "LearningRateDecayOptimizerConstructor"
    assert patched(by_layer, "auto") == patched(by_layer, "recipe")
    with pytest.raises(UsageError, match=f"this one has the constructor {by_layer}; "):
        patched(by_layer, "muon")
    plain = patched("DefaultOptimWrapperConstructor", "auto")
    assert plain.constructor == "KernelGroups"


def test_a_config_with_muon_is_patched_as_one_with_adamw(dataset):
    """Where it is the base of another: rate, memory of the optimizer, and no error."""
    rates = []
    for optimizer in ("muon", "recipe"):
        cfg = load_config("rtmdet_tiny_8xb32-300e_coco")
        patch(cfg, recipe_for(dataset, optimizer=optimizer))
        before = cfg.optim_wrapper.optimizer.lr
        patch(cfg, recipe_for(dataset, optimizer=optimizer, epochs=7))
        rates.append(cfg.optim_wrapper.optimizer.lr / before)
        assert cfg.optim_wrapper.optimizer.betas == (0.9, 0.95)
    assert rates[0] == pytest.approx(rates[1])


@pytest.mark.parametrize(
    "name",
    [
        "dino-4scale_r50_8xb2-12e_coco",
        "mask-rcnn_swin-t-p4-w7_fpn_1x_coco",
        "sparse-rcnn_r50_fpn_1x_coco",  # without rules for some weights, as are these:
        "retinanet_pvt-t_fpn_1x_coco",
        "retinanet_pvtv2-b0_fpn_1x_coco",
        "rtmdet_l_swin_b_4xb32-100e_coco",
        "faster-rcnn_r50-rsb-pre_fpn_1x_coco",
    ],
)
def test_a_recipe_that_muon_was_not_measured_for_keeps_its_optimizer(dataset, name):
    auto, plain, asked = (load_config(name) for _ in range(3))
    patch(auto, recipe_for(dataset, optimizer="auto"))
    patch(plain, recipe_for(dataset, optimizer="recipe"))
    assert plain.optim_wrapper.optimizer.type == "AdamW"
    assert text_of(auto) == text_of(plain)
    patch(asked, recipe_for(dataset, optimizer="muon"))
    rules = asked.optim_wrapper.paramwise_cfg.get("custom_keys")
    assert rules == plain.optim_wrapper.get("paramwise_cfg", {}).get("custom_keys")
    assert asked.optim_wrapper.optimizer.type == "MuonForKernels"


@pytest.mark.parametrize(
    "name", ["rtmdet-ins_tiny_8xb32-300e_coco", "rtmdet_l_8xb32-300e_coco"]
)
def test_a_recipe_that_muon_was_measured_for_gets_it(dataset, name):
    cfg, asked = load_config(name), load_config(name)
    patch(cfg, recipe_for(dataset, optimizer="auto"))
    patch(asked, recipe_for(dataset, optimizer="muon"))
    assert cfg.optim_wrapper.optimizer.type == "MuonForKernels"
    assert text_of(cfg) == text_of(asked)


def test_processes_together_are_one_with_a_larger_batch(dataset):
    """Learning rate, warm-up and all; but for the images that each of them loads."""
    name = "rtmdet_tiny_8xb32-300e_coco"
    two, one = load_config(name), load_config(name)
    patch(two, recipe_for(dataset, batch_size=2, processes=2))
    patch(one, recipe_for(dataset, batch_size=4))
    assert two.train_dataloader.pop("batch_size") == 2
    assert one.train_dataloader.pop("batch_size") == 4
    assert list(changes(one.to_dict(), two.to_dict())) == []


def test_sizes_follow_the_image_size(dataset):
    cfg = load_config("rtmdet_tiny_8xb32-300e_coco")  # 640, jitter from 1280
    patch(cfg, recipe_for(dataset, image_size=320))
    scales = {tuple(n["scale"]) for n in walk(cfg.train_dataloader) if "scale" in n}
    assert scales == {(640, 640)}
    assert next(n for n in walk(cfg.test_dataloader) if "scale" in n).scale == (
        320,
        320,
    )


def test_light_augmentation_pads_to_the_images_not_to_a_square(dataset):
    cfg = load_config("rtmdet_tiny_8xb32-300e_coco")
    patch(cfg, recipe_for(dataset, augment="light"))
    pads = [n for n in walk(cfg.train_dataloader) if n.get("type") == "Pad"]
    assert [pad["size"] for pad in pads] == [(256, 192)]  # images are 336 by 224


def test_without_validation_nothing_is_saved_as_best(dataset):
    cfg = load_config("rtmdet_tiny_8xb32-300e_coco")
    patch(cfg, recipe_for(dataset, val=None))
    assert cfg.val_cfg is None and cfg.val_dataloader is None
    assert "save_best" not in cfg.default_hooks.checkpoint


def test_frozen_layers_thaw_without_pretrained_weights(dataset):
    cfg = load_config("faster-rcnn_r50_fpn_1x_coco")
    patch(cfg, recipe_for(dataset))
    assert cfg.model.backbone.frozen_stages == -1
    assert not cfg.model.backbone.norm_eval
    cfg = load_config("faster-rcnn_r50_fpn_1x_coco")
    patch(cfg, recipe_for(dataset, pretrained=True))
    assert cfg.model.backbone.frozen_stages == 1
    assert cfg.model.backbone.norm_eval
    # The detector's weights have those of its backbone.
    assert cfg.model.backbone.init_cfg is None


@pytest.mark.parametrize("is_exported", [False, True])
def test_a_config_names_the_weights_that_are_published_of_it(
    dataset, tmp_path, is_exported
):
    """And those that only its backbone would load are not asked for."""
    base = "faster-rcnn_r50_fpn_1x_coco"
    if is_exported:
        export_config(base, tmp_path / "base.py", [])
        base = str(tmp_path / "base.py")
    recipe = recipe_for(dataset, pretrained=True)
    patch_config(base, tmp_path / "config.py", recipe, [])
    text = (tmp_path / "config.py").read_text()
    name = "faster_rcnn_r50_fpn_1x_coco_20200130-047c8118.pth"
    assert f"load_from = '{name}'" in text and "torchvision" not in text
    patch_config(base, tmp_path / "config.py", recipe_for(dataset), [])
    assert "load_from = None" in (tmp_path / "config.py").read_text()


def test_a_config_without_published_weights_is_refused(dataset, tmp_path):
    (tmp_path / "own.py").write_text(
        load_config("rtmdet_tiny_8xb32-300e_coco").pretty_text
    )
    recipe = recipe_for(dataset, pretrained=True)
    with pytest.raises(ModelError, match=r"own.py: the model index names no weights"):
        patch_config(str(tmp_path / "own.py"), tmp_path / "c.py", recipe, [])


def test_boxes_alone_cannot_train_masks(dataset, tmp_path):
    coco = dataset.coco
    for item in coco.annotations:
        item["segmentation"] = []
    coco.write(tmp_path / "boxes.json")
    recipe = recipe_for(dataset, train=tmp_path / "boxes.json")
    with pytest.raises(ModelError, match="choose a model without masks"):
        patch(load_config("mask-rcnn_r50_fpn_1x_coco"), recipe)


def patch_with(dataset, tmp_path, change):
    """Run mmdet-flow model patch with what ``change`` makes of the training split."""
    coco = dataset.coco
    change(coco)
    coco.write(tmp_path / "train.json")
    return run_command(
        *(
            "mmdet-flow model patch",
            "rtmdet_tiny_8xb32-300e_coco",
            "--output",
            tmp_path / "c.py",
        ),
        *("--train", tmp_path / "train.json", "--images", dataset.images),
        *("--test", dataset.splits / "test.json", "--epochs", "1"),
    )


def test_data_without_anything_to_learn_are_refused(dataset, tmp_path):
    def shrink(coco):
        for annotation in coco.annotations:
            annotation["bbox"][2] = 0.4

    run = patch_with(dataset, tmp_path, shrink)
    assert run.returncode != 0 and not (tmp_path / "c.py").exists()
    assert "can be learned (a box of a pixel or more" in the_error(run)
    assert str(tmp_path / "train.json") in the_error(run)


def test_a_class_without_objects_is_named(dataset, tmp_path):
    def remove_pebbles(coco):
        pebble = coco.classes.index("pebble")
        wanted = coco.categories[pebble]["id"]
        coco.annotations[:] = [
            one for one in coco.annotations if one["category_id"] != wanted
        ]

    run = patch_with(dataset, tmp_path, remove_pebbles)
    assert run.returncode == 0, run.stderr
    assert "no object of pebble, which the model cannot learn" in run.stderr


def test_no_absolute_path_gets_in(dataset, tmp_path):
    (tmp_path / "data").symlink_to(dataset.splits)
    run = run_command(
        *(
            "mmdet-flow model patch",
            "rtmdet_tiny_8xb32-300e_coco",
            "--output",
            "config.py",
        ),
        *(f"--{name}=data/{name}.json" for name in ("train", "val", "test")),
        *("--images", "images", "--epochs", "1"),
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    text = (tmp_path / "config.py").read_text()
    assert str(Path.home()) not in text and str(tmp_path) not in text


def test_a_missing_annotation_file_is_one_line(dataset, tmp_path):
    run = run_command(
        *(
            "mmdet-flow model patch",
            "rtmdet_tiny_8xb32-300e_coco",
            "--output",
            tmp_path / "c.py",
        ),
        *("--train=nowhere.json", "--test=nowhere.json", "--images=x", "--epochs=1"),
    )
    assert "nowhere.json" in the_error(run)
    assert not (tmp_path / "c.py").exists()


def test_the_patched_file_says_what_was_changed(trained):
    text = trained.config.read_text()
    assert text.startswith("# Changed from rtmdet-ins_tiny_8xb32-300e_coco:\n")
    assert "#   model.bbox_head.num_classes: 80 -> 3\n" in text
    assert "#   model.backbone.norm_cfg.type: 'SyncBN' -> 'BN'\n" in text


def test_a_test_pipeline_without_a_size_gets_one(dataset):
    """CenterNet tests images as they are, and would forget how they were resized."""
    cfg = load_config("centernet_r18_8xb16-crop512-140e_coco")
    patch(cfg, recipe_for(dataset))
    for key in ("val_dataloader", "test_dataloader"):
        (leaf,) = leaves(cfg, key)
        load, resize, *_, pack = leaf.pipeline
        assert load["type"] == "LoadImageFromFile"
        assert (resize["type"], resize["scale"]) == ("Resize", (256, 256))
        assert "scale_factor" in pack["meta_keys"]


@pytest.mark.parametrize(("size", "queries"), [(320, 271), (1280, 900)])
def test_no_more_queries_than_features(dataset, size, queries):
    """At 320, images are 160 pixels long at least: 20 x 10 + 10 x 5 + 5 x 3 + 3 x 2."""
    cfg = load_config("dino-4scale_r50_8xb2-12e_coco")
    patch(cfg, recipe_for(dataset, image_size=size))
    assert cfg.model.num_queries == queries


def with_content(dataset, folder, change) -> dict[str, Path]:
    """Write the splits of a data set anew, changed; return what a recipe takes."""
    paths = {}
    for name in ("train", "val", "test"):
        content = json.loads((dataset.splits / f"{name}.json").read_text())
        change(content)
        paths[name] = folder / f"{name}.json"
        paths[name].write_text(json.dumps(content))
    return paths


def as_masks(content: dict) -> None:
    """Turn the polygons of every other object into masks."""
    from mmdet_flow.evaluation.assignment import to_rle

    images = {image["id"]: image for image in content["images"]}
    for item in content["annotations"][::2]:
        rle = to_rle(item["segmentation"], images[item["image_id"]])
        item["segmentation"] = rle | {"counts": rle["counts"].decode()}


def mask_loaders(cfg) -> set:
    nodes = walk([cfg.train_dataloader, cfg.get("custom_hooks") or []])
    return {
        node.get("poly2mask", True)
        for node in nodes
        if node.get("type") == "LoadAnnotations" and node.get("with_mask")
    }


@pytest.mark.parametrize("augment", ["light", "recipe"])
@pytest.mark.parametrize(
    "name", ["rtmdet-ins_tiny_8xb32-300e_coco", "mask-rcnn_r50_fpn_1x_coco"]
)
def test_masks_are_loaded_as_such_and_polygons_stay_polygons(
    dataset, name, augment, tmp_path
):
    paths = with_content(dataset, tmp_path, as_masks)
    cfg = load_config(name)
    patch(cfg, recipe_for(dataset, augment=augment, **paths))
    assert mask_loaders(cfg) == {True}
    cfg = load_config("rtmdet-ins_tiny_8xb32-300e_coco")
    patch(cfg, recipe_for(dataset, augment=augment))
    assert mask_loaders(cfg) == {False}


@pytest.mark.parametrize("augment", ["light", "recipe"])
def test_masks_are_learned_as_polygons_are(dataset, augment, tmp_path):
    """The pipeline of the patched config brings the same boxes and masks of both."""
    from mmdet.registry import DATASETS
    from mmengine.registry import init_default_scope

    init_default_scope("mmdet")
    cfg = load_config("rtmdet-ins_tiny_8xb32-300e_coco")
    paths = with_content(dataset, tmp_path, as_masks)
    patch(cfg, recipe_for(dataset, augment=augment, **paths))
    node = next(node for node in walk(cfg.train_dataloader) if "ann_file" in node)
    objects = [
        (instance["ignore_flag"], instance["mask"])
        for one in DATASETS.build(node | {"pipeline": []})
        for instance in one["instances"]
    ]
    assert {flag for flag, _ in objects} == {0}
    assert {type(mask) for _, mask in objects} == {dict, list}
    steps = next(
        one["pipeline"] for one in walk(cfg.train_dataloader) if "pipeline" in one
    )
    load = [step for step in steps if step["type"].startswith("Load")]
    for one in DATASETS.build(node | {"pipeline": load}):
        assert not one["gt_ignore_flags"].any() and one["gt_masks"].areas.min() > 0


def crowd_images(content: dict, count: int = 400) -> None:
    """Give the first image so many objects."""
    one = content["annotations"][0]
    content["annotations"] += [one | {"id": 10_000 + n} for n in range(count)]


@pytest.mark.parametrize(
    ("name", "expected", "said"),
    [
        ("faster-rcnn_r50_fpn_1x_coco", True, "raised max_per_img"),
        ("rtmdet_tiny_8xb32-300e_coco", True, "raised max_per_img"),
        ("centernet_r18_8xb16-crop512-140e_coco", True, "raised topk"),
        ("mask2former_r50_8xb2-lsj-50e_coco", False, "at most 100 in an image"),
        ("detr_r50_8xb2-150e_coco", False, "at most 100 in an image"),
    ],
)
def test_a_model_may_find_as_many_objects_as_an_image_has(
    dataset, name, expected, said, tmp_path, caplog
):
    cfg = load_config(name)
    paths = with_content(dataset, tmp_path, crowd_images)
    with caplog.at_level("WARNING", "mmdet_flow"):
        patch(cfg, recipe_for(dataset, **paths))
    assert said in caplog.text and " objects" in caplog.text
    limits = [
        node[key]
        for node in walk(cfg.model.get("test_cfg") or {})
        for key in ("max_per_img", "max_per_image", "topk")
        if key in node
    ]
    assert (not limits or min(limits) >= 400) == expected


def test_of_a_test_on_whole_images_the_objects_are_not_counted(
    dataset, tmp_path, caplog
):
    """The network sees tiles of them; nor does it find crowds."""
    cfg = load_config("rtmdet_tiny_8xb32-300e_coco")
    test = json.loads((dataset.splits / "test.json").read_text())
    crowd_images(test)
    (tmp_path / "test.json").write_text(json.dumps(test))
    paths = {"test": tmp_path / "test.json"}
    with caplog.at_level("WARNING", "mmdet_flow"):
        patch(cfg, recipe_for(dataset, test_images=Path("whole"), **paths))
    assert cfg.model.test_cfg.max_per_img == 300 and "raised" not in caplog.text
    folders = [cfg[key].dataset.data_prefix.img for key in LOADERS]
    assert folders == [f"{dataset.images}/", f"{dataset.images}/", "whole/"]
    for one in test["annotations"]:
        one["iscrowd"] = 1
    paths["test"].write_text(json.dumps(test))
    cfg = load_config("rtmdet_tiny_8xb32-300e_coco")
    patch(cfg, recipe_for(dataset, **paths))
    assert cfg.model.test_cfg.max_per_img == 300


def test_mmdet_learns_from_tiles_what_the_account_says(dataset, tmp_path):
    """Parts that are too small to learn reach it as regions to be ignored."""
    from mmdet.registry import DATASETS
    from mmengine.registry import init_default_scope

    init_default_scope("mmdet")
    splits = [dataset.splits / f"{name}.json" for name in ("train", "val")]
    cutting = Cutting(Tiles(112), min_visible=0.5)
    cut(splits, dataset.images, tmp_path, cutting, threads=2)
    paths = {"train": tmp_path / "train.json", "val": tmp_path / "val.json"}
    paths |= {"images": tmp_path / "images", "test_images": dataset.images}
    cfg = load_config("rtmdet-ins_tiny_8xb32-300e_coco")
    patch(cfg, recipe_for(dataset, augment="light", image_size=64, **paths))
    node = next(node for node in walk(cfg.train_dataloader) if "ann_file" in node)
    load = [step for step in node["pipeline"] if step["type"].startswith("Load")]
    report = json.loads((tmp_path / "report.json").read_text())
    counts = report["splits"]["train"]["annotations"]
    flags = Counter(
        bool(flag)
        for one in DATASETS.build(node | {"pipeline": load})
        for flag in one["gt_ignore_flags"]
    )
    assert flags[True] == counts["too_small"] > 0
    assert flags[False] == counts["whole"] + counts["cut"] > 0
    pads = [step for step in node["pipeline"] if step["type"] == "Pad"]
    assert pads[0]["size"] == (64, 64)


def test_few_objects_change_no_limit(dataset, caplog):
    cfg = load_config("faster-rcnn_r50_fpn_1x_coco")
    with caplog.at_level("WARNING", "mmdet_flow"):
        patch(cfg, recipe_for(dataset))
    assert cfg.model.test_cfg.rcnn.max_per_img == 100
    assert "raised" not in caplog.text


@pytest.mark.parametrize(
    "change", [{"area": None}, {"iscrowd": "0"}, {"ignore": 1}, {"bbox": list("1234")}]
)
def test_what_mmdet_would_read_in_another_way_is_refused(dataset, change, tmp_path):
    def spoil(content):
        content["annotations"][3] |= change

    paths = with_content(dataset, tmp_path, spoil)
    cfg = load_config("rtmdet_tiny_8xb32-300e_coco")
    with pytest.raises(DataError, match=r"train\.json: annotation \d+ is not as COCO"):
        patch(cfg, recipe_for(dataset, **paths))


@pytest.mark.parametrize("name", ["rtmdet_tiny_8xb32-300e_coco", "ssd300_coco"])
def test_images_grow_after_most_of_the_epochs(dataset, name):
    cfg = load_config(name)
    recipe = recipe_for(dataset, epochs=10, augment="light", grow_from=0.5)
    patch(cfg, recipe)
    (hook,) = [one for one in cfg.custom_hooks if one.type == "PipelineSwitchHook"]
    small, full = cfg.train_dataloader.dataset.pipeline, hook.switch_pipeline
    assert hook.switch_epoch == 6
    assert [step.type for step in small] == [step.type for step in full]
    sizes = {"RandomResize": "scale", "RandomCrop": "crop_size", "Pad": "size"}
    for type_, key in sizes.items():
        before, after = (
            next(step[key] for step in steps if step.type == type_)
            for steps in (small, full)
        )
        assert tuple(before) == tuple(side // 2 for side in after), type_
    whole = load_config(name)
    patch(whole, recipe_for(dataset, epochs=10, augment="light"))
    assert full == whole.train_dataloader.dataset.pipeline
    assert cfg.test_dataloader == whole.test_dataloader


@pytest.mark.parametrize(("pixels", "side"), [(20, 128), (10, 224), (7, None)])
def test_images_stay_large_enough_for_the_smallest_class(
    dataset, tmp_path, pixels, side
):
    """At a longer side of 256, the objects of a class have so many pixels."""
    content = json.loads((dataset.splits / "train.json").read_text())
    longer = {one["id"]: max(one["width"], one["height"]) for one in content["images"]}
    for item in content["annotations"]:
        if item["category_id"] == content["categories"][1]["id"]:
            short = pixels / 256 * longer[item["image_id"]]
            item["bbox"][2:] = [short, 2 * short]
    (tmp_path / "train.json").write_text(json.dumps(content))
    changes = dict(epochs=10, augment="light", grow_from=0.5)
    recipe = recipe_for(dataset, train=tmp_path / "train.json", **changes)
    cfg = load_config("rtmdet_tiny_8xb32-300e_coco")
    patch(cfg, recipe)
    hooks = [one for one in cfg.custom_hooks if one.type == "PipelineSwitchHook"]
    steps = cfg.train_dataloader.dataset.pipeline
    (resize,) = [step for step in steps if step.type == "RandomResize"]
    assert tuple(resize.scale) == (side or 256, side or 256)
    assert len(hooks) == (side is not None)


@pytest.mark.parametrize(
    ("augment", "side", "grown"),
    [("light", 320, 160), ("light", 288, None), ("recipe", 320, None)],
)
def test_images_grow_by_themselves_where_it_is_known_to_help(
    dataset, augment, side, grown
):
    recipe = recipe_for(
        dataset, epochs=10, image_size=side, augment=augment, grow_from="auto"
    )
    cfg = load_config("rtmdet_tiny_8xb32-300e_coco")
    patch(cfg, recipe)
    if grown is None:
        whole = load_config("rtmdet_tiny_8xb32-300e_coco")
        patch(whole, replace(recipe, grow_from=1))
        assert cfg.to_dict() == whole.to_dict()
    else:
        steps = cfg.train_dataloader.dataset.pipeline
        (resize,) = [step for step in steps if step.type == "RandomResize"]
        assert tuple(resize.scale) == (grown, grown)


@pytest.mark.parametrize("side", [288, 320])
@pytest.mark.parametrize(
    ("grow_from", "augment"),
    [*product(("auto", 1), ("light", "recipe")), (0.5, "light")],
)
def test_images_grow_where_the_plan_of_start_init_counts_on_it(
    dataset, grow_from, augment, side, monkeypatch
):
    recipe = recipe_for(
        dataset, epochs=10, image_size=side, augment=augment, grow_from=grow_from
    )
    cfg = load_config("rtmdet_tiny_8xb32-300e_coco")
    patch(cfg, recipe)
    grows = any(
        "switch_pipeline" in one and one.switch_epoch == 6 for one in cfg.custom_hooks
    )
    values = {"grow_from": grow_from, "augment": augment}
    monkeypatch.setattr(plan, "of_preset", lambda _: values)
    speed = assumed_speed("small-boxes", 2)
    large = plan.Sizes((640, 480), 0.5, "leaf")
    found = plan.plan_for("small-boxes", large, 100, 0, 600, speed, [side])
    assert (found.speed * speed.seconds_per_image(side, large.image) > 1.1) == grows


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("faster-rcnn_r50_fpn_1x_coco", 320),
        ("centernet_r18_8xb16-crop512-140e_coco", None),
    ],
)
def test_images_of_no_recipe_grow_by_themselves(dataset, name, side):
    """Of those that mix no images, and of those of no fixed size, neither."""
    recipe = recipe_for(dataset, image_size=side, grow_from="auto")
    cfg, whole = load_config(name), load_config(name)
    patch(cfg, recipe)
    patch(whole, replace(recipe, grow_from=1))
    assert cfg.to_dict() == whole.to_dict()


@pytest.mark.parametrize(
    "name",
    [
        "yolox_tiny_8xb8-300e_coco",  # makes batches larger or smaller by chance
        "atss_r50_fpn_8xb8-amp-lsj-200e_coco",  # pads them to a size
        "ssd300_coco",  # has maps that small images leave nothing of
    ],
)
def test_no_images_grow_by_themselves_for_a_network_with_a_size_of_its_own(
    dataset, name
):
    recipe = recipe_for(dataset, image_size=320, augment="light", grow_from="auto")
    cfg, whole = load_config(name), load_config(name)
    patch(cfg, recipe)
    patch(whole, replace(recipe, grow_from=1))
    assert cfg.to_dict() == whole.to_dict()


@pytest.mark.parametrize(
    "name",
    [
        "ssd300_coco",
        "ssdlite_mobilenetv2-scratch_8xb24-600e_coco",
        "yolact_r50_1xb8-55e_coco",
    ],
)
@pytest.mark.parametrize("side", [320, None])
def test_a_network_that_is_made_for_one_size_learns_at_it(dataset, name, side):
    """From images stretched as in the test, whichever of their sides is longer."""
    cfg = load_config(name)
    patch(cfg, recipe_for(dataset, image_size=side, augment="light"))
    (test,) = [node for node in walk(cfg.test_dataloader) if "keep_ratio" in node]
    steps = {step.type: step for step in cfg.train_dataloader.dataset.pipeline}
    sizes = (steps["RandomResize"].scale, steps["RandomCrop"].crop_size)
    assert {*map(tuple, sizes), tuple(steps["Pad"].size)} == {tuple(test.scale)}
    assert not steps["RandomResize"].keep_ratio and not test.keep_ratio
    assert side is None or tuple(test.scale) == (side, side)


def test_images_whose_batches_get_another_size_cannot_grow(dataset):
    recipe = recipe_for(dataset, augment="light", grow_from=0.5)
    with pytest.raises(UsageError, match=r"size of its own \(BatchSyncRandomResize\)"):
        patch(load_config("yolox_tiny_8xb8-300e_coco"), recipe)


@pytest.mark.parametrize("text", ["half", "nan"])
def test_a_fraction_that_is_none_is_told(text):
    run = run_command("mmdet-flow model patch", "--grow-from", text)
    assert run.returncode == 2
    assert (
        f"--grow-from: give a number from 0 to 1, or auto, not {text!r}" in run.stderr
    )


def test_a_single_epoch_has_images_of_full_size(dataset):
    cfg = load_config("rtmdet_tiny_8xb32-300e_coco")
    patch(cfg, recipe_for(dataset, epochs=1, augment="light", grow_from=0.5))
    whole = load_config("rtmdet_tiny_8xb32-300e_coco")
    patch(whole, recipe_for(dataset, epochs=1, augment="light"))
    assert cfg.to_dict() == whole.to_dict()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"augment": "recipe", "grow_from": 0.5}, "only images of augment: light"),
        ({"augment": "light", "grow_from": 0}, "0 is no fraction above 0"),
        ({"augment": "light", "grow_from": 1.5}, "1.5 is no fraction above 0"),
    ],
)
def test_images_that_cannot_grow_are_one_line(dataset, changes, message):
    with pytest.raises(UsageError, match=message):
        patch(
            load_config("rtmdet_tiny_8xb32-300e_coco"), recipe_for(dataset, **changes)
        )
