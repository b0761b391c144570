"""The report of a check: for people as lines and a table, for programs as JSON."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow import cli
from mmdet_flow.dataset.findings import COLUMNS, Finding, groups_of
from mmdet_flow.files import write_if_changed, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mmdet_flow.dataset.check import Checked

EXAMPLES = 3
"""So many findings of a check are logged; the report has all."""

ALL = 1000
"""So many errors of a check are logged where no report is written, as they stop it."""


def log_findings(findings: Iterable[Finding], errors: int = EXAMPLES) -> None:
    """Log findings by check: what follows from them, how many, and some of them.

    ``errors`` is how many of a check are logged that are errors.
    """
    for group in groups_of(findings):
        first, count = group[0], len(group)
        is_error = first.action == "error"
        log = cli.log.error if is_error else cli.log.warning
        most = errors if is_error else EXAMPLES
        if count == 1:
            log("%s", first)
            continue
        log("%d findings: %s", count, first.advice)
        for one in group[:most]:
            log("  %s", one.where)
        if count > most:
            log("  and %d more, which the report has", count - most)


def report_of(checked: Checked) -> dict:
    """Return the report as plain values; objects read = written + left out."""
    ledger = checked.ledger
    objects = [item for one in checked.images for item in one.source.objects]
    by_class = Counter(item.label for item in objects)
    return {
        "images": {
            "read": ledger.images_read,
            "written": len(checked.images),
            "left_out": sorted(ledger.images_left_out),
            "without_objects": sum(not one.source.objects for one in checked.images),
        },
        "objects": {
            "read": ledger.objects_read,
            "written": len(objects),
            "left_out": [asdict(item) for item in ledger.left_out],
        },
        "objects_by_class": {name: by_class[name] for name in checked.classes},
        "duplicates": checked.duplicates,
        "policy": dict(ledger.policy.actions),
        "findings": [finding.as_row() for finding in ledger.findings],
    }


def write_report(report: dict, path: Path) -> None:
    """Write the report as JSON, and its findings as a table beside it (CSV)."""
    write_json(path, report)
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(report["findings"])
    write_if_changed(path.with_suffix(".csv"), table.getvalue())


def print_table(report: dict) -> None:
    """Print how many findings each check has, and what was done."""
    keys = ("check", "action", "consequence")
    counts = Counter(tuple(row[key] for key in keys) for row in report["findings"])
    width = max((len(check) for check, *_ in counts), default=0)
    for (check, action, consequence), count in sorted(counts.items()):
        print(f"{check:{width}}  {action:6}  {count:6}  {consequence}")
    for what in ("images", "objects"):
        part = report[what]
        print(
            f"{part['read']} {what} read = {part['written']} ready + "
            f"{len(part['left_out'])} left out"
        )
