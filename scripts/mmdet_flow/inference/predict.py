"""Predict for the images of a folder.

Each image of --prediction_in gets its predictions in --prediction_out, as OPEX JSON,
ROI CSV or both; the image itself is then moved there, deleted (--delete_input) or
left alone (--keep_input). Images that cannot be predicted go to the folder failed/
with a text file that says why. With --continuous new images are waited for.
"""

import argparse
import glob
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.files import write_if_changed
from mmdet_flow.formats.opex import timestamp
from mmdet_flow.formats.roi_csv import to_roi_csv
from mmdet_flow.formats.tables import Tables
from mmdet_flow.inference.images import read_image
from mmdet_flow.inference.predictor import Prediction, Predictor, add_model_options

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
RESULT_SUFFIXES = {"opex": ".json", "rois": "-rois.csv"}


@dataclass(frozen=True)
class Output:
    """Where results go, in which formats, and what becomes of the inputs.

    ``suffixes`` maps "opex" and "rois", or one of them, to the end of the file name.
    Results are made in ``tmp`` and moved, if it is given.
    """

    folder: Path
    suffixes: dict[str, str]
    tmp: Path | None = None
    after: str = "move"

    def store(self, image: Path, prediction: Prediction) -> None:
        """Write the results of an image, then deal with the image."""
        name = image.name if self.after == "keep" else self._free_name(image)
        stem = Path(name).stem
        content = {
            "opex": lambda: prediction.opex(name, timestamp()) + "\n",
            "rois": lambda: to_roi_csv(
                name, prediction.objects, prediction.width, prediction.height
            ),
        }
        for kind, suffix in self.suffixes.items():
            self._write(f"{stem}{suffix}", content[kind]())
        if self.after == "move":
            _move(image, self.folder / name)
        elif self.after == "delete":
            image.unlink()

    def store_failure(self, image: Path, reason: str) -> None:
        """Put the reason into failed/, and the image beside it unless it is kept."""
        failed = self.folder / "failed"
        write_if_changed(failed / f"{image.name}.txt", reason + "\n")
        if self.after != "keep":
            _move(image, failed / image.name)

    def _write(self, name: str, text: str) -> None:
        if self.tmp is None:
            write_if_changed(self.folder / name, text)
        else:
            write_if_changed(self.tmp / name, text)
            _move(self.tmp / name, self.folder / name)

    def _free_name(self, image: Path) -> str:
        """Return a name under which nothing in the output folder is overwritten."""
        number, stem = 0, image.stem
        while any(self.folder.glob(f"{glob.escape(stem)}.*")):
            number += 1
            stem = f"{image.stem}-{number}"
        return stem + image.suffix


def predict_images(
    predictor: Predictor,
    images: Iterable[Path],
    output: Output,
    tables: Tables | None,
    batch_size: int,
    threads: int,
) -> int:
    """Predict for images and store the results; return how many failed."""
    failures = 0
    images = iter(images)
    with ThreadPoolExecutor(threads) as pool:
        while batch := list(islice(images, batch_size)):
            read = list(pool.map(_try_to_read, batch))
            pixels = [item for item in read if not isinstance(item, DataError)]
            predictions = iter(predictor.predict(pixels))
            for path, item in zip(batch, read, strict=True):
                if isinstance(item, DataError):
                    failures += 1
                    cli.log.error("%s", item)
                    output.store_failure(path, str(item))
                    if tables:
                        tables.add_failure(path.name, str(item))
                    continue
                prediction = next(predictions)
                output.store(path, prediction)
                cli.log.debug("%s: %d objects", path.name, len(prediction.objects))
                if tables:
                    tables.add(
                        path.name,
                        prediction.width,
                        prediction.height,
                        prediction.objects,
                    )
    return failures


def _try_to_read(path: Path):
    try:
        return read_image(path)[1]
    except DataError as error:
        return error


def list_images(folder: Path, image_list: Path | None = None) -> list[Path]:
    """Return the images of a folder by name, or those that a list names."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; check --prediction_in")
    if image_list is None:
        found = folder.iterdir()
        return sorted(path for path in found if path.suffix.lower() in SUFFIXES)
    try:
        names = image_list.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{image_list}: {error.strerror}; check --image_list") from None
    return [folder / name.strip() for name in names if name.strip()]


def shard_of(images: list[Path], shard: str) -> list[Path]:
    """Return part K of N equal parts, in order; ``shard`` is "K/N", K from 0."""
    number, _, count = shard.partition("/")
    if not (number.isdigit() and count.isdigit() and int(number) < int(count)):
        raise UsageError(f"--shard {shard}: write it as K/N, with K from 0 to N-1")
    ends = [len(images) * k // int(count) for k in (int(number), int(number) + 1)]
    return images[ends[0] : ends[1]]


def watch(
    folder: Path, wait: float, use_watchdog: bool, stop: threading.Event
) -> Iterator[Path]:
    """Yield images as they arrive, for ever, or until ``stop`` is set.

    An image counts as arrived when its size and time did not change between two
    looks at the folder, so none is read while it is still being written.
    """
    before: dict[Path, tuple[int, int]] = {}
    changed = _start_watchdog(folder, stop) if use_watchdog else stop
    while not stop.is_set():
        now = {}
        for path in list_images(folder):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            now[path] = (status.st_size, status.st_mtime_ns)
            if before.get(path) == now[path] and not stop.is_set():
                del now[path]
                yield path
        # What is new is looked at again soon, even when no event tells of it.
        changed.wait(min(wait, 1.0) if now != before else wait)
        if changed is not stop:
            changed.clear()
        before = now


def _start_watchdog(folder: Path, stop: threading.Event) -> threading.Event:
    """Return an event that is set whenever the file system reports a change."""
    from watchdog.events import FileSystemEventHandler
    from watchdog.observers import Observer

    changed = threading.Event()

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event) -> None:
            changed.set()

    observer = Observer()
    observer.daemon = True
    observer.schedule(Handler(), str(folder))
    observer.start()
    return changed


def _move(source: Path, target: Path) -> None:
    """Rename a file, or copy it whole and then delete it where disks differ."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(source, target)
    except OSError:
        write_if_changed(target, source.read_bytes())
        source.unlink()


def predict(args: argparse.Namespace) -> None:
    """Run the command: one pass over the folder, or a watch that a signal ends."""
    output = Output(
        folder=args.prediction_out,
        suffixes=_suffixes(args.prediction_format, args.prediction_suffix),
        tmp=args.prediction_tmp,
        after="keep" if args.keep_input else "delete" if args.delete_input else "move",
    )
    if args.continuous and args.keep_input:
        raise UsageError("--continuous and --keep_input would predict without an end")
    once = [] if args.continuous else _images_to_predict(args)
    predictor = Predictor.from_options(args)
    stop = threading.Event()
    if args.continuous:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        wait = args.watchdog_check_interval if args.use_watchdog else args.poll_wait
        images = watch(args.prediction_in, wait, args.use_watchdog, stop)
    else:
        images = iter(once)
    tables = (
        Tables(args.objects_csv, args.images_csv)
        if args.objects_csv and args.images_csv
        else nullcontext()
    )
    args.prediction_out.mkdir(parents=True, exist_ok=True)
    with tables as open_tables:
        failures = predict_images(
            predictor,
            images,
            output,
            open_tables,
            1 if args.continuous else args.batch_size,
            args.threads or cli.available_threads(),
        )
        if failures > args.max_failures and not args.continuous:
            raise DataError(
                f"{failures} of {len(once)} images failed and --max_failures is "
                f"{args.max_failures}; the reasons are in {output.folder / 'failed'}"
            )
    if not args.continuous:
        cli.log.info("predicted %d images, %d failed", len(once), failures)


def _images_to_predict(args: argparse.Namespace) -> list[Path]:
    images = list_images(args.prediction_in, args.image_list)
    return shard_of(images, args.shard) if args.shard else images


def _suffixes(prediction_format: str, suffix: str | None) -> dict[str, str]:
    if prediction_format == "both":
        if suffix:
            raise UsageError(
                "--prediction_suffix fits one format; leave it out for both"
            )
        return RESULT_SUFFIXES
    return {prediction_format: suffix or RESULT_SUFFIXES[prediction_format]}


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser("mmdet_predict", __doc__)
    add_model_options(parser)
    folder = {"type": Path, "metavar": "FOLDER"}
    parser.add_argument("--prediction_in", required=True, help="images", **folder)
    parser.add_argument("--prediction_out", required=True, help="results", **folder)
    parser.add_argument(
        "--prediction_tmp", help="make results here, then move them", **folder
    )
    parser.add_argument(
        "--prediction_format", choices=("opex", "rois", "both"), default="opex"
    )
    parser.add_argument(
        "--prediction_suffix",
        metavar="END",
        help="end of result names (default: .json for opex, -rois.csv for rois)",
    )
    parser.add_argument("--poll_wait", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--continuous", action="store_true", help="wait for images")
    parser.add_argument(
        "--use_watchdog", action="store_true", help="wait by file system events"
    )
    parser.add_argument(
        "--watchdog_check_interval", type=float, default=10.0, metavar="SECONDS"
    )
    inputs = parser.add_mutually_exclusive_group()
    inputs.add_argument("--delete_input", action="store_true")
    inputs.add_argument("--keep_input", action="store_true")
    parser.add_argument(
        "--image_list",
        type=Path,
        metavar="FILE",
        help="predict only these images of the folder, one name a line",
    )
    parser.add_argument("--shard", metavar="K/N", help="only part K (from 0) of N")
    parser.add_argument("--batch_size", type=cli.positive_int, default=8)
    parser.add_argument(
        "--max_failures", type=int, default=0, help="more are an error (default: 0)"
    )
    parser.add_argument(
        "--objects_csv", type=Path, metavar="CSV", help="row per object"
    )
    parser.add_argument("--images_csv", type=Path, metavar="CSV", help="row per image")
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(lambda: predict(args), args)
