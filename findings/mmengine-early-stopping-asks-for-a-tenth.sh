#!/usr/bin/env bash
# MMEngine, EarlyStoppingHook: the default of min_delta, by which a score has to be better than the
# best one to count, is 0.1, where the docstring and the documentation made of it say 0.01. For a
# mAP, from 0 to 1, that is ten points. After the first epochs nearly no training gains so much
# within the five validations of the default patience. So it stops while it still learns, and says
# that the metric "did not improve", with a best score that is not the best one: below min_delta, a
# better score is not kept either. A gain of a point and a half in each epoch ends at the sixth.
# What helps: min_delta=0.001, in the config.
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
import inspect
import re
import sys
import warnings

import mmengine
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import EarlyStoppingHook
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

EPOCHS, FIRST, GAIN = 20, 0.30, 0.015
warnings.simplefilter("ignore")


class Images(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {"inputs": torch.ones(1)}


class Detector(BaseModel):
    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(1, 1)

    def forward(self, inputs, mode):
        loss = self.head(torch.stack(inputs)).square().mean()
        return {"loss": loss} if mode == "loss" else [{}]


class Precision(BaseMetric):
    """Rises in each epoch."""

    default_prefix = "coco"

    def process(self, data_batch, data_samples):
        self.results.extend(data_samples)

    def compute_metrics(self, results):
        epoch = MessageHub.get_current_instance().get_info("epoch")
        return {"bbox_mAP": FIRST + GAIN * epoch}


def trained(**options):
    """How many epochs are trained, and the best score as the hook knows it."""
    hook = EarlyStoppingHook("coco/bbox_mAP", **options)
    loader = {"dataset": Images(), "batch_size": 2}
    runner = Runner(
        Detector(),
        work_dir=".",
        train_dataloader={**loader, "sampler": {"type": "DefaultSampler", "shuffle": True}},
        train_cfg={"by_epoch": True, "max_epochs": EPOCHS},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01}},
        val_dataloader={**loader, "sampler": {"type": "DefaultSampler", "shuffle": False}},
        val_evaluator=Evaluator(Precision()),
        val_cfg={},
        default_hooks={"logger": None, "checkpoint": None},
        custom_hooks=[hook],
        log_level="ERROR",
        experiment_name=f"{options}",
    )
    runner.train()
    return runner.epoch, round(hook.best_score, 3)


default = inspect.signature(EarlyStoppingHook).parameters["min_delta"].default
described = re.search(r"min_delta .*?Defaults to ([\d.]*\d)", EarlyStoppingHook.__doc__, re.DOTALL)
print(f"mmengine {mmengine.__version__}, torch {torch.__version__}")
print(f"min_delta: {default}, and by the docstring {described[1]}")
print(f"a mAP of {FIRST}, and {GAIN} more with each of {EPOCHS} epochs:")
found = {"as it is": trained(), "as described": trained(min_delta=float(described[1]))}
for name, (epochs, best) in found.items():
    last = FIRST + GAIN * (epochs - 1)
    print(f"{name}: ends after {epochs}, with a mAP of {last:.3f}; best {best:.3f}")
stopped, went_on = found.values()
sys.exit(not (default == 0.1 and stopped == (6, FIRST) and went_on[0] == EPOCHS))
EOF
