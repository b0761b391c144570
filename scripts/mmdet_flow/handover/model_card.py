"""The card of a model: what it is for, how it was made, how good it is.

One page of Markdown in the order of Mitchell et al., "Model Cards for Model Reporting"
(2019), from the files of a results folder. What they do not say is n/a.
"""

from collections.abc import Iterator
from pathlib import Path

from mmdet_flow.errors import ModelError
from mmdet_flow.evaluation.answer import answer, found, total_of, wrong
from mmdet_flow.files import sha256_of
from mmdet_flow.handover.markdown import UNKNOWN, Code, cell, plain, table
from mmdet_flow.layout import SPLITS
from mmdet_flow.model.course import SHORTENED
from mmdet_flow.results import ResultsFolder
from mmdet_flow.words import counted, duration_in_words

SOURCE = (
    "The order of this card is that of Mitchell et al., *Model Cards for Model "
    "Reporting* (FAT\\* 2019)."
)
FEW = 20
"""A figure of fewer objects says little."""

WORST = 5
WORST_COLUMNS = ("f1", "false_positives", "false_negatives")
SHAPES = {"bbox": "boxes", "segm": "masks"}


def model_card(run: ResultsFolder) -> str:
    """Return the card as Markdown."""
    sections = (
        ("Model details", details),
        ("Intended use", intended_use),
        ("Factors", factors),
        ("Metrics", metrics),
        ("Evaluation data", evaluation_data),
        ("Training data", training_data),
        ("Quantitative analyses", analyses),
        ("Speed", speed),
        ("Where it fails", failures),
        ("Ethical considerations", ethics),
        ("Caveats and recommendations", caveats),
        ("How to use it", usage),
    )
    parts = [f"# Model card: {plain(run.name)}\n\n{in_short(run)}\n{SOURCE}\n"]
    parts += [f"## {title}\n\n{section(run)}" for title, section in sections]
    return "\n".join(parts)


def in_short(run: ResultsFolder) -> str:
    """Return how many objects the model finds and how many of its are wrong."""
    images = counted(run.metrics["images"], "test image")
    told = answer(run.metrics)
    return f"On the {images}, at the score thresholds below, the model {told}.\n"


def details(run: ResultsFolder) -> str:
    """Return what the model is, and the recipe that it was made by."""
    cfg, recipe = run.config, run.recipe or {}
    optimizer = cfg.optim_wrapper.optimizer
    rate = optimizer.get("lr", UNKNOWN)
    rows = [
        ("Task", task(run)),
        ("Classes", ", ".join(run.checkpoint.classes)),
        ("Base config", run.base and Code(run.base)),
        ("Architecture", cfg.model.type),
        ("First weights", _first_weights(run)),
        ("Image size", _image_size(cfg)),
        ("Epochs", _epochs(run)),
        ("Published", _published(run)),
        ("Batch", counted(cfg.train_dataloader.batch_size, "image")),
        (
            "Optimizer",
            f"{optimizer.type}, learning rate {rate}",
        ),
        ("Seed", cfg.randomness.seed),
        ("Precision of the training", recipe.get("precision")),
        ("Threads, CPU capability", _machine(recipe)),
        ("Versions", _versions(run.checkpoint.versions)),
        ("SHA-256 of the weights", Code(run.checkpoint.sha256)),
        ("SHA-256 of the recipe", recipe.get("sha256") and Code(recipe["sha256"])),
    ]
    return table(("", ""), rows)


def task(run: ResultsFolder) -> str:
    """Return what the model does."""
    from mmdet_flow.model.fit.tree import predicts_masks

    masks = predicts_masks(run.config)
    return "instance segmentation (boxes and masks)" if masks else "object detection"


def _image_size(cfg) -> str | None:
    from mmdet_flow.model.fit.tree import test_scale

    try:
        width, height = test_scale(cfg)
    except ModelError:
        return None
    return f"fitted into {width} x {height} pixels"


def _first_weights(run: ResultsFolder) -> str:
    """Return what the training began with, by name."""
    from mmdet_flow.model.fit.tree import walk

    if run.recipe is None:
        return UNKNOWN
    if given := run.recipe["load_from"]:
        return Path(given).name
    found = {
        node["checkpoint"].rpartition("/")[2]
        for node in walk(run.config.model)
        if node.get("type") == "Pretrained" and "checkpoint" in node
    }
    return ", ".join(sorted(found)) or "random"


def _published(run: ResultsFolder) -> str:
    epoch = best_epoch(run)
    if epoch is None:
        return "the last weights"
    return f"the weights of epoch {epoch}, the best on validation"


def best_epoch(run: ResultsFolder) -> int | None:
    """Return the epoch of the published weights; None if no validation chose them."""
    key = run.config.default_hooks.checkpoint.get("save_best") or ""
    key = key.removeprefix("coco/")
    rows = [row for row in run.validations if row.get(key)] if key else []
    best = max(rows, key=lambda row: float(row[key]), default=None)
    return int(best["epoch"]) if best else None


def _epochs(run: ResultsFolder) -> str:
    """Return the epochs of the plan, and where a training ended before it, and why."""
    loop, recipe = run.config.train_cfg, run.recipe or {}
    if SHORTENED in recipe:
        first, last = recipe[SHORTENED][0], recipe[SHORTENED][-1]
        done, decided = last["end"], first["iteration"]
        length = last["epoch_length"]
        return (
            f"{done / length:.3g} of {loop.max_epochs} that were planned: ended early "
            f"to keep to {duration_in_words(recipe['hours'])}, as decided after "
            f"{decided / length:.3g}"
        )
    if turns := loop.get(SHORTENED):
        return f"{loop.max_epochs} planned; ended after iteration {turns[-1][1]}"
    return str(loop.max_epochs)


def _machine(recipe: dict) -> str | None:
    return f"{recipe['threads']}, {recipe['cpu']}" if "cpu" in recipe else None


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


def intended_use(run: ResultsFolder) -> str:
    """Return which images the model is for, as far as its data say it."""
    seen = run.data_card["box_sizes_seen"] or run.data_card["box_sizes"]
    sizes = list(run.data_card["image_sizes"])
    more = f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""
    classes = ", ".join(map(plain, run.checkpoint.classes))
    return (
        f"To find {classes} in single colour images like those it was trained on: "
        f"{', '.join(sizes[:3])} pixels{more}, read as mmdet reads them (8 bits, EXIF "
        "rotation applied). In the network, nine of ten objects of the data measure "
        f"{seen['5%']:g} to {seen['95%']:g} pixels (square root of the box area). "
        "Other images, classes and sizes were not measured.\n"
    )


def factors(run: ResultsFolder) -> str:
    """Return the groups of objects that the figures are told apart by."""
    text = (
        "Results may depend on class and size of the objects, and both are reported. "
        "What else differs between images (camera, light, place, time) is not in the "
        "annotations and not told apart.\n\n"
    )
    return f"{text}{by_size(run)}\nBelow 32², below 96², and more pixels.\n"


def by_size(run: ResultsFolder) -> str:
    """Return mAP by size of the objects; with tiles and without, if there are any."""
    names = ("mAP", "mAP_50", "mAP_small", "mAP_medium", "mAP_large")
    whole = run.metrics.get("without_tiles", {})
    rows = []
    for iou_type, values in run.metrics["metrics"].items():
        sides = {SHAPES[iou_type]: values}
        if iou_type in whole:
            sides = {
                f"{SHAPES[iou_type]}, by tiles": values,
                f"{SHAPES[iou_type]}, on whole images": whole[iou_type],
            }
        rows += [(name, *map(own.get, names)) for name, own in sides.items()]
    return table(("", *names), rows)


def metrics(run: ResultsFolder) -> str:
    """Return how the model was measured, and the score thresholds."""
    intervals = run.metrics["intervals"]
    text = (
        "COCO metrics by pycocotools: mAP over IoU 0.50 to 0.95, of at most "
        f"{run.metrics.get('max_detections', 100)} detections of a class in an image. "
    )
    if intervals["samples"]:
        text += (
            f"Intervals of {100 * intervals['level']:g} % come from "
            f"{intervals['samples']} resamplings of the test images. "
        )
    text += f"All else looks at an IoU of {run.metrics['iou']:g}.\n"
    if run.thresholds is None or not run.thresholds["scores"]:
        return f"{text}\nThresholds by class: {UNKNOWN}.\n"
    use = run.thresholds["use"]
    rows = []
    for name, score in run.thresholds["scores"].items():
        own = run.thresholds["classes"][name]
        point = own[use] or own["f1"] or {}
        rows.append((name, score, point.get("precision"), point.get("recall")))
    return (
        f"{text}\nScore thresholds (`--score auto`), chosen on the validation split "
        f"for {_wanted(run.thresholds)}:\n\n"
        + table(("class", "score", "precision", "recall"), rows)
    )


def _wanted(thresholds: dict) -> str:
    use = thresholds["use"]
    return "the best F1" if use == "f1" else f"a {use} of {thresholds['wanted'][use]:g}"


def evaluation_data(run: ResultsFolder) -> str:
    """Return what the model was measured on."""
    images = counted(run.metrics["images"], "image")
    return (
        f"The test split: {images}, neither trained on nor used to choose "
        "weights or scores.\n"
    )


def training_data(run: ResultsFolder) -> str:
    """Return counts and hashes of all splits."""
    splits, classes = run.data_card["splits"], run.checkpoint.classes
    rows = [
        (
            *(name, splits[name]["images"], splits[name]["objects"]),
            *(splits[name]["objects_by_class"][label] for label in classes),
            Code(sha256_of(run.split_file(name))),
        )
        for name in SPLITS
    ]
    header = ("split", "images", "objects", *map(plain, classes))
    used = Path(_annotations(run.config)).stem
    images, objects = run.check_report["images"], run.check_report["objects"]
    return (
        f"Trained on the split {used}{_tiled(run, used)}. {_left_out(run)}The check "
        f"of the annotations left out {len(images['left_out'])} of {images['read']} "
        f"images and {len(objects['left_out'])} of {objects['read']} objects.\n\n"
        + table((*header, "SHA-256 of the annotations"), rows)
    )


def _left_out(run: ResultsFolder) -> str:
    """Return how many labelled images the training did not see on purpose, if any."""
    count = len(run.split("train").left_out)
    if not count:
        return ""
    return (
        f"Left out of it: {counted(count, 'labelled image')}, to see what more "
        "images are worth (`splits.train_fraction`). "
    )


def _tiled(run: ResultsFolder, split: str) -> str:
    """Return how the images of a split were divided, if they were."""
    if run.tiles is None or split not in run.tiles["splits"]:
        return ""
    made, own = run.tiles["settings"], run.tiles["splits"][split]
    tiles, objects = own["tiles"], own["objects"]
    scale = f", enlarged by {made['scale']:g}" if made["scale"] != 1 else ""
    whole = ", and on the whole images" if made["full_image"] else ""
    return (
        f", on {tiles['kept']} of {tiles['cut']} tiles of its images of "
        f"{run.tiles['side']} x {run.tiles['side']} pixels{scale}{whole}; neighbours "
        f"share {100 * made['overlap']:g} % at least. {tiles['empty']} of these tiles "
        f"show no object. An object is learned where {100 * made['min_visible']:g} % "
        f"of it or more is seen: of {objects['read']} objects {objects['whole']} as a "
        f"whole, {objects['cut']} in parts alone, {objects['left_out']} nowhere, and "
        f"{objects['crowds']} are crowds, which are not learned"
    )


def _annotations(cfg) -> str:
    from mmdet_flow.model.fit.tree import walk

    nodes = walk(cfg.train_dataloader.dataset)
    return next(node["ann_file"] for node in nodes if "ann_file" in node)


def analyses(run: ResultsFolder) -> str:
    """Return what is found at the thresholds, and the metrics, on the test split."""
    lines = []
    ranges = run.metrics["intervals"]
    for iou_type, values in run.metrics["metrics"].items():
        limits = ranges.get(iou_type, {})
        rows = [(_total(run), values, limits.get("mAP"))]
        for name, own in values["per_class_metrics"].items():
            rows.append((name, own, limits.get("per_class", {}).get(name)))
        header = (f"class ({SHAPES[iou_type]})", "mAP", "interval", "mAP_50", "mAP_75")
        body = [
            (name, own["mAP"], _interval(limit), own["mAP_50"], own["mAP_75"])
            for name, own, limit in rows
        ]
        lines.append(table(header, body))
    return "\n".join([at_thresholds(run), *lines])


def at_thresholds(run: ResultsFolder) -> str:
    """Return what is found, and what is wrong, of each class at its threshold."""
    scores = run.metrics["scores"] | {_total(run): "-"}
    limits = run.metrics["intervals"].get("at_scores", {})
    header = ("class", "score threshold", "found", "recall", "interval")
    header += ("wrong", "precision", "interval", "F1")
    body = [
        (
            *(name, scores.get(name, ""), found(own), own["recall"]),
            _interval(limits.get(name, {}).get("recall")),
            *(wrong(own), own["precision"]),
            *(_interval(limits.get(name, {}).get("precision")), own["f1"]),
        )
        for name, own in run.metrics["at_scores"].items()
    ]
    return f"Detections that reach the score thresholds:\n\n{table(header, body)}"


def speed(run: ResultsFolder) -> str:
    """Return what mmdet-flow evaluate precision measured of this model."""
    if run.precisions is None:
        return f"{UNKNOWN}: mmdet-flow evaluate precision was not run.\n"
    rows = [
        (one["precision"], one["mAP"], one["images_per_second"], one["reason"] or "-")
        for one in run.precisions["candidates"]
    ]
    header = ("precision", "mAP on validation", "images/s", "why not")
    where = run.precisions["processor"] or UNKNOWN
    return (
        f"Prediction on {plain(where)}, where {run.precisions['winner']} is used:\n\n"
        f"{table(header, rows)}"
    )


def failures(run: ResultsFolder) -> str:
    """Return the types of error by their cost, and the worst images."""
    errors = sorted(
        run.metrics["errors"].items(),
        key=lambda one: (-(one[1]["mAP_50_lost"] or 0), -one[1]["count"]),
    )
    rows = [(name, own["count"], own["mAP_50_lost"]) for name, own in errors]
    types = table(("type of error", "count", "mAP_50 lost"), rows)
    worst = [
        (Code(row["file"]), *(row[key] for key in WORST_COLUMNS))
        for row in run.image_results[:WORST]
    ]
    images = table(
        ("worst test images", "F1", "false positives", "false negatives"), worst
    )
    error = run.metrics["calibration"][_total(run)]
    return (
        f"{types}\n{images}\nScores are off by {cell(error)} on average (expected "
        "calibration error). The gallery of the evaluation shows all of it.\n"
    )


def ethics(run: ResultsFolder) -> str:
    """Say that the files know nothing of people and of harm."""
    return (
        f"{UNKNOWN}: neither images nor annotations say whom a use may touch. Whoever "
        "puts the model to use is to judge that, and the rights to the images.\n"
    )


def caveats(run: ResultsFolder) -> str:
    """Return what the figures do not cover."""
    return "".join(f"* {line}\n" for line in _caveats(run))


def _caveats(run: ResultsFolder) -> Iterator[str]:
    yield (
        "Test and training images are of one data set. On images of another origin "
        "the model can be worse: measure it there first (`mmdet-flow evaluate "
        "metrics`)."
    )
    kept = run.metrics["at_scores"]
    classes = {name: own for name, own in kept.items() if name != _total(run)}
    few = [plain(name) for name, own in classes.items() if own["objects"] < FEW]
    if few:
        yield f"Fewer than {FEW} test objects of {', '.join(few)}: little is known."
    missed = [plain(name) for name, own in classes.items() if not own["true_positives"]]
    if missed:
        yield f"At the scores above, no object is found of {', '.join(missed)}."
    if best_epoch(run) is None:
        yield "No validation chose the weights."
    if not (run.thresholds and run.thresholds["scores"]):
        yield "Scores by class were not chosen; take a number for `--score`."


def usage(run: ResultsFolder) -> str:
    """Return the commands that predict with the model."""
    scores = run.thresholds and run.thresholds["scores"]
    score = "auto" if scores else f"{max(run.metrics['scores'].values()):g}"
    package = f"{run.name}.zip"
    return (
        "With the package of this model, for a folder and over Redis:\n\n"
        f"    mmdet-flow predict --package {package} --score {score} \\\n"
        "      --prediction_in images --prediction_out predictions\n"
        f"    mmdet-flow serve --package {package} --score {score}\n\n"
        "Each result is an OPEX file whose `meta` names the SHA-256 of the weights.\n"
    )


def _total(run: ResultsFolder) -> str:
    """Return what the figures of all classes together are called."""
    return total_of(run.metrics)


def _interval(limits: list | None) -> str | None:
    return f"{limits[0]:.3f} to {limits[1]:.3f}" if limits else None
