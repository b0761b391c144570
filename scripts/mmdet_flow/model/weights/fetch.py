"""Fetching a file from the first of several places that has it whole."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.model.weights.checks import fault_of
from mmdet_flow.model.weights.places import (
    SILENT_SECONDS,
    Answer,
    Cut,
    Unavailable,
    opened,
)

MUCH = 1 << 20
"""Bytes that a try has to bring, or it was one in vain."""


@dataclass(frozen=True)
class Patience:
    """How long a place is waited for.

    Attributes:
        silent: seconds in which a server may send nothing.
        tries: in vain, one after the other, before the place is given up.
        pause: seconds before the second try; before each further one twice as long.
    """

    silent: float = SILENT_SECONDS
    tries: int = 4
    pause: float = 1.0


PATIENCE = Patience()


def fetch(
    places: Iterable[str],
    part: Path,
    hashes: Iterable[str],
    patience: Patience = PATIENCE,
) -> dict[str, str]:
    """Fill ``part`` from the first place that has the file whole.

    What is in it already is gone on with, if there is a hash that tells whether the
    whole is right. ``hashes`` are beginnings of the SHA-256 in hexadecimal. Returns
    why each place did not give the file; the last one did if there are fewer reasons
    than places.
    """
    hashes = list(hashes)
    if not hashes:
        os.truncate(part, 0)
    failures: dict[str, str] = {}
    for place in places:
        try:
            _fetch(place, part, lambda: fault_of(part, hashes), patience)
        except Unavailable as error:
            failures[place] = str(error)
        else:
            cli.log.info("fetched %s", place)
            break
    return failures


def _fetch(
    place: str, part: Path, fault: Callable[[], str], patience: Patience
) -> None:
    """Fill ``part`` from one place; raises Unavailable."""
    is_all_its_own = not part.stat().st_size
    in_vain = 0
    while True:
        before = part.stat().st_size
        try:
            _append(place, part, patience.silent)
        except Cut as cut:
            brought = part.stat().st_size - before
            in_vain = 0 if brought >= MUCH else in_vain + 1
            if in_vain < patience.tries:
                cli.log.info("%s: %s; going on", place, cut)
                time.sleep(patience.pause * 2 ** max(0, in_vain - 1))
                continue
            if fault():  # or it is whole, and longer by what the server says alone
                raise Unavailable(f"{cut}, {in_vain} times") from None
        if not (reason := fault()):
            return
        os.truncate(part, 0)
        if is_all_its_own:
            raise Unavailable(f"has another file under that name: {reason}")
        is_all_its_own = True  # what was there before may be what is wrong


def _append(place: str, part: Path, silent: float) -> None:
    """Append the rest of a file, or write it anew if the place begins with its start.

    Raises Cut where it ends early, and Unavailable.
    """
    with (
        opened(place, part.stat().st_size, silent) as answer,
        part.open("r+b") as stream,
    ):
        stream.truncate(answer.begin)
        stream.seek(answer.begin)
        for block in _shown(answer, place.rpartition("/")[2]):
            stream.write(block)
        length = stream.tell()
    if answer.total is not None and length < answer.total:
        raise Cut("ends before its end")


def _shown(answer: Answer, name: str) -> Iterator[bytes]:
    """Yield the blocks, with a bar on a terminal and a line each tenth elsewhere."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(
            desc=name,
            total=answer.total,
            initial=answer.begin,
            unit="B",
            unit_scale=True,
            leave=False,
        ) as bar:
            for block in answer.blocks:
                yield block
                bar.update(len(block))
        return
    done, total = answer.begin, answer.total or sys.maxsize
    for block in answer.blocks:
        yield block
        before, done = done, done + len(block)
        if 10 * before // total < 10 * done // total:
            cli.log.info("%s: %.1f of %.1f MB", name, done / 1e6, total / 1e6)
