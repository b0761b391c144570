#!/usr/bin/env bash
# MMEngine, auto_scale_lr together with accumulative_counts: the learning rate is scaled by the
# batch that the loader gives, and not by the images that a step of the optimizer is for. So who
# trains a config for 16 images at once with 2 at once and their gradients gathered over 8 batches,
# as memory on a CPU makes one do, has 16 images a step as the config wants, and an eighth of its
# rate: the loss is divided by 8 already, so each step is 8 times too short. The log has a line of
# the batch and the ratio, in which 8 does not appear.
# What helps: no auto_scale_lr where the product is the config's batch; or the rate times 8.
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
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

RATE, BASE = 0.01, 16
warnings.simplefilter("ignore")


class Images(Dataset):
    def __len__(self):
        return BASE

    def __getitem__(self, index):
        return {"inputs": torch.ones(1)}


class Detector(BaseModel):
    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.ones_(self.head.weight)

    def forward(self, inputs, mode):
        return {"loss": self.head(torch.stack(inputs)).mean()}


def trained(batch, gathered, scaled=True):
    """The rate, and how far one step for BASE images moves a weight whose gradient is 1."""
    runner = Runner(
        Detector(),
        work_dir=".",
        train_dataloader={
            "dataset": Images(),
            "batch_size": batch,
            "sampler": {"type": "DefaultSampler", "shuffle": True},
        },
        train_cfg={"by_epoch": True, "max_epochs": 1},
        optim_wrapper={
            "optimizer": {"type": "SGD", "lr": RATE},
            "accumulative_counts": gathered,
        },
        auto_scale_lr={"enable": scaled, "base_batch_size": BASE},
        default_hooks={"checkpoint": None, "logger": None},
        log_level="ERROR",
        experiment_name=f"{batch} {gathered} {scaled}",
    )
    runner.train()
    return runner.optim_wrapper.get_lr()["lr"][0], 1 - runner.model.head.weight.item()


print(f"mmengine {mmengine.__version__}, torch {torch.__version__}")
print(f"a rate of {RATE} for {BASE} images a step, of which each of these has {BASE}:")
found = {
    f"{BASE} at once": trained(BASE, 1),
    f"2 at once, gathered {BASE // 2} times": trained(2, BASE // 2),
    "the same, without auto_scale_lr": trained(2, BASE // 2, scaled=False),
}
for name, (rate, way) in found.items():
    print(f"{name}: rate {rate:.5f}, moves by {way:.5f}")
whole, small, helped = (way for _, way in found.values())
sys.exit(not (abs(small * BASE / 2 / whole - 1) < 0.01 and abs(helped / whole - 1) < 0.01))
EOF
