"""The deployable form of a model: graphs for OpenVINO, and as data what surrounds them.

Beside CHECKPOINT.pth lies CHECKPOINT.deploy.zip, which mmdet-flow model deploy writes.
``model.json`` in it says what the graphs do not: how an image is prepared, which
candidates become objects, the classes, and the checkpoint that all of it was made of.
A model that has no such form has a file that says why.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from mmdet_flow.archives import open_archive
from mmdet_flow.errors import ModelError
from mmdet_flow.files import StoredFile, beside
from mmdet_flow.inference.deploy.candidates import Selection
from mmdet_flow.inference.deploy.kernel_masks import KernelMasks
from mmdet_flow.inference.deploy.preparation import Preparation
from mmdet_flow.inference.deploy.region_masks import RegionMasks
from mmdet_flow.inference.deploy.regions import Regions
from mmdet_flow.inference.int8_file import StoredGraph
from mmdet_flow.inference.package_file import write_archive

ABOUT = "model.json"
CANDIDATES, BOXES, MASKS = "candidates", "boxes", "masks"
"""The graphs: of pixels; of regions, for their classes and boxes, and their masks."""

FORM = 1
"""Of the archive: one more when what it holds changes."""

MOST_MEMBERS = 8
FIX = "make it again with mmdet-flow model deploy, or remove it"


@dataclass(frozen=True)
class SecondStage:
    """What a detector with two stages does with the candidates of the first.

    Attributes:
        proposals: which candidates are looked at again.
        boxes: how they are cut out for classes and boxes.
        masks: how masks are made, or None for a model of boxes.
    """

    proposals: Selection
    boxes: Regions
    masks: RegionMasks | None

    @property
    def maps(self) -> int:
        """How many feature maps are needed, the finest first."""
        regions = [self.boxes] + ([self.masks.regions] if self.masks else [])
        return max(len(one.strides) for one in regions)


@dataclass(frozen=True)
class Rules:
    """What surrounds the graphs of a model.

    Attributes:
        outputs: the names of what the graph of candidates gives, in its order: the
            scores of each level ("scores-0", ...), "boxes", and what else there is.
        selection: which candidates become objects; of the second stage, if there is
            one.
        masks: how masks are made by a detector with one stage, or None for one of
            boxes.
        second_stage: or None for a detector with one.
    """

    outputs: tuple[str, ...]
    preparation: Preparation
    selection: Selection
    masks: KernelMasks | None = None
    second_stage: SecondStage | None = None

    @property
    def graphs(self) -> dict[str, tuple[int, int]]:
        """The numbers of inputs and outputs of each graph, by its name."""
        graphs = {CANDIDATES: (1, len(self.outputs))}
        if self.second_stage is not None:
            graphs[BOXES] = (2, 2)
            if self.second_stage.masks is not None:
                graphs[MASKS] = (2, 1)
        return graphs


@dataclass(frozen=True)
class Form:
    """The deployable form of a model, or why there is none.

    Attributes:
        model_sha256: of the checkpoint.
        classes: the class names, in the order of the labels.
        version: what the form was made with.
        reason: why the model has no form; empty where it has one.
        sha256: of the rules and graphs, as ``digest`` gives it.
        mAP, mAP_in_torch: of the form and of its model on the images that it was
            judged by; None if they have no objects.
    """

    model_sha256: str
    classes: tuple[str, ...]
    version: str
    reason: str = ""
    sha256: str = ""
    mAP: float | None = None
    mAP_in_torch: float | None = None
    rules: Rules | None = None
    form: int = FORM


def form_file(checkpoint: StoredFile) -> StoredFile:
    """Return where the form of a checkpoint is, or would be."""
    return beside(checkpoint, ".deploy.zip")


def write_form(path: StoredFile, form: Form, graphs: Mapping[str, StoredGraph]) -> None:
    """Write a form, whose bytes depend on it alone."""
    members = {ABOUT: description(form)}
    for name, graph in graphs.items():
        members |= {f"{name}.xml": graph.xml, f"{name}.bin": graph.weights}
    write_archive(path, members)


def description(form: Form) -> bytes:
    """Return a form without its graphs, as JSON."""
    text = json.dumps(asdict(form), indent=1, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode()


def read_form(path: StoredFile) -> tuple[Form, dict[str, StoredGraph]]:
    """Return a form and its graphs; ModelError where they cannot be used together."""
    try:
        with open_archive(io.BytesIO(path.read_bytes()), MOST_MEMBERS) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        form = _read(Form, json.loads(files[ABOUT]))
        names = form.rules.graphs if form.rules and not form.reason else ()
        graphs = {n: StoredGraph(files[f"{n}.xml"], files[f"{n}.bin"]) for n in names}
    except Exception as error:  # a damaged file may raise anything in zipfile
        raise ModelError(f"{path}: is damaged ({error}); {FIX}") from None
    if form.form != FORM:
        raise ModelError(f"{path}: is of another version of mmdet-flow; {FIX}")
    if not form.reason and digest(form.rules, graphs) != form.sha256:
        raise ModelError(f"{path}: its graphs are not those of its {ABOUT}; {FIX}")
    return form, graphs


def digest(rules: Rules | None, graphs: Mapping[str, Sequence[bytes]]) -> str:
    """Return the SHA-256 of rules and of graphs, each of some files."""
    content = hashlib.sha256(json.dumps(rules and asdict(rules)).encode())
    for name, graph in sorted(graphs.items()):
        for part in (name.encode(), *graph):
            content.update(hashlib.sha256(part).digest())
    return content.hexdigest()


def _read(kind: Any, value: Any) -> Any:
    """Return plain values as what they were before ``asdict``; TypeError otherwise."""
    if isinstance(kind, UnionType):
        one, _ = get_args(kind)
        return None if value is None else _read(one, value)
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        if kinds[-1] is ...:
            kinds = kinds[:1] * len(value)
        return tuple(_read(*pair) for pair in zip(kinds, value, strict=True))
    if hasattr(kind, "__dataclass_fields__"):
        return kind(**_values(kind, value))
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _values(kind: type, content: Mapping) -> dict:
    kinds = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    return {name: _read(kinds[name], content[name]) for name in names}
