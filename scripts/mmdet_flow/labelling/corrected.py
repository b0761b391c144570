"""Corrected annotations: what of them counts, and what stays a prediction."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from shlex import quote

from mmdet_flow import cli
from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Source,
)
from mmdet_flow.dataset.check import Checked, Rules, check
from mmdet_flow.dataset.classes import listed
from mmdet_flow.dataset.convert import stop_on_errors
from mmdet_flow.dataset.difference import UNCHANGED, changes_of
from mmdet_flow.dataset.fields import named
from mmdet_flow.dataset.findings import Policy
from mmdet_flow.dataset.labelled import Known, LabelledImage, LabelledSet, labelled
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.labelling.base import Base
from mmdet_flow.words import counted

SUBMITTED = ("label-studio",)
"""Formats that hold what somebody submitted, and predictions apart from it."""


@dataclass(frozen=True)
class Corrected:
    """Where corrected annotations are, and what is to know of them.

    Attributes:
        format: one of ``FORMATS``.
        classes: the class list of the data to come, or None for that of before.
        renamed: the class of the data that each name of the tool means.
        policy: what is done about findings.
        reviewed: whether somebody looked at images that are as they were predicted.
    """

    format: str
    source: Source
    classes: Sequence[str] | None = None
    renamed: Mapping[str, str] | None = None
    policy: Policy = field(default_factory=Policy)
    reviewed: bool = False


@dataclass(frozen=True)
class Accepted:
    """A corrected image that counts.

    Attributes:
        image: with its objects as they are now.
        known: the images of before that it is, by its content.
        predicted: the image of the round that it is, with what was predicted, if any.
    """

    image: LabelledImage
    known: tuple[LabelledImage, ...]
    predicted: LabelledImage | None

    @property
    def before(self) -> tuple[AnnotatedObject, ...]:
        """Return the objects that somebody began with."""
        if self.predicted:
            return self.predicted.objects
        return self.known[0].objects if self.known else ()


@dataclass(frozen=True)
class Sorted:
    """What becomes of the images of corrected annotations, and of a round.

    Attributes:
        accepted: those that count.
        missing: of the round, and not in the annotations.
        untouched: as they were predicted, which may be because nobody saw them.
        tested: of the test split, and predicted in the round.
    """

    accepted: list[Accepted]
    missing: list[LabelledImage]
    untouched: list[LabelledImage]
    tested: list[LabelledImage]


def class_list(base: Sequence[str], given: Sequence[str] | None) -> list[str]:
    """Return the class list to come; UsageError if it lacks one of before."""
    missing = [name for name in base if given is not None and name not in given]
    if missing:
        raise UsageError(
            f"--classes: lacks {named(missing[0])}, which the data have; name all of "
            f"{listed(base)}, and the new ones"
        )
    return list(given or base)


def read_corrected(
    corrected: Corrected, classes: Sequence[str], threads: int
) -> LabelledSet:
    """Return what was corrected; DataError for a class that the data do not have."""
    renamed = corrected.renamed or {}
    for name in renamed.values():
        if name not in classes:
            raise UsageError(
                f"--rename: {named(name)} is none of the classes {listed(classes)}"
            )
    form = _renaming(FORMATS[corrected.format], renamed)
    rules = Rules(classes, corrected.policy, min_objects=0)
    checked = check(form, corrected.source, rules, threads)
    if corrected.policy["unknown-class"] == "error":
        _require_known_classes(checked, classes)
    stop_on_errors(checked)
    return labelled(checked, threads)


def _renaming(form: AnnotationFormat, renamed: Mapping[str, str]) -> AnnotationFormat:
    """Return a format whose objects are called as the data call them."""

    def rename(item: AnnotatedObject) -> AnnotatedObject:
        return replace(item, label=renamed.get(item.label, item.label))

    def read(source, index):
        for one in form.read(source, index):
            if isinstance(one, AnnotatedImage):
                one = replace(one, objects=tuple(map(rename, one.objects)))
            yield one

    return replace(form, read=read) if renamed else form


def _require_known_classes(checked: Checked, classes: Sequence[str]) -> None:
    """Say which class is new, and which one it may have been before."""
    unknown = Counter(
        one.label for one in checked.ledger.left_out if one.check == "unknown-class"
    )
    if not unknown:
        return
    there = {item.label for one in checked.images for item in one.source.objects}
    gone = [name for name in classes if name not in there]
    (label, count), *others = unknown.most_common()
    more = f" (and {counted(len(others), 'more such class')})" if others else ""
    was = gone[0] if len(gone) == 1 else "CLASS"
    raise DataError(
        f"class {named(label)}, of {counted(count, 'object')}, is none of the classes "
        f"{listed(classes)}; if it was renamed in the tool, say --rename "
        f"{quote(f'{named(label)}={was}')}, if it is new, name all with --classes{more}"
    )


def sort_out(
    images: Sequence[LabelledImage],
    before: Base,
    predicted: Sequence[LabelledImage],
    corrected: Corrected,
) -> Sorted:
    """Sort out what counts; ``predicted`` are the images of the round.

    Raises DataError where an image is called like one of them and is another one, and
    where one is there twice with different objects.
    """
    known, round_ = Known(before.data.images), Known(predicted)
    taken = {one.name for one in (*before.data.images, *predicted)}
    found = Sorted([], [], [], [])
    seen: dict[object, LabelledImage] = {}
    there: set[int] = set()
    for one in cli.progress(images, len(images), "images found again"):
        base, own = known.find(one), round_.find(one)
        if not base and not own and one.name in taken:
            raise DataError(
                f"{one.file}: is called like an image of the data, and is another one; "
                "give the images that were predicted with --images"
            )
        there.update(map(id, own))
        key = id(own[0]) if own else id(base[0]) if base else one.sha256
        if (first := seen.setdefault(key, one)) is not one:
            _require_same(first, one)
            continue
        is_reviewed = corrected.reviewed or corrected.format in SUBMITTED
        if own and before.is_tested(other.name for other in base):
            found.tested.append(one)
        elif own and not is_reviewed and _is_as(one, own[0].objects):
            found.untouched.append(one)
        else:
            first_own = own[0] if own else None
            found.accepted.append(Accepted(one, tuple(base), first_own))
    found.missing.extend(one for one in predicted if id(one) not in there)
    return found


def _is_as(image: LabelledImage, objects: Sequence[AnnotatedObject]) -> bool:
    """Whether the objects of an image are others, but for what a tool rounds."""
    return all(one.kinds == (UNCHANGED,) for one in changes_of(image, objects))


def _require_same(first: LabelledImage, other: LabelledImage) -> None:
    if not _is_as(other, first.objects):
        raise DataError(
            f"{first.file} and {other.file}: are the same image, with different "
            "objects; keep the annotations of one"
        )
    cli.log.warning(
        "%s and %s: are the same image, and count once", first.file, other.file
    )


def tell(found: Sorted, predicted: Sequence[LabelledImage]) -> None:
    """Say in a line each what does not count as corrected."""
    strangers = [one.image for one in found.accepted if not one.predicted]
    for images, what in (
        (
            found.missing,
            "of the round that {are} not in the annotations {stay} predicted",
        ),
        (
            found.untouched,
            "{stay} predicted: nothing was changed, and --reviewed would say that "
            "somebody looked",
        ),
        (
            found.tested,
            "of the test split {are} in the round, and {stay} annotated as before",
        ),
        (strangers if predicted else [], "{are} not of the round: labelled by hand"),
    ):
        if images:
            one = len(images) == 1
            words = {"are": "is", "stay": "stays"} if one else _PLURAL
            count = counted(len(images), "image")
            cli.log.warning("%s (%s) %s", count, _some(images), what.format(**words))


_PLURAL = {"are": "are", "stay": "stay"}


def _some(images: Sequence[LabelledImage]) -> str:
    names = ", ".join(named(one.name) for one in images[:3])
    return f"{names}, ..." if len(images) > 3 else names
