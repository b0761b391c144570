"""The files of a project folder: a checkout, but for what only its developers need.

``setup.py`` puts those that are around the package into wheels and sources, and
``mmdet-flow new`` writes a folder of them; this is the one list.
"""

from collections.abc import Iterator
from pathlib import Path

PARTS = (
    *("Snakefile", "config.yaml", "presets", "profiles", "report", "rules", "schemas"),
    *("envs", "Makefile", "pyproject.toml", "setup.py", "MANIFEST.in"),
    *("Dockerfile", ".dockerignore", ".editorconfig", ".gitignore"),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
    *("CITATION.cff", "SECURITY.md"),
    *("docs", "mkdocs.yml"),
)
"""What is around the package, by its name in the folder of the Snakefile."""

SOURCES = "scripts"
"""The folder of the package, and of what is installed with it."""

PACKAGES = "mmdet_flow", "snakemake_logger_plugin_mmdet_flow"

LEFT_BY_PYTHON = "__pycache__"


def files_around(root: Path) -> Iterator[Path]:
    """Yield the files of the parts that there are in a folder, relative to it."""
    for part in PARTS:
        yield from (one.relative_to(root) for one in _files(root / part))


def files_of_package(packages: Path, packed: Path) -> Iterator[Path]:
    """Yield the files of the packages in a folder, relative to it, but the packed."""
    for name in PACKAGES:
        for path in _files(packages / name):
            if not path.is_relative_to(packed):
                yield path.relative_to(packages)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(path.rglob("*"))
        return [
            one for one in found if one.is_file() and LEFT_BY_PYTHON not in one.parts
        ]
    return [path] if path.is_file() else []
