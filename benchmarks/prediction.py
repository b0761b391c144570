"""Compare prediction with the reference stack, and with what the network alone takes.

    .venv/bin/python benchmarks/prediction.py --checkpoint FILE --images FOLDER

Each side is a process that has loaded its model; rounds of all sides take turns, so
that a slow moment of the machine meets each of them. What is counted is the way from
image files to OPEX files; ratios are those of the medians, with the least and the
greatest of the rounds. Before that, each side is started a few times, for the time from
the start of its process to its first result. The reference needs its environment
(envs/reference.sh).
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parent.parent
SIDES = ROOT / "benchmarks" / "sides"

LIMITS = {"limit": True, "network": False}
"""Sides that give no results, and whether they decode the images."""

SCRIPTS = {"torch": "ours.py", "network": "limit.py"}

CALIBRATION = 100
"""Images for int8."""


@dataclass
class Side:
    """A process that answers the name of a folder with seconds and objects."""

    name: str
    process: subprocess.Popen
    seconds: list[float]
    objects: int = 0
    memory: list[int] = field(default_factory=list)

    def round(self, folder: Path) -> float:
        self.process.stdin.write(f"{folder}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"error: {self.name} ended; its error is above")
        seconds, self.objects, memory = json.loads(line)
        self.memory.append(memory)
        return seconds

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def start(name: str, python: Path, script: str, job: dict) -> Side:
    """Start a side and wait until its model is loaded."""
    threads = str(job["threads"])
    process = subprocess.Popen(
        [python, SIDES / script, json.dumps(job)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": threads},
    )
    while line := process.stdout.readline():
        if line.strip() == "ready":
            return Side(name, process, [])
    sys.exit(f"error: {name} did not start; its error is above")


def first_result(start_side: Callable[[], Side], image: Path) -> float:
    """Return the seconds from the start of a process to its first result."""
    begin = time.perf_counter()
    side = start_side()
    side.round(image)
    seconds = time.perf_counter() - begin
    side.end()
    return seconds


def write_model(
    checkpoint: Path,
    folder: Path,
    size: int | None = None,
    scale: list[int] | None = None,
) -> Path:
    """Write a model for images of another size, with its config.

    ``size`` is the longer side, ``scale`` the longest long and short side of mmdet.
    Returns the checkpoint; its config lies beside it, too, as config.py.
    """
    import torch

    from mmdet_flow.model.checkpoint import load_checkpoint
    from mmdet_flow.model.config_text import read_config_text
    from mmdet_flow.model.fit.images import set_image_size
    from mmdet_flow.model.fit.network import drop_pretrained
    from mmdet_flow.model.fit.tree import walk

    loaded = load_checkpoint(checkpoint)
    config = read_config_text(loaded.config, checkpoint)
    if size:
        set_image_size(config, size)
    for node in walk(config.test_dataloader) if scale else ():
        if "scale" in node:
            node["scale"] = tuple(scale)
    drop_pretrained(config.model)
    (folder / "config.py").write_text(config.pretty_text)
    meta = {"cfg": config.pretty_text, "dataset_meta": {"classes": loaded.classes}}
    written = folder / "model.pth"
    torch.save({"meta": meta, "state_dict": loaded.state_dict}, written)
    return written


def write_own_form(checkpoint: Path) -> None:
    """Write the deployable form of a checkpoint, without measuring its mAP."""
    from mmdet_flow.evaluation.deployment import traced
    from mmdet_flow.inference.deploy.form import form_file, write_form
    from mmdet_flow.inference.detector import load_model

    form, _, graphs = traced(load_model(checkpoint))
    if form.reason:
        print(f"no deployable form: {form.reason}", file=sys.stderr)
    write_form(form_file(checkpoint), form, graphs)


def calibrate(checkpoint: Path, images: list[Path]) -> None:
    """Write the int8 form of a checkpoint."""
    from mmdet_flow.images import read_image
    from mmdet_flow.inference.engines.quantize import quantize
    from mmdet_flow.inference.int8_file import write_int8
    from mmdet_flow.inference.opening import open_detector

    detector = open_detector(checkpoint)
    graphs = quantize(detector, [read_image(path)[1] for path in images])
    write_int8(checkpoint, detector.meta["model_sha256"], graphs)


def take_images(folder: Path, count: int, target: Path) -> int:
    """Link the first images of a folder into another; return how many."""
    from mmdet_flow.inference.folder import list_images

    target.mkdir()
    images = list_images(folder)[:count]
    for path in images:
        (target / path.name).symlink_to(path.resolve())
    return len(images)


def machine() -> str:
    """Name the processor and its cores."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(line for line in lines if line.startswith("model name"))
    able = " ".join(
        name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
        if any(line.startswith("flags") and f" {name} " in line + " " for line in lines)
    )  # fmt: skip
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cores} cores of {model.split(':')[1].strip()} ({able}), {platform.system()}"
    )


def report(sides: list[Side], images: int, base: Side) -> str:
    """Return the table: images per second, and ratios to the reference."""
    lines = [
        "| | images/s | least to greatest | times the first | part of the limit | "
        "objects | peak MB after the first and the last round |",
        "|---|---|---|---|---|---|---|",
    ]
    reference = statistics.median(base.seconds)
    limits = [side.seconds for side in sides if side.name == "limit"]
    least = statistics.median(limits[0]) if limits else None
    for side in sides:
        speeds = [images / seconds for seconds in side.seconds]
        middle = statistics.median(side.seconds)
        memory = f"{side.memory[1]}, {side.memory[-1]}" if side.memory[0] else ""
        lines.append(
            f"| {side.name} | {images / middle:.3g} | {min(speeds):.3g} to "
            f"{max(speeds):.3g} | {reference / middle:.2f} | "
            f"{f'{least / middle:.2f}' if least else ''} | {side.objects or ''} | "
            f"{memory} |"
        )
    return "\n".join(lines)


def measure_starts(starters: dict, rounds: int, image: Path) -> None:
    """Print the time from start to first result of the sides that make results."""
    sides = [name for name in starters if name not in LIMITS]
    seconds = {name: [] for name in sides}
    for _ in range(rounds):
        for name in sides:
            seconds[name].append(first_result(starters[name], image))
    for name, values in seconds.items():
        middle = statistics.median(values)
        print(
            f"{name}: first result {middle:.2f} s after the start of the process "
            f"({min(values):.2f} to {max(values):.2f})"
        )


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True, help="folder")
    parser.add_argument("--count", type=int, default=360, help="images of a round")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--image-size", type=int, help="longer side; default: its own")
    size.add_argument(
        "--scale",
        type=int,
        nargs=2,
        metavar=("LONG", "SHORT"),
        help="longest sides, such as 1333 800",
    )
    parser.add_argument("--score", type=float, default=0.3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--starts", type=int, default=3, help="of each side; 0: none")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--precision", default="fp32")
    parser.add_argument(
        "--reference",
        type=Path,
        default=ROOT / ".venv-reference",
        help="environment of the reference stack (default: .venv-reference)",
    )
    parser.add_argument("--sides", default="reference,torch,ours,limit,network")
    return parser


def side_starters(
    args: argparse.Namespace, scratch: Path
) -> dict[str, Callable[[], Side]]:
    """Return what starts each side; the config of all of them is in ``scratch``."""
    reference = args.reference / "bin" / "python"
    names = args.sides.split(",")
    if "reference" in names and not reference.exists():
        sys.exit(f"error: {args.reference}: no reference stack; run envs/reference.sh")
    model = write_model(args.checkpoint, scratch, args.image_size, args.scale)
    (scratch / "network").mkdir()
    network = Path(shutil.copy(model, scratch / "network"))
    write_own_form(model)
    if args.precision == "int8":
        from mmdet_flow.inference.folder import list_images

        for one in (model, network):
            calibrate(one, list_images(args.images)[:CALIBRATION])
    starters = {}
    for name in names:
        (scratch / name).mkdir(exist_ok=True)
        job = {
            "checkpoint": str(network if name in LIMITS else model),
            "config": str(scratch / "config.py"),
            "output": str(scratch / name),
            "score": args.score,
            "threads": args.threads,
            "precision": "fp32" if name == "torch" else args.precision,
            "backend": "torch" if name == "torch" else "openvino",
            "decode": LIMITS.get(name),
        }
        python = reference if name == "reference" else Path(sys.executable)
        script = SCRIPTS.get(name, f"{name}.py")
        starters[name] = partial(start, name, python, script, job)
    return starters


def main() -> None:
    args = build_parser().parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        starters = side_starters(args, scratch)
        images, warm_up, first = (scratch / name for name in ("in", "warm-up", "first"))
        count = take_images(args.images, args.count, images)
        take_images(args.images, 4, warm_up)
        take_images(args.images, 1, first)
        if args.starts:
            measure_starts(starters, args.starts, first)
        sides = [starter() for starter in starters.values()]
        for side in sides:
            side.round(images if side.name in LIMITS else warm_up)
        for number in range(args.rounds):
            for side in sides:
                side.seconds.append(side.round(images))
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
            print(report(sides, count, sides[0]), file=sys.stderr, flush=True)
        print(f"{machine()}; {count} images, {args.rounds} rounds\n")
        print(report(sides, count, sides[0]))
        for side in sides:
            side.end()


if __name__ == "__main__":
    main()
