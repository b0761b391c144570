"""A model that is ready to predict, in its deployable form where it has one."""

from importlib.util import find_spec
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import ModelError, UsageError
from mmdet_flow.files import StoredFile, sha256_of
from mmdet_flow.inference.deploy.form import form_file, read_form
from mmdet_flow.inference.int8_file import int8_file, read_int8
from mmdet_flow.inference.precision import precision_to_use
from mmdet_flow.inference.tiled.detector import TiledDetector
from mmdet_flow.precisions import EXACT
from mmdet_flow.tiles import Tiles


def open_detector(
    checkpoint: StoredFile,
    *,
    config: Path | None = None,
    threads: int | None = None,
    device: str = "cpu",
    score: float = 0.0,
    backend: str = "auto",
    precision: str = EXACT,
    tiles: Tiles | None = None,
):
    """Return a ``DeployedDetector``, or a ``Detector`` where there is no such form.

    With ``tiles``, a ``TiledDetector`` that shows it those of an image. The other
    options are those of ``Detector``. Raises ModelError, DataError or UsageError, which
    say why the model cannot be used as it is asked for.
    """
    detector = _open(
        checkpoint,
        config=config,
        threads=threads or cli.available_threads(),
        device=device,
        score=score,
        backend=backend,
        precision=precision,
    )
    return TiledDetector(detector, tiles) if tiles else detector


def _open(
    checkpoint: StoredFile,
    *,
    config: Path | None,
    threads: int,
    device: str,
    score: float,
    backend: str,
    precision: str,
):
    """Return the detector that sees whole images, or whole tiles."""
    needed_for = _needs_torch(config, device, backend)
    has_torch = find_spec("torch") is not None
    if needed_for and not has_torch:
        raise UsageError(
            f"{needed_for}: takes torch, which is not installed; leave it out"
        )
    why_not = None
    if not needed_for:
        try:
            return _deployed(checkpoint, threads, score, precision)
        except _NotUsed as reason:
            if not has_torch:
                raise ModelError(
                    f"{checkpoint}: {reason}, and torch is not installed; make the "
                    "deployable form with mmdet-flow model deploy"
                ) from None
            why_not = reason
    from mmdet_flow.inference.detector import Detector

    detector = Detector(
        checkpoint,
        config=config,
        threads=threads,
        device=device,
        score=score,
        backend=backend,
        precision=precision,
    )
    if why_not:  # told of a model that loads, as an error is one line
        cli.log.info("%s: %s; loading mmdet", checkpoint.name, why_not)
    return detector


class _NotUsed(Exception):
    """Why the form of a model is not used."""


def _needs_torch(config: Path | None, device: str, backend: str) -> str:
    """Return the option that no deployable form can follow, or nothing."""
    if config is not None:
        return "--config"
    if device != "cpu":
        return f"--device {device}"
    return f"--backend {backend}" if backend == "torch" else ""


def _deployed(checkpoint: StoredFile, threads: int, score: float, precision: str):
    """Return a detector of the form beside a checkpoint; _NotUsed if it has none."""
    if not checkpoint.exists():
        raise ModelError(f"{checkpoint}: there is no such checkpoint; check the path")
    place = form_file(checkpoint)
    if not place.is_file():
        raise _NotUsed(f"there is no {place.name}")
    form, graphs = read_form(place)
    if form.reason:
        raise _NotUsed(f"{place.name} says why there is no form: {form.reason}")
    model_sha256 = sha256_of(checkpoint)
    if form.model_sha256 != model_sha256:
        raise _NotUsed(f"{place.name} is of another model")
    precision = precision_to_use(
        precision, checkpoint, model_sha256, backend="openvino", device="cpu"
    )
    if precision == "int8":
        graphs = read_int8(checkpoint, model_sha256)
        if not form.rules.graphs.keys() <= graphs.keys():
            # Graphs of before this form are those of the other detector.
            raise _NotUsed(f"{int8_file(checkpoint).name} is not of {place.name}")
    from mmdet_flow.inference.deploy.detector import DeployedDetector

    return DeployedDetector(
        checkpoint, form, graphs, threads=threads, score=score, precision=precision
    )
