"""The import of mmdet, without what is needed for nothing that is done here.

Importing mmdet imports matplotlib, scipy, scikit-learn and the sharded training of
torch, which takes longer than all the rest and serves plots, tracking and other
machines. Stand-ins take their place meanwhile: what is taken from them imports the real
thing when it is called. The optimizers of torch import its compiler, which they are
kept from.
"""

import functools
import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

RARE = (
    *("matplotlib", "matplotlib.patches", "matplotlib.pyplot"),
    *("scipy", "scipy.linalg", "scipy.optimize", "scipy.sparse"),
    "scipy.sparse.csgraph",
    *("sklearn", "sklearn.gaussian_process", "sklearn.gaussian_process.kernels"),
    "sklearn.mixture",
    *("torch.distributed.fsdp", "torch.distributed.fsdp.api"),
    "torch.distributed.fsdp.fully_sharded_data_parallel",
)
SHARDED_OPTIMIZER = ("torch.distributed.optim",)
"""Only several processes can train with it, and a class of mmengine derives from it."""


class StandIn(ModuleType):
    """A module whose names are classes, to be called or derived from."""

    __path__ = ()

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(_, *args, **named):
            real = getattr(importlib.import_module(self.__name__), name)
            return real(*args, **named)

        made = type(name, (), {"__new__": call, "__module__": self.__name__})
        setattr(self, name, made)
        return made


@contextmanager
def deferred(names: tuple[str, ...]) -> Iterator[None]:
    """Have modules that are imported in this block, and not before, wait."""
    stand_ins = {name: StandIn(name) for name in names if name not in sys.modules}
    sys.modules.update(stand_ins)
    for name, module in stand_ins.items():
        parent, _, child = name.rpartition(".")
        if parent in stand_ins:  # for "import parent.child as short"
            setattr(stand_ins[parent], child, module)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


def import_mmdet(several_processes: bool = False) -> None:
    """Import all that building and running a model of mmdet takes."""
    import torch  # noqa: F401  its own parts are not to be deferred

    with deferred(RARE if several_processes else RARE + SHARDED_OPTIMIZER):
        import mmdet.datasets.transforms
        import mmdet.models
    # It asks all heads for their loss of classes, and stops at SSD, which has none.
    mmdet.models.SSDHead.loss_cls = None
    # They warn of deprecated parts of each other, which nobody here can fix.
    warnings.filterwarnings("ignore", module=r"(mmdet|mmcv|mmengine|torch)\.")


def leave_compiler_out() -> None:
    """Let the optimizers of torch work without its compiler.

    They import it when they are made and at each step, to tell it what not to compile.
    That takes about as long as importing torch, and nothing is compiled here.
    """
    from torch import optim

    for method in vars(optim.Optimizer).values():
        if hasattr(method, "__wrapped__"):
            # What torch would have the compiler make of it, once.
            method.__wrapped__.__dynamo_disable = method.__wrapped__
    for cls in vars(optim).values():
        step = vars(cls).get("step") if isinstance(cls, type) else None
        if hasattr(step, "__wrapped__") and step.__code__.co_name == "_use_grad":
            cls.step = _with_gradients_if_asked(step.__wrapped__)


def _with_gradients_if_asked(step: Callable) -> Callable:
    """Return a step as torch wraps it, but for its words to the compiler."""
    import torch

    @functools.wraps(step)
    def call(self, *args, **kwargs):
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            return step(self, *args, **kwargs)

    return call
