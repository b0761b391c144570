#!/usr/bin/env bash
# mmdet, ExpMomentumEMA, the average of the weights in configs of RTMDet and YOLOX: in a training of
# a few thousand steps it is no average. The weight of the newest step falls as exp(-steps / 2000)
# to the 0.0002 of the config, which suits 300 epochs of COCO, some 137,000 steps. After 1,500 steps
# (100 images, 2 at once, for 30 epochs) the newest step makes up half of it, and it is as noisy as
# a mean of 3 steps; after 5,000, of 23; after 30,000, of 9,000. So a config that is cut down
# to a few epochs validates and saves single steps, pays for the average in each of them, and logs
# nothing. Steps count from 0 in a fine-tuning as well. The docstring has the formula, and not this.
# What helps: both by the number of steps; gamma a 70th of them, momentum 28 by them.
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
import importlib.util
import sys
import warnings
from pathlib import Path

import mmdet
import torch
from mmengine.config import Config

warnings.simplefilter("ignore")
torch.set_num_threads(1)
SHORT, MEDIUM, LONG = 1_500, 5_000, 30_000
WEIGHTS = 2_000

# The file alone: its package would import mmcv's compiled operators, which mmcv-lite is without.
package = Path(mmdet.__file__).parent
spec = importlib.util.spec_from_file_location("ema", package / "models/layers/ema.py")
ema = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ema)


def hook_of(name):
    """The EMA hook of a config of mmdet."""
    config = Config.fromfile(package / ".mim/configs" / name)
    (hook,) = (one for one in config.custom_hooks if one.type == "EMAHook")
    return hook


def steps_averaged(ends, ema_type, **options):
    """Give a weight noise at each step; how many independent ones the average is as calm as."""
    torch.manual_seed(0)
    model = torch.nn.Linear(WEIGHTS, 1, bias=False).requires_grad_(False)
    average = getattr(ema, ema_type)(model, **options)
    found = {}
    for step in range(1, max(ends) + 1):
        model.weight.normal_()
        average.update_parameters(model)
        if step in ends:
            found[step] = round(1 / average.module.weight.square().mean().item(), 1)
    return found


print(f"mmdet {mmdet.__version__}, torch {torch.__version__}")
print("after so many steps, the average has the noise of a mean of so many:")
rtmdet = hook_of("rtmdet/rtmdet_tiny_8xb32-300e_coco.py")
yolox = hook_of("yolox/yolox_s_8xb8-300e_coco.py")
fitted = {"gamma": SHORT // 70, "momentum": 28 / SHORT}
found = {
    "RTMDet": steps_averaged(
        (SHORT, MEDIUM, LONG), rtmdet.ema_type, momentum=rtmdet.momentum
    ),
    "YOLOX": steps_averaged((SHORT, MEDIUM), yolox.ema_type, momentum=yolox.momentum),
    f"fitted to {SHORT}": steps_averaged((SHORT,), rtmdet.ema_type, **fitted),
}
for name, steps in found.items():
    print(f"{name}:", ", ".join(f"{end:,}: {count}" for end, count in steps.items()))
of_rtmdet, of_yolox, of_fitted = found.values()
short = max(of_rtmdet[SHORT], of_yolox[SHORT]) < 4 and of_rtmdet[MEDIUM] < 30
sys.exit(not (short and of_rtmdet[LONG] > 5_000 and of_fitted[SHORT] > 80))
EOF
