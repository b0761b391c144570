"""The folder of a training: what it was made from, its states and its best weights.

``recipe.py`` is the config and ``recipe.json`` says what else the states in the folder
were trained with. ``iter_N.pth`` is all that a training needs to go on after iteration
N, and ``best.pth`` holds the weights with the best validation.
"""

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.errors import ModelError
from mmdet_flow.files import locked, read_json, write_if_changed, write_json
from mmdet_flow.model.course import SHORTENED, Turn

CHANGEABLE = ("threads", "cpu", "features", "versions")
"""What a training can go on with another one of, and its weights depend on."""


class WorkDir:
    """The files of a training in the folder ``path``."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.best = self.path / layout.BEST_WEIGHTS.name
        self.config = self.path / layout.RECIPE_CONFIG.name
        self._recipe = self.path / layout.RECIPE.name
        self._preparing = self.path / layout.PREPARING.name
        self._locks: contextlib.ExitStack | None = None

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other trainings out of the folder; ModelError if one is in it."""
        with contextlib.ExitStack() as self._locks:
            self._lock()
            yield

    def _lock(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._locks.enter_context(locked(self.path, self._refusal))
        except OSError as error:
            raise ModelError(
                f"{self.path}: cannot be used: {error.strerror}; use another --work-dir"
            ) from None

    def _refusal(self) -> ModelError:
        return ModelError(
            f"{self.path}: another training works here; wait for it, or name another "
            "--work-dir"
        )

    def state(self, iteration: int) -> Path:
        """Return the path of the state after an iteration."""
        return self.path / f"iter_{iteration}.pth"

    def states(self) -> list[Path]:
        """Return the states, the newest last."""
        found = self.path.glob("iter_*.pth")
        return sorted(found, key=lambda path: int(path.stem.removeprefix("iter_")))

    def files(self) -> list[Path]:
        """Return what a training makes here, but for the picture of its course."""
        made = [one for one in layout.PLACES if one.parent == layout.TRAINING]
        return [*(self.path / one.name for one in made), *self.states()]

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

    def prepare(self, doing: str, state: Path | None) -> None:
        """Let readers know what is done before the first iteration.

        ``state`` is what the training goes on from, if it does.
        """
        number = re.search(r"(\d+)\.pth$", state.name) if state else None
        iteration = int(number[1]) if number else 0
        # What a killed training left may say the same, but of that one's time.
        self._preparing.unlink(missing_ok=True)
        write_json(self._preparing, {"doing": doing, "iteration": iteration})

    def prepared(self) -> None:
        """Forget what was done before the first iteration."""
        self._preparing.unlink(missing_ok=True)

    def begin(self, record: dict, config: str, resume: str | None) -> Path | None:
        """Make the folder ready for a training; return the state to go on from.

        The "sha256" of the record tells trainings apart, and the "hours" of those that
        were shortened to keep them. ``resume`` is "auto" for the
        newest state of this training, the path of a state, or None. A folder with
        another training, or one that is not to be resumed, is renamed and so kept.
        """
        same = self._recipe.is_file() and self._is_same(record)
        if resume == "auto" and same and (state := self._newest_whole()):
            self._go_on(record, state)
            return state
        named = Path(resume).resolve() if resume and resume != "auto" else None
        if (self.states() or self.best.is_file()) and not (named and same):
            folder = self.path.resolve()
            aside = self._put_aside()
            if named and named.is_relative_to(folder):
                named = aside / named.relative_to(folder)
        if named and same:
            self._go_on(record, named)
            return named
        if named:
            # mmengine takes the settings of schedulers from the state, not the config.
            cli.log.warning(
                "%s: goes on by the schedule that it was begun with, whatever epochs "
                "and learning rates the config has; to begin anew with its weights, "
                "name it with --load-from instead",
                named,
            )
        write_if_changed(self.config, config)
        write_json(self._recipe, record)
        return named

    def _is_same(self, record: dict) -> bool:
        recipe = self.recipe()
        telling = ("sha256", "hours") if SHORTENED in recipe else ("sha256",)
        return all(recipe.get(key) == record.get(key) for key in telling)

    def _go_on(self, record: dict, state: Path) -> None:
        """Keep the threads, if there are CPUs for them, and record what changed."""
        self._take_hours(record)
        recipe, before = self.recipe(), self.in_force()
        now = dict(record)
        if recipe.get("threads", sys.maxsize) <= cli.available_threads():
            now["threads"] = recipe["threads"]
        changed = {
            key: now[key]
            for key in CHANGEABLE
            if key in before and key in now and now[key] != before[key]
        }
        if not changed:
            return
        number = re.search(r"(\d+)\.pth$", state.name)
        where = int(number[1]) if number else state.name
        cli.log.warning(
            "%s: goes on after iteration %s with other %s, so the weights will differ "
            "from those of an undisturbed training; %s has both",
            self.path,
            where,
            _told(before, changed),
            self._recipe.name,
        )
        recipe.setdefault("resumed", []).append({"iteration": where, **changed})
        write_json(self._recipe, recipe)

    def _take_hours(self, record: dict) -> None:
        recipe = self.recipe()
        if recipe.pop("hours", None) != record.get("hours"):
            if "hours" in record:
                recipe["hours"] = record["hours"]
            write_json(self._recipe, recipe)

    def in_force(self) -> dict:
        """Return the recipe with what the last resumed training changed in it."""
        recipe = self.recipe()
        for one in recipe.get("resumed", []):
            recipe |= one
        return recipe

    def recipe(self) -> dict:
        """Return what the training was begun with; DataError if that is not there."""
        return read_json(self._recipe)

    def decide(self, what: str, choice: str) -> str:
        """Return what was chosen when the training began; now, if nothing was."""
        recipe = self.recipe()
        if what not in recipe:
            recipe[what] = choice
            write_json(self._recipe, recipe)
        return recipe[what]

    def turns(self) -> list[Turn]:
        """Return what was decided to end early, in its order."""
        decided = self.recipe().get(SHORTENED, [])
        return [(one["iteration"], one["end"]) for one in decided]

    def shorten(
        self, iteration: int, end: int, planned: int, epoch_length: int
    ) -> None:
        """Record that it was decided after an iteration to end after another one.

        All are numbers of iterations: of the plan, too, and of an epoch.
        """
        recipe = self.recipe()
        turn = {"iteration": iteration, "end": end}
        turn |= {"planned": planned, "epoch_length": epoch_length}
        recipe.setdefault(SHORTENED, []).append(turn)
        write_json(self._recipe, recipe)

    def _newest_whole(self) -> Path | None:
        from mmdet_flow.model.checkpoint import is_whole

        for path in reversed(self.states()):
            if is_whole(path):
                return path
            cli.log.warning("%s: is damaged; using the one before", path)
        return None

    def _put_aside(self) -> Path:
        """Rename the folder; return where it is then."""
        number = 1
        name = self.path.name
        while (aside := self.path.with_name(f"{name}.old-{number}")).exists():
            number += 1
        self.path.rename(aside)
        if self._locks is not None:
            self._lock()
        cli.log.warning(
            "%s: holds another training (config, data, or no --resume); kept as %s",
            self.path,
            aside,
        )
        return aside


def _told(before: dict, changed: dict) -> str:
    """Say what changed, in a line."""
    words = []
    for key, now in changed.items():
        was = before[key]
        if isinstance(now, dict):
            names = sorted(name for name in now if now[name] != was.get(name))
            words.append(f"{key} ({', '.join(names)})")
        else:
            words.append(f"{key} ({now}, was {was})")
    return ", ".join(words)
