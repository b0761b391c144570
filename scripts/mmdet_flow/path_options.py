"""The options that name files, to be kept apart from what is written."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from mmdet_flow.files import keep_inputs


def keep_named(
    options: argparse.Namespace, *names: str, made: Iterable[Path] | None = None
) -> None:
    """UsageError if a file would be written over one that another option names.

    ``names`` are the options that say where to write, ``made`` the files themselves
    where that is a folder.
    """
    named = vars(options)
    if made is None:
        made = [named[name] for name in names if named[name]]
    others = (value for name, value in named.items() if name not in names)
    keep_inputs(made, _paths_in(others))


def _paths_in(values: Iterable[object]) -> Iterator[Path]:
    for value in values:
        several = value if isinstance(value, list | tuple) else [value]
        yield from (one for one in several if isinstance(one, Path))
