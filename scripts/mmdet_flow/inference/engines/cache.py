"""Where converted models are kept between runs."""

import os
import tempfile
from pathlib import Path

VARIABLE = "MMDET_FLOW_CACHE"


def default_cache() -> Path:
    """Return the folder that MMDET_FLOW_CACHE names, or that of XDG."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "mmdet-flow"
    # A user that only a container knows has "/" as home, where .cache may be mounted.
    base = Path.home() / ".cache"
    nearest = base if base.exists() else base.parent
    if not os.access(nearest, os.W_OK):
        base = Path(tempfile.gettempdir()) / f"cache-{os.getuid()}"
    return base / "mmdet-flow"
