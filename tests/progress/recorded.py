"""Runs of Snakemake whose events are kept, so that tests take in what it says."""

import json
import logging
import os
import signal
import subprocess
import time
from pathlib import Path

from mmdet_flow.progress.state import Run
from tests.conftest import BIN, ROOT

RECORDER = """
import json
from snakemake_interface_logger_plugins.base import LogHandlerBase


class LogHandler(LogHandlerBase):
    writes_to_stream = writes_to_file = needs_rulegraph = False
    has_filter = has_formatter = wants_plan = True

    def emit(self, record):
        with open("events.jsonl", "a") as stream:
            stream.write(json.dumps(vars(record), default=str) + "\\n")
"""
"""A logger plugin that writes each event down."""

SNAKEFILE = """
import sys
sys.path.insert(0, "{scripts}")
from mmdet_flow.workflow.plan import tell_plan

onstart:
    tell_plan(workflow.dag, workflow.logger_manager.get_log_handlers())

rule all:
    input: expand("results/{{e}}/summary.txt", e=config["names"].split(",")),

rule convert_annotations:
    output: "results/{{experiment}}/dataset/annotations.json",
    log: "results/{{experiment}}/logs/convert_annotations.log",
    shell: "{{config[convert]}}; touch {{output}}"

rule train_model:
    input: "results/{{experiment}}/dataset/annotations.json",
    output: "results/{{experiment}}/model/checkpoint.pth",
    log: "results/{{experiment}}/logs/train_model.log",
    threads: 2
    shell: "({{config[train]}}) 2> {{log}}; touch {{output}}"

checkpoint list_images:
    input: "results/{{experiment}}/model/checkpoint.pth",
    output: directory("results/{{experiment}}/predictions/lists"),
    shell: "mkdir {{output}} && touch {{output}}/0.txt {{output}}/1.txt"

rule predict_images:
    input: "results/{{experiment}}/predictions/lists",
    output: "results/{{experiment}}/predictions/shard-{{shard}}/images.csv",
    shell: "touch {{output}}"

def shards(wildcards):
    folder = checkpoints.list_images.get(**wildcards).output[0]
    return expand(
        "results/{{e}}/predictions/shard-{{shard}}/images.csv",
        e=wildcards.experiment, shard=[0, 1],
    )

rule summarize:
    input: shards,
    output: "results/{{experiment}}/summary.txt",
    shell: "cp {{config[summary]}} {{output}}"
"""
"""A few of the rules, by their names, with commands that the test chooses."""

SUMMARY = """\
Experiment cells
  data         20 images, 61 objects (31 leaf, 30 pebble)
  boxes        mAP 0.412, at IoU 0.5 0.734, on 3 test images
  predictions  3 ok
Where to look
  results/cells/evaluation/gallery.html
"""


def prepare(folder: Path) -> None:
    """Write the workflow and the recorder into a folder."""
    (folder / "Snakefile").write_text(SNAKEFILE.format(scripts=ROOT / "scripts"))
    (folder / "figures.txt").write_text(SUMMARY)
    plugin = folder / "plugins/snakemake_logger_plugin_recorder"
    plugin.mkdir(parents=True)
    (plugin / "__init__.py").write_text(RECORDER)


def environment(folder: Path) -> dict[str, str]:
    paths = str(folder / "plugins"), str(ROOT / "scripts")
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }


def words(*options: str, names: str = "cells", **commands: str) -> list[str]:
    """Return targets and options for the workflow; commands are those of its rules."""
    values = {
        "convert": "sleep 0",
        "train": "sleep 0",
        "summary": "figures.txt",
    } | commands
    pairs = [f"{key}={value}" for key, value in values.items()]
    return [*options, "--cores=2", "--config", f"names={names}", *pairs]


def record(
    folder: Path, arguments: list[str], stop_when: str | None = None
) -> list[logging.LogRecord]:
    """Run the workflow and return its events; Ctrl-C when an event has such a text."""
    prepare(folder)
    events = folder / "events.jsonl"
    process = subprocess.Popen(
        [BIN / "snakemake", "--logger=recorder", *arguments],
        cwd=folder,
        env=environment(folder),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    if stop_when:
        wait_for(lambda: events.exists() and stop_when in events.read_text())
        os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=120)
    return [
        logging.makeLogRecord(json.loads(line))
        for line in events.read_text().splitlines()
    ]


def wait_for(happens, seconds: float = 60) -> None:
    """Wait until something is so; AssertionError if that takes too long."""
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def run_of(records: list[logging.LogRecord]) -> Run:
    """Return the state after these events."""
    run = Run()
    for one in records:
        run.take(one)
    return run
