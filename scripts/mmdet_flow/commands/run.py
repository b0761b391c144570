"""Run the workflow, and show its stages, trainings, errors and figures.

This is Snakemake with the logger of this project. All words go on to it: targets and
options, such as -n for what would run, --configfile FILE, --cores 4 or --keep-going;
``snakemake --help`` tells them. Without --cores and the like, all cores are used.

On a terminal the picture changes as the run goes on; in a log it is lines. Ctrl-C ends
the run; the same command goes on where it stopped. The exit code is 0 if all was made,
1 if something failed, 130 after Ctrl-C.
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import UsageError

LOGGER = "mmdet-flow"
OF_CORES = ("--cores", "--jobs", "--executor", "--profile", "--workflow-profile")
SHORT_OF_CORES = ("-c", "-j", "-e")
"""Options after which Snakemake knows how much may run, or where."""


OF_CONFIGS = ("--configfile", "--configfiles")
CONFIGS = (".yaml", ".yml", ".json")


class _PassingOn(argparse.ArgumentParser):
    """Takes all words as they are; but for --help none is its own."""

    def parse_args(self, args=None, namespace=None) -> argparse.Namespace:
        words = list(sys.argv[1:] if args is None else args)
        if words[:1] in (["-h"], ["--help"]):
            self.print_help()
            self.exit()
        return argparse.Namespace(words=words, **vars(cli.PLAIN))


def build_parser(prog: str) -> argparse.ArgumentParser:
    examples = "-n", "", "--cores 4 results/cells/summary.txt", "--keep-going"
    parser = _PassingOn(prog=prog, **cli.described(prog, __doc__, *examples))
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help="targets and options of Snakemake"
    )
    return parser


def run(options: argparse.Namespace) -> None:
    """Run Snakemake; raises UsageError for a config that is not there."""
    require_config_files(options.words)
    from snakemake.cli import main

    # What the end of the run says to go on with.
    sys.argv = ["mmdet-flow", "run", *options.words]
    interrupted = False

    def interrupt(number, frame):
        nonlocal interrupted
        interrupted = True
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        main(words_for_snakemake(options.words))
    except SystemExit as end:
        sys.exit(128 + signal.SIGINT if end.code and interrupted else end.code)
    finally:
        signal.signal(signal.SIGINT, before)


def require_config_files(words: Sequence[str]) -> None:
    """Raise UsageError for the first word that is no file where a config is expected.

    Snakemake takes all words after --configfile for configs, up to the next option.
    """
    for word, is_first in _config_files(words):
        is_there = Path(word).exists()
        if is_first and not is_there:
            raise UsageError(
                f"{word}: there is no such config file; correct the name that "
                "--configfile has"
            )
        if not is_first and not (is_there and word.endswith(CONFIGS)):
            raise UsageError(
                f"{word}: is taken for a config; a target goes before --configfile, or "
                "after --"
            )


def _config_files(words: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield what --configfile takes, and whether it is the first that it takes."""
    place = None
    for word in words:
        name, is_one, value = word.partition("=")
        if word == "--":
            return
        if word.startswith("-"):
            place = 0 if name in OF_CONFIGS and not is_one else None
            if name in OF_CONFIGS and is_one:
                yield value, True
        elif place is not None:
            yield word, place == 0
            place += 1


def words_for_snakemake(words: Sequence[str]) -> list[str]:
    """Return the words with our logger, and with all cores if there are none."""
    added = []
    if not any(word == "--logger" or word.startswith("--logger=") for word in words):
        added.append(f"--logger={LOGGER}")
    if not _says_how_much(words):
        added.append("--cores=all")
    return [*added, *words]


def _says_how_much(words: Sequence[str]) -> bool:
    options = [word.partition("=")[0] for word in words]
    short = [word[:2] for word in options if not word.startswith("--")]
    return (
        not {*OF_CORES}.isdisjoint(options)
        or not {*SHORT_OF_CORES}.isdisjoint(short)
        or "SNAKEMAKE_PROFILE" in os.environ
    )
