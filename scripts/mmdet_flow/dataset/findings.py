"""What can be wrong with a data set, and what is done about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmdet_flow.errors import UsageError, did_you_mean

ACTIONS = {
    "error": "nothing is converted until it is fixed",
    "drop": "it is left out, and listed",
    "repair": "it is repaired as said, and listed",
    "ignore": "it is kept as it is, and listed",
}
"""What may be done about a finding."""


MENDING = ("repair", "drop", "ignore")
"""The actions with which a run goes on, the one that loses least first."""


@dataclass(frozen=True)
class Check:
    """A check: what follows from its findings, how to fix them, what may be done.

    ``repaired`` says what was done where the action is repair, which some have.
    """

    consequence: str
    fix: str
    default: str = "error"
    others: tuple[str, ...] = ("drop",)
    repaired: str = ""

    @property
    def actions(self) -> tuple[str, ...]:
        return (self.default, *self.others)


KEEP = ("error", "drop")

CHECKS: dict[str, Check] = {
    # Files
    "broken-annotation": Check(
        "its objects cannot be read", "fix the file or remove it"
    ),
    "invalid-object": Check("the object cannot be read", "fix the object or remove it"),
    "left-aside": Check(
        "it is not learned: boxes and outlines are",
        "look at boxes with a confidence, which a model drew, and accept in the tool "
        "what should count; else there is nothing to do",
        "ignore",
        ("error",),
    ),
    "missing-image": Check(
        "the objects have no pixels", "add the image or remove the annotation"
    ),
    "ambiguous-image": Check(
        "the objects may land on another image",
        "give each image a name of its own, or each annotation its image's folder",
    ),
    "unreadable-image": Check(
        "training would stop there, or learn from grey",
        "replace the image or remove its annotation",
    ),
    "unsupported-image": Check(
        "wai.annotations reads jpg, png and bmp alone",
        "repair converts it to PNG without loss of its 8 bits",
        others=("drop", "repair"),
        repaired="it is converted to PNG without loss of its 8 bits",
    ),
    "unread-image": Check(
        "it is not looked at, nor would a prediction",
        "save it as PNG, under the name that its annotation says",
        "ignore",
        KEEP[:1],
    ),
    "image-size": Check(
        "the boxes were drawn on another version of the image",
        "annotate this very image",
        others=("drop", "ignore"),
    ),
    "rotated-image": Check(
        "boxes and pixels may be turned against each other",
        "repair keeps the pixels as they were annotated; ignore, if the boxes are for "
        "the rotated image",
        others=("drop", "repair", "ignore"),
        repaired="it becomes a PNG with the pixels as they were annotated",
    ),
    "unused-bits": Check(
        "training and prediction see it nearly black",
        "multiply the values of all images by one factor, those to predict as well",
        others=("drop", "ignore"),
    ),
    "more-pages": Check(
        "the first is seen alone",
        "save each page as an image of its own",
        "ignore",
        KEEP,
    ),
    "duplicate-name": Check(
        "one would overwrite the other",
        "rename one; repair puts the folder's name before it",
        others=("drop", "repair"),
        repaired="the folder's name is put before it",
    ),
    "duplicate-content": Check(
        "the image counts twice; a split by fractions keeps both in one part",
        "remove one",
        "ignore",
        KEEP,
    ),
    "duplicate-across-splits": Check(
        "the model is tested on what it was trained on",
        "take it out of one of the lists",
        "ignore",
        ("error",),
    ),
    "pieces-across-splits": Check(
        "pieces of one picture are alike: a test by them says too much",
        "keep them in one split, as splits.group_pattern does",
        "ignore",
        ("error",),
    ),
    "no-annotation": Check(
        "the image is not used",
        "annotate it; repair takes it as an image without objects",
        "drop",
        ("error", "repair"),
        "it is taken as an image without objects",
    ),
    # Classes
    "unnamed-object": Check("the object has no class", "name its class"),
    "control-character": Check(
        "lists and tables would break at the class name, or terminals obey it",
        "rename the class; repair puts a space there",
        others=("drop", "repair"),
        repaired="a space is put there",
    ),
    "unknown-class": Check(
        "the object's class is not in the class list",
        "add it to classes or rename it; repair takes the listed name that differs in "
        "upper and lower case or signs alone",
        others=("drop", "repair"),
        repaired="it gets the listed name that differs in case or signs alone",
    ),
    "similar-classes": Check(
        "one class is learned as two",
        "rename it; repair takes the more frequent name",
        others=("repair", "ignore"),
        repaired="its objects get the more frequent name",
    ),
    "few-objects": Check(
        "the class cannot be learned or measured well",
        "annotate more, or rename it",
        "ignore",
        KEEP[:1],
    ),
    # Boxes
    "duplicate-object": Check(
        "the object counts twice",
        "remove one; drop keeps the first",
        "ignore",
        KEEP,
    ),
    "edge-rule": Check(
        "boxes are a pixel too large, or moved by one",
        "set edges to the rule of the program that wrote them",
        "ignore",
        KEEP[:1],
    ),
    "inverted-box": Check(
        "the box has no inside",
        "swap its corners, as repair does",
        others=("drop", "repair"),
        repaired="its corners are swapped",
    ),
    "empty-box": Check("the box has no inside", "draw it again or remove it"),
    "outside-image": Check("the box shows nothing", "move it or remove it"),
    "crosses-edge": Check(
        "the part outside shows nothing",
        "move it; repair cuts it at the edge",
        "ignore",
        ("error", "drop", "repair"),
        "it is cut at the edge",
    ),
    "rotated-box": Check(
        "what is learned is not where it was drawn",
        "repair draws the turned outline, and the box around it; ignore, if the box "
        "is right as it stands",
        others=("drop", "repair", "ignore"),
        repaired="it becomes the turned outline, with the box around that",
    ),
    "crowd": Check(
        "training leaves it out, and evaluation does not count it",
        "repair takes it as one object",
        "ignore",
        ("error", "drop", "repair"),
        "it is taken as one object",
    ),
    "tiny-box": Check(
        "it may be a slip of the mouse", "check whether it is an object", "ignore", KEEP
    ),
    "too-small-to-learn": Check(
        "training leaves it out at this image size",
        "choose a larger image_size, or tiles (docs/tiles.md)",
        "ignore",
        KEEP,
    ),
    # Polygons
    "too-many-points": Check(
        "checks, training and pictures would take minutes for it",
        "draw it simpler: points of whole pixels, and none on a straight line",
    ),
    "short-polygon": Check(
        "fewer than 3 points enclose nothing",
        "draw it again; repair keeps the box, and other polygons of the object",
        others=("drop", "repair"),
        repaired="it is taken out; the box and other polygons of the object are kept",
    ),
    "crossed-polygon": Check(
        "what is inside is not defined",
        "draw it again; repair makes an outline of each part that it encloses",
        "ignore",
        ("error", "drop", "repair"),
        "an outline is made of each part that it encloses",
    ),
    "polygon-outside-box": Check(
        "box and mask teach different things",
        "repair draws the box around the polygon",
        "ignore",
        ("error", "drop", "repair"),
        "the box is drawn around the polygon",
    ),
}
"""Every check, by the name that config.yaml and reports use."""


@dataclass(frozen=True)
class Finding:
    """Something wrong: where, what, what follows, how to fix it, what was done.

    ``repairable`` says whether the action repair can mend it.
    """

    check: str
    action: str
    file: str
    place: str
    what: str
    repairable: bool = True

    @property
    def consequence(self) -> str:
        """Return what follows: what was done, where the policy decided on that."""
        check = CHECKS[self.check]
        if self.action == "repair":
            return check.repaired
        return f"left out: {check.consequence}" if self._is_done else check.consequence

    @property
    def fix(self) -> str:
        """Return how to fix it; nothing is left to do where the policy did that."""
        return "" if self._is_done else CHECKS[self.check].fix

    @property
    def _is_done(self) -> bool:
        """Whether a policy, not the default, had it repaired or left out."""
        mended = self.action in ("repair", "drop")
        return mended and self.action != CHECKS[self.check].default

    @property
    def policy(self) -> str:
        """Return what a policy may say of it, so that it stops no run, if none did."""
        if self.action in ("repair", "drop"):
            return ""
        possible = [
            action
            for action in MENDING
            if action in CHECKS[self.check].actions and action != self.action
            if self.repairable or action != "repair"
        ]
        return f"{self.check}: {' or '.join(possible)}" if possible else ""

    @property
    def where(self) -> str:
        """Return file, place, and what is wrong there."""
        place = f", {self.place}" if self.place else ""
        return f"{self.file}{place}: {self.what}"

    @property
    def advice(self) -> str:
        """Return what follows, how to fix it, what was done, and what may be done."""
        other = f"; policy {self.policy}" if self.policy else ""
        said = "; ".join(filter(None, (self.consequence, self.fix)))
        return f"{said} [{self.check}: {self.action}{other}]"

    def as_row(self) -> dict[str, str]:
        """Return the columns of the table."""
        return {name: getattr(self, name) for name in COLUMNS}

    def __str__(self) -> str:
        return f"{self.where}: {self.advice}"


COLUMNS = (
    *("check", "action", "file", "place", "what", "consequence", "fix", "policy"),
)
"""What the tables of findings have."""


def groups_of(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Return the findings of each check with the same action, those of errors first."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for one in findings:
        groups.setdefault((one.check, one.action), []).append(one)
    return sorted(groups.values(), key=lambda group: group[0].action != "error")


@dataclass(frozen=True)
class Policy:
    """What to do about the findings of each check, unless it is the default."""

    actions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for check, action in self.actions.items():
            if check not in CHECKS:
                raise UsageError(
                    f"policy {check}: there is no such check"
                    f"{did_you_mean(check, CHECKS)}"
                )
            if action not in CHECKS[check].actions:
                raise UsageError(
                    f"policy {check}: {action} is not possible; choose one of "
                    f"{', '.join(CHECKS[check].actions)}"
                )

    def __getitem__(self, check: str) -> str:
        return self.actions.get(check, CHECKS[check].default)

    @classmethod
    def parse(cls, items: Iterable[str]) -> "Policy":
        """Read ``check=action`` items."""
        pairs = [item.partition("=")[::2] for item in items]
        return cls(dict(pairs))


@dataclass(frozen=True)
class LeftOut:
    """An object that was read and is not written, with the check that found it."""

    file: str
    place: str
    label: str
    check: str


@dataclass
class Ledger:
    """The account of a check: what was found, and what became of each object.

    Objects read are those kept and those left out, always. Files are called by their
    path below ``root``, the folder of the annotations.
    """

    policy: Policy
    root: Path | None = None
    findings: list[Finding] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    objects_read: int = 0
    images_read: int = 0
    images_left_out: list[str] = field(default_factory=list)

    def note(
        self, check: str, file: str, place: str, what: str, repairable=True
    ) -> str:
        """Add a finding; return the action of the policy.

        What cannot be repaired where repair was asked for is an error.
        """
        action = self.policy[check]
        if action == "repair" and not repairable:
            action = "error"
        self.findings.append(Finding(check, action, file, place, what, repairable))
        return action

    def name_of(self, path: Path) -> str:
        """Return how a file is called: by its path below the root, if it is there."""
        below = self.root and path.is_relative_to(self.root) and path != self.root
        return str(path.relative_to(self.root)) if below else path.name

    def leave_out(self, file: str, place: str, label: str, check: str) -> None:
        self.left_out.append(LeftOut(file, place, label, check))

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.action == "error"]
