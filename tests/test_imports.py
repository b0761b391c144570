"""The import of mmdet, in processes of their own."""

import subprocess
import sys

IMPORT = "from mmdet_flow.imports import import_mmdet; import_mmdet(); "
ASSIGNER = "mmdet.models.task_modules.assigners.hungarian_assigner"


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


EACH = """
import os, sys
for code in sys.argv[1:]:
    if os.fork() == 0:
        exec(code)
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""


def after_import(*codes: str) -> list[str]:
    """Return what each code prints where mmdet is imported, and nothing else."""
    return run(IMPORT + EACH, *codes).splitlines()


def test_what_is_slow_and_not_needed_is_imported_when_it_is_used():
    not_needed = (
        "names = ('matplotlib', 'scipy', 'sklearn', 'torch.distributed.fsdp'); "
        "print([name for name in names if name in sys.modules])"
    )
    cases = [
        (not_needed, "[]"),
        # What mmdet took from a stand-in does what the real one does.
        (
            f"from {ASSIGNER} import linear_sum_assignment as assign; "
            "print(*assign([[1, 0], [0, 1]])[1])",
            "1 0",
        ),
        (
            "from mmdet.models.dense_heads import paa_head as p; "
            "print(p.skm.GaussianMixture(2).n_components)",
            "2",
        ),
        # Later imports are real.
        ("import scipy.sparse; print(scipy.sparse.eye(3).sum())", "3.0"),
        (
            "import matplotlib.pyplot as plt; print(plt.Figure.__module__)",
            "matplotlib.figure",
        ),
    ]
    codes, expected = zip(*cases, strict=True)
    assert after_import(*codes) == list(expected)


def test_a_training_of_several_processes_may_be_sharded():
    code = "import_mmdet(True); from mmengine.optim import optimizer as o; "
    check = "print(o.ZeroRedundancyOptimizer.__mro__[1].__module__)"
    found = run(IMPORT.replace("import_mmdet(); ", code) + check)
    assert found == "torch.distributed.optim.zero_redundancy_optimizer"


def test_what_was_imported_before_stays():
    code = f"import scipy.optimize as real; {IMPORT}import {ASSIGNER} as a; "
    check = "print(a.linear_sum_assignment is real.linear_sum_assignment)"
    assert run(code + check) == "True"


STEPS = """
import sys, torch
from torch.nn import Parameter
for name, options in (
    ("SGD", {"momentum": 0.9, "fused": True}),
    ("AdamW", {"fused": True}),
    ("Adam", {"foreach": True}),
    ("RMSprop", {}),
):
    weight = Parameter(torch.linspace(-1, 1, 7))
    optimizer = getattr(torch.optim, name)([weight], lr=0.1, **options)
    for _ in range(3):
        optimizer.zero_grad()
        (weight**3).sum().backward()
        optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    print(name, weight.tolist(), weight.requires_grad)
start = Parameter(torch.ones(1))
weight = start.clone()
weight.grad = weight.detach()
torch.optim.SGD([weight], lr=0.1, differentiable=True).step()
print(weight.grad_fn is not None)
print("torch._dynamo" in sys.modules)
"""


def test_optimizers_do_the_same_without_the_compiler_of_torch():
    code = "from mmdet_flow.imports import leave_compiler_out; leave_compiler_out()"
    *with_it, was_there = run(STEPS).splitlines()
    *without, is_there = run(code + STEPS).splitlines()
    assert without == with_it
    assert (was_there, is_there) == ("True", "False")
