"""What stands on the page of the leaderboard: a table for each test set."""

from collections.abc import Sequence

from mmdet_flow.comparison.ranking import CLASS, RANKED_BY, Row, Table
from mmdet_flow.pages.render import render

TITLES = {
    "bbox_mAP": ("box mAP", "{:.3f}"),
    "bbox_mAP_50": ("box mAP50", "{:.3f}"),
    "segm_mAP": ("mask mAP", "{:.3f}"),
    "labelled_images": ("labelled images", "{:,.0f}"),
    "train_minutes": ("training, minutes", "{:.1f}"),
    "images_per_second": ("images/s", "{:.1f}"),
    "checkpoint_mb": ("checkpoint, MB", "{:.1f}"),
    "parameters": ("parameters", "{:,.0f}"),
}
"""Title and format of each figure; those of the classes are like the first."""


def leaderboard_html(tables: Sequence[Table]) -> str:
    """Return the page of these tables."""
    return render("leaderboard.html", title="Leaderboard", tables=map(_table, tables))


def _table(table: Table) -> dict:
    figures = table.figures
    return {
        "images": table.images,
        "test_set": table.test_sha256[:12],
        "header": [_format(name)[0] for name in figures],
        "rows": [
            _row(row, figures, is_member)
            for first in table.rows
            for row, is_member in [(first, False), *((m, True) for m in first.members)]
        ],
    }


def _row(row: Row, figures: Sequence[str], is_member: bool) -> dict:
    return {
        "name": row.name,
        "is_member": is_member,
        "seeds": len(row.members),
        "cells": [_cell(row, figure) for figure in figures],
    }


def _cell(row: Row, figure: str) -> tuple[str, str]:
    """Return a value, and the limits that stand below it, or ""."""
    value, form = row.figures.get(figure), _format(figure)[1]
    if value is None:
        return "n/a", ""
    text = form.format(value)
    if spread := row.spread.get(figure):
        if spread.least == spread.greatest:
            return text, ""
        text += f" ± {form.format(spread.deviation)}"
        return text, _limits(form, spread.least, spread.greatest)
    if figure == RANKED_BY and row.interval:
        return text, _limits(form, *row.interval)
    return text, ""


def _limits(form: str, low: float, high: float) -> str:
    return f"{form.format(low)} to {form.format(high)}"


def _format(figure: str) -> tuple[str, str]:
    if figure.startswith(CLASS):
        return f"AP {figure.removeprefix(CLASS)}", TITLES[RANKED_BY][1]
    return TITLES[figure]
