"""The masks of RTMDet-Ins: each object brings the weights of a small network."""

from dataclasses import dataclass

import numpy as np

from mmdet_flow.detections import Mask

CHUNK = 64
"""Masks that are enlarged together; OpenCV takes at most 512 channels."""

REACH = 8
"""Coordinates are in strides of the object's level, divided by it."""


@dataclass(frozen=True)
class KernelMasks:
    """How masks are made of kernels (mmdet's RTMDetInsHead; Lyu et al. 2022).

    Attributes:
        layers: (outputs, inputs) of each 1x1 convolution; all weights come first in a
            kernel, then all biases.
        stride: of the mask feature, in pixels of the prepared image.
        offset: of its grid, as a fraction of the stride.
        threshold: of a pixel's probability.
    """

    layers: tuple[tuple[int, int], ...]
    stride: int
    offset: float
    threshold: float

    def masks(
        self,
        feature: np.ndarray,
        kernels: np.ndarray,
        priors: np.ndarray,
        scale: tuple[float, float],
        size: tuple[int, int],
    ) -> tuple[Mask, ...]:
        """Return the masks of objects in an image of ``size`` (width, height).

        Args:
            feature: (channels, h, w) float32.
            kernels: (n, weights and biases) float32.
            priors: (n, 4): x, y and strides of where each object was found.
            scale: (x, y), pixels of the prepared image for one of the image.
        """
        masks: list[Mask] = []
        for start in range(0, len(kernels), CHUNK):
            some = slice(start, start + CHUNK)
            logits = self._logits(feature, kernels[some], priors[some])
            masks += map(Mask.of_image, self._enlarged(logits, scale, size))
        return tuple(masks)

    def _logits(
        self, feature: np.ndarray, kernels: np.ndarray, priors: np.ndarray
    ) -> np.ndarray:
        """Return (n, h, w): the network of each object, over the feature."""
        height, width = feature.shape[1:]
        columns = (np.arange(width, dtype=np.float32) + self.offset) * self.stride
        rows = (np.arange(height, dtype=np.float32) + self.offset) * self.stride
        reach = (priors[:, 2] * REACH)[:, None]
        values = np.empty((len(kernels), 2 + len(feature), height, width), np.float32)
        values[:, 0] = ((priors[:, :1] - columns) / reach)[:, None, :]
        values[:, 1] = ((priors[:, 1:2] - rows) / reach)[:, :, None]
        values[:, 2:] = feature
        values = values.reshape(len(kernels), -1, height * width)
        weights, biases = self._split(kernels)
        for number, (weight, bias) in enumerate(zip(weights, biases, strict=True), 1):
            values = weight @ values + bias[:, :, None]
            if number < len(weights):
                np.maximum(values, 0, out=values)
        return values.reshape(-1, height, width)

    def _split(self, kernels: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        counts = [outputs * inputs for outputs, inputs in self.layers]
        counts += [outputs for outputs, _ in self.layers]
        parts = np.split(kernels, np.cumsum(counts)[:-1], axis=1)
        weights = [
            part.reshape(len(kernels), *shape)
            for part, shape in zip(parts, self.layers, strict=False)
        ]
        return weights, parts[len(self.layers) :]

    def _enlarged(
        self, logits: np.ndarray, scale: tuple[float, float], size: tuple[int, int]
    ) -> np.ndarray:
        """Return (n, rows, columns) bool: bilinear, in two steps as mmdet does it.

        Rows and columns are those of the image that the feature reaches.
        """
        import cv2

        count, height, width = logits.shape
        first = (width * self.stride, height * self.stride)
        # mmdet takes the horizontal factor for the rows, and the other way round.
        last = (
            int(np.ceil(first[0] * (1 / scale[1]))),
            int(np.ceil(first[1] * (1 / scale[0]))),
        )
        layers = np.ascontiguousarray(logits.transpose(1, 2, 0))
        for wanted in (first, last):
            layers = cv2.resize(layers, wanted, interpolation=cv2.INTER_LINEAR)
            layers = layers.reshape(wanted[1], wanted[0], count)
        limit = np.float32(np.log(self.threshold / (1 - self.threshold)))
        found = (layers[: size[1], : size[0]] > limit).transpose(2, 0, 1)
        return np.ascontiguousarray(found)
