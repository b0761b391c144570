"""The reference stack's way of training, step by step. Runs in its environment."""

import json
import resource
import sys
import time
import warnings

import torch
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.runner import Runner


def endless(loader):
    while True:
        yield from loader


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
    batches = endless(runner.build_dataloader(config.train_dataloader))
    update = runner.build_optim_wrapper(config.optim_wrapper)
    runner.model.init_weights()
    runner.model.train()
    print("ready", file=stdout, flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        for _ in range(int(line)):
            runner.model.train_step(next(batches), update)
        seconds = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps([seconds, 0, peak]), file=stdout, flush=True)


main()
