"""What the network of a model sees in an image, as one vector."""

from pathlib import Path

import numpy as np

from mmdet_flow.errors import ModelError
from mmdet_flow.files import StoredFile


class Features:
    """The feature maps of a detector, averaged over the image.

    Attributes:
        sha256: of the checkpoint.
    """

    def __init__(
        self, checkpoint: StoredFile, config: Path | None = None, threads: int = 1
    ) -> None:
        """Load a model; ModelError or DataError says why it cannot be."""
        import torch

        from mmdet_flow.inference.detector import load_model

        torch.set_num_threads(threads)
        loaded = load_model(checkpoint, config)
        self.sha256 = loaded.sha256
        self._checkpoint = checkpoint
        self._model, self._pipeline = loaded.model, loaded.pipeline

    def embed(self, image: np.ndarray) -> np.ndarray:
        """Return a vector (n,) float32 of length 1 for an image (height, width, 3) BGR.

        n is the sum of the channels of all levels that the network hands to its head,
        whatever the size of the image. Each level counts alike, and the padding of the
        image not at all.
        """
        import torch

        item = self._pipeline({"img": image, "img_id": 0})
        data = {key: [item[key]] for key in ("inputs", "data_samples")}
        with torch.inference_mode():
            data = self._model.data_preprocessor(data, False)
            levels = self._model.extract_feat(data["inputs"])
            levels = [levels] if torch.is_tensor(levels) else levels
            shapes = data["data_samples"][0].metainfo
            pooled = [self._averaged(level, shapes) for level in levels]
        vector = _of_length_1(np.concatenate([_of_length_1(one) for one in pooled]))
        if not np.isfinite(vector).all():
            raise ModelError(f"{self._checkpoint}: has features that are no numbers")
        return vector

    @staticmethod
    def _averaged(level, shapes: dict):
        """Return the means (channels,) of a level (1, channels, rows, columns)."""
        height, width = shapes["img_shape"][:2]
        full = shapes.get("batch_input_shape", shapes.get("pad_shape", (height, width)))
        rows, columns = level.shape[-2:]
        rows = max(1, round(rows * height / full[0]))
        columns = max(1, round(columns * width / full[1]))
        return level[0, :, :rows, :columns].mean(dim=(1, 2)).float().numpy()


def _of_length_1(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector)
    return vector / length if length else vector
