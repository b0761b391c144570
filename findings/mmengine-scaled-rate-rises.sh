#!/usr/bin/env bash
# MMEngine, auto_scale_lr: the learning rate of the optimizer is scaled to the batch, and eta_min of
# the schedulers, which is a rate as well, is not. The configs of RTMDet are for 256 images at once
# (0.004, falling to eta_min 0.0002 by a cosine); with two, on a CPU, the rate is scaled to 0.00003,
# which is below eta_min. So the cosine that should calm the second half of the training down makes
# the rate rise, up to 6.4 times what it was, and no line of the log says so. Any batch below a
# twentieth of the base has it; with somewhat larger ones the fall is cut short.
# What helps: eta_min times batch / base_batch_size in the config.
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
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

RATE, LEAST, BASE, EPOCHS = 0.004, 0.0002, 256, 10
warnings.simplefilter("ignore")


class Images(Dataset):
    def __len__(self):
        return BASE

    def __getitem__(self, index):
        return {"inputs": torch.ones(1)}


class Detector(BaseModel):
    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(1, 1)

    def forward(self, inputs, mode):
        return {"loss": self.head(torch.stack(inputs)).square().mean()}


class Rates(Hook):
    def before_train_epoch(self, runner):
        self.rates = [*getattr(self, "rates", []), runner.optim_wrapper.get_lr()["lr"][0]]


def rates(batch, least):
    """The rate of each epoch; the second half of them has a cosine."""
    hook, half = Rates(), EPOCHS // 2
    cosine = {"begin": half, "end": EPOCHS, "T_max": EPOCHS - half, "eta_min": least}
    Runner(
        Detector(),
        work_dir=".",
        train_dataloader={
            "dataset": Images(),
            "batch_size": batch,
            "sampler": {"type": "DefaultSampler", "shuffle": True},
        },
        train_cfg={"by_epoch": True, "max_epochs": EPOCHS},
        optim_wrapper={"optimizer": {"type": "AdamW", "lr": RATE}},
        param_scheduler={"type": "CosineAnnealingLR", "by_epoch": True, **cosine},
        auto_scale_lr={"enable": True, "base_batch_size": BASE},
        default_hooks={"checkpoint": None, "logger": None},
        custom_hooks=[hook],
        log_level="ERROR",
        experiment_name=f"{batch} {least}",
    ).train()
    return hook.rates


print(f"mmengine {mmengine.__version__}, torch {torch.__version__}")
print(f"a rate of {RATE} for {BASE} images at once, by a cosine to {LEAST}; in each epoch:")
whole, small = rates(BASE, LEAST), rates(2, LEAST)
helped = rates(2, LEAST * 2 / BASE)
for name, found in ((f"{BASE} at once", whole), ("2 at once", small), ("eta_min scaled", helped)):
    print(f"{name}:", *(f"{rate:.7f}" for rate in found))
last = [found[-1] / found[0] for found in (whole, small, helped)]
print("last rate / first:", *(f"{ratio:.2f}" for ratio in last))
sys.exit(not (max(last[0], last[2]) < 0.2 and last[1] > 5 and small == sorted(small)))
EOF
