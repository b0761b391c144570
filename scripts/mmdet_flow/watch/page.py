"""The values of the two pages: all experiments, and one of them."""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from mmdet_flow.pages.render import render
from mmdet_flow.progress.state import DONE, FAILED, RUNNING, STOPPED, WAITING
from mmdet_flow.progress.view import MARKS, duration, facts_of
from mmdet_flow.watch.curves import HEIGHT, WIDTH, curve
from mmdet_flow.watch.machine import load_of
from mmdet_flow.watch.overview import Overview
from mmdet_flow.watch.stages import StageFiles

SCRIPTS = ("tables.js", "watch.js")
SOURCES = "img-src 'self'; connect-src 'self'"
"""What the pages take from the server: pictures, and themselves as they are later."""

WORDS = {
    DONE: "done",
    RUNNING: "running",
    FAILED: "failed",
    STOPPED: "stopped",
    WAITING: "not begun",
}


def overview_html(folder: Path, experiments: Iterable[Overview]) -> str:
    """Return the page of all experiments."""
    now = time.time()
    return render(
        "watch.html",
        scripts=SCRIPTS,
        sources=SOURCES,
        title="Experiments",
        folder=str(folder),
        is_there=folder.is_dir(),
        machine=load_of(folder),
        experiments=[_row(one, now) for one in experiments],
    )


def experiment_html(folder: Path, one: Overview) -> str:
    """Return the page of an experiment."""
    training = one.training
    end = training.total or training.iteration
    scores = [(each.iteration, each.score) for each in one.follower.validations]
    return render(
        "watch_experiment.html",
        scripts=SCRIPTS,
        sources=SOURCES,
        title=one.name,
        machine=load_of(folder),
        one=_row(one, time.time()),
        curves=[
            found
            for found in (
                curve("loss", one.follower.losses, end),
                curve("mAP on validation images", scores, end, top=1.0),
            )
            if found
        ],
        validations=one.follower.validations[-10:],
        width=WIDTH,
        height=HEIGHT,
        pictures=[
            {"address": f"/pictures/{quote(one.name)}/{quote(path)}", "what": what}
            for path, what in one.pictures().items()
        ],
    )


def _row(one: Overview, now: float) -> dict:
    fraction = one.training.fraction
    return {
        "name": one.name,
        "address": f"/experiments/{quote(one.name)}",
        "status": WORDS[one.status],
        "written": _ago(one.written, now),
        "seconds": round(now - one.written) if one.written else None,
        "stages": [_stage(stage, now) for stage in one.stages],
        "errors": [stage.reason for stage in one.stages if stage.reason],
        "percent": None if fraction is None else int(100 * fraction),
        "training": ", ".join(_facts(one)),
        "figures": one.figures,
    }


def _facts(one: Overview) -> list[str]:
    """Return what is known of the training; the time left only while it runs."""
    train = next(stage for stage in one.stages if stage.name == "train")
    training = one.training
    if train.status != RUNNING:
        training = replace(training, doing="", seconds_left=None)
    facts = facts_of(training)
    if one.training.early_end:
        facts.append(one.training.early_end)
    return facts


def _stage(stage: StageFiles, now: float) -> dict:
    return {
        "name": stage.name,
        "status": stage.status,
        "mark": MARKS[stage.status][0],
        "words": WORDS[stage.status],
        "written": _ago(stage.written, now),
    }


def _ago(when: float | None, now: float) -> str:
    """Say how long ago that was."""
    return f"{duration(max(0.0, now - when))} ago" if when else ""
