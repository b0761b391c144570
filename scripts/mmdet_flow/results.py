"""Reading a results folder whose files somebody else may have written."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from mmdet_flow.errors import DataError

MISFITS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What code raises that is given other keys and types than those that it wrote."""

LONGEST = 200


@contextlib.contextmanager
def as_written(*folders: Path) -> Iterator[None]:
    """Let values that are not as our commands write them be an error of their folder.

    Raises DataError; under ``--debug`` its traceback says which value it is.
    """
    try:
        yield
    except MISFITS as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST]
        raise DataError(
            f"{', '.join(map(str, folders))}: a file there is not as mmdet-flow writes "
            f"it ({what}); make it again, --debug shows what it is for"
        ) from error
