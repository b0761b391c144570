"""The deployable form: the objects of mmdet in torch, without mmdet and torch."""

import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest
import redis
from threadpoolctl import threadpool_info, threadpool_limits

from mmdet_flow.errors import ModelError, UsageError
from mmdet_flow.images import decode
from mmdet_flow.inference.deploy import form as forms
from mmdet_flow.inference.deploy.candidates import Selection
from mmdet_flow.inference.deploy.detector import DeployedDetector
from mmdet_flow.inference.deploy.form import form_file, read_form
from mmdet_flow.inference.deploy.preparation import Preparation
from mmdet_flow.inference.deploy.region_masks import RegionMasks
from mmdet_flow.inference.deploy.regions import Regions
from mmdet_flow.inference.deploy.suppression import suppress
from mmdet_flow.inference.detector import Detector
from mmdet_flow.inference.engines.quantize import WEIGHTED, quantize
from mmdet_flow.inference.int8_file import write_int8
from mmdet_flow.inference.opening import open_detector
from mmdet_flow.inference.options import model_options
from mmdet_flow.inference.package_file import write_archive
from mmdet_flow.inference.predictor import Predictor
from tests.conftest import (
    LOW_SCORE,
    ROOT,
    command_of,
    deploy,
    made_once,
    parser_of,
    unused_port,
)
from tests.inference.test_engines import (
    SMALL,
    SMALL_HEAD,
    assert_same,
    random_checkpoint,
)
from tests.inference.test_engines import pictures as pictures
from tests.small_environment import pack, run_small

NOT_IMPORTED = ("torch", "mmengine", "mmcv", "mmdet", "pandas", "scipy", "matplotlib")


@pytest.fixture(scope="module")
def textures():
    """Images of several sizes without plain areas, in which random scores are equal."""
    random = np.random.default_rng(0)
    sizes = ((96, 128), (128, 96), (150, 150), (240, 320), (61, 300))
    return [
        cv2.resize(
            random.integers(0, 256, (height // 8, width // 8, 3), np.uint8),
            (width, height),
            interpolation=cv2.INTER_CUBIC,
        )
        for height, width in sizes
    ]


@pytest.fixture(scope="module")
def deployed_in_two_stages(shared):
    """A small Mask R-CNN with fixed random weights, and its form."""

    def make(folder) -> None:
        checkpoint = folder / "model.pth"
        random_checkpoint("mask-rcnn_r50_fpn_1x_coco", checkpoint, gain=8, **SMALL)
        exported(checkpoint)

    return made_once(shared / "two-stages", make) / "model.pth"


@pytest.fixture
def copied(deployed, tmp_path):
    """The same, to be damaged."""
    return copy_of(deployed, tmp_path)


def copy_of(checkpoint, folder):
    """Return a copy of a model with its form."""
    for path in (checkpoint, form_file(checkpoint)):
        shutil.copy(path, folder)
    return folder / checkpoint.name


def change_form(checkpoint, **changes) -> None:
    """Write other values into the description of a form."""
    form, graphs = read_form(form_file(checkpoint))
    forms.write_form(form_file(checkpoint), replace(form, **changes), graphs)


def run_script(
    script: str, *arguments, timeout: float | None = None
) -> subprocess.CompletedProcess:
    """Run Python with arguments, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def exported(checkpoint, threads=2, **options) -> DeployedDetector:
    """Return the form of a checkpoint without the gate, which needs its data."""
    from mmdet_flow.evaluation.deployment import traced
    from mmdet_flow.inference.detector import load_model

    form, _, graphs = traced(load_model(checkpoint))
    assert not form.reason
    forms.write_form(form_file(checkpoint), form, graphs)
    return DeployedDetector(checkpoint, *read_form(form_file(checkpoint)), threads)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("yolox_tiny_8xb8-300e_coco", {}),
        ("retinanet_r18_fpn_1x_coco", SMALL_HEAD),
        *(
            pytest.param(name, {}, marks=pytest.mark.slow)
            for name in (
                "rtmdet_tiny_8xb32-300e_coco",
                "rtmdet-ins_tiny_8xb32-300e_coco",
                "fcos_r50-caffe_fpn_gn-head_1x_coco",
                "atss_r50_fpn_1x_coco",
                "gfl_r50_fpn_1x_coco",
                "faster-rcnn_r50_fpn_1x_coco",
                "mask-rcnn_r50_fpn_1x_coco",
            )
        ),
    ],
)
def test_a_family_gives_what_torch_gives(name, options, textures, tmp_path):
    """Of several sizes of images, all objects, in the same order."""
    checkpoint = tmp_path / "model.pth"
    gain = 0.05 if name.startswith("yolox") else 8
    random_checkpoint(name, checkpoint, gain, **options)
    assert_as_torch(checkpoint, textures)


@pytest.mark.parametrize("of_all_classes", [False, True])
def test_two_stages_give_what_torch_gives(of_all_classes, textures, tmp_path):
    """With boxes and masks for each class, and with one for all of them."""
    checkpoint = tmp_path / "model.pth"
    head = "model.roi_head"
    random_checkpoint(
        "mask-rcnn_r50_fpn_1x_coco",
        checkpoint,
        gain=8,
        **SMALL,
        **{
            f"{head}.bbox_head.reg_class_agnostic": of_all_classes,
            f"{head}.mask_head.class_agnostic": of_all_classes,
        },
    )
    assert_as_torch(checkpoint, textures)


def assert_as_torch(checkpoint, images) -> None:
    ours = exported(checkpoint).predict(images)
    theirs = Detector(checkpoint, threads=2, backend="torch").predict(images)
    assert sum(map(len, theirs)) > 0
    assert_same(ours, theirs)


def test_a_trained_segmenter_gives_the_masks_of_torch(deployed, pictures):
    ours = open_detector(deployed, threads=2)
    assert isinstance(ours, DeployedDetector)
    theirs = Detector(deployed, threads=2, backend="torch")
    assert ours.meta == theirs.meta | {"engine": "openvino fp32"}
    found = [one.above(0.01) for one in ours.predict(pictures)]
    expected = [one.above(0.01) for one in theirs.predict(pictures)]
    assert sum(map(len, expected)) > 0
    for one, other in zip(found, expected, strict=True):
        # A hardly trained model scores many boxes alike, in any order.
        assert np.abs(one.scores - other.scores).max(initial=0) < 1e-4
        areas, wanted = (
            sorted(mask.area for mask in each.masks) for each in (one, other)
        )
        assert np.abs(np.subtract(areas, wanted)).max(initial=0) <= 2


def test_the_answer_does_not_depend_on_the_company(deployed, pictures):
    detector = open_detector(deployed, threads=2, score=LOW_SCORE)
    together = detector.predict(pictures)
    alone = [detector.predict([one])[0] for one in pictures]
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one.boxes, other.boxes)
        assert np.array_equal(one.scores, other.scores)


def test_threads_may_begin_at_once(deployed):
    """In a new process, in which nothing was computed before."""
    program = (
        "import sys, numpy as np; sys.setswitchinterval(1e-6); "
        "from pathlib import Path; from mmdet_flow.inference import opening; "
        "detector = opening.open_detector(Path(sys.argv[1]), threads=4); "
        "images = [np.full((60, 80, 3), n, np.uint8) for n in range(12)]; "
        "print(len(detector.predict(images)))"
    )
    run = run_script(program, deployed, timeout=60)
    assert (run.returncode, run.stdout.strip()) == (0, "12"), run.stderr


def test_numpy_computes_in_the_thread_that_asks(deployed):
    """Threads of its own would wait busily beside those of OpenVINO."""
    with threadpool_limits(2, user_api="blas"):
        open_detector(deployed, threads=2)
        known = threadpool_info()
    assert {one["num_threads"] for one in known if one["user_api"] == "blas"} == {1}


def test_the_same_model_gives_the_same_form(deployed, dataset, copied):
    form_file(copied).unlink()
    assert deploy(copied, dataset) == 0
    assert form_file(copied).read_bytes() == form_file(deployed).read_bytes()


@pytest.mark.parametrize("stages", ["deployed", "deployed_in_two_stages"])
def test_torch_is_never_imported(stages, request, dataset, tmp_path):
    """By a file; a service and a package open the model in the same way."""
    checkpoint = request.getfixturevalue(stages)
    script = (
        "import sys; from mmdet_flow.main import mmdet_predict; code = mmdet_predict();"
        f"print([name for name in {NOT_IMPORTED} if name in sys.modules]); "
        "sys.exit(code)"
    )
    run = run_script(
        script,
        *("--checkpoint", checkpoint, "--prediction_in", dataset.images),
        *("--prediction_out", tmp_path, "--keep_input", "--max_files", "1"),
        *("--output_overlay", "--output_mask_image", "--threads", "2"),
    )
    assert (run.returncode, run.stdout.strip()) == (0, "[]"), run.stderr


@pytest.fixture(scope="module")
def packed(deployed):
    """The package of a model with its form."""
    return pack(deployed)


@pytest.mark.parametrize("source", ["checkpoint", "package"])
def test_the_small_environment_gives_the_same_bytes(
    source, deployed, packed, dataset, tmp_path, monkeypatch
):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    model = deployed if source == "checkpoint" else packed
    words = [
        *(f"--{source}", model, "--prediction_in", dataset.images, "--keep_input"),
        *("--threads", 2, "--score", LOW_SCORE, "--max_files", 3),
        *("--prediction_format", "both", "--output_overlay", "--output_mask_image"),
    ]
    made = []
    for name in ("small", "main"):
        out = tmp_path / name
        told = [*words, "--prediction_out", out, "--objects_csv", out / "objects.csv"]
        if name == "main":
            assert command_of("predict")(told) == 0
        else:
            run = run_small("predict", *told)
            assert run.returncode == 0, run.stderr
        made.append({one.name: one.read_bytes() for one in out.glob("[!.]*")})
    assert made[0] == made[1] and len(made[0]) == 3 * 4 + 1


def test_the_service_in_the_small_environment_gives_the_same_objects(
    packed, dataset, redis_port
):
    """It waits for nothing that is not installed, and measures itself."""
    image = next(dataset.images.iterdir()).read_bytes()
    server = redis.Redis(port=redis_port)
    server.xadd("images", {"image": image, "id": "a", "reply_to": "mine"})
    run = run_small(
        *("serve", "--package", packed, "--score", LOW_SCORE, "--threads", 2),
        *("--redis_front", "streams", "--redis_port", redis_port),
        *("--max_messages", 1, "--health", unused_port()),
    )
    assert run.returncode == 0, run.stderr
    [[_, [[_, answer]]]] = server.xread({"mine": "0"}, block=1000)
    options = ["--package", packed, "--score", LOW_SCORE, "--threads", 2]
    chosen = parser_of("serve").parse_args([*map(str, options)])
    [ours] = Predictor.from_options(model_options(chosen)).predict([decode(image)])
    wanted = json.loads(ours.opex("a", ""))
    assert json.loads(answer[b"opex"])["objects"] == wanted["objects"] != []


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        ((), ModelError, "there is no model.deploy.zip, and torch is not installed"),
        (("--backend", "torch"), UsageError, "--backend torch: takes torch"),
        (("--config", "x.py"), UsageError, "--config: takes torch"),
        (("--device", "cuda"), UsageError, "--device cuda: takes torch"),
        (("--objects_csv", "o.parquet"), UsageError, "name a file that ends in .csv"),
        (("--checkpoint", "none.pth"), ModelError, "there is no such checkpoint"),
    ],
)
def test_what_the_small_environment_cannot_do_is_one_line(
    options, code, told, trained, dataset, tmp_path
):
    shutil.copy(trained.checkpoint, tmp_path / "model.pth")
    run = run_small(
        *("predict", "--checkpoint", tmp_path / "model.pth", "--keep_input"),
        *("--prediction_in", dataset.images, "--prediction_out", tmp_path / "out"),
        *options,
    )
    assert run.returncode == code.exit_code
    assert told in run.stderr and len(run.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("out/*.json"))


def test_a_damaged_form_is_one_line_in_the_small_environment(copied, dataset, tmp_path):
    place = form_file(copied)
    place.write_bytes(place.read_bytes()[:-100])
    run = run_small(
        *("predict", "--checkpoint", copied, "--prediction_in", dataset.images),
        *("--prediction_out", tmp_path / "out", "--keep_input"),
    )
    assert run.returncode == ModelError.exit_code
    assert "is damaged" in run.stderr and len(run.stderr.splitlines()) == 1


@pytest.mark.slow
def test_two_stages_in_int8_keep_coordinates_exact(
    deployed_in_two_stages, pictures, tmp_path
):
    """What comes after the last weights is not in int8; all graphs are used."""
    import openvino

    checkpoint = copy_of(deployed_in_two_stages, tmp_path)
    exact = open_detector(checkpoint, threads=2)
    graphs = quantize(exact, pictures)
    assert graphs.keys() == exact.engine.graphs.keys()
    for name, graph in graphs.items():
        form = openvino.Core().read_model(*graph)
        near = [result.get_node() for result in form.outputs]
        while near:
            operation = near.pop()
            assert operation.get_type_name() != "FakeQuantize", name
            if operation.get_type_name() not in WEIGHTED:
                near += [one.get_node() for one in operation.input_values()]
    write_int8(checkpoint, exact.meta["model_sha256"], graphs)
    detector = open_detector(checkpoint, threads=2, precision="int8")
    assert isinstance(detector, DeployedDetector)
    assert detector.meta["engine"] == "openvino int8"
    assert sum(map(len, detector.predict(pictures))) > 0


def test_a_form_of_another_model_is_not_used(copied, caplog):
    change_form(copied, model_sha256="0" * 64)
    with caplog.at_level("INFO", logger="mmdet_flow"):
        assert isinstance(open_detector(copied, threads=2), Detector)
    assert "is of another model" in caplog.text


@pytest.mark.parametrize(
    ("member", "change", "reason"),
    [
        ("model.json", lambda text: text.replace(b'"iou"', b'"iuo"'), "is damaged"),
        ("model.json", lambda text: text[:-9], "is damaged"),
        (
            "model.json",
            lambda text: text.replace(b'"form": 1', b'"form": 9'),
            "version",
        ),
        (
            "model.json",
            lambda text: text.replace(b'"score": 0', b'"score": 1'),
            "are not those",
        ),
        ("candidates.bin", lambda weights: weights[:-1] + b"\1", "are not those"),
        ("candidates.xml", lambda xml: xml.replace(b"opset1", b"opset9", 1), "are not"),
    ],
)
def test_a_form_that_does_not_agree_with_itself_is_one_line(
    copied, member, change, reason
):
    place = form_file(copied)
    with zipfile.ZipFile(place) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[member] = change(members[member])
    write_archive(place, members)
    with pytest.raises(ModelError, match=reason) as raised:
        open_detector(copied, threads=2)
    assert "model deploy" in str(raised.value)


@pytest.mark.parametrize("name", ["candidates", "boxes", "masks"])
def test_a_graph_that_is_missing_is_one_line(name, deployed_in_two_stages, tmp_path):
    checkpoint = copy_of(deployed_in_two_stages, tmp_path)
    form, graphs = read_form(form_file(checkpoint))
    graphs.pop(name)
    forms.write_form(form_file(checkpoint), form, graphs)
    with pytest.raises(ModelError, match=rf"is damaged \('{name}.xml'\)"):
        open_detector(checkpoint, threads=2)


@pytest.mark.parametrize("name", ["candidates", "boxes", "masks"])
def test_a_graph_in_the_place_of_another_is_one_line(
    name, deployed_in_two_stages, tmp_path
):
    checkpoint = copy_of(deployed_in_two_stages, tmp_path)
    form, graphs = read_form(form_file(checkpoint))
    graphs[name] = graphs["masks" if name == "boxes" else "boxes"]
    form = replace(form, sha256=forms.digest(form.rules, graphs))
    forms.write_form(form_file(checkpoint), form, graphs)
    with pytest.raises(ModelError, match=f"its graph {name} has other outputs"):
        open_detector(checkpoint, threads=2)


def test_a_graph_that_cannot_be_run_is_one_line(copied):
    form, graphs = read_form(form_file(copied))
    graphs["candidates"] = graphs["candidates"]._replace(xml=b"<net></net>")
    form = replace(form, sha256=forms.digest(form.rules, graphs))
    forms.write_form(form_file(copied), form, graphs)
    with pytest.raises(ModelError, match="this OpenVINO cannot run its graph"):
        open_detector(copied, threads=2)


def test_a_form_that_is_worse_is_not_kept(copied, dataset, capsys):
    """The gate measures both on images; no loss at all is below what is allowed."""
    assert deploy(copied, dataset, "--max-map-drop", -1) == 0
    form, graphs = read_form(form_file(copied))
    assert not graphs
    assert form.reason.startswith(f"its mAP would be {form.mAP}, and is ")
    assert f"no deployable form: {form.reason}" in capsys.readouterr().err
    assert isinstance(open_detector(copied, threads=2), Detector)


def test_a_family_without_a_form_says_so(dataset, tmp_path, caplog):
    checkpoint = tmp_path / "model.pth"
    random_checkpoint("cascade-rcnn_r50_fpn_1x_coco", checkpoint)
    truth = json.loads((dataset.splits / "val.json").read_text())
    for category, name in zip(truth["categories"], "abc", strict=True):
        category["name"] = name
    truth.get("info", {}).pop("classes_sha256", None)
    (tmp_path / "val.json").write_text(json.dumps(truth))
    code = command_of("model deploy")(
        [
            *("--checkpoint", checkpoint, "--images", dataset.images),
            *("--annotations", tmp_path / "val.json"),
        ]
    )
    assert code == 0
    form, graphs = read_form(form_file(checkpoint))
    assert not graphs and "CascadeRoIHead" in form.reason


class OnnxGraph:
    """A graph that onnxruntime runs, in the place of one of OpenVINO."""

    def __init__(self, path) -> None:
        import onnxruntime

        self._session = onnxruntime.InferenceSession(path)

    def __call__(self, *inputs):
        names = [one.name for one in self._session.get_inputs()]
        return self._session.run(None, dict(zip(names, inputs, strict=True)))


@pytest.fixture(scope="module", params=["retinanet", "deployed_in_two_stages"])
def onnx(request, tmp_path_factory):
    """A folder with a model of each sort as ONNX, and the model with its form."""
    from mmdet_flow.evaluation.deployment import traced
    from mmdet_flow.inference.deploy.onnx_files import write_onnx
    from mmdet_flow.inference.detector import load_model

    folder = tmp_path_factory.mktemp("onnx") / "onnx"
    if request.param == "retinanet":
        checkpoint = folder.parent / "model.pth"
        many = {"model.test_cfg.max_per_img": 1000}
        random_checkpoint("retinanet_r18_fpn_1x_coco", checkpoint, gain=8, **many)
    else:
        checkpoint = copy_of(request.getfixturevalue(request.param), folder.parent)
    form, parts, graphs = traced(load_model(checkpoint))
    forms.write_form(form_file(checkpoint), form, graphs)
    write_onnx(folder, form, parts)
    return folder, checkpoint


def test_another_runtime_gives_the_same_objects(onnx, textures):
    folder, checkpoint = onnx
    detector = open_detector(checkpoint, threads=2)
    expected = detector.predict(textures)
    detector.engine.graphs = {
        name: OnnxGraph(folder / f"{name}.onnx") for name in detector.engine.graphs
    }
    assert sum(map(len, expected)) > 0
    assert_same(detector.predict(textures), expected)


def test_the_program_of_the_page_finds_the_same_boxes(onnx, textures):
    folder, checkpoint = onnx
    if len(list(folder.glob("*.onnx"))) > 1:
        pytest.skip("the page shows a detector with one stage")
    page = (ROOT / "docs" / "deploying.md").read_text()
    program = page.partition("```python\n")[2].partition("```")[0]
    assert len(program.splitlines()) <= 30
    (wanted,) = open_detector(checkpoint, threads=2).predict([textures[3]])
    # Few enough that no limit of candidates or objects matters: the page has none.
    threshold = float(wanted.scores[40:42].mean())
    wanted = wanted.above(threshold)
    assert len(wanted) == 41
    image = folder.parent / "image.png"
    cv2.imwrite(str(image), textures[3])
    program = program.replace("0.3, select", f"{threshold}, select")
    run = subprocess.run(
        [sys.executable, "-c", program, image],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    # OpenCV suppresses class by class, so the order is another.
    lines = [line.split(" ", 2) for line in run.stdout.splitlines()]
    found = sorted((name, float(score), json.loads(box)) for name, score, box in lines)
    expected = sorted(
        (wanted.classes[label], float(score), box.tolist())
        for label, score, box in zip(
            wanted.labels, wanted.scores, wanted.boxes, strict=True
        )
    )
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one[0] == other[0]
        assert one[1] == pytest.approx(other[1], abs=1e-4)
        assert one[2] == pytest.approx(other[2], abs=0.06)  # it prints tenths


def test_without_the_package_onnx_it_is_one_line(deployed, dataset, tmp_path):
    script = (
        "import sys; sys.modules['onnx'] = None; "
        "from mmdet_flow.main import main; sys.exit(main())"
    )
    run = run_script(
        script,
        *("model", "deploy", "--checkpoint", deployed, "--images", dataset.images),
        *("--annotations", dataset.splits / "val.json"),
        *("--output", tmp_path / "form.zip", "--onnx", tmp_path / "onnx"),
    )
    assert run.returncode == UsageError.exit_code
    assert "make onnx" in run.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_suppression_is_that_of_mmcv():
    import torch
    from mmcv.ops import batched_nms

    random = np.random.default_rng(0)
    for count, by_class in ((0, True), (1, True), (700, True), (700, False)):
        corners = random.uniform(0, 100, (count, 2))
        boxes = np.hstack([corners, corners + random.uniform(1, 60, (count, 2))])
        boxes, scores = boxes.astype(np.float32), random.random(count, np.float32)
        labels = random.integers(0, 3, count)
        kept = suppress(boxes, scores, labels if by_class else None, 0.5)
        if count:
            _, wanted = batched_nms(
                *map(torch.from_numpy, (boxes, scores, labels)),
                {"type": "nms", "iou_threshold": 0.5, "class_agnostic": not by_class},
            )
            assert kept.tolist() == wanted.tolist()
        assert suppress(boxes, scores, labels, 0.5, 7).tolist() == (
            suppress(boxes, scores, labels, 0.5)[:7].tolist()
        )


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("samples", [0, 2])
def test_regions_are_cut_out_as_by_mmdet(samples, aligned):
    """Large and small ones, without area, and beyond the edges."""
    import torch
    from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor

    strides = (4, 8, 16, 32)
    layer = {"type": "RoIAlign", "output_size": 7, "sampling_ratio": samples}
    extractor = SingleRoIExtractor(layer | {"aligned": aligned}, 3, strides)
    random = np.random.default_rng(0)
    maps = [random.random((320 // s, 256 // s, 3), np.float32) for s in strides]
    corners = random.uniform(-9, 330, (60, 2, 2)) * random.random((60, 1, 1))
    boxes = np.sort(corners, 1).reshape(-1, 4).astype(np.float32)
    boxes[0] = (0, 0, 256, 320)
    if not aligned:  # without area mmcv refuses those that are aligned
        boxes[1] = (256, 320, 256, 320)
    features = [torch.from_numpy(one.transpose(2, 0, 1)[None].copy()) for one in maps]
    rois = torch.from_numpy(np.pad(boxes, ((0, 0), (1, 0))))
    wanted = extractor(features, rois).permute(0, 2, 3, 1).numpy()
    regions = Regions(strides, 56.0, (7, 7), samples, aligned)
    assert np.abs(regions.cut(maps, boxes) - wanted).max() < 1e-5
    assert regions.cut(maps, boxes[:0]).shape == (0, 7, 7, 3)


def test_masks_of_regions_are_those_of_mmdet():
    """In boxes across the edges and without area, too, but for a pixel in a million."""
    import torch
    from mmdet.models.roi_heads.mask_heads import FCNMaskHead
    from mmengine.config import ConfigDict

    random = np.random.default_rng(0)
    small = random.random((60, 28, 28), np.float32)
    logits = np.log(small / (1 - small))
    corners = random.uniform(-20, 220, (60, 2, 2))
    boxes = np.sort(corners, 1).reshape(-1, 4).astype(np.float32)
    boxes = np.clip(boxes, (-20, -20, 1, 1), (199, 149, 220, 220)).astype(np.float32)
    boxes[0] = (10, 10, 10, 20)
    boxes[1] = (10.5, 10.5, 10.5, 10.5)
    meta = {"scale_factor": (1.0, 1.0), "ori_shape": (150, 200)}
    wanted = FCNMaskHead(class_agnostic=True)._predict_by_feat_single(
        torch.from_numpy(logits[:, None]),
        torch.from_numpy(boxes.copy()),
        torch.zeros(60, dtype=torch.long),
        meta,
        ConfigDict(mask_thr_binary=0.5),
    )
    rules = RegionMasks(Regions((4.0,), 56.0, (14, 14), 0, True), 0.5)
    masks = rules.masks(small, boxes, (200, 150))
    found = np.stack([mask.in_image(200, 150) for mask in masks])
    assert found.any() and (found ^ wanted.numpy()).sum() <= 3


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (333, 1), (320, 320)])
@pytest.mark.parametrize(
    "preparation",
    [
        Preparation((320, 320), pad_size=(320, 320), pad_value=(114, 114, 114)),
        Preparation((320, 320), pad_divisor=32, pad_value=(1, 2, 3)),
        Preparation((416, 416), pad_square=True, pad_value=(114, 114, 114)),
        Preparation((1333, 800)),
        Preparation((100, 60), keep_ratio=False),
    ],
)
def test_images_are_prepared_as_by_mmdet(preparation, size):
    from mmdet.registry import TRANSFORMS
    from mmengine.registry import init_default_scope

    init_default_scope("mmdet")
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (size[1], size[0], 3), np.uint8)
    steps = [
        {
            "type": "Resize",
            "scale": preparation.size,
            "keep_ratio": preparation.keep_ratio,
        },
    ]
    value = {"pad_val": {"img": preparation.pad_value}}
    if preparation.pad_size != (0, 0):
        steps.append({"type": "Pad", "size": preparation.pad_size, **value})
    elif preparation.pad_square:
        steps.append({"type": "Pad", "pad_to_square": True, **value})
    elif preparation.pad_divisor > 1:
        steps.append({"type": "Pad", "size_divisor": preparation.pad_divisor, **value})
    wanted = {"img": image}
    for step in steps:
        wanted = TRANSFORMS.build(step)(wanted)
    assert np.array_equal(preparation.prepare(image), wanted["img"])


def test_a_selection_keeps_what_is_greater_than_its_score():
    selection = Selection(
        best_class=False,
        score=0.3,
        most_of_level=2,
        clip=True,
        smallest=0.0,
        iou=0.5,
        by_class=True,
        most=10,
    )
    scores = np.array([[0.3, 0.9], [0.31, 0.8], [0.7, 0.1]], np.float32)
    boxes = np.array([[-5, 0, 20, 10], [0, 20, 10, 30], [5, 5, 5, 9]], np.float32)
    found, kept, labels, priors = selection.select(
        [scores], {"boxes": boxes}, (16, 32), (0.5, 0.5), least=0.0
    )
    assert kept.tolist() == pytest.approx([0.9, 0.8])
    assert (labels.tolist(), priors.tolist()) == ([1, 1], [0, 1])
    assert found.tolist() == [[0, 0, 32, 20], [0, 40, 20, 60]]
