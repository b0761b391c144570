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
        *("YOLOv4", "YOLOv5", "YOLOv6", "YOLOv8"),
    )
}


@dataclass(frozen=True)
class Cell:
    """What became of one format of one tool.

    Attributes:
        direction: "write" where the tool writes, "read" where it reads.
        key: the name of the runner's function without that word.
    """

    direction: str
    tool: str
    version: str
    key: str
    outcome: Outcome

    @property
    def place(self) -> tuple[str, ...]:
        """What tells a cell from the others, as the page has it."""
        form, _, holds = self.key.rpartition("_")
        words = form.replace("json_min", "json-min").split("_")
        title = " ".join(TITLES.get(word, word) for word in words)
        return self.direction, self.tool, title, holds

    @property
    def why(self) -> str:
        """The reason of what is not exact, as reasons.toml has it."""
        if self.outcome.kind == EXACT and not self.outcome.what:
            return ""
        known = tomllib.loads(REASONS.read_text())
        by_tool = known.get(self.direction, {}).get(self.tool, {})
        return by_tool.get(self.key, UNKNOWN)


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
    rows = [_row(COLUMNS), "|---" * len(COLUMNS) + "|"]
    for cell in sorted(cells, key=lambda cell: cell.place):
        _, tool, form, holds = cell.place
        outcome = cell.outcome
        values = (form, holds, outcome.kind, outcome.what, cell.why)
        rows.append(_row((f"{tool} {cell.version}", *values)))
    return "\n".join([heading, "", f"{len(cells)} formats: {counts}.", "", *rows])


def _row(values: tuple[str, ...]) -> str:
    return "| " + " | ".join(value.replace("|", "\\|") for value in values) + " |"


def outcomes_in(page: str) -> dict[tuple[str, ...], str]:
    """Return the outcome of each cell of a page, by its place."""
    found, direction = {}, ""
    for line in page.partition(START)[2].partition(END)[0].splitlines():
        headings = [name for name, text in HEADINGS.items() if text == line]
        direction = headings[0] if headings else direction
        values = [value.strip() for value in line.strip("|").split(" | ")]
        if len(values) == len(COLUMNS) and values[3] in OUTCOMES:
            tool = values[0].rpartition(" ")[0]
            found[direction, tool, values[1], values[2]] = values[3]
    return found


def worse(cells: list[Cell], page: str) -> list[str]:
    """Return what is worse than a page says, missing, or without a reason."""
    before, now = outcomes_in(page), {cell.place: cell for cell in cells}
    found = []
    for place, kind in before.items():
        name = " ".join(place[1:])
        if place not in now:
            found.append(f"{name} ({place[0]}): is missing, was {kind}")
        elif now[place].outcome.rank > OUTCOMES.index(kind):
            outcome = now[place].outcome
            found.append(
                f"{name} ({place[0]}): {outcome.kind} ({outcome.what}), was {kind}"
            )
    return found + [
        f"{' '.join(place[1:])} ({place[0]}): no reason in {REASONS.name}"
        for place, cell in now.items()
        if cell.why == UNKNOWN
    ]


def put(text: str, page: Path) -> None:
    """Write the tables into a page, between its two marks."""
    before, _, rest = page.read_text().partition(START)
    page.write_text(f"{before}{START}\n\n{text}\n\n{END}{rest.partition(END)[2]}")
