"""Where converted models are kept between runs."""

import os
import tempfile
from pathlib import Path

VARIABLE = "MMDET_FLOW_CACHE"


def default_cache() -> Path:
    """Return the folder that MMDET_FLOW_CACHE names, or one in the user's cache.

    Where it can be neither read nor made, with XDG or in the home, as in some
    containers, it is a temporary one.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named)
    # Without a home "~" stays as it is; a folder of that name is no cache.
    for base in (os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache")):
        folder = Path(base) / "mmdet-flow"
        if folder.is_absolute() and (folder.exists() or _can_make(folder)):
            return folder
    return Path(tempfile.gettempdir()) / f"cache-{os.getuid()}" / "mmdet-flow"


def _can_make(folder: Path) -> bool:
    return os.access(next(p for p in folder.parents if p.exists()), os.W_OK)
