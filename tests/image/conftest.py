"""The images, built once, and the example run in it."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.image.podman import build, run, why_not

USER = 1234


@dataclass(frozen=True)
class Workspace:
    """Folders of a user: one to work in, one for what is kept between runs."""

    folder: Path
    cache: Path

    @classmethod
    def make(cls, root: Path) -> "Workspace":
        made = cls(root / "work", root / "cache")
        for path in (made.folder, made.cache):
            path.mkdir()
            os.chown(path, USER, USER)
        return made

    def put(self, name: str, content: bytes) -> Path:
        """Write a file, and the folders above it, as the user's."""
        path = self.folder / name
        for parent in reversed(path.relative_to(self.folder).parents):
            (self.folder / parent).mkdir(exist_ok=True)
            os.chown(self.folder / parent, USER, USER)
        path.write_bytes(content)
        os.chown(path, USER, USER)
        return path

    def run(self, *command: object, options=(), cache: bool = True, check: bool = True):
        """Run a command in the image with the folders, as the documentation says."""
        volumes = [f"--volume={self.folder}:/workspace"]
        volumes += [f"--volume={self.cache}:/.cache"] if cache else []
        return run(*command, options=(*volumes, *options), check=check)

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if not path.is_symlink()]


@pytest.fixture(scope="session")
def image() -> None:
    _build("image")


@pytest.fixture(scope="session")
def small_image() -> None:
    _build("image-predict")


def _build(target: str) -> None:
    if reason := why_not():
        pytest.fail(reason)
    build(target)


@pytest.fixture(scope="session")
def example(image, tmp_path_factory) -> Workspace:
    """The embedded example, run to its end by snakemake in the image."""
    workspace = Workspace.make(tmp_path_factory.mktemp("example"))
    config = run("cat", "/opt/mmdet-flow/config.yaml").stdout
    workspace.put("config.yaml", config.encode())
    workspace.run("snakemake", "--cores", "2")
    return workspace


@pytest.fixture
def workspace(example, tmp_path) -> Workspace:
    """A new user's folders, with the model of the example and images to predict."""
    made = Workspace.make(tmp_path)
    results = example.folder / "results/example"
    made.put("model.pth", (results / "model/checkpoint.pth").read_bytes())
    names = (results / "splits/test.txt").read_text().split()[:4]
    for name in names:
        made.put(f"in/{name}", (results / "dataset/images" / name).read_bytes())
    return made
