"""The check of annotations and images: what is found, by a policy, in a ledger."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.annotations import (
    EDGES,
    AnnotatedImage,
    AnnotationFormat,
    Problem,
    Source,
)
from mmdet_flow.dataset.edge_rules import note_edge_rule
from mmdet_flow.dataset.findings import Ledger, Policy
from mmdet_flow.dataset.image_checks import (
    CheckedImage,
    check_duplicates,
    check_image,
    with_unique_names,
)
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.object_checks import Context, check_objects
from mmdet_flow.dataset.pixels import Pixels, read_pixels
from mmdet_flow.dataset.spellings import slips, spellings
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.words import counted


@dataclass(frozen=True)
class Rules:
    """What a data set is checked against.

    Attributes:
        classes: the class list in its order, or None to take all: in the order of a
            data set that was converted before, else by name.
        policy: what to do about the findings of each check.
        image_size: the longer side that training resizes to, or None.
        min_objects: classes with fewer objects are reported.
        lists: files of image names, one a split, to find duplicates across them.
    """

    classes: Sequence[str] | None = None
    policy: Policy = field(default_factory=Policy)
    image_size: int | None = None
    min_objects: int = 10
    lists: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Checked:
    """A checked data set: its images by name, class list, account, and duplicates.

    ``files`` are all that were found, those that could not be read among them; one that
    annotates several images stands there for each.
    """

    images: list[CheckedImage]
    classes: list[str]
    ledger: Ledger
    duplicates: list[list[str]]
    files: list[Path]


def check(
    annotation_format: AnnotationFormat,
    source: Source,
    rules: Rules,
    threads: int = 1,
    pixels_of: Callable[[Path], Pixels | str] = read_pixels,
) -> Checked:
    """Read and check a data set, whose images ``pixels_of`` decodes.

    Raises DataError when a folder is missing or holds no annotation, and UsageError
    for a rule of edges, or a file of names, that the format has no use for; all else is
    a finding in the ledger.
    """
    _require_places(source)
    if source.edges != EDGES[0] and not annotation_format.corners:
        raise UsageError(
            f"edges {source.edges}: this format has no corners of boxes; leave it out"
        )
    if source.labels and annotation_format.label_files is None:
        raise UsageError(
            f"labels {source.labels}: this format has the names of its classes in its "
            "annotations; leave it out"
        )
    if rules.classes is None and annotation_format.class_list:
        rules = replace(rules, classes=annotation_format.class_list(source))
    ledger = Ledger(rules.policy, source.annotations)
    index = ImageIndex(source.images)
    for path in index.unread:
        what = f"it is a {path.suffix.lower()} file"
        ledger.note("unread-image", path.name, "", what)
    oriented = rules.policy["rotated-image"] == "ignore"
    items = _read(annotation_format, replace(source, oriented=oriented), index)
    annotated = _sort_out(items, ledger)
    annotated += _without_annotation(items, index, ledger)
    annotated = _merge_similar_classes(annotated, rules, ledger)
    named = with_unique_names(annotated, ledger)
    with ThreadPoolExecutor(threads) as pool:
        paths = [one.source.image for one in named]
        pixels = list(cli.progress(pool.map(pixels_of, paths), len(paths), "decoded"))
    kept, thumbnails = [], []
    for one, decoded in zip(named, pixels, strict=True):
        if checked := check_image(one, decoded, ledger):
            kept.append(checked)
            thumbnails.append(decoded.thumbnail)
    kept, duplicates = check_duplicates(kept, thumbnails, rules.lists, ledger)
    if annotation_format.corners:
        note_edge_rule(kept, source.edges, ledger)
    kept = [_check_objects(one, rules, ledger) for one in kept]
    classes = _class_list(kept, rules, ledger)
    files = [*index.paths, *index.unread, *map(_file_of, items)]
    return Checked(kept, classes, ledger, duplicates, files)


def _file_of(item: AnnotatedImage | Problem) -> Path:
    return item.file if isinstance(item, Problem) else item.annotation


def _require_places(source: Source) -> None:
    if not source.annotations.exists():
        raise DataError(
            f"{source.annotations}: there is no such folder; check the path"
        )
    if not source.images.is_dir():
        raise DataError(f"{source.images}: there is no such folder; check the path")
    if source.labels and not source.labels.is_file():
        raise DataError(f"{source.labels}: there is no such file; check the path")


def _read(
    annotation_format: AnnotationFormat, source: Source, index: ImageIndex
) -> list[AnnotatedImage | Problem]:
    items = list(annotation_format.read(source, index))
    if not items:
        raise DataError(
            f"{source.annotations}: holds no annotations; check folder, format and glob"
        )
    return items


def _sort_out(
    items: Sequence[AnnotatedImage | Problem], ledger: Ledger
) -> list[AnnotatedImage]:
    """Return what was read, by image name; the rest is noted."""
    annotated = []
    for item in items:
        if isinstance(item, AnnotatedImage):
            annotated.append(item)
            ledger.images_read += 1
            ledger.objects_read += len(item.objects)
        else:
            note_problem(item, ledger)
    return in_order(annotated)


def in_order(annotated: Iterable[AnnotatedImage]) -> list[AnnotatedImage]:
    """Return images in the order in which they get their names in the data set."""
    return sorted(annotated, key=lambda one: (one.image.name, str(one.annotation)))


def note_problem(problem: Problem, ledger: Ledger) -> None:
    """Note what could not be read, and what is lost by it."""
    name = ledger.name_of(problem.file)
    ledger.note(problem.check, name, problem.place, problem.what, repairable=False)
    if problem.check == "invalid-object":
        ledger.objects_read += 1
        ledger.leave_out(name, problem.place, "", problem.check)
    elif problem.check == "missing-image":
        ledger.images_read += 1
        ledger.images_left_out.append(name)
    ledger.objects_read += len(problem.objects)
    for item in problem.objects:
        ledger.leave_out(name, item.place, item.label, problem.check)


def _without_annotation(
    items: Sequence[AnnotatedImage | Problem], index: ImageIndex, ledger: Ledger
) -> list[AnnotatedImage]:
    """Note images without annotation; return those that the policy takes as empty.

    Images whose annotation cannot be used are left out. Those of a broken file that
    names no image may be any, so that none is known to be empty then.
    """
    problems = [item for item in items if isinstance(item, Problem)]
    known = {item.image for item in items if isinstance(item, AnnotatedImage)}
    lost = {path for problem in problems for path in problem.images}
    broken = [one for one in problems if one.check == "broken-annotation"]
    what = "it has no annotation"
    unclear = next((one.file.name for one in broken if not one.images), None)
    if unclear:
        what += f", unless in {unclear}, which is broken"
    taken = []
    for path in index.paths:
        if path in known:
            continue
        ledger.images_read += 1
        if path in lost:
            ledger.images_left_out.append(path.name)
            continue
        action = ledger.note("no-annotation", path.name, "", what, not unclear)
        if action == "repair":
            taken.append(AnnotatedImage(path, path, None, ()))
        else:
            ledger.images_left_out.append(path.name)
    return taken


def _merge_similar_classes(
    annotated: list[AnnotatedImage], rules: Rules, ledger: Ledger
) -> list[AnnotatedImage]:
    """Note class names that differ in signs alone; rename them if told to.

    Where a class list is given, it decides, and others are unknown classes.
    """
    if rules.classes is not None:
        return annotated
    counts = Counter(item.label for one in annotated for item in one.objects)
    renamed: dict[str, str] = {}
    for frequent, *others in spellings(counts):
        for label in others:
            what = f"{label!r} is like the more frequent {frequent!r}"
            if ledger.note("similar-classes", label, "", what) == "repair":
                renamed[label] = frequent
    if not renamed:
        return annotated
    return [
        replace(
            one,
            objects=tuple(
                replace(item, label=renamed.get(item.label, item.label))
                for item in one.objects
            ),
        )
        for one in annotated
    ]


def _check_objects(one: CheckedImage, rules: Rules, ledger: Ledger) -> CheckedImage:
    context = Context(one.size, rules.classes, rules.image_size)
    file = ledger.name_of(one.source.annotation)
    objects = check_objects(one.source.objects, context, file, ledger)
    return replace(one, source=replace(one.source, objects=objects))


def _class_list(kept: list[CheckedImage], rules: Rules, ledger: Ledger) -> list[str]:
    """Return the class list, and note the classes with few objects."""
    counts = Counter(item.label for one in kept for item in one.source.objects)
    classes = list(rules.classes or sorted(counts))
    meant = slips(counts)
    for name in classes:
        if counts[name] < rules.min_objects:
            there = counted(counts[name], "object")
            what = f"it has {there}, fewer than {rules.min_objects}"
            if name in meant:
                what += f"; did you mean {meant[name]}?"
            ledger.note("few-objects", name, "", what)
    return classes
