"""Pictures of figures: the same data give the same bytes."""

from functools import cache
from pathlib import Path

from mmdet_flow.colours import PALETTE
from mmdet_flow.files import new_file
from mmdet_flow.fonts import font_files


def new_figure(width: float, height: float):
    """Return an empty figure of matplotlib, of inches, with fonts for any name.

    Its colours "C0", "C1" and so on are those of the classes.
    """
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["font.family"] = _families()
    matplotlib.rcParams["axes.prop_cycle"] = matplotlib.cycler(color=PALETTE)
    return Figure(figsize=(width, height), layout="constrained")


@cache
def _families() -> list[str]:
    """Make our fonts known to matplotlib; return their names."""
    from matplotlib.font_manager import FontProperties, fontManager

    for font in font_files():
        fontManager.addfont(font)
    return [FontProperties(fname=font).get_name() for font in font_files()]


def save_figure(figure, path: Path) -> None:
    """Write a figure of matplotlib as PNG."""
    with new_file(path) as temporary:
        # Without the version of the library, which is in no other file either.
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})
