"""The tables of docs/interop.md, and what of them got worse."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.interop.compare import EXACT, OUTCOMES, Outcome

PAGE = "docs/interop.md"
START, END = "<!-- interop: begin -->", "<!-- interop: end -->"
REASONS = Path(__file__).with_name("reasons.toml")
HEADINGS = {
    "write": "### Written by the tool, read by mmdet-flow",
    "read": "### Written by mmdet-flow, read by the tool",
}
COLUMNS = ("tool", "format", "holds", "outcome", "what", "why")
UNKNOWN = "unknown"
TITLES = {
    word.lower(): word
    for word in (
        *("ADAMS", "COCO", "CSV", "CVAT", "CreateML", "Datumaro", "JSON", "JSON-MIN"),
        *("Lightly", "OBB", "OPEX", "OpenImages", "ROI", "VIA", "VOC", "XML", "YOLO"),
        *("VGG", "YOLOv4", "YOLOv5", "YOLOv6", "YOLOv8"),
    )
}


@dataclass(frozen=True)
class Cell:
    """What became of one format of one tool, as a row of the page has it.

    Attributes:
        direction: "write" where the tool writes, "read" where it reads.
        form, holds: the format, and whether it had boxes or outlines.
        why: the reason of what is not exact.
    """

    direction: str
    tool: str
    version: str
    form: str
    holds: str
    outcome: Outcome
    why: str = ""

    @classmethod
    def of(
        cls, direction: str, tool: str, version: str, key: str, outcome: Outcome
    ) -> "Cell":
        """Return the cell of a runner's function, which ``key`` names."""
        form, _, holds = key.rpartition("_")
        words = form.replace("json_min", "json-min").split("_")
        title = " ".join(TITLES.get(word, word) for word in words)
        why = "" if outcome == Outcome(EXACT) else _reason(direction, tool, key)
        return cls(direction, tool, version, title, holds, outcome, why)

    @property
    def place(self) -> tuple[str, ...]:
        """What tells a cell from the others."""
        return self.direction, self.tool, self.form, self.holds

    def row(self) -> tuple[str, ...]:
        tool = f"{self.tool} {self.version}"
        outcome = self.outcome
        return tool, self.form, self.holds, outcome.kind, outcome.what, self.why


def _reason(direction: str, tool: str, key: str) -> str:
    known = tomllib.loads(REASONS.read_text())
    return known.get(direction, {}).get(tool, {}).get(key, UNKNOWN)


def tables_of(cells: list[Cell]) -> str:
    """Return both tables in Markdown, with a count of the outcomes above each."""
    return "\n\n".join(
        _table(heading, [cell for cell in cells if cell.direction == direction])
        for direction, heading in HEADINGS.items()
    )


def _table(heading: str, cells: list[Cell]) -> str:
    kinds = [cell.outcome.kind for cell in cells]
    counts = ", ".join(
        f"{kinds.count(kind)} {kind}" for kind in OUTCOMES if kind in kinds
    )
    rows = [cell.row() for cell in sorted(cells, key=lambda cell: cell.place)]
    lines = [_line(COLUMNS), "|---" * len(COLUMNS) + "|", *map(_line, rows)]
    return "\n".join([heading, "", f"{len(cells)} formats: {counts}.", "", *lines])


def _line(values: tuple[str, ...]) -> str:
    return "| " + " | ".join(value.replace("|", "/") for value in values) + " |"


def cells_in(page: str) -> list[Cell]:
    """Return the cells that a page shows."""
    found, direction = [], ""
    for line in page.partition(START)[2].partition(END)[0].splitlines():
        headings = [name for name, text in HEADINGS.items() if text == line]
        direction = headings[0] if headings else direction
        values = [value.strip() for value in line[1:-1].split("|")]
        if len(values) == len(COLUMNS) and values[3] in OUTCOMES:
            tool, _, version = values[0].rpartition(" ")
            outcome = Outcome(*values[3:5])
            found.append(
                Cell(direction, tool, version, *values[1:3], outcome, values[5])
            )
    return found


def with_the_others(cells: list[Cell], page: str) -> list[Cell]:
    """Return cells, and those of a page that were not measured with them."""
    known = {cell.place: cell for cell in [*cells_in(page), *cells]}
    return list(known.values())


def worse(cells: list[Cell], page: str) -> list[str]:
    """Return what is worse than a page says, missing, or without a reason."""
    now = {cell.place: cell for cell in cells}
    found = []
    for cell in cells_in(page):
        was, name = cell.outcome, _name(cell)
        if cell.place not in now:
            found.append(f"{name} is missing, and was {was.kind}")
        elif (outcome := now[cell.place].outcome).rank > was.rank:
            found.append(f"{name} is {outcome.kind} ({outcome.what}), was {was.kind}")
    return found + [
        f"{_name(cell)} is {cell.outcome.kind}, with no reason in {REASONS.name}"
        for cell in cells
        if cell.why == UNKNOWN
    ]


def _name(cell: Cell) -> str:
    does = {"write": "writes", "read": "reads"}[cell.direction]
    return f"what {cell.tool} {does} as {cell.form} {cell.holds}"


def put(text: str, page: Path) -> None:
    """Write the tables into a page, between its two marks."""
    before, _, rest = page.read_text().partition(START)
    page.write_text(f"{before}{START}\n\n{text}\n\n{END}{rest.partition(END)[2]}")
