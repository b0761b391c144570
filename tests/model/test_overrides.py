"""Overrides of a config: those that something reads, and those that nothing reads."""

import pytest

from mmdet_flow.errors import UsageError
from mmdet_flow.model.config import apply_cfg_options, load_config
from mmdet_flow.model.patch import patch
from tests.conftest import command_of
from tests.model.test_patch import recipe_for

NAME = "rtmdet_tiny_8xb32-300e_coco"


def changed(*options: str, name: str = NAME):
    return load_config(name, list(options))


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        # Variables of the file: where their values went.
        ("base_lr=0.1", "override optim_wrapper.optimizer.lr"),
        ("max_epochs=3", "override train_cfg.max_epochs"),
        (
            "train_pipeline.2.img_scale=(64,64)",
            "override train_dataloader.dataset.pipeline.2.img_scale",
        ),
        ("img_scales=64", "nothing reads img_scales"),
        # What the runner does not take.
        ("load_form=x", "did you mean load_from?"),
        ("img_scale=64", "did you mean train_dataloader.dataset.pipeline.2.img_scale?"),
        # The words of mmdet 2.
        ("optimizer.lr=0.1", "did you mean optim_wrapper.optimizer.lr?"),
        ("data.samples_per_gpu=2", "did you mean train_dataloader.batch_size?"),
        # Misspelt: parts with a class, without one, of a list, of the runner's own.
        ("model.neck.out_chanels=3", "did you mean out_channels?"),
        ("model.backbone.frozen_stage=1", "nothing reads frozen_stage"),
        ("model.test_cfg.score_threshold=0.9", "did you mean score_thr?"),
        ("model.test_cfg.nms.iou_treshold=0.9", "did you mean iou_threshold?"),
        ("train_dataloader.batchsize=9", "did you mean batch_size?"),
        ("train_dataloader.dataset.ann_fil=x", "did you mean ann_file?"),
        (
            "train_dataloader.dataset.pipeline.2.max_cached_image=3",
            "did you mean max_cached_images?",
        ),
        ("param_scheduler.0.bgin=3", "did you mean begin?"),
        ("custom_hooks.0.momentun=3", "did you mean momentum?"),
        ("default_hooks.loger.interval=3", "did you mean logger?"),
        ("optim_wrapper.clip_grd.max_norm=3", "did you mean clip_grad?"),
        ("optim_wrapper.paramwise_cfg.norm_decay=3", "did you mean norm_decay_mult?"),
        ("env_cfg.dist_cfg.backnd=x", "did you mean backend?"),
        ("randomness.sed=3", "nothing reads sed of randomness"),
        # Decided by the options of a training.
        ("resume=True", "--resume"),
        ("default_hooks.checkpoint.interval=3", "--save-minutes"),
    ],
)
def test_what_nothing_reads_is_refused_with_the_key_that_has_an_effect(option, hint):
    with pytest.raises(UsageError) as refused:
        changed(option)
    message = str(refused.value)
    assert option.partition("=")[0] in message and hint in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "options",
    [
        # There already, or taken by a class, or by the class that it hands them to.
        ["model.test_cfg.score_thr=0.1", "train_cfg.max_epochs=3"],
        ["model.backbone.frozen_stages=1", "model.backbone.norm_eval=True"],
        ["custom_hooks.0.gamma=40", "custom_hooks.0.priority=40"],
        ["train_dataloader.dataset.pipeline.3.interpolation=bicubic"],
        ["train_dataloader.dataset.indices=5", "train_dataloader.prefetch_factor=2"],
        # Read by the code that gets the part.
        ["model.backbone.norm_cfg.requires_grad=False"],
        ["model.test_cfg.nms.class_agnostic=True"],
        ["optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult=0.1"],
        ["optim_wrapper.paramwise_cfg.dwconv_decay_mult=0.1"],
        ["randomness.deterministic=True", "train_dataloader.num_batch_per_epoch=2"],
        ["auto_scale_lr.enable=True", "find_unused_parameters=True"],
        # New parts, and others in their place.
        ["optim_wrapper.clip_grad.max_norm=35", "optim_wrapper.clip_grad.norm_type=2"],
        ["default_hooks.early.type=EarlyStoppingHook", "default_hooks.early.monitor=x"],
        ["optim_wrapper.type=AmpOptimWrapper", "optim_wrapper.loss_scale=dynamic"],
        [
            "optim_wrapper.optimizer._delete_=True",
            "optim_wrapper.optimizer.type=SGD",
            "optim_wrapper.optimizer.lr=0.1",
            "optim_wrapper.optimizer.momentum=0.9",
        ],
    ],
)
def test_what_something_reads_may_be_new(options):
    cfg = changed(*options)
    for option in options:
        key, value = option.split("=")
        if not key.endswith("_delete_"):
            node = cfg
            for word in key.split("."):
                node = node[int(word) if isinstance(node, list) else word]
            assert str(node) == value


@pytest.mark.parametrize(
    ("options", "told"),
    [
        # The code around an optimizer speaks of momentum, but AdamW takes none.
        (
            ["optim_wrapper.optimizer.momentum=0.9"],
            "AdamW of optim_wrapper.optimizer takes no momentum; it takes amsgrad, ",
        ),
        (
            ["optim_wrapper.optimizer.type=SGD", "optim_wrapper.optimizer.amsgrad=1"],
            "SGD of optim_wrapper.optimizer takes no amsgrad; it takes dampening, ",
        ),
        (
            [
                "optim_wrapper.optimizer.type=MuonForKernels",
                "optim_wrapper.optimizer.momentum=0.9",
            ],
            "MuonForKernels of optim_wrapper.optimizer takes no momentum",
        ),
        (["param_scheduler.1.gamma=0.1"], "CosineAnnealingLR of param_scheduler.1"),
        (
            ["param_scheduler.1.type=MultiStepLR"],
            "MultiStepLR of param_scheduler.1 takes",
        ),
        (["default_hooks.timer.interval=3"], "takes no interval; it takes nothing"),
        (
            ["train_dataloader.sampler.batch_size=3"],
            "takes no batch_size; it takes round_up, seed, shuffle",
        ),
    ],
)
def test_a_word_that_a_class_does_not_take_is_refused_with_those_that_it_takes(
    options, told
):
    with pytest.raises(UsageError) as refused:
        changed(*options)
    message = str(refused.value)
    assert told in message and "\n" not in message


def test_what_the_runner_takes_out_is_no_word_of_a_class():
    changed("param_scheduler.1.convert_to_iter_based=False")
    changed("custom_hooks.1.priority=40")


@pytest.mark.parametrize(
    ("option", "obstacle"),
    [
        ("train_dataloader.dataset.pipeline.99.scale=3", "has parts 0 to 9, not 99"),
        ("train_dataloader.dataset.pipeline.scale=3", "has parts 0 to 9, not scale"),
        ("train_cfg.max_epochs.x=3", "train_cfg.max_epochs is 300, without keys"),
    ],
)
def test_an_override_without_a_place(option, obstacle):
    with pytest.raises(UsageError, match=obstacle):
        changed(option)


def test_a_fitted_config_knows_the_variables_of_its_base(dataset):
    base = load_config(NAME)
    cfg = load_config(NAME)
    patch(cfg, recipe_for(dataset))
    assert "base_lr" not in cfg
    with pytest.raises(UsageError, match=r"override optim_wrapper\.optimizer\.lr"):
        apply_cfg_options(cfg, ["base_lr=0.1"], base)


def test_a_refused_override_writes_nothing(tmp_path):
    save = ["--save-path", tmp_path / "base.py"]
    command = command_of("model config")
    assert command([NAME, *save, "--cfg-options", "base_lr=0.1"]) == 2
    assert not any(tmp_path.iterdir())
