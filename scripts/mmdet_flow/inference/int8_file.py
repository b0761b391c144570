"""The graphs of a model in int8, in a file beside its checkpoint.

Beside CHECKPOINT.pth lies CHECKPOINT.int8.zip, which mmdet-flow evaluate precision
writes: of each graph its form for OpenVINO, and in ``about.json`` the model that they
were made of.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mmdet_flow.archives import open_archive
from mmdet_flow.errors import ModelError
from mmdet_flow.files import StoredFile, beside
from mmdet_flow.inference.package_file import write_archive

ABOUT = "about.json"
MOST_MEMBERS = 64
FORM = 1
"""Of the graphs: one more when what they take or return changes."""


class StoredGraph(NamedTuple):
    """A graph for OpenVINO: its description (XML), and its weights."""

    xml: bytes
    weights: bytes


def int8_file(checkpoint: StoredFile) -> StoredFile:
    """Return where the graphs of a checkpoint in int8 are, or would be."""
    return beside(checkpoint, ".int8.zip")


def write_int8(
    checkpoint: Path, model_sha256: str, graphs: Mapping[str, StoredGraph]
) -> None:
    """Write the graphs of a model beside its checkpoint."""
    members = {ABOUT: json.dumps({"form": FORM, "model_sha256": model_sha256}).encode()}
    for name, graph in graphs.items():
        members |= {f"{name}.xml": graph.xml, f"{name}.bin": graph.weights}
    write_archive(int8_file(checkpoint), members)


def read_int8(checkpoint: StoredFile, model_sha256: str) -> dict[str, StoredGraph]:
    """Return the graphs by name.

    Raises ModelError when there are none, or those of another model.
    """
    path = int8_file(checkpoint)
    fix = (
        "make it with mmdet-flow evaluate precision --precision int8, or choose "
        "another precision"
    )
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file; {fix}")
    try:
        with open_archive(io.BytesIO(path.read_bytes()), MOST_MEMBERS) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        about = json.loads(files.pop(ABOUT))
        names = {Path(name).stem for name in files}
        graphs = {n: StoredGraph(files[f"{n}.xml"], files[f"{n}.bin"]) for n in names}
    except Exception as error:  # a damaged file may raise anything in zipfile
        raise ModelError(f"{path}: is damaged ({error}); {fix}") from None
    if about != {"form": FORM, "model_sha256": model_sha256}:
        raise ModelError(f"{path}: is of another model or an older version; {fix}")
    return graphs
