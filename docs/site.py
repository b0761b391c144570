"""Lay out the sources of the site in FOLDER: docs/ and the pages that lie beside it.

README, CONTRIBUTING and CHANGELOG stand at the top of the checkout, where readers of
the repository look for them. In the site they lie among the pages that they link to.
"""

import shutil
import sys
from pathlib import Path

TOP = Path(__file__).parents[1]
BESIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
NO_PAGES = shutil.ignore_patterns("*.py", "__pycache__")


def lay_out(folder: Path) -> None:
    """Write the sources of the site, whose links find their targets there."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(TOP / "docs", folder, ignore=NO_PAGES)
    for source, name in BESIDE.items():
        shutil.copy(TOP / source, folder / name)
    for page in folder.glob("*.md"):
        text = page.read_text(encoding="utf-8").replace("](docs/", "](")
        for source, name in BESIDE.items():
            text = text.replace(f"](../{source}", f"]({name}")
            text = text.replace(f"]({source}", f"]({name}")
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]))
