#!/usr/bin/env bash
# MMEngine, a train_dataloader with num_workers above 0 and without persistent_workers=True (the
# default is False): all epochs augment alike. Worker processes are started anew for each epoch, and
# worker_init_fn seeds random, numpy and torch in each of them from the seed of the run and the
# worker's number alone, whether the user has set a seed or not. So the n-th image of each epoch has
# the flip, crop and colour that the n-th of the first one had, and a training of 300 epochs sees as
# few variations as one. torch's own loader mixes in a number that is new in each epoch.
# Where images are not shuffled, all epochs are equal. Nothing is logged; the loss falls faster.
# What helps: persistent_workers=True, which memory is often saved on; or no workers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 matplotlib==3.11.2 rich==15.0.0 \
  addict==2.4.0 pyyaml==6.0.3 termcolor==3.3.0 yapf==0.43.0 opencv-python-headless==4.11.0.86
# Without what it depends on: that is there, and OpenCV is without windows.
"$folder/venv/bin/pip" install --quiet --no-deps mmengine==0.10.7
cd "$folder"
cat > repeat.py <<'EOF'
import random
import sys
import warnings

import mmengine
import numpy as np
import torch
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset

IMAGES, EPOCHS = 16, 20
warnings.simplefilter("ignore")


class Augmented(Dataset):
    """Gives what an augmentation would draw, from the three sources of random numbers."""

    def __len__(self):
        return IMAGES

    def __getitem__(self, index):
        return random.random(), float(np.random.rand()), float(torch.rand(()))


def by_mmengine(**options):
    sampler = {"type": "DefaultSampler", "shuffle": True}
    config = {"dataset": Augmented(), "batch_size": 2, "sampler": sampler, **options}
    return Runner.build_dataloader(config, seed=int(torch.randint(2**31, ())))


def by_torch(**options):
    return DataLoader(Augmented(), batch_size=2, shuffle=True, **options)


def variations(loader):
    """How many different ones some epochs have, for each source of random numbers."""
    drawn = [
        torch.stack([torch.as_tensor(source, dtype=torch.float64) for source in batch])
        for _ in range(EPOCHS)
        for batch in loader
    ]
    return [len(set(source.tolist())) for source in torch.cat(drawn, 1)]


print(f"mmengine {mmengine.__version__}, torch {torch.__version__}")
print(f"{EPOCHS} epochs of {IMAGES} images; different numbers of random, numpy and torch:")
anew, kept = {"num_workers": 2}, {"num_workers": 2, "persistent_workers": True}
found = {
    "mmengine, workers": variations(by_mmengine(**anew)),
    "mmengine, persistent workers": variations(by_mmengine(**kept)),
    "mmengine, no workers": variations(by_mmengine(num_workers=0)),
    "torch, workers": variations(by_torch(**anew)),
}
for name, numbers in found.items():
    print(f"{name}: {numbers}")
repeats, *others = found.values()
sys.exit(not (repeats == [IMAGES] * 3 and all(min(one) > 0.9 * IMAGES * EPOCHS for one in others)))
EOF
venv/bin/python repeat.py
