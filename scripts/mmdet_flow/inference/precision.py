"""The precision that a model runs in: measured once, and used by every front.

Beside CHECKPOINT.pth lies CHECKPOINT.precision.json, which mmdet-flow evaluate
precision writes. Without it, for another checkpoint, or on a processor of another name
or with other features, the exact fp32 is used.
"""

from mmdet_flow import cli, processor
from mmdet_flow.errors import DataError
from mmdet_flow.files import StoredFile, beside, read_json
from mmdet_flow.precisions import AUTO, EXACT, PRECISIONS


def precision_file(checkpoint: StoredFile) -> StoredFile:
    """Return where the measurement of a checkpoint is, or would be."""
    return beside(checkpoint, ".precision.json")


def here() -> dict:
    """Return what a measurement says of the processor that it was made on."""
    return {
        "processor": processor.name(),
        "features": processor.features(processor.OPENVINO),
    }


def precision_to_use(
    asked: str, checkpoint: StoredFile, model_sha256: str, backend: str, device: str
) -> str:
    """Return the precision that is asked for; for "auto" the one that was chosen.

    Torch, and other devices, run in fp32 alone.
    """
    if asked != AUTO:
        return asked
    if backend == "torch" or device != "cpu":
        return EXACT
    return chosen_precision(checkpoint, model_sha256)


def chosen_precision(checkpoint: StoredFile, model_sha256: str) -> str:
    """Return the winner of the measurement, or fp32 where there is none."""
    path = precision_file(checkpoint)
    if not path.is_file():
        return EXACT
    try:
        content = read_json(path)
        model, winner = content["model_sha256"], content["winner"]
        where = {"processor": content["processor"], "features": content.get("features")}
        known = winner in PRECISIONS
    except (AttributeError, KeyError, TypeError):
        known = False
    if not known:
        raise DataError(
            f"{path}: is not of mmdet-flow evaluate precision; remove it"
        ) from None
    if model != model_sha256:
        cli.log.info("%s: is of another model; using %s", path, EXACT)
        return EXACT
    if where != here():
        cli.log.info(
            "%s: is of another processor, or of one with other features; using %s, "
            "mmdet-flow evaluate precision measures again",
            path,
            EXACT,
        )
        return EXACT
    return winner
