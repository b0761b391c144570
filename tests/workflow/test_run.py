"""``mmdet-flow run`` in a pipe, from data with a fault to a finished experiment."""

import copy
import json
import re
from pathlib import Path

import pytest

from mmdet_flow.progress.stages import STEPS, SUMMARY
from tests.conftest import ROOT, run_command
from tests.wide_names import KANA, MARKED, WIDE, columns_of
from tests.workflow.test_workflow import SMALL, write_config

CLOCK = r"\d\d:\d\d:\d\d  "
TIME = r"\d+:\d\d"
CLASSES = {"leaf": WIDE, "pebble": KANA, "shell": MARKED}


def run(folder):
    words = ("--snakefile", ROOT / "Snakefile", "--directory", folder)
    return run_command("mmdet-flow run", *words, cwd=folder, fresh=True, timeout=3600)


def example_with_names(folder: Path) -> Path:
    """Draw the embedded example; return its first annotations, in any script."""
    words = ("--images=20", "--output", folder)
    made = run_command("mmdet-flow start example", *words, fresh=True)
    assert made.returncode == 0, made.stderr
    paths = sorted(folder.glob("*.json"))
    for path in paths:
        text = path.read_text()
        for label, other in CLASSES.items():
            text = text.replace(f'"{label}"', json.dumps(other))
        path.write_text(text)
    for path in folder.glob(f"{paths[0].stem}.*"):
        path.rename(path.with_stem(WIDE))
    return paths[0].with_stem(WIDE)


@pytest.mark.slow
def test_a_fault_is_told_with_its_file_and_mended_all_is_made(tmp_path):
    config = copy.deepcopy(SMALL)
    config["experiments"]["example"]["model"]["epochs"] = 2
    write_config(tmp_path, config)
    spoiled = example_with_names(tmp_path / "data/example")
    content = spoiled.read_bytes()
    spoiled.write_bytes(content[: len(content) // 2])
    failed = run(tmp_path)
    assert failed.returncode == 1
    check_failure(failed.stderr.splitlines(), spoiled.name, tmp_path)

    spoiled.write_bytes(content)
    mended = run(tmp_path)
    assert mended.returncode == 0, mended.stderr[-3000:]
    check_log(mended.stderr.splitlines())
    again = run(tmp_path)
    assert again.returncode == 0 and "Nothing to be done" in again.stderr


def check_failure(lines: list[str], file: str, folder: Path) -> None:
    """Look at the line of the job that failed, and at the end of the run."""
    what = f"example: {STEPS['convert_annotations'].what}"
    [line] = [one for one in lines if re.match(f"{CLOCK}{what} failed", one)]
    reason = re.fullmatch(f"{CLOCK}{what} failed after {TIME}: (.*)", line)[1]
    assert reason.startswith(f"{file}: not valid JSON")
    end = lines[lines.index(f"{what} failed") :]
    assert end[1] == f"  {reason}"
    log = end[2].removeprefix("  log: ")
    assert f"error: {reason}" in (folder / log).read_text().splitlines()
    assert re.match(rf"Not finished: 0 of \d+ jobs in {TIME}", end[3])
    assert end[4].startswith("Mend what is said above, then go on: mmdet-flow run ")
    assert "Traceback" not in "\n".join(lines)


def check_log(lines: list[str]) -> None:
    """Look at the line of each job that starts and ends, and at what was made."""
    told = [one[1] for line in lines if (one := re.match(f"{CLOCK}(.*)", line))]
    starts, ends, others = [], [], []
    for one in told:
        if one.endswith(" starts"):
            starts.append(one.removesuffix(" starts"))
        elif end := re.fullmatch(f"(.*) is done in {TIME}", one):
            ends.append(end[1])
        else:
            others.append(one)
    assert sorted(starts) == sorted(ends) and len({*ends}) == len(ends)
    assert all(one.startswith("example: training, ") for one in others)
    whats = {one.partition(": ")[2].partition(",")[0] for one in ends}
    assert whats <= {step.what for step in STEPS.values()}
    done = {rule for rule, step in STEPS.items() if step.what in whats}
    assert {"train_model", "evaluate_model", "predict_images", SUMMARY} <= done
    count = len(ends) + 1  # with that which makes nothing but has all others made
    assert re.fullmatch(rf"Done: {count} of {count} jobs in {TIME}\.", lines[-1])

    summary = lines[lines.index("Experiment example") :]
    assert sum(one.startswith(("  boxes ", "  masks ")) for one in summary) == 2
    table = [one for one in summary if one.lstrip().startswith(tuple(CLASSES.values()))]
    assert len(table) == len(CLASSES)
    assert len({columns_of(re.split(r"[01]\.\d", one)[0]) for one in table}) == 1
