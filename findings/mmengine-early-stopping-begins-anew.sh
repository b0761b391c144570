#!/usr/bin/env bash
# MMEngine, EarlyStoppingHook and resume=True: the best score and the number of validations without
# a better one are in the hook alone, and not in the checkpoint. So each resumed training begins to
# count anew, from a best score of minus infinity. One that is ended and resumed within as many
# validations as its patience, by a cluster's time limit or on a shared machine, never stops early.
# And one that did stop early, and is started again, trains on for its patience and one epoch more.
# CheckpointHook has its best score in the checkpoint, so the best one is kept all the same.
# What helps: a hook that puts wait_count and best_score into the checkpoint and takes them out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 matplotlib==3.11.2 rich==15.0.0 \
  addict==2.4.0 pyyaml==6.0.3 termcolor==3.3.0 yapf==0.43.0 opencv-python-headless==4.11.0.86
# Without what it depends on: that is there, and OpenCV is without windows.
"$folder/venv/bin/pip" install --quiet --no-deps mmengine==0.10.7
cd "$folder"
# The checkpoints are our own.
TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 venv/bin/python - <<'EOF'
import sys
import warnings

import mmengine
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import EarlyStoppingHook, Hook
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

PATIENCE, EPOCHS, BEST = 3, 20, 2
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
    """Rises in the first epochs, and not after them."""

    default_prefix = "coco"

    def process(self, data_batch, data_samples):
        self.results.extend(data_samples)

    def compute_metrics(self, results):
        epoch = MessageHub.get_current_instance().get_info("epoch") + 1
        return {"bbox_mAP": min(epoch, BEST) / 10}


class TimeLimit(Hook):
    """Ends the process, as it were, at the end of so many epochs."""

    def __init__(self, epochs):
        self.left = epochs

    def before_train_epoch(self, runner):
        self.left -= 1
        if self.left < 0:
            raise TimeoutError


def trained(name, number, limit):
    """Train, or resume what was trained in this folder; epochs so far, and whether that is all."""
    loader = {"dataset": Images(), "batch_size": 2}
    runner = Runner(
        Detector(),
        work_dir=name,
        train_dataloader={**loader, "sampler": {"type": "DefaultSampler", "shuffle": True}},
        train_cfg={"by_epoch": True, "max_epochs": EPOCHS},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01}},
        val_dataloader={**loader, "sampler": {"type": "DefaultSampler", "shuffle": False}},
        val_evaluator=Evaluator(Precision()),
        val_cfg={},
        default_hooks={"logger": None},
        custom_hooks=[
            EarlyStoppingHook("coco/bbox_mAP", min_delta=0.01, patience=PATIENCE),
            TimeLimit(limit),
        ],
        resume=number > 0,
        log_level="ERROR",
        experiment_name=f"{name} {number}",
    )
    try:
        runner.train()
    except TimeoutError:
        return runner.epoch, False
    return runner.epoch, True


print(f"mmengine {mmengine.__version__}, torch {torch.__version__}")
print(f"the best score is that of epoch {BEST}, the patience {PATIENCE}; {EPOCHS} epochs at most:")
stopped, _ = trained("whole", 0, EPOCHS)
print(f"in one go: stops after epoch {stopped}")
again, _ = trained("whole", 1, EPOCHS)
print(f"the stopped one, started again: stops after epoch {again}")
number, done = 0, False
while not done:
    epochs, done = trained("parts", number, PATIENCE)
    number += 1
print(f"resumed after each {PATIENCE} epochs: stops after epoch {epochs}")
sys.exit((stopped, again, epochs) != (BEST + PATIENCE, BEST + 2 * PATIENCE + 1, EPOCHS))
EOF
