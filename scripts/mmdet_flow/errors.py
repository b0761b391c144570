"""The errors that a user can fix.

::

    FlowError             exit code 1
    ├── UsageError        exit code 2   options or config.yaml
    ├── DataError         exit code 3   annotations, images, class lists
    ├── ModelError        exit code 4   model configs, checkpoints, training
    ├── ServiceError      exit code 5   Redis, the tracker
    └── Interrupted       exit code 75  stopped on purpose, and can go on

Each message says what is wrong, where, and what to do, in one line. Anything
else that is raised is a bug of ours and shows its traceback under ``--debug``.
"""

import difflib
from collections.abc import Iterable


class FlowError(Exception):
    exit_code = 1


class UsageError(FlowError):
    exit_code = 2


class DataError(FlowError):
    exit_code = 3


class ModelError(FlowError):
    exit_code = 4


class ServiceError(FlowError):
    exit_code = 5


class Interrupted(FlowError):
    exit_code = 75  # EX_TEMPFAIL of sysexits.h: try again


TO_GO_ON = "run again to go on (mmdet-flow model train: with --resume)"
"""What to do about a training that stopped; the workflow resumes by itself."""

FIRST_OF = " (the first of {} errors)"
"""What a message ends with if there are more; the log lists each before it."""


def reason_of(error: Exception) -> str:
    """Return what another library says is wrong, to go on after it in the same line."""
    return str(error).rstrip(" .;")


LONGEST_NAME = 300
"""Comparing takes the square of it."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean X?"`` for the nearest known name, or ``""``.

    A name may be short for a long one: its beginning counts as much as the whole.
    What is longer than any name is like none.
    """
    if len(name) > LONGEST_NAME:
        return ""

    def likeness(candidate: str) -> float:
        wholes = (candidate, candidate[: len(name)])
        return max(
            difflib.SequenceMatcher(None, name, whole).ratio() for whole in wholes
        )

    nearest = max(known, key=likeness, default="")
    return f"; did you mean {nearest}?" if nearest and likeness(nearest) >= 0.6 else ""
