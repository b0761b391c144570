"""Compare the speed of training with the reference stack, in fp32 and in bf16.

    .venv/bin/python benchmarks/training.py --config FILE

FILE is a config by mmdet-flow model patch. Each side is a process that has built its
model and loaded its first batches; rounds of a few steps take turns, so that a slow
moment of the machine meets each of them. A step is all of it: loading, forward,
backward, update. Images that grow have their full size here. The reference has no Muon;
the side "adamw" is ours in fp32 with the optimizer that it takes.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from prediction import ROOT, Side, machine, start


def write_configs(config: Path, folder: Path) -> tuple[Path, Path]:
    """Write the config with images of full size; with its optimizer, and with AdamW."""
    from mmdet_flow.model.config import load_config, text_of
    from mmdet_flow.model.fit.schedule import MUON

    cfg = load_config(str(config))
    for hook in cfg.get("custom_hooks") or []:
        if hook.type == "PipelineSwitchHook":
            cfg.train_dataloader.dataset.pipeline = hook.switch_pipeline
    own, plain = folder / "own.py", folder / "adamw.py"
    own.write_text(text_of(cfg))
    if cfg.optim_wrapper.optimizer.type == MUON:
        cfg.optim_wrapper.optimizer.type = "AdamW"
        cfg.optim_wrapper.pop("constructor")
    plain.write_text(text_of(cfg))
    return own, plain


def report(sides: list[Side], images: int) -> str:
    """Return the table: images per second, and ratios to the first side."""
    lines = [
        "| | images/s | least to greatest | times the first | peak MB |",
        "|---|---|---|---|---|",
    ]
    first = statistics.median(sides[0].seconds)
    for side in sides:
        speeds = [images / seconds for seconds in side.seconds]
        middle = statistics.median(side.seconds)
        lines.append(
            f"| {side.name} | {images / middle:.2f} | {min(speeds):.2f} to "
            f"{max(speeds):.2f} | {first / middle:.2f} | {side.memory[-1]} |"
        )
    return "\n".join(lines)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=5, help="steps of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--reference", type=Path, default=ROOT / ".venv-reference")
    parser.add_argument("--sides", default="reference,adamw,fp32,bf16")
    return parser


def main() -> None:
    args = build_parser().parse_args()
    reference = args.reference / "bin" / "python"
    names = args.sides.split(",")
    if "reference" in names and not reference.exists():
        sys.exit(f"error: {args.reference}: no reference stack; run envs/reference.sh")
    with tempfile.TemporaryDirectory() as scratch:
        own, plain = write_configs(args.config, Path(scratch))
        sides = []
        for name in names:
            job = {
                "config": str(plain if name in ("reference", "adamw") else own),
                "batch_size": args.batch_size,
                "work_dir": str(Path(scratch) / name),
                "threads": args.threads,
                "precision": name,
            }
            theirs = name == "reference"
            python = reference if theirs else Path(sys.executable)
            script = "train_reference.py" if theirs else "train_ours.py"
            sides.append(start(name, python, script, job))
        for side in sides:
            side.round(2)
        for number in range(args.rounds):
            for side in sides:
                side.seconds.append(side.round(args.steps))
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
        images = args.steps * args.batch_size
        print(f"{machine()}; {args.rounds} rounds of {images} images\n")
        print(report(sides, images))
        for side in sides:
            side.end()


if __name__ == "__main__":
    main()
