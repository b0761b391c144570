"""Commands that are killed at random moments, and run again to the same end."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Dataset
from tests.faults.core import (
    Bug,
    Case,
    Lost,
    content_of,
    require,
    require_same,
    run,
    scenario,
)

UNFINISHED = (".part", ".staging", ".lock")


def killed_and_repeated(
    case: Case, key: str, command: list, result: Callable[[Path], object]
) -> None:
    """Kill a command that works in its folder, once or twice; then let it end.

    ``command`` has ``{}`` where the folder goes. ``result`` of the folder must equal
    that of an undisturbed run, or may raise a verdict of its own.
    """

    def undisturbed():
        folder = case.world.folder / "undisturbed" / key
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        done = require(run(case.world, *_in(folder, command), seconds=300), 0)
        return done.seconds, result(folder)

    seconds, wanted = case.world.measured.get(key, undisturbed)
    case.tried = case.dice.choice((1, 1, 2))
    for _ in range(case.tried):
        moment = case.dice.uniform(0.02, 1.0) * seconds
        killed = run(case.world, *_in(case.folder, command), kill_after=moment)
        if killed.code is not None:
            require(killed, 0)
    require(run(case.world, *_in(case.folder, command), seconds=300), 0)
    found = result(case.folder)
    if isinstance(wanted, dict) and isinstance(found, dict):
        require_same(found, wanted)
    elif found != wanted:
        raise Lost("the result is not that of an undisturbed run")


def _in(folder: Path, command: list) -> list:
    """Return a command with a folder in its place."""
    return [str(word).replace("{}", str(folder)) for word in command]


def finished(folder: Path) -> dict:
    """Return all files, where none of them may be what a writer left."""
    found = content_of(folder)
    for name in found:
        if any(end in name for end in UNFINISHED):
            raise Lost(f"{name} was left behind")
    return found


def sources(world) -> dict[str, tuple[Path, Path]]:
    """Return annotations and images of the example in each format."""
    return world.measured.get("sources", lambda: _make_sources(world))


def _make_sources(world) -> dict[str, tuple[Path, Path]]:
    from mmdet_flow.dataset.annotations import Source
    from mmdet_flow.dataset.image_index import ImageIndex
    from mmdet_flow.dataset.readers import FORMATS as READERS
    from tests.dataset.writers import WRITERS

    data = world.dataset
    known = {
        "opex": (data.source, data.source),
        "coco": (data.folder / "annotations.json", data.images),
    }
    source = Source(data.source, data.source)
    read = list(READERS["opex"].read(source, ImageIndex(data.source)))
    for name in sorted(WRITERS.keys() - known.keys()):
        folder = world.folder / "formats" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for one in read:
            shutil.copy(one.image, folder)
        WRITERS[name](read, folder)
        known[name] = (folder, folder)
    return known


@scenario("kill-convert", cases=30)
def kill_convert(case: Case) -> None:
    """data convert, killed and repeated: the same bytes."""
    known = sources(case.world)
    name = sorted(known)[case.number % len(known)]
    annotations, images = known[name]
    command = [
        *("mmdet-flow data convert", "--format", name, "--annotations", annotations),
        *("--images", images, "--output", "{}/out", "--quiet", "--threads", 1),
    ]
    killed_and_repeated(case, f"convert-{name}", command, finished)


@scenario("kill-split", cases=30)
def kill_split(case: Case) -> None:
    """data split, killed and repeated: the same bytes."""
    coco = case.world.dataset.folder / "annotations.json"
    command = ["mmdet-flow data split", coco, "--output", "{}/out"]
    killed_and_repeated(case, "split", command, finished)


def tiling(data: Dataset, output: Path | str) -> list:
    """Return the command that cuts the splits of a data set into tiles."""
    names = ("train", "val", "trainval")
    return [
        *("mmdet-flow data tile", *(data.splits / f"{name}.json" for name in names)),
        *("--images", data.images, "--output", output, "--tile-size", 64),
        *("--tile-empty", 1, "--quiet", "--threads", 1),
    ]


@scenario("kill-tile", cases=20)
def kill_tile(case: Case) -> None:
    """data tile, killed and repeated: the same bytes, and no tile of another run."""
    command = tiling(case.world.dataset, "{}/out")
    if case.number % 2:
        other = [*command, "--tile-overlap", 0.5]
        require(run(case.world, *_in(case.folder, other)), 0)
    killed_and_repeated(case, "tile", command, finished)


@scenario("kill-export", cases=18)
def kill_export(case: Case) -> None:
    """label export, killed and repeated: the same bytes."""
    from mmdet_flow.labelling.writers import WRITERS

    name = sorted(WRITERS)[case.number % len(WRITERS)]
    command = [
        *("mmdet-flow label export", case.world.dataset.source, "--format", name),
        *("--output", "{}/out", "--quiet"),
    ]
    killed_and_repeated(case, f"export-{name}", command, finished)


def joining(data: Dataset, output: Path | str) -> list:
    """Return the command that joins a data set with its own annotations."""
    return [
        *("mmdet-flow label join", data.folder.parent, "--format", "opex"),
        *("--annotations", data.source, "--images", data.source),
        *("--output", output, "--quiet", "--threads", 1),
    ]


@scenario("kill-join", cases=18)
def kill_join(case: Case) -> None:
    """label join, killed and repeated: the same bytes."""
    command = joining(case.world.dataset, "{}/out")
    killed_and_repeated(case, "join", command, finished)


def choosing(data: Dataset, output: Path | str) -> list:
    """Return the command that ranks the images of a data set."""
    return [
        *("mmdet-flow label choose", data.source, "--method", "uncertain"),
        *("--count", 5, "--output", output, "--quiet", "--threads", 1),
    ]


@scenario("kill-choose", cases=12)
def kill_choose(case: Case) -> None:
    """label choose, killed and repeated: the same bytes."""
    command = choosing(case.world.dataset, "{}/out")
    killed_and_repeated(case, "choose", command, finished)


@scenario("kill-training", cases=8)
def kill_training(case: Case) -> None:
    """model train --resume, killed and repeated: the same weights, bit for bit."""
    command = [
        *(
            "mmdet-flow model train",
            case.world.config,
            "--work-dir",
            "{}/work",
            "--resume",
        ),
        *("auto", "--threads", 1, "--save-minutes", 0, "--publish", "{}/model.pth"),
    ]

    def weights(folder: Path) -> bytes:
        return (folder / "model.pth").read_bytes()

    killed_and_repeated(case, "training", command, weights)


@scenario("kill-package", cases=12)
def kill_package(case: Case) -> None:
    """handover package, killed and repeated: the same bytes, which load."""
    # Of one name, which the package has in it.
    folder = case.world.folder / "packed" / case.folder.name
    results = case.world.experiment(folder / "small")
    command = ["mmdet-flow handover package", results, "--output", "{}/m.zip"]
    killed_and_repeated(case, "package", command, finished)
    shutil.rmtree(folder)
    # Loading takes seconds; the bytes are the same.
    if case.number == 0:
        shutil.copytree(case.world.dataset.images, case.folder / "in")
        options = ("--package", case.folder / "m.zip", "--threads", 1)
        places = ("--prediction_in", case.folder / "in")
        out = ("--prediction_out", case.folder / "out")
        require(run(case.world, "mmdet-flow predict", *options, *places, *out), 0)


@scenario("kill-record", cases=12)
def kill_record(case: Case) -> None:
    """step record, killed and repeated: run.json is whole and the same."""
    results = case.world.experiment(case.folder / "results" / "small")
    command = ["mmdet-flow step record", results, "--config", "{}"]
    moment = case.dice.uniform(0.02, 1.0) * _seconds(case, command)
    killed = run(case.world, *command, kill_after=moment, cwd=case.folder)
    if killed.code is not None:
        require(killed, 0)
    elif (results / "run.json").exists():
        json.loads((results / "run.json").read_text())
    require(run(case.world, *command, cwd=case.folder), 0)
    wanted = case.world.measured.get("record", lambda: None)
    content = json.loads((results / "run.json").read_text())
    if wanted is not None and content != wanted:
        raise Lost("run.json is not that of an undisturbed run")


def _seconds(case: Case, command: list) -> float:
    """Return how long a command takes on a copy of the finished run."""

    def measure() -> float:
        place = case.world.folder / "undisturbed" / command[0] / "results" / "small"
        own = case.world.experiment(place)
        changed = [own if Path(str(w)).name == "small" else w for w in command]
        done = require(run(case.world, *changed, cwd=own.parent.parent), 0)
        if command[0] == "mmdet-flow step record":
            text = (own / "run.json").read_text()
            case.world.measured.get("record", lambda: json.loads(text))
        return done.seconds

    return case.world.measured.get(f"seconds of {command[0]}", measure)


@scenario("kill-track", cases=14)
def kill_track(case: Case) -> None:
    """track into a file, killed and repeated: tracked, and no run is RUNNING."""
    results = case.world.experiment(case.folder / "results" / "small")
    record = ("mmdet-flow step record", results, "--config", "{}")
    require(run(case.world, *record, cwd=case.folder), 0)
    measured = case.world.measured.get("track", lambda: _undisturbed_track(case))
    # Half of the kills are aimed at the time in which the database is made.
    fraction = case.dice.uniform(0.1 if case.number % 2 else 0, 1)
    killed = run(
        case.world,
        "mmdet-flow track",
        results,
        kill_after=fraction * measured,
        cwd=case.folder,
    )
    if killed.code is not None:
        require(killed, 0)
    require(run(case.world, "mmdet-flow track", results, cwd=case.folder), 0)
    statuses = _statuses(case.folder / "results" / "tracking" / "mlflow.db")
    if statuses != ["FINISHED"]:
        raise Lost(f"runs are {statuses}, not one that is FINISHED")


def _undisturbed_track(case: Case) -> float:
    place = case.world.folder / "undisturbed" / "track"
    results = case.world.experiment(place / "results" / "small")
    require(
        run(case.world, "mmdet-flow step record", results, "--config", "{}", cwd=place),
        0,
    )
    done = require(run(case.world, "mmdet-flow track", results, cwd=place), 0)
    return done.seconds


def _statuses(database: Path) -> list[str]:
    if not database.is_file():
        raise Bug(f"{database.name} is not there")
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute("select status from runs").fetchall()
    return [status for (status,) in rows]
