"""The loading of images in a training: by the decoder that all else uses."""

from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from mmdet_flow.errors import DataError
from mmdet_flow.images import read_file, unpack


@TRANSFORMS.register_module(name="LoadImageFromFile")
class LoadImage(BaseTransform):
    """Stands in for the step of mmcv, which decodes by what its options say.

    A prediction gets pixels that are decoded already, so that they would not count
    there. In the registry of mmdet it is found before that of mmcv.
    """

    def __init__(self, to_float32: bool = False, **_) -> None:
        self.to_float32 = to_float32

    def transform(self, results: dict) -> dict:
        path = Path(results["img_path"])
        encoded, _ = read_file(path)
        try:
            image = unpack(encoded)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        if self.to_float32:
            image = image.astype(np.float32)
        results["img"] = image
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        return results
