"""The metrics of a training while it runs: JSON lines, CSV tables, and curves.

``metrics.jsonl`` has a line for each iteration and each validation, and no times, so
equal trainings write equal bytes. ``training.csv`` and ``validation.csv`` are the same
as tables.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dist import all_reduce_dict, is_main_process, master_only
from mmengine.hooks import Hook

from mmdet_flow import layout
from mmdet_flow.figures import new_figure, save_figure
from mmdet_flow.files import read_json_lines, write_if_changed

LINES = layout.TRAINING_LINES.name
TABLES = {"train": layout.ITERATIONS.name, "val": layout.VALIDATIONS.name}
CURVES = layout.CURVES.name

SMOOTH = 20
"""Iterations whose mean is drawn beside the loss of each."""


class RecordMetrics(Hook):
    """Writes the metrics into the work folder as they come.

    After a restart, the lines of iterations that are repeated are dropped first.
    """

    priority = "LOW"

    @master_only
    def before_train(self, runner) -> None:
        self._folder = Path(runner.work_dir)
        path = self._folder / LINES
        lines = read_json_lines(path)
        kept = [line for line in lines if line["iter"] <= runner.iter]
        write_if_changed(path, "".join(map(_to_line, kept)))
        self._lines = open(path, "a", encoding="utf-8")  # noqa: SIM115 after_train ends
        self._tables, self._columns = {}, {mode: [] for mode in TABLES}
        for mode, name in TABLES.items():
            self._tables[mode] = open(self._folder / name, "w", newline="")  # noqa: SIM115
            self._write_table(mode, kept)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        losses = dict(outputs or {})
        all_reduce_dict(losses, op="mean")  # of all processes
        if not is_main_process():
            return
        rates = runner.optim_wrapper.get_lr().values()
        values = {name: float(value.detach()) for name, value in losses.items()}
        position = {"iter": runner.iter + 1, "epoch": runner.epoch + 1}
        self._add({"mode": "train", **position, "lr": max(map(max, rates)), **values})

    @master_only
    def after_val_epoch(self, runner, metrics=None):
        values = {
            name.removeprefix("coco/"): float(value)
            for name, value in (metrics or {}).items()
            if isinstance(value, int | float | np.floating)
        }
        position = {"iter": runner.iter, "epoch": runner.epoch}
        self._add({"mode": "val", **position, **values})

    @master_only
    def after_train(self, runner) -> None:
        for stream in (self._lines, *self._tables.values()):
            stream.close()
        draw_curves(self._folder / LINES, self._folder / CURVES)

    def _add(self, line: dict) -> None:
        self._lines.write(_to_line(line))
        self._lines.flush()
        self._add_row(line)

    def _add_row(self, line: dict) -> None:
        """Add a line to its table, made anew where the line has columns of its own.

        A validation that finds nothing has no metrics, and some losses begin late.
        """
        mode = line["mode"]
        if line.keys() - {"mode", *self._columns[mode]}:
            self._write_table(mode, read_json_lines(self._folder / LINES))
        else:
            self._write_rows(mode, [line])

    def _write_table(self, mode: str, lines: Sequence[dict]) -> None:
        rows = [line for line in lines if line["mode"] == mode]
        names = dict.fromkeys(name for row in rows for name in row)
        self._columns[mode] = [name for name in names if name != "mode"]
        self._tables[mode].seek(0)
        self._tables[mode].truncate()
        if rows:
            self._write_rows(mode, [dict(zip(names, names, strict=True)), *rows])

    def _write_rows(self, mode: str, rows: Sequence[dict]) -> None:
        stream = self._tables[mode]
        columns = {"extrasaction": "ignore", "lineterminator": "\n"}
        csv.DictWriter(stream, self._columns[mode], **columns).writerows(rows)
        stream.flush()


def draw_curves(lines: Path, output: Path) -> None:
    """Draw loss, learning rate and, where it was validated, metrics over the epochs."""
    metrics = read_json_lines(lines)
    train = [line for line in metrics if line["mode"] == "train"]
    val = [line for line in metrics if line["mode"] == "val"]
    if not train:
        return
    scores = {
        name: points
        for name in ("bbox_mAP", "bbox_mAP_50", "segm_mAP", "segm_mAP_50")
        if (points := [(line["epoch"], line[name]) for line in val if name in line])
    }
    rows = 3 if scores else 2
    figure = new_figure(9, 8 * rows / 3)
    loss_axis, rate_axis, *score_axes = figure.subplots(rows, 1, sharex=True)
    # The last epoch may have ended early; of a state that came from elsewhere there are
    # no lines before.
    whole = [line for line in train if line["epoch"] < train[-1]["epoch"]] or train
    epochs = np.array([line["iter"] for line in train]) * (
        whole[-1]["epoch"] / whole[-1]["iter"]
    )
    losses = np.array([line["loss"] for line in train])
    loss_axis.plot(epochs, losses, color="0.8", lw=0.8, label="each iteration")
    loss_axis.plot(epochs, _running_mean(losses), label=f"mean of {SMOOTH}")
    loss_axis.set(ylabel="loss", ylim=(0, 1.1 * np.percentile(losses, 99)))
    loss_axis.legend()
    rate_axis.plot(epochs, [line["lr"] for line in train])
    rate_axis.set(ylabel="learning rate")
    for axis in score_axes:
        for name, points in scores.items():
            axis.plot(*zip(*points, strict=True), marker=".", label=name)
        axis.legend()
        axis.set(ylabel="validation", ylim=(0, 1))
    figure.axes[-1].set(xlabel="epoch")
    save_figure(figure, output)


def _running_mean(values: Sequence[float]) -> np.ndarray:
    """Return the mean of each value and up to SMOOTH - 1 before it."""
    sums = np.cumsum(np.concatenate(([0.0], values)))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - SMOOTH)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _to_line(value: dict) -> str:
    return json.dumps(value) + "\n"
