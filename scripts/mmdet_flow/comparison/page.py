"""What the pages of comparisons share: templates and their style."""

from importlib import resources
from string import Template

from mmdet_flow.evaluation.gallery_page import page_style


def fill(template: str, **parts: str) -> str:
    """Return a template of this folder with its parts and the style of all pages."""
    folder = resources.files(__package__)
    style = page_style() + (folder / "tables.css").read_text(encoding="utf-8")
    text = (folder / template).read_text(encoding="utf-8")
    return Template(text).substitute(style=style, **parts)
