"""The network in torch: every model of mmdet, at torch's speed."""

import threading
from collections.abc import Sequence


class TorchEngine:
    """Runs images of one size together, others in batches of their own.

    So padding never differs from that of the image alone.
    """

    name = "torch"
    precision = "fp32"

    def __init__(self, model, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._model = model
        self._turn = threading.Lock()  # one batch has all threads

    def infer(self, batch: Sequence[dict]) -> list:
        import torch

        groups: dict[tuple[int, ...], list[int]] = {}
        for index, item in enumerate(batch):
            groups.setdefault(tuple(item["inputs"].shape), []).append(index)
        found = [None] * len(batch)
        for indices in groups.values():
            data = {
                key: [batch[index][key] for index in indices]
                for key in ("inputs", "data_samples")
            }
            with self._turn, torch.inference_mode():
                samples = self._model.test_step(data)
            for index, sample in zip(indices, samples, strict=True):
                found[index] = sample
        return found
