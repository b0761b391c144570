"""Predict for the images of a folder.

Each image of --prediction_in gets its predictions in --prediction_out, as OPEX JSON,
ROI CSV or both; the image itself is then moved there, deleted (--delete_input) or
left alone (--keep_input). Images that cannot be predicted go to the folder failed/
with a text file that says why. With --continuous new images are waited for.

A run that was killed goes on where it stopped when it is started again, and a run that
is repeated predicts only what is new, failed or changed.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow import cli
from mmdet_flow.clock import source_date_epoch
from mmdet_flow.errors import UsageError
from mmdet_flow.files import is_inside, keep_inputs
from mmdet_flow.images import MAX_PIXELS
from mmdet_flow.inference.folder import FAILED, SUFFIXES, list_images, shard_of
from mmdet_flow.inference.options import add_model_options, model_options

if TYPE_CHECKING:
    from mmdet_flow.inference.predict import Summaries, Task

RESULT_SUFFIXES = {"opex": ".json", "rois": "-rois.csv"}


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
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
        type=cli.whole,
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
        type=cli.whole,
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
        type=cli.not_negative,
        default=1.0,
        metavar="SECONDS",
        help="with --continuous, the pause between looks at the folder (default: 1)",
    )
    parser.add_argument(
        "--use_watchdog", action="store_true", help="wait by file system events"
    )
    parser.add_argument(
        "--watchdog_check_interval",
        type=cli.not_negative,
        default=10.0,
        metavar="SECONDS",
        help="with --use_watchdog, look at the folder so often, too, since not all "
        "file systems send events (default: 10)",
    )


def run(options: argparse.Namespace) -> None:
    from mmdet_flow.inference.predict import predict_arrivals, predict_images

    source_date_epoch()  # a wrong one is said at once
    task = task_of(options)
    if options.continuous:
        _require_endless(options, task)
        look = options.watchdog_check_interval
        predict_arrivals(
            task,
            wait=look if options.use_watchdog else options.poll_wait,
            use_watchdog=options.use_watchdog,
            max_files=options.max_files,
        )
        return
    images = list_images(options.prediction_in, options.image_list)
    predict_images(
        task,
        shard_of(images, options.shard) if options.shard else images,
        whole=options.image_list is None,
        max_files=options.max_files,
        max_failures=options.max_failures,
    )


def task_of(options: argparse.Namespace) -> "Task":
    """Return what the options ask for; UsageError if they do not go together."""
    from mmdet_flow.inference.output import Output
    from mmdet_flow.inference.predict import Summaries, Task

    in_place = _same(options.prediction_in, options.prediction_out)
    summaries = Summaries(
        objects_csv=options.objects_csv,
        images_csv=options.images_csv,
        coco_results=options.coco_results,
        manifest=options.manifest,
        speed=options.speed,
    )
    _require_apart(options, summaries)
    _require_no_pictures(options)
    model = model_options(options)
    output = Output(
        folder=options.prediction_out,
        suffixes=_suffixes(options),
        tmp=options.prediction_tmp,
        after=_after(options, in_place),
        width_height=options.output_width_height,
        minrect=options.output_minrect,
        reserved=frozenset(_reserved(options.prediction_out, summaries)),
    )
    return Task(
        folder=options.prediction_in,
        model=model,
        output=output,
        summaries=summaries,
        in_place=in_place,
        batch_size=options.batch_size,
        max_pixels=options.max_pixels,
    )


def _after(options: argparse.Namespace, in_place: bool) -> str:
    """Return what becomes of an image that was predicted."""
    if options.delete_input:
        return "delete"
    # Images whose results are to be beside them are there already.
    return "keep" if options.keep_input or in_place else "move"


def _same(one: Path, other: Path | None) -> bool:
    return other is not None and os.path.realpath(one) == os.path.realpath(other)


def _reserved(folder: Path, summaries: "Summaries") -> Iterator[Path]:
    """Yield what no result may be called: other files of this run."""
    yield folder / FAILED
    for path in summaries.paths().values():
        if _same(path.parent, folder):
            yield folder / path.name


def _require_endless(options: argparse.Namespace, task: "Task") -> None:
    """Refuse what needs an end, or would have no beginning."""
    if task.output.after == "keep":
        kept = "--keep_input" if options.keep_input else "results beside the images"
        raise UsageError(f"--continuous and {kept} would predict without an end")
    why = "is for a folder as it is; --continuous takes what comes"
    cli.refuse_given(options, ("--image_list", "--shard"), why)
    for name in task.summaries.paths():
        raise UsageError(f"--{name} is written at the end; --continuous has none")


def _require_apart(options: argparse.Namespace, summaries: "Summaries") -> None:
    """Refuse a table over another one, or over what is read."""
    read = ("checkpoint", "config", "package", "image_list", "thresholds")
    inputs = [path for name in read if (path := getattr(options, name))]
    for path in summaries.paths().values():
        if path.suffix.lower() in SUFFIXES and is_inside(path, options.prediction_in):
            raise UsageError(
                f"{path}: would be one of the images; name a table as .csv, and other "
                "files as .json"
            )
    keep_inputs(summaries.paths().values(), inputs)


def _require_no_pictures(options: argparse.Namespace) -> None:
    """Refuse results that would be taken for images to predict."""
    end = options.prediction_suffix or ""
    if end.lower().endswith(SUFFIXES) or "/" in end or "\0" in end:
        raise UsageError(
            f"--prediction_suffix {end}: is that of an image, or no end of a name; "
            "choose another"
        )
    pictures = options.output_mask_image or options.output_overlay
    for option in ("prediction_out", "prediction_tmp"):
        if pictures and _same(options.prediction_in, getattr(options, option)):
            raise UsageError(
                f"--{option} is the folder of the images, where pictures among the "
                "results would be taken for images; choose another folder"
            )


def _suffixes(options: argparse.Namespace) -> dict[str, str]:
    """Return the ends of result names by format."""
    chosen, suffix = options.prediction_format, options.prediction_suffix
    if chosen == "both" and suffix:
        raise UsageError("--prediction_suffix fits one format; leave it out for both")
    suffixes = (
        RESULT_SUFFIXES if chosen == "both" else {chosen: RESULT_SUFFIXES[chosen]}
    )
    suffixes = {name: suffix or default for name, default in suffixes.items()}
    if options.output_mask_image:
        suffixes["mask"] = "-mask.png"
    if options.output_overlay:
        suffixes["overlay"] = "-overlay.jpg"
    return suffixes
