"""Stand in for scikit-image, which wai.annotations imports at start and never uses."""

from types import SimpleNamespace


def _find_contours(*args, **kwargs):
    """Raise: masks are not supported in this environment."""
    raise NotImplementedError(
        "skimage.measure.find_contours is a stand-in (envs/stand-ins/scikit-image): "
        "no object detection conversion needs it"
    )


measure = SimpleNamespace(find_contours=_find_contours)
