#!/usr/bin/env bash
# mmdet, the configs of RTMDet: with an odd max_epochs the learning rate rises again at the end.
# Their cosine begins at max_epochs // 2, ends at max_epochs and has T_max = max_epochs // 2, which
# is an epoch too short then, and mmengine's CosineAnnealingLR goes up after T_max. In 300 epochs
# nobody meets it; who sets the few epochs that a small data set needs ends a training of 3 epochs
# at the highest rate, of 5 at half of it, of 7 at a fourth, and saves and validates that as the
# last. The log shows it in a column alone. An even number, or T_max = max_epochs - begin, is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 matplotlib==3.11.2 rich==15.0.0 \
  addict==2.4.0 pyyaml==6.0.3 termcolor==3.3.0 yapf==0.43.0 opencv-python-headless==4.11.0.86
# Without what they depend on: what is needed of that is there, and OpenCV is without windows.
"$folder/venv/bin/pip" install --quiet --no-deps mmengine==0.10.7 mmcv-lite==2.1.0 mmdet==3.3.0
cd "$folder"
venv/bin/python - <<'EOF'
import re
import sys
import warnings
from pathlib import Path

import mmdet
import torch
from mmengine.config import Config
from mmengine.optim import scheduler as schedulers

warnings.simplefilter("ignore")
ITERATIONS = 50  # of an epoch; the warm-up is shortened to one
source = Path(mmdet.__file__).parent / ".mim/configs/rtmdet/rtmdet_l_8xb32-300e_coco.py"


def last_rate(epochs):
    """The rate of the last iteration as a fraction of the highest, by the config's schedule."""
    text, changed = re.subn(r"(?m)^max_epochs = 300$", f"max_epochs = {epochs}", source.read_text())
    assert changed == 1
    copy = source.with_name("changed.py")
    copy.write_text(text)
    config = Config.fromfile(copy)
    copy.unlink()
    lr = config.optim_wrapper.optimizer.lr
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    warm_up, cosine = config.param_scheduler
    warm_up.end = ITERATIONS
    cosine.pop("convert_to_iter_based")
    warm_up, cosine = (
        (getattr(schedulers, one.pop("type")), one) for one in (warm_up, cosine)
    )
    made = [
        warm_up[0](optimizer=optimizer, **warm_up[1]),
        cosine[0].build_iter_from_epoch(
            optimizer=optimizer, epoch_length=ITERATIONS, **cosine[1]
        ),
    ]
    rates = []
    for _ in range(epochs * ITERATIONS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for one in made:
            one.step()
    return round(rates[-1] / max(rates), 2)


print(f"mmdet {mmdet.__version__}, torch {torch.__version__}; {source.name}")
found = {epochs: last_rate(epochs) for epochs in (3, 4, 5, 6, 7, 8, 13, 300)}
print("the last learning rate as a fraction of the highest, by max_epochs:", found)
even = max(found[epochs] for epochs in (4, 6, 8, 300))
sys.exit(not (even < 0.06 and found[3] > 0.9 and found[5] > 0.4 and found[7] > 0.2))
EOF
