"""What can be wrong with a data set, and what is done about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mmdet_flow.errors import UsageError, did_you_mean

ACTIONS = {
    "error": "nothing is converted until it is mended",
    "drop": "it is left out, and listed",
    "repair": "it is mended as said, and listed",
    "ignore": "it is kept as it is, and listed",
}
"""What may be done about a finding."""


@dataclass(frozen=True)
class Kind:
    """A kind of finding: what follows from it, how to mend it, what may be done."""

    consequence: str
    fix: str
    default: str = "error"
    others: tuple[str, ...] = ("drop",)

    @property
    def actions(self) -> tuple[str, ...]:
        return (self.default, *self.others)


KEEP = ("error", "drop")
MEND = ("drop", "repair", "ignore")

KINDS: dict[str, Kind] = {
    # Files
    "broken-annotation": Kind(
        "its objects cannot be read", "mend the file or remove it"
    ),
    "invalid-object": Kind("the object cannot be read", "mend the object or remove it"),
    "missing-image": Kind(
        "the objects have no pixels", "add the image or remove the annotation"
    ),
    "ambiguous-image": Kind(
        "the objects may land on another image",
        "give each image a name of its own, or each annotation its image's folder",
    ),
    "unreadable-image": Kind(
        "training would stop there, or learn from grey",
        "replace the image or remove its annotation",
    ),
    "unsupported-image": Kind(
        "wai.annotations reads jpg, png and bmp alone",
        "repair converts it to PNG without loss of its 8 bits",
        others=("drop", "repair"),
    ),
    "image-size": Kind(
        "the boxes were drawn on another version of the image",
        "annotate this very image",
        others=("drop", "ignore"),
    ),
    "rotated-image": Kind(
        "training turns the image by its EXIF tag, the boxes stay",
        "repair keeps the pixels as they were annotated; ignore, if the boxes are for "
        "the turned image",
        others=MEND,
    ),
    "duplicate-name": Kind(
        "one would overwrite the other",
        "rename one; repair puts the folder's name before it",
        others=("drop", "repair"),
    ),
    "duplicate-content": Kind(
        "the image counts twice; shares keep both in one split",
        "remove one",
        "ignore",
        KEEP,
    ),
    "duplicate-across-splits": Kind(
        "the model is tested on what it was trained on",
        "take it out of one of the lists",
        "ignore",
        ("error",),
    ),
    "no-annotation": Kind(
        "the image is not used",
        "annotate it; repair takes it as an image without objects",
        "drop",
        ("error", "repair"),
    ),
    # Classes
    "unnamed-object": Kind("the object has no class", "name its class"),
    "control-character": Kind(
        "lists and tables would break at the class name, or terminals obey it",
        "rename the class; repair puts a space there",
        others=("drop", "repair"),
    ),
    "unknown-class": Kind(
        "the object's class is not in the class list",
        "add it to classes or rename it; repair takes the listed name that differs in "
        "upper and lower case or signs alone",
        others=("drop", "repair"),
    ),
    "similar-classes": Kind(
        "one class is learned as two",
        "rename it; repair takes the more frequent name",
        others=("repair", "ignore"),
    ),
    "few-objects": Kind(
        "the class cannot be learned or measured well",
        "annotate more",
        "ignore",
        KEEP[:1],
    ),
    # Boxes
    "fractional-coordinates": Kind(
        "wai.annotations speaks whole pixels",
        "repair rounds them",
        others=("drop", "repair"),
    ),
    "inverted-box": Kind(
        "the box has no inside",
        "swap its corners, as repair does",
        others=("drop", "repair"),
    ),
    "empty-box": Kind("the box has no inside", "draw it again or remove it"),
    "outside-image": Kind("the box shows nothing", "move it or remove it"),
    "crosses-edge": Kind(
        "the part outside shows nothing",
        "move it; repair cuts it at the edge",
        "ignore",
        ("error", "drop", "repair"),
    ),
    "tiny-box": Kind(
        "it may be a slip of the mouse", "check whether it is an object", "ignore", KEEP
    ),
    "too-small-to-learn": Kind(
        "training leaves it out at this image size",
        "choose a larger image_size",
        "ignore",
        KEEP,
    ),
    # Polygons
    "too-many-points": Kind(
        "checks, training and pictures would take minutes for it",
        "draw it simpler: points of whole pixels, and none on a straight line",
    ),
    "short-polygon": Kind(
        "fewer than 3 points enclose nothing",
        "draw it again; repair keeps the box, and other polygons of the object",
        others=("drop", "repair"),
    ),
    "crossed-polygon": Kind(
        "what is inside is not defined",
        "draw it again; repair takes the largest part",
        "ignore",
        ("error", "drop", "repair"),
    ),
    "polygon-outside-box": Kind(
        "box and mask teach different things",
        "repair draws the box around the polygon",
        "ignore",
        ("error", "drop", "repair"),
    ),
}
"""Every kind of finding, by the name that config.yaml and reports use."""


@dataclass(frozen=True)
class Finding:
    """Something wrong: where, what, what follows, how to mend it, what was done."""

    kind: str
    action: str
    file: str
    place: str
    what: str

    @property
    def consequence(self) -> str:
        return KINDS[self.kind].consequence

    @property
    def fix(self) -> str:
        return KINDS[self.kind].fix

    def as_row(self) -> dict[str, str]:
        """Return the columns of the table."""
        names = ("kind", "action", "file", "place", "what", "consequence", "fix")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        place = f", {self.place}" if self.place else ""
        return (
            f"{self.file}{place}: {self.what}: {self.consequence}; {self.fix} "
            f"[{self.kind}: {self.action}]"
        )


@dataclass(frozen=True)
class Policy:
    """What to do about each kind of finding; what is not said has its default."""

    actions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, action in self.actions.items():
            if kind not in KINDS:
                raise UsageError(
                    f"policy {kind}: there is no such kind of finding"
                    f"{did_you_mean(kind, KINDS)}"
                )
            if action not in KINDS[kind].actions:
                raise UsageError(
                    f"policy {kind}: {action} is not possible; choose one of "
                    f"{', '.join(KINDS[kind].actions)}"
                )

    def __getitem__(self, kind: str) -> str:
        return self.actions.get(kind, KINDS[kind].default)

    @classmethod
    def parse(cls, items: Iterable[str]) -> "Policy":
        """Read ``kind=action`` items."""
        pairs = [item.partition("=")[::2] for item in items]
        return cls(dict(pairs))


@dataclass(frozen=True)
class LeftOut:
    """An object that was read and is not written, with the kind of finding."""

    file: str
    place: str
    label: str
    kind: str


@dataclass
class Ledger:
    """The account of a check: what was found, and what became of each object.

    Objects read are those kept and those left out, always.
    """

    policy: Policy
    findings: list[Finding] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    objects_read: int = 0
    images_read: int = 0
    images_left_out: list[str] = field(default_factory=list)

    def note(self, kind: str, file: str, place: str, what: str, mendable=True) -> str:
        """Add a finding; return the action of the policy.

        What cannot be repaired where repair was asked for is an error.
        """
        action = self.policy[kind]
        if action == "repair" and not mendable:
            action = "error"
        self.findings.append(Finding(kind, action, file, place, what))
        return action

    def leave_out(self, file: str, place: str, label: str, kind: str) -> None:
        self.left_out.append(LeftOut(file, place, label, kind))

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.action == "error"]
