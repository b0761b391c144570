"""What classes raise for arguments of a config that they do not take, as one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmdet_flow.errors import FlowError, ModelError

RAISED = (
    *(TypeError, KeyError, ValueError, AttributeError, AssertionError),
    *(ImportError, IndexError, RuntimeError, FileNotFoundError),
)


@contextmanager
def building() -> Iterator[None]:
    """Raise ModelError for what cannot be made of a config in this block."""
    try:
        yield
    except FlowError:
        raise
    except RAISED as error:
        lines = str(error).strip().splitlines() or [""]
        raise ModelError(
            f"the config cannot be built: {type(error).__name__}: {lines[0]}; check "
            "the key in the config, and its override"
        ) from error
