"""The package of a model: all that prediction needs, in one file, with hashes."""

from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.dataset.classes import classes_sha256
from mmdet_flow.errors import DataError, ModelError
from mmdet_flow.files import read_json, read_whole, sha256_of
from mmdet_flow.inference import package_file as names
from mmdet_flow.inference.deploy.form import form_file, read_form
from mmdet_flow.inference.int8_file import int8_file
from mmdet_flow.inference.precision import precision_file
from mmdet_flow.model.checkpoint import Checkpoint
from mmdet_flow.results import ResultsFolder
from mmdet_flow.tiles import Tiles, tiles_as_json


def package(
    run: ResultsFolder,
    output: Path | None,
    license: Path | None,
    tiles: Tiles | None = None,
) -> Path:
    """Write the package of a results folder, and return its path.

    ``tiles`` says how the images that it predicts for are divided, if they are.
    Raises DataError where a part is missing, or belongs to another model.
    """
    output = output or run.file(layout.PACKAGE)
    checkpoint = run.checkpoint
    if not checkpoint.config:
        raise ModelError(
            f"{checkpoint.path}: carries no config; publish it with mmdet-flow model "
            "train"
        )
    members = {
        names.CHECKPOINT: checkpoint.path.read_bytes(),
        names.CONFIG: checkpoint.config.encode(),
        names.CLASSES: "".join(f"{name}\n" for name in checkpoint.classes).encode(),
        names.CARD: read_whole(run.file(layout.MODEL_CARD)),
    }
    if license:
        members[names.LICENSE] = read_whole(license)
    if tiles:
        members[names.TILES] = tiles_as_json(tiles)
    chosen = precision_file(checkpoint.path)
    for name, path in (
        (names.THRESHOLDS, run.file(layout.THRESHOLDS)),
        (precision_file(Path(names.CHECKPOINT)).name, chosen),
    ):
        if path.is_file():
            _require_same_model(path, checkpoint)
            members[name] = read_whole(path)
    if chosen.is_file() and read_json(chosen).get("winner") == "int8":
        members[int8_file(Path(names.CHECKPOINT)).name] = read_whole(
            int8_file(checkpoint.path)
        )
    form = form_file(checkpoint.path)
    if form.is_file():
        _require_form(form, checkpoint)
        members[form_file(Path(names.CHECKPOINT)).name] = read_whole(form)
    about = {
        "name": run.name,
        "classes": list(checkpoint.classes),
        "classes_sha256": classes_sha256(checkpoint.classes),
        "versions": checkpoint.versions,
    }
    names.write_package(output, members, about)
    cli.log.info("packed %s, SHA-256 %s", output, sha256_of(output))
    return output


def _require_form(path: Path, checkpoint: Checkpoint) -> None:
    """Refuse a deployable form that was made of another model, or is damaged."""
    form, _ = read_form(path)
    if form.model_sha256 != checkpoint.sha256:
        raise DataError(
            f"{path}: is of another model; make it again with mmdet-flow model deploy, "
            "or remove it"
        )


def _require_same_model(path: Path, checkpoint: Checkpoint) -> None:
    """Refuse what was made for another model; some files do not say."""
    content = read_json(path)
    made_for = content.get("model_sha256") if isinstance(content, dict) else None
    if made_for not in (None, checkpoint.sha256):
        raise DataError(
            f"{path}: is for another model ({made_for[:8]}, not "
            f"{checkpoint.sha256[:8]}); make it again, or remove it"
        )
