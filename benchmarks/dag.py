"""Measure how soon the workflow answers for very many images.

    python benchmarks/dag.py [--images 1000000] [--shard 2000]

A folder of so many empty files is made and listed by mmdet-flow step shard; nothing is
predicted. Printed are the seconds of mmdet-flow step shard, and of `snakemake -n`
before the images are listed and after it, when each shard is a job. A dry run that
takes more than --limit is an error.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
EXPERIMENT = "many"


def make_folder(folder: Path, images: int) -> None:
    """Make empty files with the names of images."""
    folder.mkdir()
    for number in range(images):
        os.close(os.open(folder / f"{number:09d}.jpg", os.O_CREAT | os.O_WRONLY))


def timed(*command: object, cwd: Path) -> tuple[float, str]:
    """Run a command; return its seconds and what it printed."""
    start = time.monotonic()
    run = subprocess.run(
        [*map(str, command)], cwd=cwd, check=True, capture_output=True, text=True
    )
    return time.monotonic() - start, run.stdout


def dry_run(folder: Path) -> tuple[float, int]:
    """Return the seconds of a dry run and the number of jobs it would start."""
    seconds, text = timed(
        *(BIN / "snakemake", "--snakefile", ROOT / "Snakefile", "-n", "--cores", "2"),
        cwd=folder,
    )
    return seconds, int(re.findall(r"^total +(\d+)", text, re.MULTILINE)[-1])


def measure(folder: Path, images: int, shard: int) -> list[float]:
    """Print a line for each step; return the seconds of the dry runs."""
    make_folder(folder / "images", images)
    (folder / "data").mkdir()
    experiment = {
        "data": {"format": "opex", "annotations": "data", "images": "data"},
        "predict": {"images": "images", "images_per_shard": shard},
    }
    text = yaml.safe_dump({"experiments": {EXPERIMENT: experiment}})
    (folder / "config.yaml").write_text(text)
    before, jobs = dry_run(folder)
    print(f"dry run before the images are listed: {before:.1f} s, {jobs} jobs")
    lists = folder / f"results/{EXPERIMENT}/predictions/lists"
    seconds, _ = timed(
        *(
            BIN / "mmdet-flow",
            "step",
            "shard",
            "images",
            "--images-per-shard",
            shard,
            "--output",
            lists,
        ),
        cwd=folder,
    )
    print(f"mmdet-flow step shard, {images} images: {seconds:.1f} s")
    after, jobs = dry_run(folder)
    print(f"dry run after it: {after:.1f} s, {jobs} jobs")
    return [before, after]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--shard", type=int, default=2000, help="images of a job")
    parser.add_argument("--limit", type=float, default=60, metavar="SECONDS")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        slowest = max(measure(Path(folder), args.images, args.shard))
    if slowest > args.limit:
        print(f"error: a dry run took {slowest:.0f} seconds", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
