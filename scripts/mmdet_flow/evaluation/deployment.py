"""The gate of the deployable form: it has to be as good as the model it is made of."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow import cli
from mmdet_flow.dataset.classes import require_same_classes
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.errors import ModelError
from mmdet_flow.evaluation.precision import accuracy_of
from mmdet_flow.inference.deploy.form import Form, digest, write_form
from mmdet_flow.inference.int8_file import StoredGraph

if TYPE_CHECKING:
    from mmdet_flow.inference.deploy.export import Part
    from mmdet_flow.inference.detector import LoadedModel


def deploy(
    checkpoint: Path,
    output: Path,
    *,
    config: Path | None,
    truth: CocoFile,
    images: Path,
    threads: int,
    max_map_drop: float,
    onnx: Path | None = None,
) -> Form:
    """Write the deployable form of a model, or why it has none; return it.

    ``truth`` are annotated images in a folder, on which it may lose at most
    ``max_map_drop`` of mAP against mmdet in torch. ``onnx`` is a folder for the same
    graphs as ONNX; ModelError where there are none, UsageError without its package.
    """
    from mmdet_flow.inference.deploy.onnx_files import require_onnx, write_onnx
    from mmdet_flow.inference.detector import load_model

    if onnx is not None:
        require_onnx()
    loaded = load_model(checkpoint, config)
    require_same_classes(
        loaded.classes,
        truth.classes,
        str(checkpoint),
        str(truth.path),
        "use the data of its training",
    )
    form, parts, graphs = traced(loaded)
    if graphs:
        form = _judged(
            form,
            checkpoint,
            graphs,
            config=config,
            truth=truth,
            images=images,
            threads=threads,
            max_map_drop=max_map_drop,
        )
    if form.reason:
        cli.log.warning("no deployable form: %s; prediction needs torch", form.reason)
    write_form(output, form, {} if form.reason else graphs)
    if onnx is not None:
        if form.reason:
            raise ModelError(
                f"{onnx}: no ONNX, as there is no deployable form: {form.reason}"
            )
        write_onnx(onnx, form, parts)
    return form


def traced(
    model: "LoadedModel",
) -> tuple[Form, Mapping[str, "Part"], Mapping[str, StoredGraph]]:
    """Return the form of a model, its parts, and the graphs that were traced of them.

    There are no graphs where the form has a reason.
    """
    from mmdet_flow.inference.deploy.export import take_apart, trace
    from mmdet_flow.inference.detector import made_with
    from mmdet_flow.inference.engines.engine import CannotTrace

    form = Form(model.sha256, tuple(model.classes), made_with())
    try:
        rules, parts = take_apart(model.model, model.steps)
        graphs = {name: trace(name, part) for name, part in parts.items()}
    except CannotTrace as error:
        return replace(form, reason=str(error)), {}, {}
    form = replace(form, sha256=digest(rules, graphs), rules=rules)
    return form, parts, graphs


def _judged(
    form: Form,
    checkpoint: Path,
    graphs: Mapping[str, StoredGraph],
    *,
    config: Path | None,
    truth: CocoFile,
    images: Path,
    threads: int,
    max_map_drop: float,
) -> Form:
    """Return a form with its mAP, or with the reason why it is not good enough."""
    from mmdet_flow.inference.deploy.detector import DeployedDetector
    from mmdet_flow.inference.detector import Detector

    own = Detector(checkpoint, config, threads, backend="torch")
    wanted = accuracy_of(own, truth, images)
    found = accuracy_of(
        DeployedDetector(checkpoint, form, graphs, threads), truth, images
    )
    cli.log.info("mAP %s in torch, %s in the deployable form", wanted, found)
    reason = ""
    if (wanted or 0) - (found or 0) > max_map_drop:
        reason = f"its mAP would be {found}, and is {wanted} in torch"
    return replace(form, reason=reason, mAP=found, mAP_in_torch=wanted)
