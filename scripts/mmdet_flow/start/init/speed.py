"""How fast this machine trains a preset: by a short training, kept, or assumed."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from mmdet_flow import __version__, cli, images, processor
from mmdet_flow.cache import default_cache
from mmdet_flow.errors import FlowError
from mmdet_flow.files import write_json
from mmdet_flow.start.init.trial import Trial, try_preset
from mmdet_flow.words import counted
from mmdet_flow.workflow.presets import FOLDER

SPEED = {"small-boxes": 11.7, "small-masks": 7.5}
"""Images a second in a training on 2 cores in fp32, of 320 by 240 pixels.

The first is in docs/performance.md; the second is that of the embedded example, of 24
images of 192 by 128 pixels a second.
"""

SPEED_AREA = 320 * 240
SPEED_CORES = 2
MOST_CORES = 8
"""Cores beyond these add little to a batch of 4."""

PREDICTED = 3.0
"""Times as fast as in training an image is in a validation."""

START = 60.0
"""Seconds for the imports, the trial step, and the choice of the precision."""

DECODED = 5
"""Images whose decoding is timed."""

MEASURED_WITH = ("torch", "mmcv", "mmdet", "mmengine")


@dataclass(frozen=True)
class Speed:
    """How long a training takes.

    Attributes:
        fixed: seconds of an image, whatever its size.
        per_pixel: what comes to that for each pixel that the network sees.
        validated: seconds of an image in a validation, for a second in training.
        start: seconds from the start of the command to the first iteration.
        basis: by what that is known, as text.
    """

    fixed: float
    per_pixel: float
    validated: float
    start: float
    basis: str

    def seconds_per_image(self, size: float, image: tuple[int, int]) -> float:
        """Return what an image takes in training when it is fitted into a square.

        Args:
            size: the side of that square, in pixels.
            image: width and height of an image as it is.
        """
        pixels = size * size * min(image) / max(image)
        return self.fixed + self.per_pixel * pixels

    def with_decoding(self, seconds: float) -> "Speed":
        """Return the speed for images that take so long to decode, each."""
        values = asdict(self) | {"fixed": self.fixed + seconds}
        return Speed(**values)


def assumed_speed(preset: str, cores: int) -> Speed:
    """Return the speed of another machine, scaled by its cores."""
    used = min(cores, MOST_CORES)
    return Speed(
        fixed=0.0,
        per_pixel=SPEED_CORES / used / SPEED[preset] / SPEED_AREA,
        validated=1 / PREDICTED,
        start=START,
        basis=f"{SPEED[preset]} of 320x240 pixels on {SPEED_CORES} CPUs of another "
        f"machine, scaled to {cores}",
    )


def speed_here(preset: str, threads: int, quick: bool = False) -> Speed:
    """Return how fast this machine trains a preset, measured unless that is known.

    Where it cannot be measured, or is not to be as it would not be ``quick``, it is
    assumed. What was measured beside other work is not kept.
    """
    note = _note(preset, threads)
    if known := _known(note):
        return known
    if quick:
        return assumed_speed(preset, threads)
    cli.log.info(
        "measuring how fast %s trains here: half a minute, if no other program is busy",
        preset,
    )
    try:
        trial = try_preset(preset, threads)
    except (FlowError, OSError) as error:
        cli.log.warning("the speed cannot be measured, and is assumed: %s", error)
        return assumed_speed(preset, threads)
    speed = _measured(trial, threads)
    if trial.others < Trial.QUIET:
        _keep(note, speed)
    else:
        cli.log.info(
            "others used %.0f%% of the CPUs meanwhile, so the speed is not kept, and "
            "is measured again the next time, unless with --quick",
            100 * trial.others,
        )
    return speed


def _measured(trial: Trial, threads: int) -> Speed:
    (few, fast), (many, slow) = trial.seconds
    per_pixel = max(0.0, (slow - fast) / (many - few))
    others = f", while others used {trial.others:.0%} of the CPUs"
    return Speed(
        fixed=max(0.0, slow - per_pixel * many),
        per_pixel=per_pixel,
        validated=trial.validated / slow,
        start=trial.start,
        basis=f"a short training on {counted(threads, 'CPU')} of this machine"
        + (others if trial.others >= Trial.QUIET else ""),
    )


def _note(preset: str, threads: int) -> Path:
    """Return where the speed of this machine is kept; others have another place."""
    parts = [(FOLDER / f"{preset}.yaml").read_text(), threads, __version__]
    parts += [processor.name(), processor.features(processor.TORCH)]
    for package in MEASURED_WITH:
        try:
            parts.append(version(package))
        except PackageNotFoundError:
            parts.append(None)
    name = hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()
    return default_cache() / "speed" / f"{name}.json"


def _known(note: Path) -> Speed | None:
    try:
        values = json.loads(note.read_bytes())
        return Speed(**{one.name: one.type(values[one.name]) for one in fields(Speed)})
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _keep(note: Path, speed: Speed) -> None:
    try:
        write_json(note, asdict(speed))
    except OSError as error:
        cli.log.debug("%s: %s", note, error)


def decoding_seconds(paths: Sequence[Path]) -> float:
    """Return how long an image takes to be read and decoded, in the middle of a few."""
    import time

    taken = []
    for path in paths[:: max(1, len(paths) // DECODED)][: DECODED + 1]:
        begin = time.perf_counter()
        try:
            images.read_image(path)
        except FlowError:  # mmdet-flow data check says what is wrong with it
            continue
        taken.append(time.perf_counter() - begin)
    return median(taken[1:] or taken or [0.0])  # the first one imports
