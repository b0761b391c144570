"""Stand in for pycocotools, which wai.annotations needs for segmentation masks only."""

from types import SimpleNamespace


def _fr_py_objects(*args, **kwargs):
    """Raise: masks are not supported in this environment."""
    raise NotImplementedError(
        "pycocotools.mask.frPyObjects is a stand-in (envs/stand-ins/wai-pycocotools): "
        "this environment converts boxes and polygons, not masks"
    )


def _decode(*args, **kwargs):
    """Raise: masks are not supported in this environment."""
    raise NotImplementedError(
        "pycocotools.mask.decode is a stand-in (envs/stand-ins/wai-pycocotools): "
        "this environment converts boxes and polygons, not masks"
    )


mask = SimpleNamespace(frPyObjects=_fr_py_objects, decode=_decode)
