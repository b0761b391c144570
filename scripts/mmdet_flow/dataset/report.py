"""The report of a check: for people as lines and a table, for programs as JSON."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow import cli
from mmdet_flow.dataset.findings import CHECKS, Finding, Ledger
from mmdet_flow.files import write_if_changed, write_json

if TYPE_CHECKING:
    from mmdet_flow.dataset.check import Checked

LINES_PER_CHECK = 20
"""So many findings of a check are logged one by one; the report has all."""


def log_findings(ledger: Ledger) -> None:
    """Log errors one by one, and the rest as a line a check."""
    seen: Counter[str] = Counter()
    for finding in ledger.errors:
        seen[finding.check] += 1
        if seen[finding.check] <= LINES_PER_CHECK:
            cli.log.error("%s", finding)
    for check, count in seen.items():
        if count > LINES_PER_CHECK:
            cli.log.error("%s: %d more", check, count - LINES_PER_CHECK)
    others = [finding for finding in ledger.findings if finding.action != "error"]
    first: dict[tuple[str, str], Finding] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for finding in others:
        key = finding.check, finding.action
        first.setdefault(key, finding)
        counts[key] += 1
    for key, finding in first.items():
        more = f" (and {counts[key] - 1} more)" if counts[key] > 1 else ""
        cli.log.warning("%s%s", finding, more)


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
    columns = ("check", "action", "file", "place", "what", "consequence", "fix")
    writer = csv.DictWriter(table, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(report["findings"])
    write_if_changed(path.with_suffix(".csv"), table.getvalue())


def print_table(report: dict) -> None:
    """Print how many findings each check has, and what was done."""
    counts = Counter((row["check"], row["action"]) for row in report["findings"])
    width = max((len(check) for check, _ in counts), default=0)
    for (check, action), count in sorted(counts.items()):
        print(f"{check:{width}}  {action:6}  {count:6}  {CHECKS[check].consequence}")
    for what in ("images", "objects"):
        part = report[what]
        print(
            f"{part['read']} {what} read = {part['written']} ready + "
            f"{len(part['left_out'])} left out"
        )
