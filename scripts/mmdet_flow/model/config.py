"""Configs of mmdet: read by path or name, changed by overrides, written expanded."""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow import cli
from mmdet_flow.errors import FlowError, ModelError, UsageError
from mmdet_flow.files import keep_inputs, write_if_changed
from mmdet_flow.model.changes import EXPORTED_FROM, changes
from mmdet_flow.model.overrides import obstacle, require_read
from mmdet_flow.model.type_names import with_type_names
from mmdet_flow.model.weights.index import PUBLISHED_WEIGHTS, published_of
from mmdet_flow.model.zoo import find_config

if TYPE_CHECKING:
    from mmengine.config import Config


def export_config(config: str, save_path: Path, cfg_options: list[str]) -> None:
    """Write a config with everything that it inherits into one file.

    Its first keys have the name of the config, of the first one if that was exported,
    and that of the weights that are published of it, if there are any.
    """
    keep_inputs([save_path], files_of(config))
    expanded = load_config(config, cfg_options)
    require_parts(expanded, config, ["model"])
    published = published_of(config)
    expanded.pop(PUBLISHED_WEIGHTS, None)
    first = {
        EXPORTED_FROM: expanded.pop(EXPORTED_FROM, find_config(config).stem),
        PUBLISHED_WEIGHTS: published and published.name,
    }
    lines = [f"{key} = {value!r}\n" for key, value in first.items() if value]
    write_if_changed(save_path, "".join((*lines, text_of(expanded))))
    cli.log.info("exported %s to %s", config, save_path)


def files_of(config: str | Path) -> Iterator[Path]:
    """Yield the file of a config by path or name, and those of its bases."""
    from mmengine.config import Config

    path = find_config(str(config))
    yield path
    try:
        bases = Config._get_base_files(str(path))
        places = [Config._get_cfg_path(base, str(path))[0] for base in bases]
    except Exception:  # whoever reads the config says what is wrong with it
        return
    for place in places:
        if Path(place).is_file():
            yield from files_of(place)


def text_of(cfg: "Config") -> str:
    """Return the text that mmengine has for a config, each assignment formatted once.

    A training needs the text of several configs that are almost the same, and yapf
    takes from a tenth of a second to some seconds for one.
    """
    values = cfg.to_dict()
    return "".join(_assignment(key, values[key]) for key in sorted(values))


def _assignment(key: str, value: object) -> str:
    from mmengine.config import Config

    plain = Config({key: value}, format_python_code=False).pretty_text
    if plain not in _FORMATTED:
        _FORMATTED[plain] = Config({key: value}).pretty_text
    return _FORMATTED[plain]


_FORMATTED: dict[str, str] = {}


def print_diff(config: str, other: str) -> None:
    """Print how another config differs from one, a line a key."""
    before, after = load_config(config), load_config(other)
    for line in changes(before.to_dict(), after.to_dict()):
        print(line)


def load_config(config: str, cfg_options: list[str] | None = None) -> "Config":
    """Read a config by path or name, with ``key=value`` overrides applied.

    Raises ModelError if it cannot be found or read, UsageError for an override.
    """
    from mmengine.config import Config

    path = find_config(config)
    try:
        loaded = with_type_names(Config.fromfile(path), path)
    except FlowError:
        raise
    except (Exception, SystemExit) as error:  # whatever its code raises
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"{path}: cannot be read as a config: {lines[0]}") from error
    apply_cfg_options(loaded, cfg_options or [])
    return loaded


def require_parts(cfg: "Config", config: str, parts: Iterable[str]) -> None:
    """Refuse a config without what is needed of it; raises ModelError."""
    missing = [part for part in parts if not isinstance(cfg.get(part), Mapping)]
    if missing:
        raise ModelError(
            f"{config}: is no config to train by, it has no {', '.join(missing)}; name "
            "one of the model zoo (mmdet-flow model config --list)"
        )


def apply_cfg_options(
    cfg: "Config", options: list[str], base: "Config | None" = None
) -> None:
    """Change a config by ``key=value`` overrides.

    ``base`` is what the config was made from, if it is another one. Raises UsageError
    for overrides that do not fit, or change nothing that is run.
    """
    if not options:
        return
    values = parse_cfg_options(options)
    before = cfg.to_dict()
    try:
        cfg.merge_from_dict(values)
    except (KeyError, TypeError, AssertionError, IndexError, AttributeError) as error:
        raise UsageError(
            f"--cfg-options {' '.join(options)}: does not fit the config: "
            f"{obstacle(list(values), before)}; look its keys up in what mmdet-flow "
            "model config --save-path writes"
        ) from error
    require_read(
        list(values), before, cfg.to_dict(), base.to_dict() if base else before
    )


def parse_cfg_options(options: list[str]) -> dict:
    """Parse ``key=value`` overrides the way mmdet's own tools do."""
    from mmengine.config import DictAction

    for option in options:
        if "=" not in option:
            raise UsageError(f"--cfg-options {option}: write it as key=value")
    parser = argparse.ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    values = {}
    for option in options:  # one by one: a key may begin with a dash
        values |= parser.parse_args([f"--cfg-options={option}"]).cfg_options
    return values
