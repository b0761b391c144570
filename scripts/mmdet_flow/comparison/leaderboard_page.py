"""The HTML of the leaderboard: a table for each test set, in one file."""

import html
from collections.abc import Sequence

from mmdet_flow.comparison.leaderboard import CLASS, RANKED_BY, Row, Spread, Table
from mmdet_flow.comparison.page import fill

TITLES = {
    "bbox_mAP": ("box mAP", "{:.3f}"),
    "bbox_mAP_50": ("box mAP50", "{:.3f}"),
    "segm_mAP": ("mask mAP", "{:.3f}"),
    "train_minutes": ("training, minutes", "{:.1f}"),
    "images_per_second": ("images/s", "{:.1f}"),
    "checkpoint_mb": ("checkpoint, MB", "{:.1f}"),
    "parameters": ("parameters", "{:,.0f}"),
}
"""Title and format of each figure; those of the classes are like the first."""


def leaderboard_html(tables: Sequence[Table]) -> str:
    """Return the page of these tables."""
    return fill("leaderboard.html", tables="\n".join(map(_table, tables)))


def _table(table: Table) -> str:
    figures = table.figures
    titles = "".join(f"<th>{html.escape(_format(name)[0])}</th>" for name in figures)
    rows = [
        _row(row, figures, member)
        for first in table.rows
        for row, member in [(first, False), *((one, True) for one in first.members)]
    ]
    return (
        f"<h2>{table.images} test images <small>({table.test_sha256[:12]})</small></h2>"
        f'<div class="scroll"><table><thead><tr><th>experiment</th>{titles}</tr>'
        "</thead><tbody>\n" + "\n".join(rows) + "\n</tbody></table></div>"
    )


def _row(row: Row, figures: Sequence[str], member: bool) -> str:
    name = html.escape(row.name)
    if row.members:
        name += f" <small>({len(row.members)} seeds)</small>"
    cells = "".join(f"<td>{_cell(row, figure)}</td>" for figure in figures)
    kind = ' class="member"' if member else ""
    return f'<tr{kind}><th scope="row">{name}</th>{cells}</tr>'


def _cell(row: Row, figure: str) -> str:
    value, form = row.figures.get(figure), _format(figure)[1]
    if value is None:
        return "n/a"
    text = form.format(value)
    if spread := row.spread.get(figure):
        return text + _told(spread, form)
    if figure == RANKED_BY and row.interval:
        low, high = map(form.format, row.interval)
        return f"{text}<small>{low} to {high}</small>"
    return text


def _told(spread: Spread, form: str) -> str:
    if spread.least == spread.greatest:
        return ""
    deviation, low, high = map(
        form.format, (spread.deviation, spread.least, spread.greatest)
    )
    return f" ± {deviation}<small>{low} to {high}</small>"


def _format(figure: str) -> tuple[str, str]:
    if figure.startswith(CLASS):
        return f"AP {figure.removeprefix(CLASS)}", TITLES[RANKED_BY][1]
    return TITLES[figure]
