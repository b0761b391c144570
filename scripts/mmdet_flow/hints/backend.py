"""The model behind Label Studio's ML backend protocol: requests in, answers out.

As Label Studio 1.23 asks (its label_studio/ml/api_connector.py): ``/setup`` tells the
interface of a project, ``/predict`` some of its tasks with it. An answer has a
prediction for each task, or a list of them; for what could not be predicted, that is
empty, so that Label Studio keeps none and asks again.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.classes import listed
from mmdet_flow.dataset.fields import mapping, member, sequence, text
from mmdet_flow.dataset.predictions import PredictedImage, PredictedObject, opex_of
from mmdet_flow.errors import DataError
from mmdet_flow.formats.opex import timestamp
from mmdet_flow.hints.images import Images
from mmdet_flow.hints.interface import Interface, read_interface
from mmdet_flow.hints.request import RequestError
from mmdet_flow.images import decode
from mmdet_flow.inference.predictor import Predictor
from mmdet_flow.labelling.export import drawn
from mmdet_flow.labelling.writers import WRITERS
from mmdet_flow.labelling.writers.label_studio import prediction_of, version_of
from mmdet_flow.scrub import for_clients
from mmdet_flow.words import counted

FORMAT = "label-studio"


class Backend:
    """A predictor that answers for the tasks of Label Studio.

    ``max_pixels`` is the largest image that is decoded. After ``max_seconds`` of a
    request no further image is begun, because Label Studio waits for 100.
    """

    def __init__(
        self, predictor: Predictor, images: Images, max_pixels: int, max_seconds: float
    ) -> None:
        self.version = version_of(predictor.detector.meta)
        self._predictor = predictor
        self._classes = predictor.detector.classes
        self._images = images
        self._max_pixels = max_pixels
        self._max_seconds = max_seconds
        self._interface = lru_cache(maxsize=16)(self._read_interface)
        self._one_at_a_time = threading.Lock()
        self._stop = threading.Event()

    def stop(self) -> None:
        """Begin no further image; what was asked for already is answered without."""
        self._stop.set()

    def setup(self, request: dict) -> dict:
        """Take the interface of a project; Malformed if no object fits into it."""
        self._interface(text(member(request, "schema"), "its schema"))
        return {"model_version": self.version}

    def versions(self) -> dict:
        """Tell the one version that there is."""
        return {"versions": [self.version]}

    def webhook(self, request: dict) -> dict:
        """Take note of what people do; nothing is learned of it here."""
        if request.get("action") == "START_TRAINING":
            raise RequestError(
                "this model is trained by rounds, with mmdet-flow label join",
                HTTPStatus.NOT_IMPLEMENTED,
            )
        return {"status": "ignored"}

    def predict(self, request: dict) -> dict:
        """Return the predictions of tasks, one by one, as long as there is time.

        Raises RequestError or Malformed where there is none at all.
        """
        interface = self._interface(
            text(member(request, "label_config"), "its label_config")
        )
        tasks = sequence(member(request, "tasks"), "its tasks")
        end = time.monotonic() + self._max_seconds
        results, errors = [], []
        for task in tasks:
            if results and time.monotonic() > end:
                results.append([])
                continue
            try:
                results.append(self._answer(task, interface))
            except DataError as error:
                cli.log.warning("task %s: %s", _number_of(task), error)
                errors.append(error)
                results.append([])
        if errors and len(errors) == len(tasks):
            raise errors[0]
        objects = sum(len(one["result"]) for one in results if one)
        done = sum(map(bool, results))
        of = counted(len(tasks), "task"), counted(objects, "object")
        cli.log.info("%d of %s, %s", done, *of)
        return {"results": results}

    def _read_interface(self, schema: str) -> Interface:
        interface = read_interface(schema, self._classes)
        if missing := interface.missing(self._classes):
            cli.log.warning(
                "the labelling interface has no label for %s; their objects are left "
                "out",
                listed(missing),
            )
        return interface

    def _answer(self, task: object, interface: Interface) -> dict:
        """Return the prediction of a task."""
        data = mapping(member(mapping(task, "a task"), "data"), "its data")
        address = text(member(data, interface.key), f"its {interface.key}")
        content = self._images.read(address)
        with self._one_at_a_time:
            if self._stop.is_set():
                stopping = HTTPStatus.SERVICE_UNAVAILABLE
                raise RequestError("the service stops; ask again", stopping)
            found = self._predicted(content)
        return prediction_of(*_drawn(found, interface))

    def _predicted(self, content: bytes) -> PredictedImage:
        """Return what the model finds in an image file, as if it were read of OPEX."""
        try:
            pixels = decode(content, self._max_pixels)
            (prediction,) = self._predictor.predict([pixels])
        except DataError:
            raise
        except Exception as error:  # such as MemoryError; others may fit
            cli.log.error("an image cannot be predicted: %r", error)
            raise RequestError(
                f"the image cannot be predicted: {for_clients(error)}",
                HTTPStatus.INTERNAL_SERVER_ERROR,
            ) from None
        digest = sha256(content).hexdigest()
        found = opex_of(json.loads(prediction.opex(digest, timestamp())))
        size = prediction.width, prediction.height
        nowhere = Path(digest)
        return PredictedImage(
            nowhere, nowhere, digest, size, found.objects, digest, meta=found.meta
        )


def _drawn(
    found: PredictedImage, interface: Interface
) -> tuple[PredictedImage, str, Callable]:
    """Return the objects that the interface has labels for, as it can show them."""
    objects = [
        drawn(item, shapes, WRITERS[FORMAT])
        for item in found.objects
        if (shapes := interface.shapes_of(item.label))
    ]

    def place_of(item: PredictedObject):
        return (interface.outlines if item.polygons else interface.boxes)[item.label]

    return replace(found, objects=tuple(objects)), interface.image, place_of


def _number_of(task: object) -> str:
    """Return the number of a task for a line, or ? where it has none."""
    number = task.get("id") if isinstance(task, dict) else None
    return str(number) if isinstance(number, int) and abs(number) < 1 << 63 else "?"
