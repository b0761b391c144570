#!/usr/bin/env bash
# mmengine, LinearLR and ConstantLR: a warm-up of a single step never ends. "by_epoch=True, begin=0,
# end=1", the usual words for one epoch of warm-up, trains with start_factor times the learning
# rate in all epochs, not in the first alone: a thousandth of it with the factor of mmdet's
# configs. The factor is undone at the step before `end`, and with end - begin = 1 there is none
# after the first. torch's schedulers of the same names, with total_iters=1, undo it. Nothing is
# logged but the learning rate itself; "end=2" and "convert_to_iter_based=True" do what was meant.
# Whoever scales a config down meets it, too: a warm-up of 5 in 300 epochs is one of 1 in 60.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 matplotlib==3.11.2 rich==15.0.0 \
  addict==2.4.0 pyyaml==6.0.3 termcolor==3.3.0 yapf==0.43.0 opencv-python-headless==4.11.0.86
# Without what it depends on: that is there, and OpenCV is without windows.
"$folder/venv/bin/pip" install --quiet --no-deps mmengine==0.10.7
cd "$folder"
venv/bin/python - <<'EOF'
import sys
import warnings

import mmengine
import torch
from mmengine.optim import scheduler as of_mmengine
from torch.optim import lr_scheduler as of_torch

warnings.simplefilter("ignore")
EPOCHS = 4


def rates(make):
    """The learning rate of each epoch."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    seen = []
    for _ in range(EPOCHS):
        seen.append(round(optimizer.param_groups[0]["lr"], 6))
        optimizer.step()
        scheduler.step()
    return seen


def mmengine_linear(end):
    return lambda optimizer: of_mmengine.LinearLR(
        optimizer, start_factor=0.001, by_epoch=True, begin=0, end=end
    )


print(f"mmengine {mmengine.__version__}, torch {torch.__version__}; rate of each epoch:")
found = {
    "mmengine LinearLR, end=1": rates(mmengine_linear(1)),
    "mmengine LinearLR, end=2": rates(mmengine_linear(2)),
    "mmengine ConstantLR, end=1": rates(
        lambda optimizer: of_mmengine.ConstantLR(optimizer, factor=0.5, begin=0, end=1)
    ),
    "torch LinearLR, total_iters=1": rates(
        lambda optimizer: of_torch.LinearLR(optimizer, 0.001, total_iters=1)
    ),
    "torch ConstantLR, total_iters=1": rates(
        lambda optimizer: of_torch.ConstantLR(optimizer, 0.5, total_iters=1)
    ),
}
for name, seen in found.items():
    print(f"{name}: {seen}")
stuck, two, constant, linear, other = found.values()
never = stuck == [0.001] * EPOCHS and constant == [0.5] * EPOCHS
sys.exit(not (never and two[1:] == linear[1:] == other[1:] == [1.0] * (EPOCHS - 1)))
EOF
