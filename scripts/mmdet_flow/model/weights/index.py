"""The model index: which weights are published of a config, and where.

mmdet ships it with its configs: ``model-index.yml`` names metafiles, each of which is
in the folder of its configs, or in the one above. A config file that is not mmdet's may
have a ``metafile.yml`` of the same form beside it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from mmdet_flow.errors import ModelError, did_you_mean
from mmdet_flow.model.zoo import find_config, shipped

METAFILE = "metafile.yml"
SUFFIX = ".pth"

PUBLISHED_WEIGHTS = "published_weights"
"""The key of an exported config with the name of the weights that mmdet has of it."""

NAMED = re.compile(rf"^{PUBLISHED_WEIGHTS} = '([^']+)'$", re.MULTILINE)


@dataclass(frozen=True)
class Published:
    """Weights that somebody publishes.

    Attributes:
        config: the file of their config, as a metafile has it.
        name: the name of their file.
        url: where they are; None if the index does not say.
        measured: what they reach, such as ``{"box AP": 40.9}``.
    """

    config: str
    name: str
    url: str | None = None
    measured: dict[str, float] = field(default_factory=dict, compare=False)

    @property
    def config_name(self) -> str:
        """The name of the config; the folder is not right in all metafiles."""
        return PurePosixPath(unquote(self.config)).name.removesuffix(".py")


def name_in(url: str) -> str:
    """Return the name of the file that a URL ends with."""
    return unquote(PurePosixPath(urlsplit(url).path).name)


@cache
def published() -> tuple[Published, ...]:
    """Return all that mmdet's own index names, in its order."""
    index = _read(shipped() / "model-index.yml")
    metafiles = [shipped() / str(name) for name in index.get("Import") or ()]
    return tuple(one for path in metafiles for one in _of_metafile(path))


def with_name(name: str) -> Published | None:
    """Return what mmdet publishes under the name of a file."""
    return next((one for one in published() if one.name == name), None)


def published_of(config: str) -> Published | None:
    """Return the weights of a config that is named by path or as in the model zoo.

    Those of a metafile come first, of an exported config those that it names then; the
    first of them, if there are several. Raises ModelError for a config that is not
    there, or a metafile that cannot be read.
    """
    return _published_of(find_config(config).resolve())


@cache
def _published_of(path: Path) -> Published | None:
    is_shipped = path.is_relative_to(shipped().resolve())
    for folder in path.parents[: 2 if is_shipped else 1]:
        for one in _of_metafile(folder / METAFILE):
            if one.config_name == path.stem:
                return one
    named = NAMED.search(path.read_text(encoding="utf-8", errors="replace"))
    return (with_name(named[1]) or Published(path.name, named[1])) if named else None


def require_published(config: str) -> Published:
    """Return the weights of a config; ModelError if nobody publishes them."""
    if found := published_of(config):
        return found
    known = [one.config_name for one in published()]
    raise ModelError(
        f"{config}: the model index names no weights of it"
        + did_you_mean(Path(config).stem, known)
        + "; mmdet-flow weights list '*' shows all, and load_from takes a file"
    )


def _of_metafile(path: Path) -> Iterator[Published]:
    """Yield the weights that a metafile names; nothing where it is not there."""
    models = _read(path).get("Models") if path.is_file() else ()
    for model in models if isinstance(models, list) else ():
        config, url = (_text(model, key) for key in ("Config", "Weights"))
        if config and name_in(url).endswith(SUFFIX):
            yield Published(config, name_in(url), url, _measured(model))


def _read(path: Path) -> dict:
    import yaml  # which a small environment lacks

    # The one in C is there unless PyYAML was built without it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), loader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise ModelError(f"{path}: cannot be read as a model index: {why}") from None
    return content if isinstance(content, dict) else {}


def _text(model: object, key: str) -> str:
    """Return a text of a model; a tracker has several weights, which are no text."""
    value = model.get(key) if isinstance(model, dict) else None
    return value if isinstance(value, str) else ""


def _measured(model: dict) -> dict[str, float]:
    results = model.get("Results")
    return {
        str(name): value
        for one in (results if isinstance(results, list) else ())
        if isinstance(one, dict) and isinstance(one.get("Metrics"), dict)
        for name, value in one["Metrics"].items()
        if isinstance(value, int | float)
    }
