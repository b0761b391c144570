"""Write the record of a run: what it was made from, how, and what it made.

RUN is the results folder of an experiment. ``run.json`` has hashes, config, seeds,
versions and commands, and is the same for the same run; ``benchmarks/jobs.json`` has
times and the machine; ``ro-crate-metadata.json`` describes the folder as a Workflow Run
RO-Crate. Secrets, and names of machine and user, are in none of them.
"""

import argparse
import json
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import UsageError
from mmdet_flow.record.record import write_record
from mmdet_flow.results import ResultsFolder, as_written


def parse_config(text: str) -> dict:
    """Read the option --config."""
    try:
        config = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--config: not valid JSON: {error}") from None
    if not isinstance(config, dict):
        raise UsageError("--config: is no section; give it as a JSON object")
    return config


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "results/cells",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="results/EXPERIMENT")
    parser.add_argument(
        "--config",
        metavar="JSON",
        help="the experiment's section of config.yaml, with all defaults, as JSON",
    )
    parser.add_argument(
        "--campaign", metavar="NAME", help="the campaign that the experiment is of"
    )
    parser.add_argument(
        "--round",
        type=cli.count,
        metavar="N",
        help="which round of labelling of the campaign it is, 0 for its base",
    )
    parser.add_argument(
        "--snakemake",
        type=Path,
        default=Path(".snakemake"),
        metavar="FOLDER",
        help="where Snakemake keeps what it knows of its jobs (default: .snakemake)",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    config = parse_config(options.config) if options.config else None
    with as_written(options.run):
        folder = ResultsFolder(options.run)
        write_record(folder, config, options.campaign, options.round, options.snakemake)
