"""Fonts for names in any script, which plots and pictures share.

They come with the environment, so a picture is the same on each machine: DejaVu Sans of
matplotlib for most alphabets, and Noto Sans CJK (SIL Open Font License) for Chinese,
Japanese and Korean.
"""

from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

FILES = (
    ("matplotlib", "mpl-data/fonts/ttf/DejaVuSans.ttf"),
    ("cvttf_NotoSansCJK_Regular", "NotoSansCJKtc-Regular.otf"),
)
"""Each font: the package that holds it, and its place there."""


@cache
def font_files() -> tuple[Path, ...]:
    """Return the fonts that are installed, the first one first to be taken."""
    specs = ((find_spec(package), place) for package, place in FILES)
    paths = (
        Path(spec.submodule_search_locations[0]) / place
        for spec, place in specs
        if spec and spec.submodule_search_locations
    )
    return tuple(path for path in paths if path.is_file())


@cache
def letters(font: Path, size: int):
    """Return a font as Pillow draws it, with letters of so many pixels."""
    from PIL import ImageFont

    return ImageFont.truetype(font, size)


@cache
def _signs(font: Path) -> frozenset[int]:
    """Return the code points that a font has."""
    from fontTools.ttLib import TTFont

    with TTFont(font, lazy=True) as content:
        return frozenset(content.getBestCmap())


def _font_of(sign: str) -> Path | None:
    return next((font for font in font_files() if ord(sign) in _signs(font)), None)


def drawable(text: str) -> str:
    """Return a text that can be drawn: signs without a font as their code points.

    So names that differ look different. Control characters, as ends of lines, have no
    font either.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(sign if _has_a_font(sign) else f"U+{ord(sign):04X}" for sign in text)


def _has_a_font(sign: str) -> bool:
    return sign.isprintable() if sign.isascii() else bool(_font_of(sign))


def runs_of(text: str) -> list[tuple[Path, str]]:
    """Return the parts of a drawable text that have a font in common, in order."""
    return [(font, "".join(part)) for font, part in groupby(text, _font_of)]
