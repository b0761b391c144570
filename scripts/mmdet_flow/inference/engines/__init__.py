"""What runs a network: torch, or OpenVINO where the model can be traced.

Both take images as the test pipeline prepares them, and leave everything between the
network's outputs and the objects to mmdet's own code.
"""

from mmdet_flow import cli
from mmdet_flow.errors import ModelError, UsageError
from mmdet_flow.inference.engines.engine import CannotTrace, Engine, EngineOptions
from mmdet_flow.precisions import EXACT


def open_engine(model, identity: str, device: str, options: EngineOptions) -> Engine:
    """Return the engine of a model of mmdet.

    ``identity`` is a hash of everything that decides the network's outputs.
    Raises UsageError for options that do not go together, ModelError when the
    backend that was asked for cannot run this model.
    """
    from mmdet_flow.inference.engines.torch_engine import TorchEngine
    from mmdet_flow.roi_align import use_fast_roi_align

    if device == "cpu":
        use_fast_roi_align(model)
    reason = None
    if options.backend != "torch":
        reason = "it runs on the CPU alone" if device != "cpu" else None
        try:
            if reason is None:
                from mmdet_flow.inference.engines.openvino_engine import OpenVINOEngine

                return OpenVINOEngine(model, identity, options)
        except CannotTrace as error:
            reason = str(error)
        if options.backend == "openvino":
            raise ModelError(
                f"--backend openvino: cannot run this model ({reason}); leave the "
                "option out"
            )
        cli.log.info("torch runs this model, OpenVINO cannot: %s", reason)
    if options.precision != EXACT:
        raise UsageError(
            f"--precision {options.precision}: torch runs this model, in fp32 alone; "
            "leave the option out"
        )
    if device == "cpu":
        from mmdet_flow.model.speed import use_channels_last

        use_channels_last(model)
    return TorchEngine(model, options.threads)
