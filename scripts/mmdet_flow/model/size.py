"""How many weights a model has, without memory for them where its code allows that."""


def count_weights(cfg) -> int:
    """Return how many numbers a model has that can be learned; builds it to count."""
    import contextlib
    import copy
    import os
    import warnings

    import torch

    from mmdet_flow.imports import import_mmdet
    from mmdet_flow.model.fit.network import drop_pretrained, use_single_process_norm

    import_mmdet()
    from mmdet.registry import MODELS
    from mmengine.registry import init_default_scope

    init_default_scope("mmdet")
    model_cfg = copy.deepcopy(cfg.model)
    drop_pretrained(model_cfg)
    use_single_process_norm(model_cfg)
    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere:
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(nowhere):
            try:
                with torch.device("meta"), _unfilled():
                    model = MODELS.build(model_cfg)
            except (RuntimeError, NotImplementedError):
                model = MODELS.build(model_cfg)
    return sum(weight.numel() for weight in model.parameters())


def _unfilled():
    """Return a context in which no tensor gets random numbers.

    Weights without memory have none to get, and torch would import its compiler first.
    """
    from torch import Tensor
    from torch.overrides import TorchFunctionMode

    class Unfilled(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if function in (Tensor.normal_, Tensor.uniform_):
                return args[0]
            return function(*args, **(kwargs or {}))

    return Unfilled()
