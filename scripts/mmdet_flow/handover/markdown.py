"""Markdown with tables, and how it becomes a page that needs nothing else."""

import html
import re
from collections.abc import Iterable, Sequence

UNKNOWN = "n/a"

STYLE = """
:root { color-scheme: light dark; --rule: light-dark(#d5dae0, #3a4047);
  --quiet: light-dark(#57606a, #a4adb6); --head: light-dark(#eef1f4, #22262a) }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: auto;
  padding: 1rem 1.5rem; background: light-dark(#ffffff, #17191c);
  color: light-dark(#1b1f23, #e8eaed) }
h1 { font-size: 1.5rem; margin: 0 0 .5rem }
h2 { font-size: 1.15rem; margin: 1.6rem 0 .4rem }
p, li { max-width: 52rem }
table { border-collapse: collapse; margin: .6rem 0; font-size: .92rem; display: block;
  overflow-x: auto }
th, td { border: 1px solid var(--rule); padding: .2rem .6rem; text-align: left }
th { background: var(--head) }
code { font-size: .88em; overflow-wrap: anywhere }
pre { background: var(--head); padding: .6rem .8rem; overflow-x: auto }
"""


def table(header: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Return a table; None is n/a."""
    lines = [_line(header), _line("---" for _ in header)]
    return "\n".join([*lines, *(_line(map(cell, row)) for row in rows)]) + "\n"


def cell(value) -> str:
    """Return a value as it stands in a table; None is n/a, fractions have 3 digits."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, float):
        return f"{value:.3f}"
    return plain(str(value)) if not isinstance(value, Code) else value


class Code(str):
    """A text that is shown letter by letter, such as a hash or a file name."""

    def __new__(cls, text: object) -> "Code":
        text = " ".join(str(text).split()).replace("`", "'").replace("|", "\\|")
        return super().__new__(cls, f"`{text or ' '}`")


def plain(text: str) -> str:
    """Return a text, such as the name of a class, that Markdown does not change."""
    return re.sub(r"([\\`*_\[\]<>|#&])", r"\\\1", " ".join(text.split()))


def to_page(title: str, text: str) -> str:
    """Return Markdown as an HTML page; HTML inside of it is shown as text."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}</body>\n</html>\n"
    )


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
