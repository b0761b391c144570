import pytest

from mmdet_flow.errors import ModelError, did_you_mean
from mmdet_flow.model.config import load_config, text_of
from mmdet_flow.model.zoo import find_config, zoo_configs
from tests.conftest import command_of, run_command, the_error


def test_a_zoo_name_becomes_one_flat_file(tmp_path):
    run = run_command(
        *(
            "mmdet-flow model config",
            "faster-rcnn_r50_fpn_1x_coco",
            "--save-path",
            "base.py",
        ),
        *("--cfg-options", "model.backbone.depth=18", "train_cfg.max_epochs=3"),
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    values = {}
    text = (tmp_path / "base.py").read_text()
    assert text.startswith("exported_from = 'faster-rcnn_r50_fpn_1x_coco'\n")
    exec(text, values)
    assert "_base_" not in values
    assert values["model"]["backbone"]["depth"] == 18
    assert values["train_cfg"]["max_epochs"] == 3


@pytest.mark.parametrize("name", ["ssd300_coco", "solov2-light_r18_fpn_ms-3x_coco"])
def test_the_text_of_a_config_is_that_of_mmengine(name):
    cfg = load_config(name)
    assert text_of(cfg) == cfg.pretty_text
    cfg.model.type = "Other"
    assert text_of(cfg) == cfg.pretty_text


def test_an_unknown_name_suggests_the_nearest(tmp_path):
    run = run_command(
        "mmdet-flow model config", "rtmdet_tinny", "--save-path", tmp_path / "x.py"
    )
    assert run.returncode == 4
    assert "did you mean rtmdet_tiny_8xb32-300e_coco?" in the_error(run)
    assert not (tmp_path / "x.py").exists()


@pytest.mark.parametrize("ending", ["", ".py"])
def test_the_folder_decides_between_configs_of_one_name(ending):
    name = "grounding_dino_swin-t_pretrain_zeroshot_lvis"
    for folder in ("grounding_dino", "mm_grounding_dino"):
        for before in ("", "configs/", "/some/mmdetection/configs/"):
            found = find_config(f"{before}{folder}/lvis/{name}{ending}")
            assert found.parent.parent.name == folder
    told = f"say grounding_dino/lvis/{name} or mm_grounding_dino/lvis/{name}"
    with pytest.raises(ModelError, match=told):
        find_config(name + ending)
    for one in (name, "rtmdet_tiny_8xb32-300e_coco"):
        with pytest.raises(ModelError, match="neither a config file nor"):
            find_config(f"elsewhere/{one}{ending}")


def test_every_name_of_the_zoo_is_that_of_its_file():
    zoo = zoo_configs()
    assert all(find_config(name) == path for name, path in zoo.items())
    assert len({*zoo.values()}) == len(zoo)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "print('hello')\n",
        "import sys\nsys.exit()\n",
        "model = 3\n",
        "this is a note\n",
        "raise ValueError('in two\\nlines')\n",
        "_base_ = 'missing.py'\n",
    ],
)
def test_a_file_that_is_no_config(dataset, tmp_path, text, capsys):
    path = tmp_path / "notes.py"
    path.write_text(text)
    output = tmp_path / "out.py"
    splits = [f"--{name}={dataset.splits / name}.json" for name in ("train", "test")]
    options = [f"--images={dataset.images}", "--epochs=1", f"--output={output}"]
    assert command_of("model config")([path, "--save-path", output]) == 4
    assert command_of("model patch")([path, *splits, *options]) == 4
    assert command_of("model train")([path, "--work-dir", tmp_path / "work"]) == 4
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3 and all(str(path) in line for line in errors)
    assert [*tmp_path.iterdir()] == [path]


def test_an_override_that_is_none(tmp_path):
    run = run_command(
        *(
            "mmdet-flow model config",
            "rtmdet_tiny_8xb32-300e_coco",
            "--save-path",
            tmp_path / "x",
        ),
        *("--cfg-options", "nonsense"),
    )
    assert run.returncode == 2
    assert "write it as key=value" in the_error(run)


def test_the_zoo_is_listed_with_task_and_size():
    run = run_command(
        "mmdet-flow model config", "--list", "rtmdet*_tiny_8xb32-300e_coco"
    )
    assert run.returncode == 0, run.stderr
    rows = [line.split() for line in run.stdout.splitlines()]
    assert [row[0] for row in rows] == [
        "rtmdet-ins_tiny_8xb32-300e_coco",
        "rtmdet_tiny_8xb32-300e_coco",
    ]
    assert rows[0][1:] == ["boxes,", "masks", "5.6", "M", "weights"]
    assert rows[1][1:] == ["boxes", "4.9", "M", "weights"]
    run = run_command("mmdet-flow model config", "--list", "rtmdett")
    assert "did you mean" in the_error(run)


def test_the_difference_of_two_configs():
    run = run_command(
        *("mmdet-flow model config", "faster-rcnn_r50_fpn_1x_coco"),
        *("--diff", "faster-rcnn_r101_fpn_1x_coco"),
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        "model.backbone.depth: 50 -> 101",
        "model.backbone.init_cfg.checkpoint: 'torchvision://resnet50' -> "
        "'torchvision://resnet101'",
    ]


def test_the_zoo_is_found_offline():
    zoo = zoo_configs()
    assert len(zoo) > 400
    assert "mask-rcnn_r50_fpn_1x_coco" in zoo


@pytest.mark.parametrize(
    ("name", "expected"),
    [("epoch", "; did you mean epochs?"), ("zzz", "")],
)
def test_did_you_mean(name, expected):
    assert did_you_mean(name, ["epochs", "batch_size"]) == expected
