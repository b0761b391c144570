"""Write the card of a model: what it is for, how it was made, how good it is.

One page of Markdown in the order of Mitchell et al., "Model Cards for Model Reporting"
(2019), from the files in RUN, the results folder of an experiment. What they do not
say is n/a. The same files give the same card.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.files import sha256_of, write_if_changed
from mmdet_flow.handover.model_card import model_card
from mmdet_flow.results import ResultsFolder, as_written, keep_results


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "results/cells",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="results/EXPERIMENT")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="default: RUN/model/card.md"
    )
    return parser


def run(options: argparse.Namespace) -> None:
    folder = ResultsFolder(options.run)
    output = options.output or folder.file(layout.MODEL_CARD)
    keep_results([output], [options.run], [layout.MODEL_CARD])
    with as_written(options.run):
        text = model_card(folder)
    write_if_changed(output, text)
    cli.log.info("wrote %s, SHA-256 %s", output, sha256_of(output))
