"""What a job asks a cluster for, from the size of its work.

Nothing of it limits a run on one machine. Times are for small CPU nodes and slow
models, so they are generous: a job that ends early costs nothing, one that is cut off
starts again, and asks for more. Functions take the config of one experiment.
"""

import math
import os
from collections.abc import Iterable
from pathlib import Path

ATTEMPTS = 3
"""So many attempts ask for more each time; later ones for as much as the last one."""

CHAINED_JOBS = 100
"""Of one training, each as long as max_hours."""

GRACE_MINUTES = 30
"""After max_hours or hours: to start, to end a validation, and to save."""

ASSUMED_IMAGES = 1000
"""In a list or a folder of which there is no copy here yet."""

ASSUMED_TILES = 30
"""Of a large image, which is one of 3840 x 1920 pixels in tiles of 640."""

LARGE_MB = 1200
"""Of the largest image that is decoded as a whole, and of its file."""

LARGE_IMAGE = 1333
"""The longer side of a recipe that is left as it is."""


def grown(amount: float, attempt: int) -> int:
    """Return an amount, and more of it with each attempt."""
    return math.ceil(amount * min(attempt, ATTEMPTS))


def scale(experiment: dict) -> float:
    """Return the area of an image in the network, in images of 320 by 320 pixels."""
    return ((experiment["model"]["image_size"] or LARGE_IMAGE) / 320) ** 2


def passes(experiment: dict) -> int:
    """Return how often a network runs for one image that is predicted."""
    return ASSUMED_TILES if experiment["tiles"] else 1


def minutes_for(images: float, attempt: int) -> int:
    """Return the minutes for so many images of 320 by 320, at one a second."""
    return grown(30 + images / 60, attempt)


def count_images(place: Path) -> int:
    """Return the number of images in a list or a folder, those inside it too."""
    if place.is_dir():
        return sum(len(files) for *_, files in os.walk(place))
    with place.open("rb") as lines:
        return sum(1 for _ in lines)


def conversion_minutes(images: int, attempt: int) -> int:
    """Return the minutes to check all images; a network takes 100 times longer."""
    return minutes_for(images / 100, attempt)


def cutting_minutes(images: int, attempt: int) -> int:
    """Return the minutes to cut images into tiles; they are large."""
    return minutes_for(10 * images, attempt)


def training_retries(experiments: Iterable[dict]) -> int | None:
    """Return how often a training is started again: often where its time is limited.

    None leaves it to --retries.
    """
    limited = any(one["model"]["max_hours"] is not None for one in experiments)
    return CHAINED_JOBS if limited else None


def training_memory(experiment: dict, attempt: int) -> int:
    """Return the MB on a node: of the framework, and of a batch with its gradients."""
    batch = experiment["model"]["batch_size"]
    return grown(2000 + 500 * batch * scale(experiment), attempt)


def training_hours(experiment: dict) -> float | None:
    """Return the hours after which a job ends by itself, if it does."""
    limits = (experiment["model"][key] for key in ("hours", "max_hours"))
    return min((one for one in limits if one is not None), default=None)


def training_minutes(experiment: dict, images: int, attempt: int) -> int:
    """Return the time limit with what comes after, or minutes for all epochs."""
    model, hours = experiment["model"], training_hours(experiment)
    if hours is not None:
        return math.ceil(60 * hours) + GRACE_MINUTES
    work = images * model["epochs"] / model["nodes"]
    return minutes_for(work * scale(experiment), attempt)


def evaluation_minutes(experiment: dict, images: int, attempt: int) -> int:
    """Return the minutes for the images of a split."""
    return minutes_for(images * passes(experiment) * scale(experiment), attempt)


def prediction_memory(experiment: dict, threads: int, attempt: int) -> int:
    """Return the MB of the framework, of a large image, and of one in each thread."""
    large = LARGE_MB if experiment["tiles"] else 0
    return grown(3000 + large + 300 * threads * scale(experiment), attempt)


def prediction_minutes(experiment: dict, attempt: int) -> int:
    """Return the minutes for a full shard."""
    images = experiment["predict"]["images_per_shard"]
    return minutes_for(images * passes(experiment) * scale(experiment), attempt)


def deployment_minutes(experiment: dict, attempt: int) -> int:
    """Return the minutes to compare two forms of a model, on images or on tiles."""
    images = experiment["predict"]["images_per_shard"]
    return minutes_for(images * scale(experiment), attempt)


def launcher(mpi: str, nodes: int, tasks: int, threads: int) -> str:
    """Return what stands before a command that runs once on each node of a job."""
    if nodes == 1:
        return ""
    # Slurm's steps do not take over the threads of their job, and would wait for each
    # other when one cannot start.
    return (
        f"{mpi} --nodes={nodes} --ntasks={tasks} --cpus-per-task={threads} "
        "--kill-on-bad-exit "
    )
