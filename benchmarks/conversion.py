"""Measure our conversion beside wai.annotations alone, on VOC data of many images.

    python benchmarks/conversion.py --data FOLDER [--images 10000] [--rounds 3]

FOLDER holds Annotations and JPEGImages; its images are repeated under new names. Both
sides take turns; printed are seconds, their ratio with its spread, and peak memory.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from xml.etree.ElementTree import parse

from mmdet_flow import cli
from mmdet_flow.dataset.wai import find_wai_annotations
from mmdet_flow.errors import DataError


def repeat_data(data: Path, count: int, folder: Path) -> None:
    """Link images and write annotations until there are so many, side by side."""
    sources = sorted((data / "Annotations").glob("*.xml"))
    if not sources:
        raise DataError(f"{data}: has no Annotations/*.xml; give a VOC data set")
    folder.mkdir()
    for number, source in enumerate(islice(cycle(sources), count)):
        name = f"{number:06d}"
        root = parse(source)
        # wai.annotations finds an image in no other place than beside its XML.
        root.find("folder").text = ""
        root.find("filename").text = f"{name}.jpg"
        root.write(folder / f"{name}.xml")
        image = data / "JPEGImages" / f"{source.stem}.jpg"
        (folder / f"{name}.jpg").write_bytes(image.read_bytes())
    names = sorted(path.name for path in folder.glob("*.xml"))
    (folder / "list.txt").write_text("".join(f"./{name}\n" for name in names))


def run(command: list[str], scratch: Path) -> tuple[float, float]:
    """Run a command; return its seconds and the peak memory of a process in MB."""
    environment = os.environ | {"XDG_CONFIG_HOME": str(scratch)}
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise DataError(f"{command[0]} failed; run it by hand: {' '.join(command)}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def measure(data: Path, count: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        repeat_data(data, count, scratch / "data")
        alone, ours, memory = [], [], []
        for number in range(rounds):
            target = scratch / f"wai-{number}" / "annotations.json"
            target.parent.mkdir()
            command = [find_wai_annotations(), "convert", "from-voc-od"]
            command += ["-I", str(scratch / "data" / "list.txt")]
            command += ["to-coco-od", "-o", str(target), "--annotations-only"]
            alone.append(run(command, scratch)[0])
            command = ["mmdet-flow", "data", "convert", "--format=voc"]
            command += ["--annotations", str(scratch / "data")]
            command += ["--images", str(scratch / "data")]
            command += ["--output", str(scratch / f"ours-{number}")]
            seconds, peak = run(command, scratch)
            ours.append(seconds)
            memory.append(peak)
    ratios = [a / b for a, b in zip(ours, alone, strict=True)]
    print(f"{count} images, {rounds} rounds, {cli.available_threads()} threads")
    for name, values in (("wai.annotations", alone), ("ours", ours)):
        print(f"  {name:16} {statistics.median(values):7.1f} s")
    print(
        f"  ratio            {statistics.median(ratios):7.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}), with all checks"
    )
    print(f"  peak memory      {max(memory):7.0f} MB")


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser("benchmarks/conversion.py", __doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--images", type=cli.positive_int, default=10_000)
    parser.add_argument("--rounds", type=cli.positive_int, default=3)
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(lambda one: measure(one.data, one.images, one.rounds), args)


if __name__ == "__main__":
    raise SystemExit(main())
