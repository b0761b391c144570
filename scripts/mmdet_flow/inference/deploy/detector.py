"""A model in its deployable form, ready to predict: numpy, OpenCV and OpenVINO."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mmdet_flow.dataset.classes import check_environment, classes_sha256
from mmdet_flow.detections import Detections
from mmdet_flow.files import StoredFile
from mmdet_flow.inference.deploy.engine import Engine
from mmdet_flow.inference.deploy.form import Form
from mmdet_flow.inference.deploy.one_stage import OneStage
from mmdet_flow.inference.deploy.two_stage import TwoStage
from mmdet_flow.inference.int8_file import StoredGraph
from mmdet_flow.memory import keep_freed_memory


class DeployedDetector:
    """Takes the place of ``Detector`` for a model with a deployable form.

    Attributes:
        classes: the class names, in the order of the labels.
        meta: what every OPEX of this model says about its origin.
    """

    def __init__(
        self,
        checkpoint: StoredFile,
        form: Form,
        graphs: Mapping[str, StoredGraph],
        threads: int,
        score: float = 0.0,
        precision: str = "fp32",
    ) -> None:
        """Compile the graphs; objects below ``score`` may be missing, which saves time.

        Raises ModelError for graphs that this OpenVINO cannot run, UsageError for
        a precision that this CPU has not.
        """
        import cv2

        cv2.setNumThreads(1)
        keep_freed_memory()
        check_environment(form.classes)
        self.classes = form.classes
        self.engine = Engine(checkpoint, form.rules, graphs, threads, precision)
        self._preparation = form.rules.preparation
        stages = OneStage if form.rules.second_stage is None else TwoStage
        self._stages = stages(form.rules, self.engine)
        # The selection keeps what is greater, the user what is greater or equal.
        self._least = float(np.nextafter(np.float32(score), np.float32(-1)))
        self._pool = ThreadPoolExecutor(self.engine.streams + 1, "engine")
        self.meta = {
            "model": checkpoint.name,
            "model_sha256": form.model_sha256,
            "classes_sha256": classes_sha256(form.classes),
            "version": form.version,
            "engine": f"{self.engine.name} {self.engine.precision}",
        }

    def predict(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Find the objects in images, each (height, width, 3) uint8 BGR."""
        if len(images) == 1:
            return [self._predict(images[0])]
        return list(self._pool.map(self._predict, images))

    def _predict(self, image: np.ndarray) -> Detections:
        height, width = image.shape[:2]
        found = self._stages.find(
            self._preparation.prepare(image),
            self._preparation.frame(width, height),
            self._least,
        )
        boxes, scores, labels, masks = found
        return Detections(width, height, boxes, scores, labels, self.classes, masks)
