"""Repeats the first iterations of a training, and compares the losses."""

import contextlib
import tempfile
from pathlib import Path

from mmdet_flow import layout
from mmdet_flow.errors import Interrupted, ModelError
from mmdet_flow.files import read_json_lines
from mmdet_flow.words import counted

REPORTED = ("versions", "threads", "precision", "cpu", "features")
"""What of a training's record explains a difference."""


def verify(folder: Path, iterations: int) -> None:
    """Train again for so many iterations; raises ModelError where the losses depart."""
    from mmdet_flow.model.train import Options, train
    from mmdet_flow.model.work_dir import WorkDir

    run, name = WorkDir(folder), layout.TRAINING_LINES.name
    recipe = run.recipe()
    if recipe.get("processes", 1) > 1:
        raise ModelError(
            f"{folder}: was trained by {recipe['processes']} processes; only trainings "
            "of one process can be repeated"
        )
    wanted = _losses(read_json_lines(folder / name))[:iterations]
    if not wanted:
        raise ModelError(f"{folder}: has no {name}; name the work folder of a training")
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch) / "work"
        options = Options(
            str(run.config),
            work_dir=work,
            threads=recipe["threads"],
            precision=recipe["precision"],
            load_from=recipe["load_from"],
            turns=tuple(run.turns()),
            stop_after=len(wanted),
        )
        with contextlib.suppress(Interrupted):
            train(options)
        found = _losses(read_json_lines(work / name))[:iterations]
        again = WorkDir(work).recipe()
    for number, (want, have) in enumerate(zip(wanted, found, strict=True), 1):
        if want != have:
            raise ModelError(
                f"{folder}: departs at iteration {number}: {_difference(want, have)}; "
                + _explanation(recipe, again)
            )
    print(f"equal: {counted(len(wanted), 'iteration')}, to the last bit")


def _losses(lines: list[dict]) -> list[dict]:
    return [line for line in lines if line["mode"] == "train"]


def _difference(want: dict, have: dict) -> str:
    key = next(key for key in want if want[key] != have.get(key))
    return f"{key} is {have.get(key)!r}, was {want[key]!r}"


def _explanation(before: dict, now: dict) -> str:
    changed = [
        _change(key, before.get(key), now.get(key))
        for key in REPORTED
        if before.get(key) != now.get(key)
    ]
    changed += [
        f"after iteration {one['iteration']} it went on with other "
        + ", ".join(key for key in one if key != "iteration")
        for one in before.get("resumed", [])
    ]
    if not changed:
        return "versions, threads and CPU are the same, so look for changed images"
    return "; ".join(changed)


def _change(key: str, before: object, now: object) -> str:
    if key != "features":
        return f"{key} was {before}, is {now}"
    if before is None:
        return "the features of its CPU are not recorded"
    lost, new = (sorted(set(a) - set(b)) for a, b in ((before, now), (now, before)))
    words = [("lacks", lost), ("has also", new)]
    return "this CPU " + " and ".join(
        f"{word} {', '.join(names)}" for word, names in words if names
    )
