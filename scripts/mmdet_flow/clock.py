"""The time that stands in for the clock in what is written."""

import os
from collections.abc import Mapping

from mmdet_flow.errors import UsageError

NAME = "SOURCE_DATE_EPOCH"
END = 2**32
"""February 2106, before which all formats end that hold a time."""


def source_date_epoch(variables: Mapping[str, str] = os.environ) -> int | None:
    """Return SOURCE_DATE_EPOCH, seconds of Unix, or None where it is not set.

    Raises UsageError where it is no number of seconds, or one after ``END``.
    """
    text = variables.get(NAME)
    if text is None:
        return None
    if not text.isdecimal() or int(text) >= END:
        raise UsageError(
            f"{NAME}={text}: is not a number of seconds since 1970; correct or unset it"
        )
    return int(text)
