"""The folder of a training: what it was made from, its states and its best weights.

``recipe.json`` says what the states in the folder were trained from, ``iter_N.pth`` is
all that a training needs to go on after iteration N, and ``best.pth`` holds the weights
with the best validation.
"""

from collections.abc import Callable
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import ModelError
from mmdet_flow.files import read_json, write_json


class WorkDir:
    """The files of a training in the folder ``path``."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.best = self.path / "best.pth"
        self._recipe = self.path / "recipe.json"

    def state(self, iteration: int) -> Path:
        """Return the path of the state after an iteration."""
        return self.path / f"iter_{iteration}.pth"

    def states(self) -> list[Path]:
        """Return the states, the newest last."""
        found = self.path.glob("iter_*.pth")
        return sorted(found, key=lambda path: int(path.stem.removeprefix("iter_")))

    def forget_states(self, keep: int) -> None:
        """Remove all states but the newest ones."""
        for path in self.states()[:-keep]:
            path.unlink()

    def result(self) -> Path:
        """Return what shall be published: the best weights, or the last ones."""
        if self.best.is_file():
            return self.best
        if not (states := self.states()):
            raise ModelError(f"{self.path}: holds no checkpoint to publish")
        return states[-1]

    def begin(self, sha256: str, resume: bool) -> Path | None:
        """Make the folder ready for a training; return the state to go on from.

        ``sha256`` tells the recipe of this training from others. A folder of another
        recipe is renamed, and so kept, when ``resume`` is wanted.
        """
        state = None
        if resume and self._recipe.is_file():
            if read_json(self._recipe).get("sha256") == sha256:
                state = self._newest_whole()
            else:
                self._put_aside()
        if not state:
            write_json(self._recipe, {"sha256": sha256})
        return state

    def decide(self, what: str, choose: Callable[[], str]) -> str:
        """Return what was chosen when the training began, or choose now."""
        recipe = read_json(self._recipe)
        if what not in recipe:
            recipe[what] = choose()
            write_json(self._recipe, recipe)
        return recipe[what]

    def _newest_whole(self) -> Path | None:
        from mmdet_flow.model.checkpoint import is_whole

        for path in reversed(self.states()):
            if is_whole(path):
                return path
            cli.log.warning("%s: is damaged; using the one before", path)
        return None

    def _put_aside(self) -> None:
        number = 1
        name = self.path.name
        while (aside := self.path.with_name(f"{name}.old-{number}")).exists():
            number += 1
        self.path.rename(aside)
        cli.log.warning(
            "%s: was made from another config or other data; kept as %s, training "
            "starts from the beginning",
            self.path,
            aside,
        )
