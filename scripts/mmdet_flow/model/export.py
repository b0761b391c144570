"""Export a model config, expanded and flat.

CONFIG is a path, or the name of a config of the mmdet model zoo, which is found
without a network. --list shows the zoo, or what of it matches a pattern like
'mask-rcnn*r50*'; --diff shows how another config differs from CONFIG.
"""

import argparse
import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow import cli
from mmdet_flow.errors import ModelError, UsageError, did_you_mean
from mmdet_flow.files import write_if_changed
from mmdet_flow.model.changes import EXPORTED_FROM, changes
from mmdet_flow.model.zoo import find_config

if TYPE_CHECKING:
    from mmengine.config import Config


def export_config(config: str, save_path: Path, cfg_options: list[str]) -> None:
    """Write a config with everything that it inherits into one file.

    Its first key has the name of the config, of the first one if that was exported.
    """
    expanded = load_config(config, cfg_options)
    name = expanded.pop(EXPORTED_FROM, find_config(config).stem)
    text = f"{EXPORTED_FROM} = {name!r}\n{expanded.pretty_text}"
    write_if_changed(save_path, text)
    cli.log.info("exported %s to %s", config, save_path)


def print_zoo(pattern: str) -> None:
    """Print name, task and size of the model-zoo configs that match, as they come."""
    from mmdet_flow.model.zoo import describe, zoo_configs

    names = [name for name in zoo_configs() if fnmatch.fnmatch(name, pattern)]
    if not names:
        raise ModelError(
            f"--list {pattern}: no config of the model zoo matches; patterns have *"
            + did_you_mean(pattern, zoo_configs())
        )
    width = max(map(len, names))
    for name in names:
        print(f"{name:{width}}  {describe(name)}", flush=True)


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
        loaded = Config.fromfile(path)
    except Exception as error:
        raise ModelError(f"{path}: cannot be read as a config: {error}") from error
    apply_cfg_options(loaded, cfg_options or [])
    return loaded


def apply_cfg_options(cfg: "Config", options: list[str]) -> None:
    """Change a config by ``key=value`` overrides; UsageError if they do not fit it."""
    if not options:
        return
    values = parse_cfg_options(options)
    try:
        cfg.merge_from_dict(values)
    except (KeyError, TypeError, AssertionError, IndexError) as error:
        raise UsageError(
            f"--cfg-options {' '.join(options)}: does not fit the config: {error}; "
            "look its keys up in the file that mmdet_config --save-path writes"
        ) from error


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


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add --cfg-options, as mmdet's own tools have it."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="overrides, e.g. model.backbone.depth=18 (lists as a=[1,2])",
    )


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser(
        "mmdet_config",
        __doc__,
        "--list 'mask-rcnn*'",
        "rtmdet_tiny_8xb32-300e_coco --save-path base.py",
    )
    parser.add_argument(
        "config", nargs="?", metavar="CONFIG", help="path or model-zoo name"
    )
    parser.add_argument(
        "--save-path", type=Path, metavar="FILE", help="where to write the config"
    )
    parser.add_argument(
        "--list", nargs="?", const="*", metavar="PATTERN", help="show the model zoo"
    )
    parser.add_argument("--diff", metavar="OTHER", help="show what OTHER changes")
    add_cfg_options(parser)
    return parser


def run_config(args: argparse.Namespace) -> None:
    """Do the one thing that the options ask for."""
    if args.list is not None:
        print_zoo(args.list)
    elif args.config is None:
        raise UsageError("CONFIG: name a config, or see the model zoo with --list")
    elif args.diff is not None:
        print_diff(args.config, args.diff)
    elif args.save_path is None:
        raise UsageError("--save-path FILE: say where to write the config")
    else:
        export_config(args.config, args.save_path, args.cfg_options)


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(lambda: run_config(args), args)
