"""Propose image size and epochs for the data, this machine, and a time budget."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmdet_flow.model.fit.growth import (
    LEAST_PIXELS,
    first_fraction,
    first_ratio,
    small_epochs,
)
from mmdet_flow.start.init.sizes import Sizes
from mmdet_flow.start.init.speed import Speed
from mmdet_flow.tiles import Tiles
from mmdet_flow.words import counted, lasting
from mmdet_flow.workflow.presets import of_preset

SIZES = (192, 256, 320, 416, 512, 640, 800, 1024)
GOOD_PIXELS = 2 * LEAST_PIXELS
"""Of an object's shorter side in the network: two cells of its finest map."""

FEWEST_EPOCHS, MOST_EPOCHS, ZOO_EPOCHS = 24, 100, 300
"""Those of the presets, those that suit hundreds of images, those of the model zoo."""

SEEN = 12_000
"""Images that a training should see at least, one after the other: 3000 steps."""

VALIDATIONS = 4


@dataclass(frozen=True)
class Plan:
    """What is proposed; ``warning`` says where it is less than what should be.

    ``speed`` is in images a second, and ``basis`` says by what it is known. With tiles,
    ``count`` is how many an image has.
    """

    preset: str
    image_size: int
    epochs: int
    val_interval: int
    minutes: float
    speed: float
    basis: str
    warning: str = ""
    tiles: Tiles | None = None
    count: int = 1

    @property
    def duration(self) -> str:
        """Return how long the training may take, as text."""
        return lasting(max(1, round(self.minutes)) / 60)


def plan_for(
    preset: str,
    sizes: Sizes,
    train: int,
    val: int,
    minutes: float,
    speed: Speed,
    allowed: Sequence[int] = (),
) -> Plan:
    """Choose the largest useful image size that has time for a fair number of epochs.

    Useful is a size at which objects of the smallest class are well seen, and none
    above that of the images, unless ``allowed`` says which. Where the time is short,
    images shrink until those objects are barely seen, and then epochs become fewer.
    """
    allowed = allowed or allowed_sizes(sizes)
    good = _first(allowed, lambda size: size * sizes.smallest >= GOOD_PIXELS)
    least = _first(allowed, lambda size: size * sizes.smallest >= LEAST_PIXELS)
    candidates = [size for size in allowed if least <= size <= good]

    def fixed_at(size: int) -> float:
        """Return the seconds of all but the epochs."""
        image = speed.seconds_per_image(size, sizes.image)
        return speed.start + VALIDATIONS * val * speed.validated * image

    def seconds(size: int, epochs: int) -> float:
        each = _seconds_per_image(preset, speed, size, sizes, epochs)
        return fixed_at(size) + epochs * train * each

    def has_time(size: int, epochs: int) -> bool:
        return seconds(size, epochs) <= 60 * minutes

    size = max(
        (one for one in candidates if has_time(one, FEWEST_EPOCHS)), default=least
    )
    most = min(ZOO_EPOCHS, max(MOST_EPOCHS, SEEN // train))
    epochs = next((one for one in range(most, 1, -1) if has_time(size, one)), 1)
    each = _seconds_per_image(preset, speed, size, sizes, epochs)
    return Plan(
        preset=preset,
        image_size=size,
        epochs=epochs,
        val_interval=max(1, epochs // VALIDATIONS),
        minutes=seconds(size, epochs) / 60,
        speed=1 / each,
        basis=f"{1 / each:.2g} images a second, by {speed.basis}",
        warning=_warning(sizes, size, good, epochs),
    )


def _seconds_per_image(
    preset: str, speed: Speed, size: int, sizes: Sizes, epochs: int
) -> float:
    """Return what an image takes on average of so many epochs, the small ones, too."""
    model = of_preset(preset)
    start = first_fraction(model["grow_from"], model["augment"], lambda: size)
    ratio = first_ratio(start, size * sizes.smallest)
    small = speed.seconds_per_image(ratio * size, sizes.image)
    whole = speed.seconds_per_image(size, sizes.image)
    return whole + small_epochs(epochs) / epochs * (small - whole)


def allowed_sizes(sizes: Sizes) -> list[int]:
    """Return the image sizes below that of the images, and the next one."""
    longest = max(sizes.image)
    allowed = [size for size in SIZES if size < longest] or [SIZES[0]]
    if longest > allowed[-1] and len(allowed) < len(SIZES):
        allowed.append(SIZES[len(allowed)])
    return allowed


def _first(sizes: Sequence[int], fits) -> int:
    return next((size for size in sizes if fits(size)), sizes[-1])


def _warning(sizes: Sizes, size: int, good: int, epochs: int) -> str:
    pixels = size * sizes.smallest
    if epochs < FEWEST_EPOCHS:
        few = counted(epochs, "epoch")
        return f"only {few}; {FEWEST_EPOCHS} or more take more --hours"
    if size < good:
        return f"with more --hours images of {good} pixels would show more"
    if pixels < LEAST_PIXELS:
        return f"{sizes.label} has about {pixels:.0f} pixels, which is hardly seen"
    return ""
