"""Predict for the images of a folder.

Each image of --prediction_in gets its predictions in --prediction_out, as OPEX JSON,
ROI CSV or both; the image itself is then moved there, deleted (--delete_input) or
left alone (--keep_input). Images that cannot be predicted go to the folder failed/
with a text file that says why. With --continuous new images are waited for.

A run that was killed goes on where it stopped when it is started again, and a run that
is repeated predicts only what is new, failed or changed.
"""

import argparse
import itertools
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.clock import source_date_epoch
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.files import sha256_of, write_json
from mmdet_flow.inference.folder import list_images, only_process, shard_of, watch
from mmdet_flow.inference.images import MAX_PIXELS
from mmdet_flow.inference.journal import Journal, Outcome
from mmdet_flow.inference.precision import precision_to_use
from mmdet_flow.inference.predictor import (
    Predictor,
    add_model_options,
    use_package,
)
from mmdet_flow.inference.scores import read_scores

RESULT_SUFFIXES = {"opex": ".json", "rois": "-rois.csv"}
MANIFEST_HEADER = ("file", "sha256", "status", "n_objects", "error")
SETTINGS = (
    *("score", "fit_bbox_to_polygon", "bbox_as_fallback", "simplify_polygons"),
    *("mask_nth", "fully_connected", "backend", "precision"),
    *("output_width_height", "output_minrect", "max_pixels"),
)
"""Options that decide the bytes of the results."""


def predict(args: argparse.Namespace) -> None:
    """Run the command: one pass over the folder, or a watch that a signal ends."""
    use_package(args)
    _check_options(args)
    from mmdet_flow.inference.output import Output

    output = Output(
        folder=args.prediction_out,
        suffixes=_suffixes(args),
        tmp=args.prediction_tmp,
        after="keep" if args.keep_input else "delete" if args.delete_input else "move",
        width_height=args.output_width_height,
        minrect=args.output_minrect,
    )
    images = [] if args.continuous else _images_to_predict(args)
    try:
        args.prediction_out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{args.prediction_out}: cannot be made: {error.strerror}; choose another "
            "folder for --prediction_out"
        ) from None
    shared = [] if args.keep_input else [args.prediction_in]
    if shared and not os.access(args.prediction_in, os.W_OK):
        raise DataError(
            f"{args.prediction_in}: images cannot be taken from a folder that is "
            "read-only; add --keep_input"
        )
    with only_process(args.prediction_out, *shared):
        if args.continuous:
            _predict_for_ever(args, output)
        else:
            _predict_once(args, output, images)


def _predict_once(args: argparse.Namespace, output, images: list[Path]) -> None:
    from mmdet_flow.inference.runner import is_done

    journal = Journal(output.folder, _settings(args))
    # What a killed run had moved away already is part of the whole, too.
    earlier = [] if args.keep_input or args.image_list else journal.files
    files = list(dict.fromkeys(image.name for image in images))
    files = sorted({*files, *earlier}) if earlier else files
    todo = [i for i in images if not is_done(i, journal, output, _complete(args))]
    if len(todo) < len(images):
        cli.log.info("%d images were predicted before", len(images) - len(todo))
    todo = todo[: args.max_files] if args.max_files >= 0 else todo
    if todo:
        speed = _run(_runner(args, output, journal), todo)
    else:
        speed = {"images": 0, "seconds": 0.0, "engine": None}
    if args.speed:
        write_json(args.speed, speed)
    counts = Counter(outcome.status for outcome in journal.outcomes(files))
    _write_summaries(args, journal, files)
    finished = sum(counts.values()) == len(files)
    journal.close(remove=finished and not args.keep_input)
    cli.log.info(
        "%d images: %d with objects, %d empty, %d failed, %d left",
        *(len(files), counts["ok"], counts["empty"], counts["failed"]),
        len(files) - sum(counts.values()),
    )
    if counts["failed"] > args.max_failures:
        raise DataError(
            f"{counts['failed']} of {len(files)} images failed and --max_failures is "
            f"{args.max_failures}; the reasons are in {output.folder / 'failed'}"
        )


def _run(runner, images: list[Path]) -> dict:
    """Predict; say and return how fast that was, loading aside."""
    started = time.monotonic()
    for _ in cli.progress(runner.run(images), len(images), "images"):
        pass
    seconds = time.monotonic() - started
    engine = runner.predictor.detector.meta["engine"]
    cli.log.info("%.2f images/s with %s", len(images) / seconds, engine)
    return {"images": len(images), "seconds": round(seconds, 3), "engine": engine}


def _predict_for_ever(args: argparse.Namespace, output) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    journal = Journal(output.folder, _settings(args))
    runner = _runner(args, output, journal)
    wait = args.watchdog_check_interval if args.use_watchdog else args.poll_wait
    cli.log.info("waiting for images in %s", args.prediction_in)
    for file in journal.files:
        if not (args.prediction_in / file).exists():
            journal.release(file)
    arrivals = watch(args.prediction_in, wait, args.use_watchdog, stop, args.max_files)
    for outcome in runner.run(arrivals):
        journal.release(outcome.file)
    journal.close(remove=True)


def _runner(args: argparse.Namespace, output, journal: Journal):
    from mmdet_flow.inference.runner import Runner

    return Runner(
        predictor=Predictor.from_options(args),
        output=output,
        journal=journal,
        batch_size=args.batch_size,
        threads=args.threads or cli.available_threads(),
        max_pixels=args.max_pixels,
        rows=args.objects_csv is not None,
        coco=args.coco_results is not None,
    )


def _complete(args: argparse.Namespace):
    """Return a test whether an outcome holds the rows that are asked for."""

    def complete(outcome: Outcome) -> bool:
        return not (
            (args.objects_csv and outcome.objects is None)
            or (args.coco_results and outcome.coco is None)
        )

    return complete


def _write_summaries(args: argparse.Namespace, journal: Journal, files) -> None:
    """Write the files that tell of all images, in the order of the images."""
    from mmdet_flow.formats.coco_results import write_coco_results
    from mmdet_flow.formats.tables import IMAGES_HEADER, OBJECTS_HEADER, write_table

    def rows_of(name: str):
        rows = (getattr(outcome, name) or [] for outcome in journal.outcomes(files))
        return itertools.chain.from_iterable(rows)

    if args.objects_csv:
        write_table(args.objects_csv, OBJECTS_HEADER, rows_of("objects"))
    if args.coco_results:
        write_coco_results(args.coco_results, rows_of("coco"))
    for path, header in (
        (args.images_csv, IMAGES_HEADER),
        (args.manifest, MANIFEST_HEADER),
    ):
        if path:
            rows = (_cells(one, header) for one in journal.outcomes(files))
            write_table(path, header, rows)


def _cells(outcome: Outcome, header: tuple[str, ...]) -> list:
    values = [getattr(outcome, name) for name in header]
    return ["" if value is None else value for value in values]


def _settings(args: argparse.Namespace) -> dict:
    """Return what decides the results, for the journal."""
    settings = {name: getattr(args, name) for name in SETTINGS}
    # The scores themselves, whatever else is new in their file.
    settings["score"] = read_scores(args.score, args.thresholds).value
    settings["results"] = _suffixes(args)
    for name in ("checkpoint", "config"):
        path = getattr(args, name)
        exists = path is not None and path.is_file()
        settings[name] = sha256_of(path) if exists else str(path)
    # "auto" is another one after mmdet_export.
    settings["precision"] = precision_to_use(
        *(args.precision, args.checkpoint, settings["checkpoint"]),
        *(args.backend, args.device),
    )
    return settings


def _images_to_predict(args: argparse.Namespace) -> list[Path]:
    images = list_images(args.prediction_in, args.image_list)
    return shard_of(images, args.shard) if args.shard else images


def _check_options(args: argparse.Namespace) -> None:
    if args.continuous and args.keep_input:
        raise UsageError("--continuous and --keep_input would predict without an end")
    summaries = ("objects_csv", "images_csv", "coco_results", "manifest", "speed")
    for name in summaries if args.continuous else ():
        if getattr(args, name):
            raise UsageError(f"--{name} is written at the end; --continuous has none")
    # What is wrong is said at once, not at the first image.
    read_scores(args.score, args.thresholds)
    source_date_epoch()
    if not 0 <= args.mask_threshold < 1:
        raise UsageError("--mask_threshold: give a value from 0 to below 1")


def _suffixes(args: argparse.Namespace) -> dict[str, str]:
    """Return the ends of result names by kind."""
    kind, suffix = args.prediction_format, args.prediction_suffix
    if kind == "both" and suffix:
        raise UsageError("--prediction_suffix fits one format; leave it out for both")
    suffixes = RESULT_SUFFIXES if kind == "both" else {kind: RESULT_SUFFIXES[kind]}
    suffixes = {name: suffix or default for name, default in suffixes.items()}
    if args.output_mask_image:
        suffixes["mask"] = "-mask.png"
    if args.output_overlay:
        suffixes["overlay"] = "-overlay.jpg"
    return suffixes


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser(
        "mmdet_predict",
        __doc__,
        "--checkpoint model.pth --prediction_in new --prediction_out done --score 0.3",
        "--package cells.zip --prediction_in new --prediction_out done --continuous",
    )
    add_model_options(parser)
    _add_folder_options(parser.add_argument_group("images and results"))
    _add_choice_options(parser.add_argument_group("which images"))
    _add_result_options(parser.add_argument_group("result of an image"))
    _add_summary_options(parser.add_argument_group("files on all images"))
    _add_waiting_options(parser.add_argument_group("waiting for images"))
    return parser


def _add_folder_options(parser) -> None:
    folder = {"type": Path, "metavar": "FOLDER"}
    parser.add_argument("--prediction_in", required=True, help="images", **folder)
    parser.add_argument("--prediction_out", required=True, help="results", **folder)
    parser.add_argument(
        "--prediction_tmp", help="make results here, then move them", **folder
    )
    inputs = parser.add_mutually_exclusive_group()
    inputs.add_argument(
        "--delete_input", action="store_true", help="delete images that were predicted"
    )
    inputs.add_argument(
        "--keep_input",
        action="store_true",
        help="leave the images where they are; a repeated run predicts what is new",
    )
    parser.add_argument(
        "--batch_size",
        type=cli.positive_int,
        default=8,
        metavar="N",
        help="images in hand at a time; results do not depend on it (default: 8)",
    )
    parser.add_argument(
        "--max_failures",
        type=int,
        default=0,
        metavar="N",
        help="more are an error (default: 0)",
    )


def _add_choice_options(parser) -> None:
    parser.add_argument(
        "--image_list",
        type=Path,
        metavar="FILE",
        help="predict only these images of the folder, one name a line",
    )
    parser.add_argument("--shard", metavar="K/N", help="only part K (from 0) of N")
    parser.add_argument(
        "--max_files",
        type=int,
        default=-1,
        metavar="N",
        help="predict so many images at most, with --continuous so many in each look "
        "at the folder (default: -1, all)",
    )
    parser.add_argument(
        "--max_pixels",
        type=cli.positive_int,
        default=MAX_PIXELS,
        metavar="N",
        help=f"refuse larger images before they are unpacked (default: {MAX_PIXELS})",
    )


def _add_result_options(parser) -> None:
    parser.add_argument(
        "--prediction_format",
        choices=("opex", "rois", "both"),
        default="opex",
        help="OPEX JSON, ROI CSV, or both (default: opex)",
    )
    parser.add_argument(
        "--prediction_suffix",
        metavar="END",
        help="end of result names (default: .json for opex, -rois.csv for rois)",
    )
    for name, text in (
        ("width_height", "ROI CSV: width and height instead of the second corner"),
        ("minrect", "ROI CSV: sides of the smallest rectangle around the polygon"),
        ("mask_image", "write NAME-mask.png, where a pixel is the label + 1"),
        ("overlay", "write NAME-overlay.jpg, the image with its objects"),
    ):
        parser.add_argument(f"--output_{name}", action="store_true", help=text)


def _add_summary_options(parser) -> None:
    file = {"type": Path, "metavar": "FILE"}
    parser.add_argument(
        "--objects_csv", help="row per object; Parquet if FILE ends so", **file
    )
    parser.add_argument(
        "--images_csv", help="row per image; Parquet if FILE ends so", **file
    )
    parser.add_argument("--coco_results", help="COCO results JSON", **file)
    parser.add_argument(
        "--manifest", help="what became of each image: ok, empty, failed", **file
    )
    parser.add_argument(
        "--speed", help="images and seconds of a run, loading aside, as JSON", **file
    )


def _add_waiting_options(parser) -> None:
    parser.add_argument("--continuous", action="store_true", help="wait for images")
    parser.add_argument(
        "--poll_wait",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="with --continuous, the pause between looks at the folder (default: 1)",
    )
    parser.add_argument(
        "--use_watchdog", action="store_true", help="wait by file system events"
    )
    parser.add_argument(
        "--watchdog_check_interval",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="with --use_watchdog, look at the folder so often, too, since not all "
        "file systems send events (default: 10)",
    )


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(lambda: predict(args), args)
