"""Pictures of figures: the same data give the same bytes."""

from pathlib import Path

from mmdet_flow.files import new_file


def save_figure(figure, path: Path) -> None:
    """Write a figure of matplotlib as PNG."""
    with new_file(path) as temporary:
        # Without the version of the library, which is in no other file either.
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})
