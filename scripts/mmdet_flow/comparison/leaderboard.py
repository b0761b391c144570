"""The leaderboard: it is ranked, and written as a table and as a page."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.comparison.identity import (
    annotations_sha256,
    common_name,
    finished,
    recipe_sha256,
    seed_of,
)
from mmdet_flow.comparison.leaderboard_page import leaderboard_html
from mmdet_flow.comparison.ranking import CLASS, COST, RANKED_BY, Row, Spread, Table
from mmdet_flow.errors import UsageError
from mmdet_flow.evaluation.evaluate import to_csv
from mmdet_flow.files import write_if_changed
from mmdet_flow.results import ResultsFolder, as_written


def rank(experiments: Sequence[ResultsFolder]) -> list[Table]:
    """Return a table for each test set, in the order of the experiments."""
    tables: dict[str, list[ResultsFolder]] = {}
    for one in experiments:
        tables.setdefault(annotations_sha256(one.split_file("test")), []).append(one)
    return [
        Table(test, own[0].metrics["images"], _rows(own))
        for test, own in tables.items()
    ]


def _rows(experiments: Sequence[ResultsFolder]) -> list[Row]:
    seen: Counter[tuple] = Counter()
    groups: dict[tuple, list[ResultsFolder]] = {}
    for one in experiments:
        # One that repeats a seed is no further sample: it stands beside the group.
        recipe, seed = recipe_sha256(one), seed_of(one)
        seen[recipe, seed] += 1
        groups.setdefault((recipe, seen[recipe, seed]), []).append(one)
    return _best_first(_group([_row(one) for one in own]) for own in groups.values())


def _row(one: ResultsFolder) -> Row:
    with as_written(one.path):
        interval = one.interval("bbox", "mAP")
        return Row(one.name, _figures(one), seed_of(one), interval)


def _figures(one: ResultsFolder) -> dict[str, float | None]:
    return {
        "bbox_mAP": one.figure("bbox", "mAP"),
        "bbox_mAP_50": one.figure("bbox", "mAP_50"),
        "segm_mAP": one.figure("segm", "mAP"),
        **{f"{CLASS}{name}": value for name, value in one.per_class("bbox").items()},
        **dict(zip(COST, _costs(one), strict=True)),
    }


def _costs(one: ResultsFolder) -> tuple[float | None, ...]:
    """Return the figures of COST; the model is built to count its parameters."""
    from mmdet_flow.model.size import count_weights

    known = one.labelled_images, one.train_minutes, one.images_per_second
    return *known, one.checkpoint_mb, count_weights(one.config)


def _group(rows: list[Row]) -> Row:
    """Return the mean of rows that differ in the seed; a row alone stays as it is."""
    if len(rows) == 1:
        return rows[0]
    names, spread = list(rows[0].figures), {}
    for name in names:
        values = [row.figures[name] for row in rows]
        if None not in values:
            spread[name] = _spread(values)
    return Row(
        common_name([row.name for row in rows]),
        {name: spread[name].mean if name in spread else None for name in names},
        spread=spread,
        members=tuple(_best_first(rows)),
    )


def _spread(values: Sequence[float]) -> Spread:
    return Spread(
        round(statistics.mean(values), 4),
        round(statistics.stdev(values), 4),
        min(values),
        max(values),
    )


def _best_first(rows: Iterable[Row]) -> list[Row]:
    def place(row: Row) -> tuple:
        value = row.figures[RANKED_BY]
        return value is None, -(value or 0), row.name

    return sorted(rows, key=place)


def leaderboard_csv(tables: Sequence[Table]) -> str:
    """Return a row for each experiment, and one before them for each group."""
    figures = list(dict.fromkeys(name for table in tables for name in table.figures))
    parts = [(name, part) for name in figures for part in ("sd", "min", "max")]
    return to_csv(
        (
            *("test_set", "test_images", "group", "experiment", "n", "seed"),
            *(*figures, *("_".join(part) for part in parts)),
        ),
        (
            (table.test_sha256[:12], table.images, *_cells(row, group, figures))
            for table in tables
            for first in table.rows
            for group, row in [(None, first), *((first, one) for one in first.members)]
        ),
    )


def _cells(row: Row, group: Row | None, figures: Sequence[str]) -> list:
    name = group.name if group else row.name if row.members else None
    cells = [name, None if row.members else row.name, len(row.members) or 1, row.seed]
    cells += [row.figures.get(figure) for figure in figures]
    for figure in figures:
        own = row.spread.get(figure)
        cells += [own.deviation, own.least, own.greatest] if own else [None] * 3
    return cells


def leaderboard(folders: Sequence[Path], csv_file: Path, page: Path | None) -> None:
    """Write the table and, where it is asked for, the page."""
    experiments = [finished(folder) for folder in folders]
    name, count = Counter(one.name for one in experiments).most_common(1)[0]
    if count > 1:
        raise UsageError(f"{name}: {count} folders have this name; rename all but one")
    tables = rank(experiments)
    write_if_changed(csv_file, leaderboard_csv(tables))
    if page:
        write_if_changed(page, leaderboard_html(tables))
    best = tables[0].rows[0]
    cli.log.info(
        "ranked %d experiments on %d test sets; the best of the first is %s, mAP %s",
        len(experiments),
        len(tables),
        best.name,
        best.figures[RANKED_BY],
    )
