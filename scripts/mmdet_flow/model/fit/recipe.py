"""What the user decides of a training."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Recipe:
    """What the user decides; everything else stays as the model zoo has it.

    Without ``val`` there is no validation, and the last checkpoint counts. With
    ``test_images``, training and validation are on tiles, and the test is on the whole
    images of that folder.
    """

    train: Path
    val: Path | None
    test: Path
    images: Path
    epochs: int
    batch_size: int
    image_size: int | None = None
    learning_rate: float | None = None
    pretrained: bool = False
    frozen_stages: int | None = None
    augment: str = "recipe"
    optimizer: str = "recipe"
    grow_from: float | str = 1.0
    val_interval: int = 1
    keep_checkpoints: int = 2
    seed: int = 0
    processes: int = 1
    work_dir: str = "work_dir"
    test_images: Path | None = None

    def images_of(self, annotations: Path) -> Path:
        """Return the folder of the images of a split."""
        is_test = annotations is self.test
        return (self.test_images or self.images) if is_test else self.images

    @property
    def images_per_step(self) -> int:
        """The batches of all processes together, which one update follows."""
        return self.batch_size * self.processes
