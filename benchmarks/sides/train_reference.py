"""The reference stack's way of training, step by step. Runs in its environment."""

import json
import sys
import warnings

import torch
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.runner import Runner
from steps import answer


def main():
    job = json.loads(sys.argv[1])
    warnings.simplefilter("ignore")
    torch.set_num_threads(job["threads"])
    register_all_modules()
    config = Config.fromfile(job["config"])
    config.work_dir = job["work_dir"]
    config.log_level = "ERROR"
    config.train_dataloader.batch_size = job["batch_size"]
    stdout, sys.stdout = sys.stdout, sys.stderr
    runner = Runner.from_cfg(config)
    loader = runner.build_dataloader(config.train_dataloader)
    answer(runner, loader, runner.build_optim_wrapper(config.optim_wrapper), stdout)


main()
