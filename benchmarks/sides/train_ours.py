"""Our way of training, step by step."""

import json
import os
import sys
import warnings

job = json.loads(sys.argv[1])
os.environ["OMP_NUM_THREADS"] = str(job["threads"])

import torch  # noqa: E402  after the number of threads
from steps import answer  # noqa: E402

from mmdet_flow.memory import keep_freed_memory  # noqa: E402
from mmdet_flow.model.config import load_config  # noqa: E402
from mmdet_flow.model.precision import use_bf16  # noqa: E402
from mmdet_flow.model.runner import build_runner  # noqa: E402


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(job["threads"])
    keep_freed_memory()
    config = load_config(job["config"])
    config.work_dir = job["work_dir"]
    config.launcher = "none"
    config.log_level = "ERROR"
    config.train_dataloader.batch_size = job["batch_size"]
    stdout, sys.stdout = sys.stdout, sys.stderr
    runner = build_runner(config)
    if job["precision"] == "bf16":
        use_bf16(runner.bare_model)
    loader = runner.build_dataloader(runner._train_dataloader, seed=runner.seed)
    answer(runner, loader, runner.build_optim_wrapper(runner.optim_wrapper), stdout)


main()
