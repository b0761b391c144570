"""What Snakemake says when it stops, in the words of its users."""

import re
from itertools import takewhile

HEAD = re.compile(r'(\w+)(?: in rule (\w+))?(?: in file "[^"]*", line \d+)?:\n')
"""How an exception begins in Snakemake's words: its type, and places in rules."""

PLACE = re.compile(r'\s*File "[^"]*", line \d+|Traceback:$')
TRACEBACK = "Traceback (most recent call last)"
OF_USERS = frozenset(
    (
        *("WorkflowError", "MissingRuleException", "InputFunctionException"),
        *("MissingInputException", "AmbiguousRuleException"),
    )
)
"""Exceptions that configs, targets and files cause, wherever they are raised."""

GUESS = (
    " (if you use input functions make sure that they don't raise unexpected "
    "exceptions)."
)
OURS = re.compile(r"Error:\n +UsageError: (.*)")
"""What a function of the rules says that is asked for inputs or params."""

NO_SNAKEFILE = (
    "there is no Snakefile in this folder; cd into the folder of the workflow, or make "
    "one with mmdet-flow new FOLDER"
)
ANOTHER_RUN = (
    "another run works in this folder; wait for it to end, or give --unlock if none "
    "does, as after a power cut, and run again"
)


def in_short(text: str) -> str:
    """Return what an error of Snakemake says, without places in code and rules."""
    text = text.strip()
    if text.startswith(TRACEBACK):
        return f"{_raised(text)}; --verbose shows where"
    if text.startswith("Error: No Snakefile found"):
        return NO_SNAKEFILE
    if "Directory cannot be locked" in text:
        return ANOTHER_RUN
    head = HEAD.match(text)
    if head is None:
        return text.removeprefix("Error: ")
    if head[1] not in OF_USERS:  # in the code of a rule, whose place is needed
        return text
    body = text[head.end() :].splitlines()
    said = "\n".join(line for line in body if line and not PLACE.match(line))
    if not said:
        return text
    kind, rule = head.groups()
    if kind in ("WorkflowError", "MissingRuleException"):
        return said.removesuffix(GUESS)
    if ours := OURS.match(said):
        return ours[1]
    where = f"{kind} in rule {rule}" if rule else kind
    return f"{where}: {said.removeprefix('Error:').strip()}"


def _raised(text: str) -> str:
    """Return the exception that a traceback ends with, all lines of it."""
    lines = text.rpartition(TRACEBACK)[2].splitlines()[1:]
    frames = takewhile(lambda line: line[:1] in ("", " "), lines)
    return "\n".join(lines[len(list(frames)) :]) or text
