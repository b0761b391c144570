"""A training hook: stop when the loss is lost."""

import math

from mmengine.hooks import Hook

from mmdet_flow.errors import ModelError


class StopOnNonFiniteLoss(Hook):
    """End the training when a loss is NaN or infinite, before weights are saved."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        loss = float((outputs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            images = ", ".join(one.img_path for one in data_batch["data_samples"])
            raise ModelError(
                f"epoch {runner.epoch + 1}, iteration {batch_idx + 1}: the loss is "
                f"{loss} for {images}; lower the learning rate, or check the "
                "annotations of these images"
            )
