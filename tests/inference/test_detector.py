import warnings

import numpy as np
import torch
from mmengine.config import Config

from mmdet_flow.images import read_image
from mmdet_flow.inference.detector import _build_pipeline
from mmdet_flow.model.config import load_config


def images_of(dataset):
    return sorted(dataset.images.iterdir())


def test_the_same_objects_as_mmdet_itself(dataset, trained, predictor):
    """Boxes within 0.01 pixels, scores within 1e-4, the same masks and labels."""
    from mmdet.apis import inference_detector, init_detector

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = init_detector(
            str(trained.config), str(trained.checkpoint), device="cpu"
        )
        for path in images_of(dataset)[:4]:
            theirs = inference_detector(model, str(path)).pred_instances
            (ours,) = predictor.detector.predict([read_image(path)[1]])
            assert len(ours) == len(theirs) > 0
            for index in np.argsort(-theirs.scores.numpy())[: len(ours) // 2]:
                box, score = theirs.bboxes[index].numpy(), float(theirs.scores[index])
                # A hardly trained model scores many boxes alike, in any order.
                same = (
                    (np.abs(ours.boxes - box).max(1) < 0.01)
                    & (np.abs(ours.scores - score) < 1e-4)
                    & (ours.labels == int(theirs.labels[index]))
                )
                assert same.any(), (path.name, box, score)
                wanted = theirs.masks[index].numpy()
                masks = [ours.masks[one] for one in np.flatnonzero(same)]
                found = [mask.in_image(*wanted.shape[::-1]) for mask in masks]
                assert min((one ^ wanted).mean() for one in found) < 0.001


def test_red_and_blue_are_not_exchanged(dataset, trained, predictor, monkeypatch):
    """A hardly trained model would not tell: the network gets what mmdet gives it."""
    from mmdet.apis import inference_detector, init_detector
    from mmdet.models import DetDataPreprocessor

    seen, forward = [], DetDataPreprocessor.forward

    def watched(self, data: dict, training: bool = False) -> dict:
        ready = forward(self, data, training)
        seen.append(ready["inputs"])
        return ready

    path = images_of(dataset)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = init_detector(
            str(trained.config), str(trained.checkpoint), device="cpu"
        )
        monkeypatch.setattr(DetDataPreprocessor, "forward", watched)
        inference_detector(model, str(path))
    predictor.detector.predict([read_image(path)[1]])
    theirs, ours = seen
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, ours.flip(1))


def test_a_batch_gives_what_single_images_give(dataset, predictor):
    pixels = [read_image(path)[1] for path in images_of(dataset)[:5]]
    pixels[2] = np.ascontiguousarray(pixels[2].transpose(1, 0, 2))  # another shape
    together = predictor.predict(pixels)
    for one, image in zip(together, pixels, strict=True):
        (alone,) = predictor.predict([image])
        assert (alone.width, alone.height) == (image.shape[1], image.shape[0])
        assert [o.bbox for o in one.objects] == [o.bbox for o in alone.objects]
        assert [o.polygon for o in one.objects] == [o.polygon for o in alone.objects]


def test_no_images_give_no_predictions(predictor):
    assert predictor.predict([]) == []


def test_images_are_loaded_in_the_dtype_that_the_config_asks_for(dataset, trained):
    image = read_image(images_of(dataset)[0])[1]
    centernet = load_config("centernet_r18_8xb16-crop512-140e_coco")
    dtypes = {}
    for name, cfg in (
        ("centernet", centernet),
        ("trained", Config.fromfile(trained.config)),
    ):
        inputs = _build_pipeline(cfg)({"img": image, "img_id": 0})["inputs"]
        dtypes[name] = inputs.dtype
    assert dtypes == {"centernet": torch.float32, "trained": torch.uint8}
