"""Export a model config, expanded and flat.

CONFIG is a path, or the name of a config of the mmdet model zoo, which is found
without a network.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow import cli
from mmdet_flow.errors import ModelError, UsageError
from mmdet_flow.files import write_if_changed
from mmdet_flow.model.zoo import find_config

if TYPE_CHECKING:
    from mmengine.config import Config


def export_config(config: str, save_path: Path, cfg_options: list[str]) -> None:
    """Write a config with everything that it inherits into one file."""
    expanded = load_config(config, cfg_options)
    write_if_changed(save_path, expanded.pretty_text)
    cli.log.info("exported %s to %s", config, save_path)


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
    if cfg_options:
        try:
            loaded.merge_from_dict(parse_cfg_options(cfg_options))
        except (KeyError, TypeError, AssertionError, IndexError) as error:
            raise UsageError(
                f"--cfg-options {' '.join(cfg_options)}: does not fit {config}: {error}"
            ) from error
    return loaded


def parse_cfg_options(options: list[str]) -> dict:
    """Parse ``key=value`` overrides the way mmdet's own tools do."""
    from mmengine.config import DictAction

    for option in options:
        if "=" not in option:
            raise UsageError(f"--cfg-options {option}: write it as key=value")
    parser = argparse.ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    return parser.parse_args(["--cfg-options", *options]).cfg_options


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="overrides, e.g. model.backbone.depth=18 (lists as a=[1,2])",
    )


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser("mmdet_config", __doc__)
    parser.add_argument("config", metavar="CONFIG", help="path or model-zoo name")
    parser.add_argument("--save-path", type=Path, required=True, metavar="FILE")
    add_cfg_options(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(
        lambda: export_config(args.config, args.save_path, args.cfg_options), args
    )
