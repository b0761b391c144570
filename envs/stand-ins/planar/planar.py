"""Stand in for planar, which wai.annotations imports at start and never uses."""


class _Unavailable:
    """A class that cannot be instantiated."""

    def __init__(self, *args, **kwargs):
        """Raise, naming the class and the reason."""
        raise NotImplementedError(
            f"planar.{type(self).__name__} is a stand-in (envs/stand-ins/planar): "
            "no object detection conversion needs it"
        )


class Polygon(_Unavailable):
    """Raise when instantiated."""


class Vec2(_Unavailable):
    """Raise when instantiated."""
