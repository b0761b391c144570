"""Predictions of a folder that are killed and started again; no image may be lost."""

import hashlib
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from tests.faults.core import (
    Case,
    Hung,
    Lost,
    content_of,
    end,
    require,
    require_same,
    run,
    scenario,
    start,
)
from tests.faults.world import SCORE

SUFFIX = ".jpg"
MODES: dict[str, tuple] = {
    "move": (),
    "delete": ("--delete_input",),
    "keep": ("--keep_input",),
    "tmp": ("--prediction_tmp", "{}/tmp"),
    "rois": ("--prediction_format", "rois"),
    "both": ("--prediction_format", "both", "--output_mask_image", "--output_overlay"),
    "tables": (
        *("--keep_input", "--objects_csv", "{}/objects.csv"),
        *("--images_csv", "{}/images.csv", "--coco_results", "{}/coco.json"),
        *("--manifest", "{}/manifest.csv"),
    ),
    "shard": ("--keep_input", "--shard", "1/2"),
}


def command(world, folder: Path, *options) -> list:
    filled = [str(word).replace("{}", str(folder)) for word in options]
    return [
        *("mmdet-flow predict", "--checkpoint", world.checkpoint, "--threads", 1),
        *("--score", SCORE, "--batch_size", 2, "--backend", "torch"),
        *("--prediction_in", folder / "in", "--prediction_out", folder / "out"),
        *filled,
    ]


def made(folder: Path) -> dict:
    """Return inputs and results; the journal is the business of the command."""
    return content_of(folder, lambda path: path.name.startswith(".mmdet"))


@scenario("kill-predict", cases=40)
def kill_predict(case: Case) -> None:
    """predict in eight modes, killed and repeated: the same bytes, none lost"""
    mode = sorted(MODES)[case.number % len(MODES)]

    def undisturbed():
        folder = case.world.folder / "undisturbed" / f"predict-{mode}"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(case.world.dataset.images, folder / "in")
        asked = command(case.world, folder, *MODES[mode])
        return require(run(case.world, *asked), 0).seconds, made(folder)

    seconds, wanted = case.world.measured.get(f"predict {mode}", undisturbed)
    shutil.copytree(case.world.dataset.images, case.folder / "in")
    asked = command(case.world, case.folder, *MODES[mode])
    case.tried = case.dice.choice((1, 2))
    for _ in range(case.tried):
        # Most of a run is imports; most kills come after them.
        moment = case.dice.uniform(0.4, 1.0) * seconds
        killed = run(case.world, *asked, kill_after=moment)
        if killed.code is not None:
            require(killed, 0)
    require(run(case.world, *asked), 0)
    require_same(made(case.folder), wanted)


@scenario("kill-continuous", cases=8)
def kill_continuous(case: Case) -> None:
    """--continuous, killed while names are used again: each content has its result"""
    inbox = case.folder / "in"
    inbox.mkdir()
    asked = command(case.world, case.folder, "--continuous", "--poll_wait", 0.05)
    process = _start(case, asked)
    put: dict[str, str] = {}
    case.tried = 6
    try:
        for _ in range(case.tried):
            until = time.monotonic() + case.dice.uniform(3, 9)
            while time.monotonic() < until:
                _produce(case, inbox, put)
                time.sleep(0.02)
            end(process)
            _produce(case, inbox, put)
            process = _start(case, asked)
        deadline = time.monotonic() + 90
        while any(inbox.glob("*.jpg")):
            if time.monotonic() > deadline:
                raise Hung("images stay in the folder")
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    except subprocess.TimeoutExpired:
        raise Hung("SIGTERM does not end it") from None
    finally:
        end(process)
    _account(case.folder / "out", put)


def _start(case: Case, asked: list) -> subprocess.Popen:
    with open(case.folder / "log", "ab") as log:
        return start(case.world, *asked, stderr=log, stdout=subprocess.DEVNULL)


def _produce(case: Case, inbox: Path, put: dict[str, str]) -> None:
    """Put an image of content of its own under one of six names that is free."""
    path = inbox / f"{case.dice.randrange(6)}.jpg"
    if path.exists():
        return
    content = case.dice.choice(case.world.images).read_bytes()
    content += f"{case.number} {len(put)}".encode()
    written = path.with_suffix(".new")
    written.write_bytes(content)
    written.rename(path)
    put[hashlib.sha256(content).hexdigest()] = path.name


def _account(out: Path, put: dict[str, str]) -> None:
    there = Counter()
    for path in out.rglob("*.jpg"):
        there[hashlib.sha256(path.read_bytes()).hexdigest()] += 1
        reason = path.with_name(f"{path.name}.txt")
        if not path.with_suffix(".json").is_file() and not reason.is_file():
            raise Lost(f"{path.name} has neither a result nor a reason")
    if gone := [name for key, name in put.items() if not there[key]]:
        raise Lost(f"{len(gone)} of {len(put)} images are gone, such as a {gone[0]}")
