"""Inject faults into the real commands, and count what became of them.

Ends with 0 if nothing was lost, nothing let in, no bug shown and nothing hung.
"""

import argparse
import sys
from pathlib import Path

from tests.faults.campaign import load_scenarios, report, run_scenario, scratch
from tests.faults.world import World

START, END = "<!-- campaign: begin -->", "<!-- campaign: end -->"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="(default: 1)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these scenarios")
    parser.add_argument("--case", type=int, metavar="N", help="only this case of them")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="times so many cases (default: 1)"
    )
    parser.add_argument(
        "--jobs", type=int, default=2, help="cases at the same time (default: 2)"
    )
    parser.add_argument(
        "--world", type=Path, metavar="FOLDER", help="keep model and cases here"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE.md", help="put the table here, too"
    )
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    return parser


def main() -> int:
    args, scenarios = build_parser().parse_args(), load_scenarios()
    if args.list:
        for one in scenarios.values():
            print(f"{one.name:24} {one.cases:4} cases  {one.what}")
        return 0
    chosen = [scenarios[name] for name in args.only or scenarios]
    with scratch() as folder:
        world = World((args.world or Path(folder)).resolve())
        print("making a data set and a model", file=sys.stderr, flush=True)
        world.checkpoint  # noqa: B018  made when asked for
        tallies = []
        try:
            for one in chosen:
                tally = run_scenario(
                    one, world, args.seed, args.scale, args.case, args.jobs
                )
                tallies.append(tally)
                said = tally.skipped or f"{tally.survived} of {tally.tried} survived"
                took = f"{tally.seconds:.0f} s"
                print(f"{one.name}: {said}, {took}", file=sys.stderr, flush=True)
        finally:
            world.measured.close()
    text = report(tallies, args.seed, args.scale)
    print(text, end="")
    if args.output:
        put(text, args.output)
    return int(any(tally.failures for tally in tallies))


def put(text: str, path: Path) -> None:
    """Write the report into a page, between its two marks, or as a page of its own."""
    if path.is_file() and START in (page := path.read_text()):
        before, _, rest = page.partition(START)
        text = f"{before}{START}\n\n{text}\n{END}{rest.partition(END)[2]}"
    path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
