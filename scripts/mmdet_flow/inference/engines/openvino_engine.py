"""The network in OpenVINO: traced once, exact in fp32, one compiled form for all sizes.

mmdet's own ``predict`` stays in charge. The methods of the model that compute with
weights are replaced by graphs; what comes between and after them is untouched.
"""

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import openvino
import torch
from torch import Tensor, nn

from mmdet_flow import cli
from mmdet_flow.errors import ModelError, UsageError
from mmdet_flow.files import write_json
from mmdet_flow.inference.engines.conversion import converted
from mmdet_flow.inference.engines.engine import TOLERANCE, CannotTrace, EngineOptions
from mmdet_flow.inference.engines.graphs import (
    DenseGraph,
    Features,
    RegionParts,
    dense_head,
    region_parts,
)
from mmdet_flow.inference.engines.runtime import Compiled, Runtime
from mmdet_flow.inference.int8_file import StoredGraph

EXAMPLE_SIZE = (320, 384)
OTHER_SIZE = (416, 320)
"""Height and width of the image that is traced, and of one more that is compared.

Smaller ones leave no pixel for the last layers of SSD.
"""

FORM = 2
"""Of the graphs in the cache: one more when what they take or return changes."""

INT8_FIX = (
    "make it with mmdet-flow evaluate precision --precision int8, or choose another "
    "precision"
)


class OpenVINOEngine:
    """Runs each image in a request of its own, as many at once as there are streams.

    Images in flight together use the cores better than one batch of them, and the
    answer to an image never depends on its company.
    """

    name = "openvino"

    def __init__(self, model: nn.Module, identity: str, options: EngineOptions) -> None:
        """Replace the heavy methods of ``model`` by graphs.

        Raises CannotTrace and leaves the model as it was when that cannot be done.
        """
        torch.set_num_threads(1)
        self.precision = options.precision
        runtime = Runtime(options.precision, options.threads)
        source = _Source(
            options.cache / "openvino" / f"{FORM}-{identity}", runtime, options.int8
        )
        dense, regions = _graphs(model, source)
        self.graphs = {"dense": dense} | {part.name: graph for part, graph in regions}
        # OpenVINO's bindings can lock up when their first call is made by two threads.
        dense(*_probe_image(*EXAMPLE_SIZE))
        _attach(model, dense, regions)
        # What it would move to the CPU is there, and is copied for nothing.
        model.data_preprocessor.cast_data = lambda data: data
        self._model = model
        # One more than the streams: while they are busy, it prepares or finishes.
        self._pool = ThreadPoolExecutor(runtime.streams + 1, "engine")

    def infer(self, batch: Sequence[dict]) -> list:
        return list(self._pool.map(self._infer_one, batch))

    def _infer_one(self, item: dict):
        data = {key: [item[key]] for key in ("inputs", "data_samples")}
        with torch.inference_mode():
            return self._model.test_step(data)[0]


class Graph:
    """A compiled graph whose outputs have the nesting that mmdet expects.

    Attributes:
        path: the form in the cache that it was made of, in fp32.
        watch: called with the inputs of each call, if it is set.
    """

    def __init__(self, compiled: Compiled, structure, path: Path) -> None:
        self._compiled = compiled
        self._structure = structure
        self.path = path
        self.watch: Callable[[Sequence[Tensor]], None] | None = None

    def read(self) -> openvino.Model:
        """Return the form in the cache that it was made of, in fp32."""
        if not self.path.is_file():
            raise UsageError(
                f"--precision int8: {self.path} could not be kept; see the warning "
                "above"
            )
        return openvino.Core().read_model(self.path)

    def __call__(self, *inputs: Tensor):
        if self.watch:
            self.watch(inputs)
        return _nested(self._structure, _run(self._compiled, inputs))


def _run(compiled: Compiled, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Return the outputs of a graph, valid until this thread's next call."""
    arrays = [tensor.contiguous().numpy() for tensor in inputs]
    return [torch.from_numpy(found) for found in compiled(arrays)]


def _graphs(
    model: nn.Module, source: "_Source"
) -> tuple[Graph, list[tuple[RegionParts, Graph]]]:
    head = dense_head(model)
    probes = [_probe_image(*size) for size in (EXAMPLE_SIZE, OTHER_SIZE)]
    dense = source.graph(DenseGraph(model, head), "dense", probes)
    regions = []
    for part in region_parts(model):
        probes = [_probe_regions(part.extractor, count) for count in (7, 12)]
        regions.append((part, source.graph(part.head, part.name, probes)))
    return dense, regions


@dataclass(frozen=True)
class _Source:
    """Where graphs come from: the cache, or the model where that has none.

    Those of ``int8`` take the place of graphs of their names.
    """

    folder: Path
    runtime: Runtime
    int8: Mapping[str, StoredGraph]

    def graph(self, module: nn.Module, name: str, probes: list) -> Graph:
        path = self.folder / f"{name}.xml"
        form, structure = self._load(path) or self._trace(module, path, probes)
        if name in self.int8:
            form = self._in_int8(name, form)
        return Graph(self.runtime.compile(form), structure, path)

    def _in_int8(self, name: str, form: openvino.Model) -> openvino.Model:
        """Return a graph of ``int8``, which takes and returns what ``form`` does."""
        try:
            found = self.runtime.read(*self.int8[name])
        except RuntimeError as error:
            raise ModelError(f"its {name} in int8 is damaged; {INT8_FIX}") from error
        if _ports(found) != _ports(form):
            raise ModelError(f"its {name} in int8 is of another form; {INT8_FIX}")
        return found

    def _load(self, path: Path) -> tuple | None:
        try:
            structure = json.loads(path.with_suffix(".json").read_text())
            return self.runtime.read(path), structure
        except (OSError, ValueError, RuntimeError):
            return None  # not there, or from a run that was killed

    def _trace(self, module: nn.Module, path: Path, probes: list) -> tuple:
        form, structure = _trace(module.eval(), probes, self.runtime)
        _store(form, path, structure, path.with_suffix(".json"))
        return form, structure


def _ports(graph: openvino.Model) -> list[tuple]:
    """Return what a graph takes and returns: types, and sizes where they are fixed."""
    ports = (*graph.inputs, *graph.outputs)
    return [(one.get_element_type(), one.get_partial_shape()) for one in ports]


def _trace(module: nn.Module, probes: list, runtime: Runtime) -> tuple:
    """Return the graph of a module, and the nesting of its outputs.

    Raises CannotTrace if that fails or if an output differs from torch's.
    """
    structure: list = []
    with torch.no_grad():
        try:
            graph = converted(_Flat(module), probes[0])
            compiled = runtime.compile(graph, exact=True)
            for probe in probes:
                wanted: list[Tensor] = []
                structure = _flatten(module(*probe), wanted)
                _require_equal(wanted, _run(compiled, probe))
        except CannotTrace:
            raise
        except Exception as error:  # a foreign converter may raise anything
            raise CannotTrace(_reason(error)) from error
    return graph, structure


def _reason(error: Exception) -> str:
    """Return the line of a converter's error that says why."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    cause = lines.index("Exception:") + 1 if "Exception:" in lines[:-1] else -1
    return lines[cause][:200]


class _Flat(nn.Module):
    """A module whose nested outputs are one tuple of tensors."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        tensors: list[Tensor] = []
        _flatten(self.module(*inputs), tensors)
        return tuple(tensors)


def _flatten(value, tensors: list[Tensor]):
    """Append the tensors of nested tuples; return the nesting, with their indices."""
    if isinstance(value, Tensor):
        tensors.append(value)
        return len(tensors) - 1
    if isinstance(value, tuple | list):
        return [_flatten(item, tensors) for item in value]
    if value is None:
        return None
    raise CannotTrace(f"its network returns a {type(value).__name__}")


def _nested(structure, tensors: Sequence[Tensor]):
    if isinstance(structure, list):
        return tuple(_nested(item, tensors) for item in structure)
    return None if structure is None else tensors[structure]


def _require_equal(wanted: Sequence[Tensor], found: Sequence[Tensor]) -> None:
    for number, (want, have) in enumerate(zip(wanted, found, strict=True)):
        if want.shape != have.shape:
            raise CannotTrace(f"output {number} depends on the size of the image")
        scale = max(1.0, float(want.abs().max())) if want.numel() else 1.0
        if not torch.allclose(want, have, rtol=0, atol=TOLERANCE * scale):
            raise CannotTrace(f"output {number} differs from that of torch")


def _store(converted, path: Path, structure: list, structure_path: Path) -> None:
    """Write a graph to the cache; the nesting comes last and makes it valid."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            whole = Path(scratch) / path.name
            openvino.save_model(converted, whole, compress_to_fp16=False)
            for suffix in (".bin", ".xml"):
                os.replace(whole.with_suffix(suffix), path.with_suffix(suffix))
        write_json(structure_path, structure)
    except OSError as error:
        cli.log.warning("%s: %s; the model is converted again", path, error.strerror)


def _attach(
    model: nn.Module, dense: Graph, regions: list[tuple[RegionParts, Graph]]
) -> None:
    """Let the model's own methods run the graphs."""

    head = dense_head(model)
    # Our RoIAlign wants channels_last, operators of mmcv misread it.
    only_regions = bool(regions) and head is not None

    def extract_feat(image: Tensor) -> Features:
        maps, outputs = dense(image)
        maps = [one.permute(0, 3, 1, 2) for one in maps]
        features = Features(maps if only_regions else [m.contiguous() for m in maps])
        features.dense = outputs
        return features

    model.extract_feat = extract_feat
    if head is not None:
        head.forward = lambda features: features.dense
    for part, graph in regions:
        part.head.forward = graph


def _probe_image(height: int, width: int) -> tuple[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(1, 3, height, width, generator=generator),)


def _probe_regions(extractor: nn.Module, count: int) -> tuple[Tensor]:
    """Return what RoIAlign could give for ``count`` regions."""
    generator = torch.Generator().manual_seed(0)
    shape = (count, extractor.out_channels, *extractor.roi_layers[0].output_size)
    return (torch.randn(shape, generator=generator),)
