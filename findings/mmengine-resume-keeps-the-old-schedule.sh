#!/usr/bin/env bash
# MMEngine, resume=True with a config that was changed: max_epochs is taken from the config, and the
# schedule is not. A checkpoint holds the whole state of each scheduler, and that has T_max, end,
# milestones and gamma in it, which overwrite those of the config without a message. So who finds
# that four epochs were too few, and resumes with eight and a cosine over eight, trains all four new
# ones at the rate where the old cosine stopped, at first less than a third of the config's.
# Milestones that the config moves to later have dropped the rate already, and new ones never come.
# The saved config shows the new schedule. torch's own schedulers do as much in load_state_dict.
# What helps: resume by hand with resume_param_scheduler=False; or load_from, and begin anew.
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
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

SHORT, LONG = 4, 8
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
        return {"loss": self.head(torch.stack(inputs)).square().mean()}


class Rates(Hook):
    rates = ()

    def before_train_epoch(self, runner):
        self.rates = (*self.rates, round(runner.optim_wrapper.get_lr()["lr"][0], 5))


def rates(schedule, epochs, folder, resume=False):
    """The learning rate of each epoch that is trained."""
    hook = Rates()
    Runner(
        Detector(),
        work_dir=folder,
        train_dataloader={
            "dataset": Images(),
            "batch_size": 2,
            "sampler": {"type": "DefaultSampler", "shuffle": True},
        },
        train_cfg={"by_epoch": True, "max_epochs": epochs},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01}},
        param_scheduler={"by_epoch": True, **schedule(epochs)},
        default_hooks={"logger": None},
        custom_hooks=[hook],
        resume=resume,
        log_level="ERROR",
        experiment_name=f"{folder} {resume}",
    ).train()
    return hook.rates


def cosine(epochs):
    return {"type": "CosineAnnealingLR", "T_max": epochs, "end": epochs}


def steps(epochs):
    return {"type": "MultiStepLR", "milestones": [epochs * 3 // 4], "gamma": 0.1}


print(f"mmengine {mmengine.__version__}, torch {torch.__version__}; rates of epochs 5 to 8:")
changed = []
for schedule in (cosine, steps):
    begun = rates(schedule, SHORT, f"{schedule.__name__} resumed")
    resumed = rates(schedule, LONG, f"{schedule.__name__} resumed", resume=True)
    whole = rates(schedule, LONG, f"{schedule.__name__} whole")[SHORT:]
    print(f"{schedule.__name__} over {LONG}: {whole}; over {SHORT}, resumed over {LONG}: {resumed}")
    changed.append(set(resumed) == {begun[-1]} and resumed[0] < whole[0] / 3)
sys.exit(changed != [True, True])
EOF
