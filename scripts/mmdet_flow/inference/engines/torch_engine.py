"""The network in torch: every model of mmdet, at torch's speed."""

import threading
from collections.abc import Sequence


class TorchEngine:
    """Runs images one by one.

    In a batch, the company of an image changes the last bits of its result, and a run
    that continues after a kill has other batches than an undisturbed one.
    """

    name = "torch"
    precision = "fp32"

    def __init__(self, model, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._model = model
        self._turn = threading.Lock()  # one image has all threads

    def infer(self, batch: Sequence[dict]) -> list:
        return [self._infer(item) for item in batch]

    def _infer(self, item: dict):
        import torch

        data = {key: [item[key]] for key in ("inputs", "data_samples")}
        with self._turn, torch.inference_mode():
            (sample,) = self._model.test_step(data)
        return sample
