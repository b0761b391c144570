"""The deployable form of a model of mmdet: what can be traced, and what is read off."""

import contextlib
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import openvino
import torch
from mmdet.models.dense_heads import RTMDetInsHead, YOLOXHead
from torch import nn

from mmdet_flow.inference.deploy.candidates import Selection
from mmdet_flow.inference.deploy.form import CANDIDATES, Rules
from mmdet_flow.inference.deploy.kernel_masks import KernelMasks
from mmdet_flow.inference.deploy.preparation import Preparation
from mmdet_flow.inference.deploy.roi_heads import second_stage
from mmdet_flow.inference.deploy.tracing import CandidatesGraph
from mmdet_flow.inference.detector import LOADING
from mmdet_flow.inference.engines.conversion import converted
from mmdet_flow.inference.engines.engine import TOLERANCE, CannotTrace
from mmdet_flow.inference.engines.graphs import dense_head
from mmdet_flow.inference.engines.runtime import Runtime
from mmdet_flow.inference.int8_file import StoredGraph

SIZES = ((320, 384), (416, 320))
"""Height and width of the image that is traced, and of one more that is compared."""

COUNTS = (7, 12)
"""Numbers of regions, for the same."""

STEPS_WITHOUT_PIXELS = ("LoadAnnotations", "PackDetInputs")


@dataclass(frozen=True)
class Part:
    """What becomes a graph, with inputs of two sizes."""

    module: nn.Module
    probes: Sequence[tuple[torch.Tensor, ...]]


def take_apart(
    model: nn.Module, pipeline: Sequence[Mapping]
) -> tuple[Rules, dict[str, Part]]:
    """Return what of a detector becomes graphs, by their names, and the rest as data.

    ``pipeline`` is its test pipeline. Raises CannotTrace, with the reason, for a model
    that has no deployable form.
    """
    head = dense_head(model)
    if head is None:
        raise CannotTrace(f"a {type(model).__name__} has other stages")
    preparation = read_pipeline(pipeline)
    selection = read_test_cfg(head, head.test_cfg)
    stage, others = None, {}
    if not hasattr(model, "bbox_head"):
        proposals = replace(selection, score=-1.0, levels_as_classes=True)
        stage, others = second_stage(model, proposals)
        selection = read_test_cfg(model.roi_head.bbox_head, model.roi_head.test_cfg)
    candidates = CandidatesGraph(model, head, stage.maps if stage else 0).eval()
    images = [(_probe(preparation, *size),) for size in SIZES]
    parts = {CANDIDATES: Part(candidates, images)}
    for name, module in others.items():
        probes = [module.probe(count) for count in COUNTS]
        parts[name] = Part(module.eval(), probes)
    with torch.no_grad(), _blamed_on_the_model():
        candidates(*images[0])  # which outputs there are is known by then
    names = tuple(candidates.names)
    return Rules(names, preparation, selection, _masks(head), stage), parts


def trace(name: str, part: Part) -> StoredGraph:
    """Return the graph of a part for OpenVINO.

    Raises CannotTrace where it differs from torch.
    """
    with torch.no_grad(), warnings.catch_warnings(), _blamed_on_the_model():
        warnings.simplefilter("ignore")  # what is fixed in the graph is compared
        graph = converted(part.module, part.probes[0])
        graph.reshape(dict(enumerate(part.module.shapes)))
        require_equal(graph, part)
    return _stored(name, graph)


def require_equal(graph: openvino.Model, part: Part) -> None:
    """Raise CannotTrace where a graph gives something else than its part in torch."""
    compiled = Runtime("fp32", 1).compile(graph, exact=True)
    for probe in part.probes:
        found = compiled([one.numpy() for one in probe])
        _require_near(part.module(*probe), found)


@contextlib.contextmanager
def _blamed_on_the_model() -> Iterator[None]:
    """Let what a converter raises be a reason why there is no graph."""
    try:
        yield
    except CannotTrace:
        raise
    except Exception as error:  # a foreign converter may raise anything
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise CannotTrace(f"it cannot be traced: {lines[-1][:200]}") from error


def read_pipeline(pipeline: Sequence[Mapping]) -> Preparation:
    """Return what a test pipeline does with the pixels of an image."""
    values: dict = {}
    for step in pipeline:
        name, options = step["type"].rpartition(".")[2], dict(step)
        options.pop("type")
        if name in LOADING:
            if (
                options.get("to_float32")
                or options.get("color_type", "color") != "color"
            ):
                raise CannotTrace("its pipeline loads images in a way of its own")
        elif name == "Resize" and not values:
            values |= _resize(options)
        elif name == "Pad" and "size" in values and "pad_value" not in values:
            values |= _pad(options)
        elif name not in STEPS_WITHOUT_PIXELS:
            raise CannotTrace(f"its pipeline has a {name}")
    if not values:
        raise CannotTrace("its pipeline resizes nothing")
    return Preparation(**values)


def _resize(options: dict) -> dict:
    scale = options.pop("scale", None)
    keep_ratio = options.pop("keep_ratio", False)
    options = {key: value for key, value in options.items() if value is not None}
    plain = {"interpolation": "bilinear", "backend": "cv2", "clip_object_border": True}
    pair = isinstance(scale, tuple | list) and len(scale) == 2
    if not pair or any(plain.get(key) != value for key, value in options.items()):
        raise CannotTrace("its pipeline resizes images in a way of its own")
    return {"size": tuple(map(int, scale)), "keep_ratio": bool(keep_ratio)}


def _pad(options: dict) -> dict:
    size, divisor = options.pop("size", None), options.pop("size_divisor", None)
    square = bool(options.pop("pad_to_square", False))
    value = options.pop("pad_val", 0)
    value = value.get("img", 0) if isinstance(value, Mapping) else value
    value = [value] * 3 if isinstance(value, int | float) else list(value)
    options = {key: one for key, one in options.items() if one}
    mode = options.pop("padding_mode", "constant")
    if options or mode != "constant" or any(one != int(one) for one in value):
        raise CannotTrace("its pipeline pads images in a way of its own")
    return {
        "pad_square": square,
        "pad_size": tuple(map(int, size)) if size else (0, 0),
        "pad_divisor": int(divisor or 1),
        "pad_value": tuple(map(int, value)),
    }


def read_test_cfg(head: nn.Module, settings: Mapping) -> Selection:
    """Return which candidates of a head are kept."""
    nms = dict(settings.get("nms") or {})
    if nms.pop("type", "nms") != "nms" or hasattr(head, "score_voting"):
        raise CannotTrace("its duplicates are not suppressed by plain NMS")
    iou = nms.pop("iou_threshold", nms.pop("iou_thr", None))
    by_class = not nms.pop("class_agnostic", False)
    nms.pop("split_thr", None)  # the same result, in less memory
    if iou is None or nms:
        raise CannotTrace("its suppression has options of its own")
    score = float(settings.get("score_thr", 0))
    if type(head) is YOLOXHead:
        just_below = torch.nextafter(torch.tensor(score), torch.tensor(-1.0))
        return Selection(
            best_class=True,
            score=float(just_below),
            most_of_level=None,
            clip=False,
            smallest=-1.0,
            iou=float(iou),
            by_class=by_class,
            most=None,
        )
    most_of_level = int(settings.get("nms_pre", -1))
    most = int(settings.max_per_img)
    return Selection(
        best_class=False,
        score=score,
        most_of_level=most_of_level if most_of_level >= 0 else None,
        clip=bool(getattr(head.bbox_coder, "clip_border", True)),
        smallest=float(settings.get("min_bbox_size", -1)),
        iou=float(iou),
        by_class=by_class,
        most=most if most >= 0 else None,
    )


def _masks(head: nn.Module) -> KernelMasks | None:
    if not isinstance(head, RTMDetInsHead):
        return None
    sizes = zip(head.weight_nums, head.bias_nums, strict=True)
    return KernelMasks(
        layers=tuple((outputs, weights // outputs) for weights, outputs in sizes),
        stride=int(head.prior_generator.strides[0][0]),
        offset=float(head.prior_generator.offset),
        threshold=float(head.test_cfg.mask_thr_binary),
    )


def _probe(preparation: Preparation, height: int, width: int) -> torch.Tensor:
    """Return an image of noise that the network could be given."""
    width, height = preparation.padded(width, height)
    generator = torch.Generator().manual_seed(0)
    shape = (1, height, width, 3)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def _require_near(wanted: Sequence[torch.Tensor], found: Sequence) -> None:
    for number, (want, have) in enumerate(zip(wanted, found, strict=True)):
        if want.shape != have.shape:
            raise CannotTrace(f"output {number} depends on the size of the image")
        scale = max(1.0, float(want.abs().max())) if want.numel() else 1.0
        if not torch.allclose(
            want, torch.from_numpy(have), rtol=0, atol=TOLERANCE * scale
        ):
            raise CannotTrace(f"output {number} differs from that of torch")


def _stored(name: str, graph: openvino.Model) -> StoredGraph:
    # Names count what the process made before; the same graph has the same bytes.
    graph.set_friendly_name(name)
    for number, operation in enumerate(graph.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{number}")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        path = Path(folder) / "graph.xml"
        openvino.save_model(graph, path, compress_to_fp16=False)
        return StoredGraph(path.read_bytes(), path.with_suffix(".bin").read_bytes())
