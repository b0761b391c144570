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
from collections.abc import Iterator
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.clock import source_date_epoch
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.files import (
    as_text,
    keep_inputs,
    require_writable,
    require_writable_folder,
    sha256_of,
    write_json,
)
from mmdet_flow.inference.folder import (
    FAILED,
    SUFFIXES,
    list_images,
    only_process,
    shard_of,
    watch,
)
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
SUMMARIES = ("objects_csv", "images_csv", "coco_results", "manifest", "speed")
"""Options of files on all images."""

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
        after=_after(args),
        width_height=args.output_width_height,
        minrect=args.output_minrect,
        reserved=frozenset(_reserved(args)),
    )
    images = [] if args.continuous else _images_to_predict(args)
    _require_places(args, output)
    shared = [] if output.after == "keep" else [args.prediction_in]
    shared = [] if _is_one_folder(args) else shared
    with only_process(args.prediction_out, *shared):
        if args.continuous:
            _predict_for_ever(args, output)
        else:
            _predict_once(args, output, images)


def _after(args: argparse.Namespace) -> str:
    """Return what becomes of an image that was predicted."""
    if args.delete_input:
        return "delete"
    # Images whose results are to be beside them are there already.
    return "keep" if args.keep_input or _is_one_folder(args) else "move"


def _is_one_folder(args: argparse.Namespace) -> bool:
    """Whether the results go into the folder of the images."""
    return _same(args.prediction_in, args.prediction_out)


def _same(one: Path, other: Path | None) -> bool:
    return other is not None and os.path.realpath(one) == os.path.realpath(other)


def _reserved(args: argparse.Namespace) -> Iterator[Path]:
    """Yield what no result may be called: other files of this run."""
    yield args.prediction_out / FAILED
    for path in (getattr(args, name) for name in SUMMARIES):
        if path is not None and _same(path.parent, args.prediction_out):
            yield args.prediction_out / path.name


def _require_places(args: argparse.Namespace, output) -> None:
    """Say at once where nothing can be written, or taken away."""
    require_writable_folder(output.folder)
    if output.failed.exists() and not output.failed.is_dir():
        raise DataError(
            f"{output.failed}: is no folder, but images that fail go there; move it"
        )
    if output.tmp is not None:
        require_writable_folder(output.tmp)
    for path in (getattr(args, name) for name in SUMMARIES):
        if path is not None:
            require_writable(path)
    if output.after != "keep" and not os.access(args.prediction_in, os.W_OK):
        raise DataError(
            f"{args.prediction_in}: images cannot be taken from a folder that is "
            "read-only; add --keep_input"
        )


def _predict_once(args: argparse.Namespace, output, images: list[Path]) -> None:
    from mmdet_flow.inference.runner import is_done

    keeps = output.after == "keep"
    folder = args.prediction_in if keeps else None
    journal = Journal(output.folder, _settings(args), folder)
    # What a killed run had moved away already is part of the whole, too.
    known = set(journal.files)
    earlier = [] if keeps or args.image_list else known
    complete = _complete(args)
    todo = [
        image
        for image in images
        if image.name not in known or not is_done(image, journal, output, complete)
    ]
    files = list(dict.fromkeys(image.name for image in images))
    files = sorted({*files, *earlier}) if earlier else files
    if len(todo) < len(images):
        cli.log.info("%d images were predicted before", len(images) - len(todo))
    waiting = len(todo)
    todo = todo[: args.max_files] if args.max_files >= 0 else todo
    waiting -= len(todo)
    if todo:
        speed = _run(_runner(args, output, journal), todo)
    else:
        speed = {"images": 0, "seconds": 0.0, "engine": None}
    if args.speed:
        write_json(args.speed, speed)
    counts, stays = Counter(), False
    for outcome in journal.outcomes(files):
        counts[outcome.status] += 1
        place = args.prediction_in / outcome.file
        stays |= outcome.status != "failed" and os.path.lexists(place)
    _write_summaries(args, journal, files)
    total = sum(counts.values()) + waiting
    # What could not be taken away is known the next time.
    journal.close(remove=not (waiting or keeps or stays))
    cli.log.info(
        "%d images: %d with objects, %d empty, %d failed, %d left",
        *(total, counts["ok"], counts["empty"], counts["failed"], waiting),
    )
    if counts["failed"] > args.max_failures:
        raise DataError(
            f"{counts['failed']} of {total} images failed and --max_failures is "
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
    arrivals = watch(
        *(args.prediction_in, wait, args.use_watchdog, stop, args.max_files),
        output.failed,
    )
    for outcome in runner.run(arrivals):
        journal.release(outcome.file, outcome.sha256)
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
        waits=args.continuous,
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
    values = [as_text(value) if isinstance(value, str) else value for value in values]
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
    if args.continuous and _after(args) == "keep":
        kept = "--keep_input" if args.keep_input else "results beside the images"
        raise UsageError(f"--continuous and {kept} would predict without an end")
    _check_summaries(args)
    _check_pictures(args)
    for name in SUMMARIES if args.continuous else ():
        if getattr(args, name):
            raise UsageError(f"--{name} is written at the end; --continuous has none")
    # What is wrong is said at once, not at the first image.
    read_scores(args.score, args.thresholds)
    source_date_epoch()
    if not 0 <= args.mask_threshold < 1:
        raise UsageError("--mask_threshold: give a value from 0 to below 1")


def _check_summaries(args: argparse.Namespace) -> None:
    """Refuse a table over another one, or over what is read."""
    read = ("checkpoint", "config", "package", "image_list", "thresholds")
    inputs = [getattr(args, name, None) for name in read]
    for name in SUMMARIES:
        if path := getattr(args, name):
            keep_inputs([path], [one for one in inputs if isinstance(one, Path)])
            inputs.append(path)


def _check_pictures(args: argparse.Namespace) -> None:
    """Refuse results that would be taken for images to predict."""
    end = args.prediction_suffix or ""
    if end.lower().endswith(SUFFIXES) or "/" in end or "\0" in end:
        raise UsageError(
            f"--prediction_suffix {end}: is that of an image, or no end of a name; "
            "choose another"
        )
    pictures = args.output_mask_image or args.output_overlay
    for option in ("prediction_out", "prediction_tmp"):
        if pictures and _same(args.prediction_in, getattr(args, option)):
            raise UsageError(
                f"--{option} is the folder of the images, where pictures among the "
                "results would be taken for images; choose another folder"
            )


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
