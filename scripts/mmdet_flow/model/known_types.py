"""What the config of a stranger may have built: parts of mmdet that load nothing.

mmengine builds whatever a ``type`` names: it imports any dotted path, and any package
that is called a scope. Parts of mmdet read files or web addresses that arguments name,
and mmcv evaluates the name of its NMS. So of a config that comes with a checkpoint,
only the model and the test pipeline are built, and there

* each ``type`` is a name in the registries of mmdet, mmcv and mmengine, or one of a few
  words, and none of the classes that load;
* every other text is a word, which is no path, no address and no dotted name;
* no step makes an image larger than any model of the zoo has it, by far;
* what says where first weights come from is dropped: the checkpoint has them.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING

from mmdet_flow.errors import ModelError
from mmdet_flow.model.config_text import TRUST

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.registry import Registry
    from torch import Tensor

LOADING = frozenset(
    (
        *("Albu", "AppearanceFreeLink", "BertModel", "CameraMotionCompensation"),
        *("Detectron2Wrapper", "KnowledgeDistillationSingleStageDetector", "LAD"),
        *("ATSSVLFusionHead", "GroundingDINOHead", "RandomSamplingNegPos"),
        *("InferencerLoader", "LoadMultiChannelImageFromFiles"),
        *("LoadPanopticAnnotations", "LoadTrackAnnotations"),
    )
)
"""Registered classes that read, import or evaluate what their arguments name."""

FUNCTIONS = frozenset(
    (
        *("nms", "soft_nms", "nms_match"),
        *("RoIAlign", "RoIPool", "SimpleRoIAlign"),
        *("DeformRoIPool", "DeformRoIPoolPack", "ModulatedDeformRoIPoolPack"),
        *("conv", "interpolation_conv", "last_conv", "dilation", "offset"),
    )
)
"""What mmdet looks up by ``type`` elsewhere: operators of mmcv, words of its own."""

SCOPES = ("mmdet", "mmengine", "mmcv")

WORD = re.compile(r"[\w+-]*(\.\d[\w+-]*)*", re.ASCII)
"""Such as "bilinear" or "regnetx_3.2gf"."""

LONGEST_WORD = 64

LARGEST_SIDE, LARGEST_FACTOR = 1 << 13, 8
"""Of an image that the network sees, which the zoo has up to 2048 pixels wide."""

FACTOR = re.compile("factor|ratio")

SHARED, SPARE_WEIGHTS = 4, 1 << 24
"""What a model may have more than is saved of it: parts that are made and replaced."""


def require_known_types(cfg: "Config", source: object) -> None:
    """Refuse a config that would have anything else built; ``source`` names it.

    Dotted paths, as the new style of configs has them, become names of a registry, and
    first weights are dropped. Raises ModelError.
    """
    from mmdet.registry import MODELS, TASK_UTILS, TRANSFORMS

    try:
        if cfg.get("default_scope", "mmdet") != "mmdet":
            raise _Refused(f"default_scope: is {cfg['default_scope']!r}, not 'mmdet'")
        for place, base, registries in (
            ("model", Mapping, (MODELS, TASK_UTILS)),
            ("test_dataloader.dataset.pipeline", list, (TRANSFORMS,)),
        ):
            part = _find(cfg, place)
            if not isinstance(part, base):
                raise _Refused(f"{place}: is not there as mmdet 3 writes it")
            _check(part, place, _names(*registries))
        for place in ("test_dataloader.dataset.pipeline", "model.data_preprocessor"):
            _require_small(_find(cfg, place), place)
    except _Refused as error:
        raise ModelError(f"{source}: its config, {error}; {TRUST}") from None


@contextlib.contextmanager
def confined(state_dict: Mapping[str, "Tensor"], source: object) -> Iterator[None]:
    """Let a model be built of what is registered, not much larger than its weights.

    Registries of mmengine import nothing meanwhile. Raises ModelError for a model that
    would fill the memory.
    """
    from mmengine.registry import registry
    from torch.nn.modules.module import register_module_parameter_registration_hook

    room = SPARE_WEIGHTS + SHARED * sum(one.numel() for one in state_dict.values())

    def count(module, name, parameter) -> None:
        nonlocal room
        room -= parameter.numel() if parameter is not None else 0
        if room < 0:
            raise ModelError(f"{source}: has few weights for its config; {TRUST}")

    original = registry.get_object_from_string
    registry.get_object_from_string = lambda name: None
    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
        registry.get_object_from_string = original


class _Refused(Exception):
    """What a config names that is not built, and where."""


def _find(tree: object, place: str) -> object:
    """Return what is at a place, or None."""
    for key in place.split("."):
        tree = tree.get(key) if hasattr(tree, "get") else None
    return tree


def _names(*registries: "Registry") -> list[tuple[str, Mapping]]:
    """Return scope and content of registries, and of those that they inherit from."""
    own = [(one.scope, one.module_dict) for one in registries]
    return own + [(one.parent.scope, one.parent.module_dict) for one in registries]


def _check(value, place: str, known: list) -> None:
    """Check what is below ``place``, and rewrite it as said above."""
    if isinstance(value, Mapping):
        for key in ("init_cfg", "pretrained"):
            if value.get(key):
                value[key] = None
        for key, item in list(value.items()):
            if key == "type":
                value[key] = _registered(item, f"{place}.{key}", known)
            elif key == "_scope_" and item not in SCOPES:
                raise _Refused(f"{place}.{key}: is {item!r}, which would be imported")
            else:
                _check(item, f"{place}.{key}", known)
    elif isinstance(value, str):
        if len(value) > LONGEST_WORD or not WORD.fullmatch(value):
            raise _Refused(f"{place}: is {value[:LONGEST_WORD]!r}, and not one word")
    elif isinstance(value, Sequence | Set):
        for number, item in enumerate(value):
            _check(item, f"{place}.{number}", known)


def _require_small(value, place: str, limit: int = LARGEST_SIDE) -> None:
    """Refuse numbers that would let an image fill the memory."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            own = LARGEST_FACTOR if FACTOR.search(str(key)) else limit
            _require_small(item, f"{place}.{key}", own)
    elif isinstance(value, list | tuple | Set):
        for item in value:
            _require_small(item, place, limit)
    elif isinstance(value, int | float) and value > limit:
        raise _Refused(f"{place}: is {value}, more than {limit}")


def _registered(name: object, place: str, known: list) -> str:
    """Return a type as a registry finds it without an import."""
    if not isinstance(name, str):
        raise _Refused(f"{place}: is {name!r}, and no name")
    if name in FUNCTIONS:
        return name
    scope, _, word = name.rpartition(".")
    if word in LOADING:
        raise _Refused(f"{place}: {name[:LONGEST_WORD]} loads files that it is told to")
    for owner, content in known:
        if word in content and scope in ("", owner):
            return name
        if word in content and _is_path_of(content[word], scope):
            return word
    raise _Refused(
        f"{place}: {name[:LONGEST_WORD]!r} is not in the registries of mmdet"
    )


def _is_path_of(cls: type, scope: str) -> bool:
    """Whether a dotted path is one of the new style of configs for this class."""
    dotted = "." in scope or scope == "mmcv"
    return dotted and cls.__module__.partition(".")[0] == scope.partition(".")[0]
