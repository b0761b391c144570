"""Check annotations and images: what is wrong, what follows, and how to fix it.

Every annotation is read and every image decoded. What is found is handled by a
policy (error, drop, repair or ignore) and reported in one table; the sum always
holds: objects read = objects kept + objects left out.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.check import check
from mmdet_flow.dataset.options import add_check_options, rules_of, source_of
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.dataset.report import log_findings, print_table, report_of, write_report
from mmdet_flow.errors import DataError
from mmdet_flow.files import keep_inputs
from mmdet_flow.path_options import keep_named
from mmdet_flow.words import counted


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "--format voc --annotations xml --images photos --report findings.json",
    )
    add_check_options(parser)
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE.json",
        help="write all findings here as JSON, and beside it as CSV",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    """Check, log the findings, write the reports, and fail if there are errors."""
    made: list[Path] = []
    if options.report:
        made = [options.report, options.report.with_suffix(".csv")]
    keep_named(options, "report", made=made)
    threads = options.threads or cli.available_threads()
    checked = check(
        FORMATS[options.format], source_of(options), rules_of(options), threads
    )
    keep_inputs(made, checked.files)
    log_findings(checked.ledger.findings)
    report = report_of(checked)
    if options.report:
        write_report(report, options.report)
    print_table(report)
    if errors := checked.ledger.errors:
        found = counted(len(errors), "finding")
        raise DataError(f"{found} to be fixed, listed above")
